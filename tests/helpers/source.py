"""The project's own source as syntax trees, with nothing of it imported."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("openr1", "sweeps", "analysis", "hydra_plugins", "conf")

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
