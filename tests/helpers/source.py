"""The project's own source as syntax trees, with nothing of it imported."""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.util
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
LINKED = ("sweeps", "analysis", "conf")  # folders at the top of the repository whose packages are parts of openr1
PACKAGES = ("openr1", "hydra_plugins", *LINKED)

Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def modules() -> list[Path]:
    """Return the modules of the packages, in order."""
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def docstrings(path: Path) -> Iterator[tuple[int, str, tuple[ast.ClassDef, ...]]]:
    """Yield the docstrings of a module, its classes and its functions: line, text, and the classes around it."""

    def below(node: ast.AST, classes: tuple[ast.ClassDef, ...]) -> Iterator[tuple[int, str, tuple[ast.ClassDef, ...]]]:
        if isinstance(node, ast.ClassDef):
            classes = (*classes, node)
        if isinstance(node, Documented) and (text := ast.get_docstring(node)):
            yield node.body[0].lineno, text, classes
        for child in ast.iter_child_nodes(node):
            yield from below(child, classes)

    yield from below(tree(path), ())


def text_of(node: ast.expr) -> Iterator[str]:
    """Yield the texts that an expression may be, with ``{}`` for each value that is filled in; none where it is no text."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
    elif isinstance(node, ast.IfExp):
        yield from text_of(node.body)
        yield from text_of(node.orelse)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        yield from text_of(node.left)


def user_errors() -> set[str]:
    """Return the names of ConfigError, RunError and the classes below them."""
    names, before = {"ConfigError", "RunError"}, 0
    classes = [node for path in modules() for node in ast.walk(tree(path)) if isinstance(node, ast.ClassDef)]
    while before != len(names):
        before = len(names)
        names |= {node.name for node in classes for base in node.bases if isinstance(base, ast.Name) and base.id in names}
    return names


def messages(path: Path, errors: set[str]) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each message that a module gives to one of the errors."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call) and node.args and isinstance(node.func, ast.Name) and node.func.id in errors:
            for text in text_of(node.args[0]):
                yield node.lineno, text


def comments(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each comment of a module."""
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string


def module_file(name: str) -> Path | None:
    """Return the file of a module or package, or the folder of a package without ``__init__``; None where there is neither."""
    path = ROOT.joinpath(*name.split("."))
    candidates = (path.with_suffix(".py"), path / "__init__.py", path)
    return next((candidate for candidate in candidates if candidate.exists()), None)


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = ("openr1", *parts) if parts[0] in LINKED else parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_name(name: str, module: str = "") -> bool:
    """Tell whether a dotted name means something: a module of the project, or what one defines or imports.

    Names of other packages count as known where the package is installed; nothing is imported to find out.

    :param module: the module in which the name is read, for names that do not begin with a package.
    """
    first, *below = name.split(".")
    if first in PACKAGES:
        return _is_below(first, below)
    if module and _is_attribute(module, [first, *below]):
        return True
    return bool(below) and importlib.util.find_spec(first) is not None


def _is_below(module: str, names: list[str]) -> bool:
    while names and module_file(f"{module}.{names[0]}"):
        module, names = f"{module}.{names[0]}", names[1:]
    return module_file(module) is not None and (not names or _is_attribute(module, names))


def _is_attribute(module: str, names: list[str]) -> bool:
    """Tell whether a module has an attribute, and this one the next, as far as the source says."""
    path = module_file(module)
    if path is None or path.is_dir():
        return False
    first, *below = names
    definition = _definitions(path).get(first)
    if isinstance(definition, str):
        package = definition.partition(".")[0]
        return _is_below(package, [*definition.split(".")[1:], *below]) if package in PACKAGES else True
    if isinstance(definition, ast.ClassDef):
        return not below or has_member(definition, below[0], module)
    return definition is not None and not below


def has_member(cls: ast.ClassDef, name: str, module: str) -> bool:
    """Tell whether a class has a method, a field or an attribute of this name; a base from elsewhere may have any."""
    for node in cls.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names = {node.name}
        else:
            names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}
        if name in names:
            return True
    for node in ast.walk(cls):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and node.attr == name:
            return True
    return any(_base_has(base, name, module) for base in cls.bases)


def _base_has(base: ast.expr, name: str, module: str) -> bool:
    if isinstance(base, ast.Subscript):
        base = base.value
    parents = _definitions(module_file(module))
    definition = parents.get(base.id) if isinstance(base, ast.Name) else None
    if isinstance(definition, ast.ClassDef):
        return has_member(definition, name, module)
    if isinstance(definition, str) and definition.partition(".")[0] in PACKAGES:
        parent, _, attribute = definition.rpartition(".")
        return _is_attribute(parent, [attribute, name])
    return isinstance(base, ast.Name | ast.Attribute) and ast.unparse(base) not in ("ABC", "Generic", "Protocol", "object")


@functools.cache
def _definitions(path: Path) -> dict[str, ast.AST | str]:
    """Return what a module defines by name: a class, another node, or for an import the dotted name that it stands for."""
    names: dict[str, ast.AST | str] = {}
    package = module_name(path) if path.name == "__init__.py" else module_name(path).rpartition(".")[0]
    for node in _statements(tree(path).body):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names[node.name] = node
        elif isinstance(node, ast.Import):
            names |= {alias.asname or alias.name.partition(".")[0]: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            origin = f"{package}.{node.module}" if node.level else str(node.module)
            names |= {alias.asname or alias.name: f"{origin}.{alias.name}" for alias in node.names}
        else:
            stored = [part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)]
            names |= dict.fromkeys(stored, node)
    return names


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that run when a module is imported, and those that only a type checker sees."""
    for node in body:
        if isinstance(node, ast.If | ast.Try | ast.With):
            blocks = [getattr(node, name, []) for name in ("body", "orelse", "finalbody")]
            handlers = [handler.body for handler in getattr(node, "handlers", [])]
            for block in [*blocks, *handlers]:
                yield from _statements(block)
        else:
            yield node


def class_named(name: str) -> type:
    """Import the one module of the project that defines a class of this name, and return the class."""
    paths = [path for path in modules() if isinstance(_definitions(path).get(name), ast.ClassDef)]
    [path] = paths or [None]
    assert path is not None, f"no module defines {name}"
    return getattr(importlib.import_module(module_name(path)), name)


def modules_with_subclasses(name: str) -> list[str]:
    """Return the modules that define classes below a class of this name, at any depth."""
    names, holding, before = {name}, set(), 0
    while before != len(names):
        before = len(names)
        for path in modules():
            for node in _definitions(path).values():
                if isinstance(node, ast.ClassDef) and any(
                    isinstance(base, ast.Name) and base.id in names for base in node.bases
                ):
                    names.add(node.name)
                    holding.add(module_name(path))
    return sorted(holding)
