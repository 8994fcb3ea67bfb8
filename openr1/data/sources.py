"""Sources of documents, each read as a stream, as often as needed. :mod:`openr1.data.registry` lists them by kind."""

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

from openr1.data.documents import Columns, Document
from openr1.data.formats import FORMATS, files_under, find_files, formats_of, read_text
from openr1.data.hashing import hash_files
from openr1.data.options import ArtifactSource, FilesSource, HubSource, SourceConfig, TaskSource
from openr1.data.readable_pairs import VERSION as LAYOUT
from openr1.data.tables import Row, read_rows
from openr1.data.tasks import generate, options_of
from openr1.data.traces import has_layout, oracle_completion
from openr1.system.artifacts import Store
from openr1.system.errors import ConfigError
from openr1.system.hub import look_for_hub

if TYPE_CHECKING:
    import datasets

MIN_PIECE = 16_384  # characters
BLANK_LINE = re.compile(r"\n\r?\n")
# not part of the library, or files that distributions leave out, ship separately or generate when they build the interpreter
NOT_STDLIB = {"site-packages", "dist-packages", "__pycache__", "test", "tests", "ensurepip", "distutils", "lib2to3"}
NOT_STDLIB |= {"idlelib", "tkinter", "turtledemo", "pydoc_data", "sitecustomize.py"}
OPTIONAL_COLUMNS = ("messages", "reasoning")  # part of the content only if given, so that older fingerprints stay valid
TURNS = 2  # raised when the same conversations give other documents, so that cached data are made anew
GENERATED = ("_sysconfigdata", "_sysconfig_vars", "config-")
log = logging.getLogger(__name__)


class Source(ABC):
    """A stream of documents.

    :param key: where the source stands in the config, for messages.
    :param cache: folder of the hashes of files.
    :param artifacts: folder of artifacts.
    """

    config: Any

    def __init__(self, key: str, config: SourceConfig, cache: Path, artifacts: Path = Path()) -> None:
        self.key, self.config, self.cache, self.store = key, config, cache, Store(artifacts)
        self.warned = False

    @abstractmethod
    def content(self) -> dict[str, Any]:
        """Return all that decides the documents, JSON-serialisable; the same content gives the same value in any place."""

    @abstractmethod
    def read(self) -> Iterator[Document]:
        """Read every document, always in the same order."""

    def warn_left_out(self, columns: Columns) -> None:
        """Warn once, however often the table is read, about its rows that are left out."""
        if columns.left and not self.warned:
            why = ", ".join(f"{count} for {reason}" for reason, count in columns.left.items())
            log.warning("%s: %d of %d rows are left out: %s", self.key, columns.left.total(), columns.read, why)
        self.warned = True

    def documents(self) -> Iterator[Document]:
        """Read the documents that are not blank."""
        return (document for document in self.read() if document.completion.strip())


class PythonStdlib(Source):
    """The source files of the standard library of this interpreter."""

    def paths(self) -> list[Path]:
        paths = []
        for folder, folders, files in os.walk(sysconfig.get_path("stdlib")):
            folders[:] = filter(self._belongs, folders)  # site-packages may hold a hundred times as many files
            paths += [Path(folder, file) for file in files if file.endswith(".py") and self._belongs(file)]
        return sorted(paths)

    @staticmethod
    def _belongs(name: str) -> bool:
        return name not in NOT_STDLIB and not name.startswith(GENERATED)

    def content(self) -> dict[str, Any]:
        return {"kind": "python_stdlib", "files": hash_files(self.paths(), self.cache)}

    def read(self) -> Iterator[Document]:
        for path in self.paths():
            yield Document(path.read_bytes().decode())


class Files(Source):
    """Local files: texts, or tables of one format or several."""

    config: FilesSource

    def paths(self) -> list[Path]:
        return find_files(self.config.path, f"{self.key}.path")

    def formats(self) -> dict[Path, str]:
        """Return the files and the format of each.

        :raises ConfigError: as :func:`openr1.data.formats.formats_of` does, and if the config names columns of a text file.
        """
        formats = formats_of(self.paths(), self.config.format, self.key)
        if "text" in formats.values() and (self.config.prompt or self.config.messages):
            raise self._no_columns("messages" if self.config.messages else "prompt", next(iter(formats)))
        return formats

    def _no_columns(self, option: str, path: Path) -> ConfigError:
        tables = ", ".join(form for form in FORMATS if form != "text")
        return ConfigError(f"{self.key}.{option}: {path} is a text file and has no columns; give a table, which is {tables}")

    def content(self) -> dict[str, Any]:
        formats = self.formats()
        columns = {name: getattr(self.config, name) for name in ("text", "prompt", "completion")}
        columns |= optional_columns(self.config)
        files = hash_files(list(formats), self.cache)
        return {"kind": "files", "formats": list(formats.values()), "columns": columns, "files": files}

    def read(self) -> Iterator[Document]:
        columns, key = Columns(self.key, self.config), f"{self.key}.path"
        for path, form in self.formats().items():
            if form == "text":
                yield from map(Document, split_text(read_text(path, key)))
            else:
                yield from columns.documents(read_rows(path, form, key, columns.pick))
        self.warn_left_out(columns)

    def rows(self, columns: Columns) -> Iterator[Row]:
        """Read the requested columns of all rows.

        :raises ConfigError: for a text file, a missing column, or a file that is not in the format of a table.
        """
        for path, form in self.formats().items():
            if form == "text":
                raise self._no_columns("format", path)
            yield from read_rows(path, form, f"{self.key}.path", columns.pick)


