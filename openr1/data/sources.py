"""Where documents come from. One class a ``kind`` of source; each is read as a stream, as often as needed."""

from __future__ import annotations

import glob
import json
import os
import re
import sysconfig
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from openr1.artifacts import Store
from openr1.config import ArtifactSource, Config, FilesSource, HubSource, SourceConfig, TaskSource
from openr1.data.hashing import hash_files, unit
from openr1.data.tasks import direct, generate, options_of, reasoned
from openr1.errors import ConfigError

if TYPE_CHECKING:
    import datasets

PIECE = 16_384  # characters
BLANK_LINE = re.compile(r"\n\r?\n")
FORMATS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
# what is no part of the library, or what distributions leave out, ship apart or generate when they build the interpreter
NOT_STDLIB = {"site-packages", "dist-packages", "__pycache__", "test", "tests", "ensurepip", "distutils", "lib2to3"}
NOT_STDLIB |= {"idlelib", "tkinter", "turtledemo", "pydoc_data", "sitecustomize.py"}
LATER = ("messages", "reasoning")  # columns that leave the content as it was where they are not given
GENERATED = ("_sysconfigdata", "_sysconfig_vars", "config-")


class Document(NamedTuple):
    """Plain text is a completion without a prompt. A conversation has the turns before its last as well."""

    completion: str
    prompt: str = ""
    turns: tuple[Mapping[str, str], ...] = ()  # {"role", "content"}


class Source(ABC):
    """A stream of documents.

    :param key: where the source stands in the config, for messages.
    :param cache: where hashes of files are kept.
    :param artifacts: where artifacts lie.
    """

    def __init__(self, key: str, config: SourceConfig, cache: Path, artifacts: Path = Path()) -> None:
        self.key, self.config, self.cache, self.store = key, config, cache, Store(artifacts)

    @abstractmethod
    def content(self) -> dict[str, Any]:
        """What decides the documents, JSON-serialisable; wherever they lie, the same content gives the same value."""

    @abstractmethod
    def read(self) -> Iterator[Document]:
        """Every document, always in the same order."""

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
        given = Path(self.config.path).expanduser()
        if given.is_dir():
            found = files_under(given)
        else:
            found = sorted(path for path in map(Path, glob.glob(str(given), recursive=True)) if path.is_file())
        if not found:
            raise ConfigError(f"{self.key}.path: {self.config.path!r} matches no file")
        return found

    def format(self, path: Path) -> str:
        form = self.config.format or FORMATS.get(path.suffix, "text")
        if form not in ("text", "jsonl", "parquet"):
            raise ConfigError(f"{self.key}.format: {form!r} is not one of text, jsonl, parquet")
        if form == "text" and self.config.prompt:
            raise ConfigError(f"{self.key}.prompt: {path} is a text file and has no columns; give JSONL or Parquet")
        return form

    def content(self) -> dict[str, Any]:
        paths = self.paths()
        columns = {name: getattr(self.config, name) for name in ("text", "prompt", "completion")}
        columns |= {name: getattr(self.config, name) for name in LATER if getattr(self.config, name)}
        formats = [self.format(path) for path in paths]
        return {"kind": "files", "formats": formats, "columns": columns, "files": hash_files(paths, self.cache)}

    def read(self) -> Iterator[Document]:
        columns = Columns(self.key, self.config)
        for path in self.paths():
            if self.format(path) == "text":
                yield from map(Document, pieces(self._text(path)))
            else:
                yield from columns.documents(self._table(path, columns), path)

    def rows(self, columns: Columns) -> Iterator[dict[str, Any]]:
        """The rows of tables, of the columns asked for at least.

        :raises ConfigError: for a text file, a missing column, or what is no table.
        """
        for path in self.paths():
            if self.format(path) == "text":
                raise ConfigError(f"{self.key}.format: {path} is a text file and has no columns; give JSONL or Parquet")
            for row in self._table(path, columns):
                columns.check(row, path)
                yield row

    def _table(self, path: Path, columns: Columns) -> Iterator[dict[str, Any]]:
        return self._jsonl(path) if self.format(path) == "jsonl" else self._parquet(path, columns)

    def _text(self, path: Path) -> str:
        try:
            return path.read_bytes().decode()
        except UnicodeDecodeError as error:
            raise ConfigError(f"{self.key}.path: {path} is not UTF-8 text") from error

    def _jsonl(self, path: Path) -> Iterator[dict[str, Any]]:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                except ValueError as error:
                    raise ConfigError(f"{self.key}.path: {path}:{number} is not JSON: {error}") from error
                if not isinstance(row, dict):
                    raise ConfigError(f"{self.key}.path: {path}:{number} holds a {type(row).__name__}, not an object")
                yield row

    def _parquet(self, path: Path, columns: Columns) -> Iterator[dict[str, Any]]:
        import pyarrow
        import pyarrow.parquet

        try:
            table = pyarrow.parquet.ParquetFile(path)
        except pyarrow.ArrowInvalid as error:
            raise ConfigError(f"{self.key}.path: {path} is not a Parquet file") from error
        columns.check(table.schema_arrow.names, path)
        for batch in table.iter_batches(batch_size=1024, columns=list(dict.fromkeys(columns.names.values()))):
            yield from batch.to_pylist()


