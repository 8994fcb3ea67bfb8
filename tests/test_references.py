"""Names of files, modules, commands, make targets and config keys in the documents, docstrings and comments exist."""

from __future__ import annotations

import importlib
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
from helpers.source import (
    PACKAGES,
    ROOT,
    class_named,
    comments,
    docstrings,
    has_member,
    is_name,
    messages,
    module_name,
    modules,
    modules_with_subclasses,
    user_errors,
)

from openr1.config.schema import Config
from openr1.options import RENAMED_KEYS

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
UPGRADING = ROOT / "docs" / "upgrading.md"  # the one page with keys that are gone
EXTENDING = ROOT / "docs" / "extending.md"  # whose code is of files that a reader would add; a test runs it
YAML = sorted((ROOT / "conf").rglob("*.yaml"))
CONFIGS = (ROOT / "conf", ROOT / "conf" / "analysis", ROOT / "conf" / "plan")  # whose folders are groups
GROUPS = sorted(
    {folder.name for config in CONFIGS for folder in config.iterdir() if folder.is_dir()} - {"analysis", "hydra", "plan"}
)
NO_KEYS = ("budget.resolved", "law.option")  # a param of tracked runs, and a placeholder
OTHER_GROUPS = ("holdout", "bootstrap", "replay", "paths")  # nodes of configs that are no choice of files

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.S | re.M)
SPAN = re.compile(r"(`+)(.+?)\1", re.S)
ROLE = re.compile(r":(?:mod|func|class|meth|data|attr|exc|obj):`~?([^`]+)`")
PATH = re.compile(rf"(?<![\w/.-])((?:{'|'.join(PACKAGES)}|tests|docs|notebooks|\.ci)/[\w./{{}},*-]*)")
DOTTED = re.compile(rf"(?<![\w/.:@+-])((?:{'|'.join(PACKAGES)})(?:\.[A-Za-z_]\w*)+)(?![\w/:]|\.\w)")
KEY = re.compile(rf"(?<![\w./@-])((?:{'|'.join([*GROUPS, *OTHER_GROUPS])})(?:\.\w+)+)(?![\w(/])")
CHOICE = re.compile(rf"(?<![\w./@-])({'|'.join(GROUPS)})=([a-z0-9][\w.]*(?:,[a-z0-9][\w.]*)*)")
TARGET = re.compile(r"(?<![\w-])make ([a-z]+)\b")
COMMAND = re.compile(r"(?<![\w/.-])(openr1(?:-[a-z]+)*)(?= |$)")
LINK = re.compile(r"\]\(([^)\s]+)\)")
SUFFIXES = ("md", "py", "yaml", "json", "jsonl", "csv", "tsv", "parquet", "db", "html", "svg", "toml", "txt")


@dataclass(frozen=True)
class Text:
    """A piece of a file in which names are looked for.

    :ivar language: of a fenced block of a page; "span" for code within a line, "prose" for all else.
    :ivar module: the module in which names are read, for docstrings and comments.
    """

    path: Path
    line: int
    text: str
    language: str = "prose"
    module: str = ""
    classes: tuple[Any, ...] = ()

    def at(self, position: int) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line + self.text.count(chr(10), 0, position)}"


def _pieces(path: Path, page: str) -> Iterator[Text]:
    def line(position: int) -> int:
        return page.count("\n", 0, position) + 1

    prose = page
    for match in FENCE.finditer(page):
        yield Text(path, line(match.start(2)), match[2], match[1] or "output")
        prose = prose.replace(match[0], re.sub(r"[^\n]", " ", match[0]), 1)
    for match in SPAN.finditer(prose):
        yield Text(path, line(match.start(2)), match[2], "span")
    yield Text(path, 1, prose)


def pages() -> Iterator[Text]:
    for path in PAGES:
        made_up = ("python", "yaml") if path == EXTENDING else ()
        yield from (text for text in _pieces(path, path.read_text()) if text.language not in made_up)


def code() -> Iterator[Text]:
    """Yield docstrings and comments of modules."""
    for path in modules():
        name = module_name(path)
        for line, text, classes in docstrings(path):
            yield Text(path, line, text, module=name, classes=classes)
        for line, text in comments(path):
            yield Text(path, line, text, module=name)


def yaml() -> Iterator[Text]:
    return (Text(path, 1, path.read_text()) for path in YAML)


def is_code(text: Text) -> bool:
    return text.language in ("span", "sh")