class ArtifactData(Source):
    """The examples or answers in an artifact of another stage."""

    config: ArtifactSource

    def content(self) -> dict[str, Any]:
        # by name, which a recipe knows before the artifact exists
        return {"kind": "artifact", "artifact": self.store.name_of(self.config.artifact) or self._refuse_unknown()}

    def paths(self) -> list[Path]:
        artifact = self.store.get(self.config.artifact)
        return sorted(artifact.data.glob("*.parquet")) if artifact else self._refuse_unknown()

    def read(self) -> Iterator[Document]:
        columns = Columns(self.key, FilesSource(prompt="prompt", completion="completion"))
        for path in self.paths():
            yield from columns.documents(read_rows(path, "parquet", f"{self.key}.artifact", columns.pick))
        self.warn_left_out(columns)

    def _refuse_unknown(self) -> NoReturn:
        raise ConfigError(f"{self.key}.artifact: there is no artifact {self.config.artifact} in {self.store.root}")


class Hub(Source):
    """A data set of the Hugging Face Hub, or of a local directory in its format."""

    config: HubSource

    def content(self) -> dict[str, Any]:
        config, root = self.config, Path(self.config.path)
        names = ("subset", "split", "text", "prompt", "completion", "max_rows")
        options = {"kind": "hub", **{name: getattr(config, name) for name in names}}
        options |= optional_columns(config)
        if root.is_dir():
            return {**options, "files": self.local_files()}
        return {**options, "path": config.path, "fingerprint": self.table._fingerprint}

    def local_files(self) -> str:
        """Return the hash of the files of a local data set."""
        return hash_files(files_under(Path(self.config.path)), self.cache)

    def read(self) -> Iterator[Document]:
        columns = Columns(self.key, self.config)
        yield from columns.documents(self.rows(columns))
        self.warn_left_out(columns)

    def rows(self, columns: Columns) -> Iterator[Row]:
        """Read the requested columns of all rows.

        :raises ConfigError: for a missing column.
        """
        table = self.table
        names, number = columns.pick(table.column_names, self.config.path), 0
        if self.config.max_rows is not None:
            table = table.select(range(min(self.config.max_rows, len(table))))
        for batch in table.select_columns(names).iter(batch_size=1024):
            for values in zip(*batch.values(), strict=True):
                number += 1
                yield Row(zip(batch, values, strict=True), f"{self.config.path}, row {number}")

    @cached_property
    def table(self) -> datasets.Dataset:
        import datasets

        config, root = self.config, Path(self.config.path)
        look_for_hub(root)
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
    """Problems of a procedural task, with completions by the task's own oracle."""

    config: TaskSource

    def content(self) -> dict[str, Any]:
        task, options = options_of(self.key, self.config)
        request = {name: getattr(self.config, name) for name in ("task", "problems", "reasoned", "seed")}
        # counts only if given, so that older fingerprints stay valid
        layout = {} if self.config.defects is None else {"defects": self.config.defects, "layout": LAYOUT}
        return {"kind": "task", **request, **layout, "options": vars(options), "version": task.version}

    def read(self) -> Iterator[Document]:
        problems = generate(self.key, self.config)
        if self.config.defects is not None and not any(has_layout(problem) for problem in problems):
            raise ConfigError(
                f"{self.key}.defects: no trace of task={self.config.task} has several steps, whose layout could vary; "
                "null keeps the traces"
            )
        for problem in problems:
            yield Document(oracle_completion(problem, self.config), problem.prompt)


def optional_columns(config: FilesSource | HubSource) -> dict[str, Any]:
    """Return those of :data:`OPTIONAL_COLUMNS` that are given, for the content of a source."""
    columns: dict[str, Any] = {name: getattr(config, name) for name in OPTIONAL_COLUMNS if getattr(config, name)}
    return columns | {"turns": TURNS} if config.messages else columns


def split_text(text: str) -> Iterator[str]:
    """Cut a long text at blank lines into documents of at least 16,384 characters, so that a single book can be split too."""
    start = 0
    while start < len(text):
        blank = BLANK_LINE.search(text, start + MIN_PIECE)
        end = blank.end() if blank else len(text)
        yield text[start:end]
        start = end
