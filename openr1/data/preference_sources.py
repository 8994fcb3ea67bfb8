"""Sources of preference pairs: tables in files or on the Hub, and the procedural pairs of readability."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from openr1.data import readable_pairs
from openr1.data.documents import Document
from openr1.data.formats import formats_of
from openr1.data.hashing import hash_files
from openr1.data.options import PreferenceFilesSource, PreferenceHubSource, ReadabilitySource
from openr1.data.preferences import PairReader, content_of
from openr1.data.readability import RULE
from openr1.data.sources import Files, Hub, Procedural
from openr1.data.tasks import generate, options_of
from openr1.system.errors import ConfigError


class PreferenceFiles(Files):
    """Preference pairs of local tables."""

    config: PreferenceFilesSource  # type: ignore[assignment]

    def formats(self) -> dict[Path, str]:
        return formats_of(self.paths(), self.config.format, self.key)

    def content(self) -> dict[str, Any]:
        formats = self.formats()
        files = hash_files(list(formats), self.cache)
        columns = content_of(self.config.columns)
        return {"kind": "preference_files", "formats": list(formats.values()), "columns": columns, "files": files}

    def read(self) -> Iterator[Document]:
        reader = PairReader(self.key, self.config)
        yield from reader.documents(self.rows(reader))
        self.warn_left_out(reader)


class PreferenceHub(Hub):
    """Preference pairs of a data set of the Hub."""

    config: PreferenceHubSource  # type: ignore[assignment]

    def content(self) -> dict[str, Any]:
        config = self.config
        options = {"kind": "preference_hub", **{name: getattr(config, name) for name in ("subset", "split", "max_rows")}}
        options["columns"] = content_of(config.columns)
        if Path(config.path).is_dir():
            return {**options, "files": self.local_files()}
        return {**options, "path": config.path, "fingerprint": self.table._fingerprint}

    def read(self) -> Iterator[Document]:
        reader = PairReader(self.key, self.config)
        yield from reader.documents(self.rows(reader))
        self.warn_left_out(reader)


class ReadablePairs(Procedural):
    """Answers of a task's oracle to its problems, each written in a more and in a less readable way."""

    config: ReadabilitySource  # type: ignore[assignment]

    def content(self) -> dict[str, Any]:
        task, options = options_of(self.key, self.config.of_task)
        request = {name: getattr(self.config, name) for name in ("task", "problems", "pairs_each", "temperature", "seed")}
        versions = {"version": task.version, "pairs": readable_pairs.VERSION, "rule": RULE}
        return {"kind": "readability", **request, "options": vars(options), **versions}

    def read(self) -> Iterator[Document]:
        config, empty = self.config, True
        problems = generate(self.key, config.of_task)
        for document in readable_pairs.readable_pairs(problems, config.pairs_each, config.temperature, config.seed):
            empty = False
            yield document
        if empty:
            raise ConfigError(
                f"{self.key}.task: the oracle of {config.task} writes no reasoning of two steps or more; use sums"
            )