def is_there(path: str, base: Path = ROOT) -> bool:
    """Tell whether a path exists; of one with a name in capitals (``conf/stage/NAME.yaml``), its folder."""
    path = path.rstrip(".,:;")
    if braces := re.search(r"\{([^}]*)\}", path):
        return all(is_there(path.replace(braces[0], choice, 1), base) for choice in braces[1].split(","))
    parts = path.split("/")
    for number, part in enumerate(parts):
        if re.fullmatch(r"[A-Z_]{2,}(\.\w+)?", part) and not (base / path).exists():
            return (base / Path(*parts[:number])).exists()
    return any(True for _ in base.glob(path)) if "*" in path else (base / path).exists()


def refuse(missing: list[str]) -> None:
    assert not missing, "\n".join(sorted(set(missing)))


def test_paths_exist():
    texts = [text for text in (*pages(), *code(), *yaml()) if text.language != "output"]
    found = [(text, match) for text in texts for match in PATH.finditer(text.text)]
    refuse([f"{text.at(match.start())}: {match[1]}" for text, match in found if not is_there(match[1])])


def test_links_lead_somewhere():
    missing = []
    for text in pages():
        for match in LINK.finditer(text.text if text.language == "prose" else ""):
            link, _, anchor = match[1].partition("#")
            target = text.path.parent / link if link else text.path
            if link.startswith("http"):
                continue
            if not target.exists() or (anchor and anchor not in anchors(target)):
                missing.append(f"{text.at(match.start())}: {match[1]}")
    refuse(missing)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_modules_and_objects_exist():
    texts = [*(text for text in pages() if text.language in ("span", "python", "sh")), *code(), *yaml()]
    found = [(text, match) for text in texts for match in DOTTED.finditer(text.text)]
    names = [(text, match) for text, match in found if match[1].rpartition(".")[2] not in SUFFIXES]
    refuse([f"{text.at(match.start())}: {match[1]}" for text, match in names if not is_name(match[1])])


def test_roles_of_docstrings_resolve():
    missing = []
    for text in code():
        for match in ROLE.finditer(text.text):
            name, package = match[1].removesuffix("()"), text.module.rpartition(".")[0]
            if name.startswith("."):
                known = is_name(f"{package}{name}") or is_name(f"{text.module}{name}")
            else:
                known = is_name(name, text.module) or any(has_member(cls, name, text.module) for cls in text.classes)
            if not known:
                missing.append(f"{text.at(match.start())}: {match[1]}")
    refuse(missing)


def test_commands_exist():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    found = [(text, match) for text in pages() if is_code(text) for match in COMMAND.finditer(text.text)]
    refuse([f"{text.at(match.start())}: {match[1]}" for text, match in found if match[1] not in scripts])


def test_make_targets_exist():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    spans = [Text(text.path, text.line, match[2], "span") for text in (*code(), *yaml()) for match in SPAN.finditer(text.text)]
    ci = Text(ROOT / ".ci" / "run", 1, (ROOT / ".ci" / "run").read_text())
    texts = [*(text for text in pages() if is_code(text)), *spans, ci]
    found = [(text, match) for text in texts for match in TARGET.finditer(re.sub(r"#.*", "", text.text))]
    refuse([f"{text.at(match.start())}: make {match[1]}" for text, match in found if match[1] not in targets])


def test_choices_of_groups_exist():
    def is_choice(group: str, choice: str) -> bool:
        if (group, choice) == ("stage", "recipe"):  # the tag of a tracked trial
            return True
        return choice == "null" or any((config / group / f"{choice.rstrip('.')}.yaml").exists() for config in CONFIGS)

    texts = [*(text for text in pages() if is_code(text)), *code(), *yaml()]
    found = [(text, match) for text in texts for match in CHOICE.finditer(text.text)]
    pairs = [(text, match, choice) for text, match in found for choice in match[2].split(",")]
    refuse([f"{text.at(m.start())}: {m[1]}={choice}" for text, m, choice in pairs if not is_choice(m[1], choice)])


def test_the_table_of_groups_names_choices_that_exist():
    page = (ROOT / "docs" / "groups.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", page, re.M)
    assert {group for group, _ in rows} >= {"model", "scale", "data", "stage", "engine", "budget", "optim", "compute"}
    pairs = [(group, choice) for group, choices in rows for choice in re.split(r", | … ", choices.strip()) if choice != "…"]
    refuse([f"groups.md: {group}={choice}" for group, choice in pairs if not is_there(f"conf/{group}/{choice}.yaml")])


