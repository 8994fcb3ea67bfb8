"""Where documents come from. One class a ``kind`` of source; each is read as a stream, as often as needed."""

from __future__ import annotations

import logging
import os
import re
import sysconfig
from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from openr1.artifacts import Store
from openr1.config.schema import Config
from openr1.data.documents import Columns, Document
from openr1.data.formats import FORMATS, files_under, find, formats_of, text
from openr1.data.hashing import hash_files, unit
from openr1.data.options import ArtifactSource, FilesSource, HubSource, SourceConfig, TaskSource
from openr1.data.tables import Row, rows
from openr1.data.tasks import direct, generate, options_of, reasoned
from openr1.errors import ConfigError

if TYPE_CHECKING:
    import datasets

PIECE = 16_384  # characters
BLANK_LINE = re.compile(r"\n\r?\n")
# what is no part of the library, or what distributions leave out, ship apart or generate when they build the interpreter
NOT_STDLIB = {"site-packages", "dist-packages", "__pycache__", "test", "tests", "ensurepip", "distutils", "lib2to3"}
NOT_STDLIB |= {"idlelib", "tkinter", "turtledemo", "pydoc_data", "sitecustomize.py"}
LATER = ("messages", "reasoning")  # columns that leave the content as it was where they are not given
TURNS = 2  # raised when the same conversations give other documents, so that cached data are made anew
GENERATED = ("_sysconfigdata", "_sysconfig_vars", "config-")
log = logging.getLogger(__name__)


class Source(ABC):
    """A stream of documents.

    :param key: where the source stands in the config, for messages.
    :param cache: where hashes of files are kept.
    :param artifacts: where artifacts lie.
    """

    def __init__(self, key: str, config: SourceConfig, cache: Path, artifacts: Path = Path()) -> None:
        self.key, self.config, self.cache, self.store = key, config, cache, Store(artifacts)
        self.told = False

    @abstractmethod
    def content(self) -> dict[str, Any]:
        """What decides the documents, JSON-serialisable; wherever they lie, the same content gives the same value."""

    @abstractmethod
    def read(self) -> Iterator[Document]:
        """Every document, always in the same order."""

    def tell(self, columns: Columns) -> None:
        """Say once which rows of a table are left out, however often it is read."""
        if columns.left and not self.told:
            why = ", ".join(f"{count} for {reason}" for reason, count in columns.left.items())
            log.warning("%s: %d of %d rows are left out: %s", self.key, columns.left.total(), columns.read, why)
        self.told = True

    def documents(self) -> Iterator[Document]:
        """The documents that are not blank."""
        return (document for document in self.read() if document.completion.strip())


class PythonStdlib(Source):
    def paths(self) -> list[Path]:
        found = []
        for folder, folders, files in os.walk(sysconfig.get_path("stdlib")):
            folders[:] = filter(self._belongs, folders)  # site-packages may hold a hundred times as many files
            found += [Path(folder, file) for file in files if file.endswith(".py") and self._belongs(file)]
        return sorted(found)

    @staticmethod
    def _belongs(name: str) -> bool:
        return name not in NOT_STDLIB and not name.startswith(GENERATED)

    def content(self) -> dict[str, Any]:
        return {"kind": "python_stdlib", "files": hash_files(self.paths(), self.cache)}

    def read(self) -> Iterator[Document]:
        for path in self.paths():
            yield Document(path.read_bytes().decode())


class Files(Source):
    config: FilesSource

    def paths(self) -> list[Path]:
        return find(self.config.path, f"{self.key}.path")

    def formats(self) -> dict[Path, str]:
        """The files and the format of each.

        :raises ConfigError: as :func:`openr1.data.formats.formats_of` does, and where columns are asked of text.
        """
        found = formats_of(self.paths(), self.config.format, self.key)
        if "text" in found.values() and (self.config.prompt or self.config.messages):
            raise self._no_columns("messages" if self.config.messages else "prompt", next(iter(found)))
        return found

    def _no_columns(self, option: str, path: Path) -> ConfigError:
        tables = ", ".join(form for form in FORMATS if form != "text")
        return ConfigError(f"{self.key}.{option}: {path} is a text file and has no columns; give a table, which is {tables}")

    def content(self) -> dict[str, Any]:
        formats = self.formats()
        columns = {name: getattr(self.config, name) for name in ("text", "prompt", "completion")}
        columns |= later(self.config)
        files = hash_files(list(formats), self.cache)
        return {"kind": "files", "formats": list(formats.values()), "columns": columns, "files": files}

    def read(self) -> Iterator[Document]:
        columns, key = Columns(self.key, self.config), f"{self.key}.path"
        for path, form in self.formats().items():
            if form == "text":
                yield from map(Document, pieces(text(path, key)))
            else:
                yield from columns.documents(rows(path, form, key, columns.pick))
        self.tell(columns)

    def rows(self, columns: Columns) -> Iterator[Row]:
        """The rows of tables, of the columns asked for.

        :raises ConfigError: for a text file, a missing column, or what is no table.
        """
        for path, form in self.formats().items():
            if form == "text":
                raise self._no_columns("format", path)
            yield from rows(path, form, f"{self.key}.path", columns.pick)