class Made(Files):
    """The examples, or the answers, that another stage made."""

    config: ArtifactSource

    def content(self) -> dict[str, Any]:
        # by name, so that a recipe knows it before it is made
        return {"kind": "artifact", "artifact": self.store.name_of(self.config.artifact) or self._unknown()}

    def paths(self) -> list[Path]:
        found = self.store.get(self.config.artifact)
        return sorted(found.data.glob("*.parquet")) if found else self._unknown()

    def format(self, path: Path) -> str:
        return "parquet"

    def read(self) -> Iterator[Document]:
        columns = Columns(self.key, FilesSource(prompt="prompt", completion="completion"))
        for path in self.paths():
            yield from columns.documents(self._parquet(path, columns), path)

    def _unknown(self) -> NoReturn:
        raise ConfigError(f"{self.key}.artifact: there is no artifact {self.config.artifact} in {self.store.root}")


class Hub(Source):
    config: HubSource

    def content(self) -> dict[str, Any]:
        config, root = self.config, Path(self.config.path)
        names = ("subset", "split", "text", "prompt", "completion", "max_rows")
        chosen = {"kind": "hub", **{name: getattr(config, name) for name in names}}
        chosen |= {name: getattr(config, name) for name in LATER if getattr(config, name)}
        if root.is_dir():
            return {**chosen, "files": hash_files(files_under(root), self.cache)}
        return {**chosen, "path": config.path, "fingerprint": self.table._fingerprint}

    def read(self) -> Iterator[Document]:
        columns = Columns(self.key, self.config)
        yield from columns.documents(self.rows(columns), self.config.path)

    def rows(self, columns: Columns) -> Iterator[dict[str, Any]]:
        """The rows, of the columns asked for.

        :raises ConfigError: for a missing column.
        """
        table = self.table
        columns.check(table.column_names, self.config.path)
        if self.config.max_rows is not None:
            table = table.select(range(min(self.config.max_rows, len(table))))
        for batch in table.select_columns(list(dict.fromkeys(columns.names.values()))).iter(batch_size=1024):
            yield from (dict(zip(batch, values, strict=True)) for values in zip(*batch.values(), strict=True))

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


class Columns:
    """The columns of a table that are read: of documents ``text``, or ``prompt``, ``completion`` and maybe ``reasoning``."""

    def __init__(self, key: str, config: FilesSource | HubSource, names: dict[str, str] | None = None) -> None:
        self.key = key
        documents = {"prompt": config.prompt, "completion": config.completion} if config.prompt else {"text": config.text}
        if config.prompt and config.reasoning:
            documents["reasoning"] = config.reasoning
        if config.messages:
            documents = {"messages": config.messages}
        self.names: dict[str, str] = names or documents  # option of the source -> column

    def check(self, present: Iterable[str], where: str | os.PathLike) -> None:
        for option, column in self.names.items():
            if column not in present:
                raise ConfigError(f"{self.key}.{option}: {where} has no column {column!r}; it has {', '.join(present)}")

    def documents(self, rows: Iterable[Mapping[str, Any]], where: str | os.PathLike) -> Iterator[Document]:
        """One document a row; rows with an empty or null cell are left out.

        :raises ConfigError: for a missing column, or one that does not hold text.
        """
        for row in rows:
            self.check(row, where)
            if "messages" in self.names:
                if row[self.names["messages"]]:
                    yield self._conversation(row[self.names["messages"]], where)
                continue
            cells = {option: row[column] for option, column in self.names.items()}
            for option, cell in cells.items():
                if cell is not None and not isinstance(cell, str):
                    column = self.names[option]
                    raise ConfigError(
                        f"{self.key}.{option}: column {column!r} of {where} holds {type(cell).__name__}, not text"
                    )
            if all(cells.values()):
                yield _document(cells)

    def _conversation(self, messages: Any, where: str | os.PathLike) -> Document:
        """A document whose completion is the last turn, and whose prompt is what users say before it."""
        key = f"{self.key}.messages"
        try:
            turns = [{"role": str(turn["role"]), "content": str(turn["content"])} for turn in messages]
        except (TypeError, KeyError) as error:
            raise ConfigError(f"{key}: {where} holds other things than lists of turns with role and content") from error
        if turns[-1]["role"] != "assistant" or not any(turn["role"] == "user" for turn in turns):
            raise ConfigError(f"{key}: {where} holds a conversation that does not end with the assistant's answer to a user")
        asked = "\n".join(turn["content"] for turn in turns if turn["role"] == "user")
        return Document(turns[-1]["content"], asked, tuple(turns[:-1]))


def _document(cells: Mapping[str, str]) -> Document:
    if "text" in cells:
        return Document(cells["text"])
    thoughts = f"<think>\n{cells['reasoning']}\n</think>\n\n" if "reasoning" in cells else ""
    return Document(f"{thoughts}{cells['completion']}", cells["prompt"])


def files_under(root: Path) -> list[Path]:
    """Every file of a directory, hidden ones and hidden folders left out, sorted."""
    found = (path for path in root.rglob("*") if not any(part.startswith(".") for part in path.relative_to(root).parts))
    return sorted(path for path in found if path.is_file())


def pieces(text: str) -> Iterator[str]:
    """Cut a long text at blank lines into documents of at least 16,384 characters, so that a single book can be split too."""
    start = 0
    while start < len(text):
        blank = BLANK_LINE.search(text, start + PIECE)
        end = blank.end() if blank else len(text)
        yield text[start:end]
        start = end