@pytest.fixture(scope="module")
def schema() -> dict[str, list[Any]]:
    """The types that may stand at each group of the configs."""
    for name in modules_with_subclasses("SweepConfig"):
        importlib.import_module(name)
    types: dict[str, list[Any]] = {"sweep": [class_named("SweepConfig")], "replay": [class_named("Replay")]}
    for config in (Config, class_named("FitConfig")):
        for name, hint in get_type_hints(config).items():
            if hint is Any:  # a sweep, whose types stand above
                continue
            types.setdefault(name, []).append(hint)
    return types


def is_key(hint: Any, names: list[str]) -> bool:
    """Tell whether a config of this type has a key; subclasses, which ``kind`` chooses, included."""
    if not names or hint is Any:
        return True
    if get_origin(hint) in (Union, UnionType):
        return any(is_key(option, names) for option in get_args(hint))
    if get_origin(hint) is dict:
        return is_key(get_args(hint)[1], names[1:])
    if not is_dataclass(hint):
        return False
    forms = [hint, *_below(hint)]
    hints = [get_type_hints(form)[names[0]] for form in forms if names[0] in {field.name for field in fields(form)}]
    return any(is_key(inner, names[1:]) for inner in hints) or (names[0].isupper() and len(names[0]) > 1)


def is_known(schema: dict[str, list[Any]], key: str) -> bool:
    group, *names = key.split(".")
    return any(is_key(hint, names) for hint in schema[group])


def _below(cls: type) -> Iterator[type]:
    for inner in cls.__subclasses__():
        if is_dataclass(inner):
            yield inner
            yield from _below(inner)


def test_config_keys_exist(schema):
    missing = []
    literals = [Text(t.path, t.line, m[2], "span", t.module) for t in (*code(), *yaml()) for m in SPAN.finditer(t.text)]
    for text in (*(text for text in pages() if is_code(text)), *literals):
        for match in KEY.finditer(text.text):
            if text.path == UPGRADING and match[1] in RENAMED_KEYS:
                continue
            if match[1].rpartition(".")[2] in SUFFIXES or match[1] in NO_KEYS or is_known(schema, match[1]):
                continue
            if not (text.module and is_name(match[1], text.module)):  # data.fingerprint is a function where data is a module
                missing.append(f"{text.at(match.start())}: {match[1]}")
    refuse(missing)


def test_keys_that_messages_begin_with_exist(schema):
    errors = user_errors()
    found = [(path, line, KEY.match(text)) for path in modules() for line, text in messages(path, errors)]
    keys = [(path, line, match[1]) for path, line, match in found if match and match.string[match.end() :].startswith(":")]
    refuse([f"{path.relative_to(ROOT)}:{line}: {key}" for path, line, key in keys if not is_known(schema, key)])


def test_upgrading_names_every_renamed_key():
    page = UPGRADING.read_text()
    assert [old for old in RENAMED_KEYS if f"`{old}`" not in page] == []


@pytest.mark.parametrize(
    "path", ["openr1/models/flops.py", "conf/stage/NAME.yaml", "conf/{optim,data}/", "docs/*.md", "openr1/."]
)
def test_known_paths(path):
    assert is_there(path)


@pytest.mark.parametrize("path", ["openr1/flops.py", "conf/stages/NAME.yaml", "conf/{optim,dates}/", "docs/*.rst"])
def test_unknown_paths(path):
    assert not is_there(path)


@pytest.mark.parametrize(
    "name",
    [
        "openr1.models",
        "openr1.options.load_config",
        "openr1.system.artifacts.Artifact.path",
        "openr1.system.artifacts.Artifact.name",
        "openr1.analysis.fit",
    ],
)
def test_known_names(name):
    assert is_name(name)


@pytest.mark.parametrize(
    "name",
    ["openr1.model", "openr1.options.load", "openr1.system.records.Record.found", "openr1.analysis.fits", "nothing.x"],
)
def test_unknown_names(name):
    assert not is_name(name)


def test_a_name_is_read_in_its_module():
    assert is_name("ConfigError", "openr1.options.loading")
    assert not is_name("RunError", "openr1.options.loading")


@pytest.mark.parametrize(
    "key", ["stage.eval.every", "data.sources.mine.path", "sweep.n_trials", "law.objective", "model.options.x"]
)
def test_known_keys(key, schema):
    assert is_known(schema, key)


@pytest.mark.parametrize("key", ["stage.exam", "stage.eval.often", "data.sources.mine.paths", "sweep.trials", "law.objectives"])
def test_unknown_keys(key, schema):
    assert not is_known(schema, key)