class Made(Files):
    """The examples, or the answers, that another stage made."""

    config: ArtifactSource

    def content(self) -> dict[str, Any]:
        # by name, so that a recipe knows it before it is made
        return {"kind": "artifact", "artifact": self.store.name_of(self.config.artifact) or self._unknown()}

    def paths(self) -> list[Path]:
        found = self.store.get(self.config.artifact)
        return sorted(found.data.glob("*.parquet")) if found else self._unknown()

    def read(self) -> Iterator[Document]:
        columns = Columns(self.key, FilesSource(prompt="prompt", completion="completion"))
        for path in self.paths():
            yield from columns.documents(rows(path, "parquet", f"{self.key}.artifact", columns.pick))
        self.tell(columns)

    def _unknown(self) -> NoReturn:
        raise ConfigError(f"{self.key}.artifact: there is no artifact {self.config.artifact} in {self.store.root}")


class Hub(Source):
    config: HubSource

    def content(self) -> dict[str, Any]:
        config, root = self.config, Path(self.config.path)
        names = ("subset", "split", "text", "prompt", "completion", "max_rows")
        chosen = {"kind": "hub", **{name: getattr(config, name) for name in names}}
        chosen |= later(config)
        if root.is_dir():
            return {**chosen, "files": hash_files(files_under(root), self.cache)}
        return {**chosen, "path": config.path, "fingerprint": self.table._fingerprint}

    def read(self) -> Iterator[Document]:
        columns = Columns(self.key, self.config)
        yield from columns.documents(self.rows(columns))
        self.tell(columns)

    def rows(self, columns: Columns) -> Iterator[Row]:
        """The rows, of the columns asked for.

        :raises ConfigError: for a missing column.
        """
        table = self.table
        chosen, number = columns.pick(table.column_names, self.config.path), 0
        if self.config.max_rows is not None:
            table = table.select(range(min(self.config.max_rows, len(table))))
        for batch in table.select_columns(chosen).iter(batch_size=1024):
            for values in zip(*batch.values(), strict=True):
                number += 1
                yield Row(zip(batch, values, strict=True), f"{self.config.path}, row {number}")

    @cached_property
    def table(self) -> datasets.Dataset:
        import datasets

        config, root = self.config, Path(self.config.path)
        try:
            if any((root / name).exists() for name in ("state.json", "dataset_dict.json")):
                table = datasets.load_from_disk(root)
            else:
                return datasets.load_dataset(config.path, config.subset, split=config.split, revision=config.revision)
        except (ValueError, OSError, datasets.exceptions.DatasetsError) as error:
            raise ConfigError(f"{self.key}.path: {config.path!r} cannot be loaded: {str(error).splitlines()[0]}") from error
        if not isinstance(table, datasets.DatasetDict):
            return table
        if config.split not in table:
            raise ConfigError(f"{self.key}.split: {config.split!r} is not one of {', '.join(table)}")
        return table[config.split]


class Procedural(Source):
    config: TaskSource

    def content(self) -> dict[str, Any]:
        task, options = options_of(self.key, self.config)
        chosen = {name: getattr(self.config, name) for name in ("task", "problems", "reasoned", "seed")}
        return {"kind": "task", **chosen, "options": vars(options), "version": task.version}

    def read(self) -> Iterator[Document]:
        for problem in generate(self.key, self.config):
            reasons = unit("reasoned", problem.prompt) < self.config.reasoned
            yield Document(reasoned(problem) if reasons else direct(problem), problem.prompt)


KINDS: dict[str, type[Source]] = {
    "python_stdlib": PythonStdlib,
    "files": Files,
    "hub": Hub,
    "task": Procedural,
    "artifact": Made,
}


def open_sources(config: Config, group: str = "sources") -> dict[str, Source]:
    """The sources of a mix by name, in the order of the config.

    :param group: of ``config.data``: sources, or held_out.
    """
    cache, artifacts = Path(config.paths.cache), Path(config.paths.artifacts)
    given: dict[str, SourceConfig] = getattr(config.data, group)
    return {name: KINDS[one.kind](f"data.{group}.{name}", one, cache, artifacts) for name, one in given.items()}


def later(config: FilesSource | HubSource) -> dict[str, Any]:
    """The options that decide the documents and have not always been there, where they are given."""
    found: dict[str, Any] = {name: getattr(config, name) for name in LATER if getattr(config, name)}
    return found | {"turns": TURNS} if config.messages else found


def pieces(text: str) -> Iterator[str]:
    """Cut a long text at blank lines into documents of at least 16,384 characters, so that a single book can be split too."""
    start = 0
    while start < len(text):
        blank = BLANK_LINE.search(text, start + PIECE)
        end = blank.end() if blank else len(text)
        yield text[start:end]
        start = end
