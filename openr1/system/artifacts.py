"""Artifacts: directories that stages make, named by fingerprint, whole or absent.

An artifact that was changed after it was made is found whenever it is used (:mod:`openr1.system.records`), and refused.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openr1.system.errors import RunError
from openr1.system.files import locked
from openr1.system.records import DamagedFile, Record, read_record, write_record

RECORD = "artifact.json"
STARTED = "run.json"  # names the tracked run
NAME = re.compile(r"([a-z_]+)-([0-9a-f]{16})")


@dataclass(frozen=True)
class Artifact:
    """A finished directory: ``model/`` in it loads with ``from_pretrained``, ``data/`` holds Parquet files, and
    ``history.jsonl`` the curves of training."""

    kind: str  # the stage that made it
    fingerprint: str
    inputs: dict[str, str] = field(default_factory=dict)  # name -> fingerprint, or the name of an artifact
    metrics: dict[str, float] = field(default_factory=dict)
    path: Path = Path()
    hashes: dict[str, str] = field(default_factory=dict)  # SHA-256 of each file, by its path within the directory

    @property
    def name(self) -> str:
        """The name by which a config refers to it."""
        return f"{self.kind}-{self.fingerprint}"

    @property
    def model(self) -> Path:
        return self.path / "model"

    @property
    def data(self) -> Path:
        return self.path / "data"

    @property
    def data_name(self) -> str:
        """The name of the data set that its answers are for; its own name if unknown."""
        scores = self.path / "scores.json"
        return (json.loads(scores.read_text()) if scores.exists() else {}).get("data", self.name)

    def sha256(self) -> str:
        """Return a hash of the weights, or of the data: equal for runs that are equal to the bit."""
        weights = [path for pattern in ("*.safetensors", "mtp/*.safetensors") for path in sorted(self.model.glob(pattern))]
        paths = [*weights, *sorted(self.data.glob("*.parquet"))]
        if len(paths) == 1 and (known := self.hashes.get(paths[0].relative_to(self.path).as_posix())):
            return known
        whole = hashlib.sha256()
        for path in paths:
            whole.update(path.read_bytes())
        return whole.hexdigest()

    def shown(self) -> list[Path]:
        """Return the files that are shown with the tracked run: cards, scores, and graded answers."""
        cards = [path for path in sorted(self.path.iterdir()) if path.suffix in (".md", ".json", ".csv")]
        answers = sorted(self.data.glob("*.parquet")) if self.kind == "evaluate" else []
        return [path for path in cards if path.name not in (RECORD, STARTED)] + answers

    def history(self) -> list[dict[str, float]]:
        """Return one dict a logged step of training: ``step``, ``tokens``, ``flops`` and the metrics measured there."""
        path = self.path / "history.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


class Store:
    """The artifacts under one directory. Safe for several processes."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    def path(self, kind: str, fingerprint: str) -> Path:
        return self.root / f"{kind}-{fingerprint}"

    def partial(self, kind: str, fingerprint: str) -> Path:
        """Return the directory in which a run works until its artifact is whole; a killed run resumes from it."""
        return self.root / ".partial" / f"{kind}-{fingerprint}"

    def find(self, kind: str, fingerprint: str) -> Artifact | None:
        """Return the artifact of this kind and fingerprint, if it exists.

        :raises RunError: if it is damaged.
        """
        return _read(self.path(kind, fingerprint))

    def folders(self) -> list[Path]:
        """Return the directories of all artifacts, damaged ones among them, by name."""
        return sorted(path for path in self.root.glob("*-*") if _is_named(path)) if self.root.is_dir() else []

    def name_of(self, reference: str) -> str | None:
        """Return the name of the artifact that a config refers to by name or directory; None for anything else.

        An artifact that is named need not be there yet: a recipe plans with it before it is made.
        """
        if NAME.fullmatch(reference):
            return reference
        artifact = _read(Path(reference))
        return artifact.name if artifact else None

    def get(self, reference: str) -> Artifact | None:
        """Return the artifact of this name, or in this directory, if it exists.

        :raises RunError: if it is damaged.
        """
        return _read(self.root / reference if NAME.fullmatch(reference) else Path(reference))

    def check_around(self, directory: str) -> None:
        """Check the artifact that holds a directory, such as that of its model, if one does.

        :raises RunError: if it is damaged.
        """
        _read(Path(directory).absolute().parent)

    @contextmanager
    def lock(self, kind: str, fingerprint: str) -> Iterator[None]:
        """Hold the lock of the one process that makes this artifact; others wait, and then find it made."""
        folder = self.partial(kind, fingerprint)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(Path(f"{folder}.lock")):
            yield

    def publish(self, artifact: Artifact, scratch: tuple[str, ...] = ()) -> Artifact:
        """Turn the partial directory into the artifact, in one rename.

        :param scratch: files and directories in it that only a resume needs; they are deleted.
        """
        folder = self.partial(artifact.kind, artifact.fingerprint)
        for name in scratch:
            target = folder / name
            shutil.rmtree(target) if target.is_dir() else target.unlink(missing_ok=True)
        content = {key: getattr(artifact, key) for key in ("kind", "fingerprint", "inputs", "metrics")}
        record = write_record(folder / RECORD, content)
        target = self.path(artifact.kind, artifact.fingerprint)
        os.rename(folder, target)
        return _artifact(record, target)


def check_artifact(path: Path) -> None:
    """Compare the content of all files of an artifact with what was written.

    :raises DamagedFile: for the first that differs.
    """
    _artifact(read_record(path / RECORD, thorough=True), path)


def _is_named(path: Path) -> bool:
    return NAME.fullmatch(path.name) is not None and path.is_dir()


def _read(path: Path) -> Artifact | None:
    """Return the artifact in a directory; None if there is no directory, or one that is no artifact.

    :raises RunError: if it is damaged.
    """
    if not (_is_named(path) or (path / RECORD).exists()):
        return None
    try:
        return _artifact(read_record(path / RECORD), path)
    except DamagedFile as damage:
        what = f"delete the folder {path}, and the command that made it makes it again"
        raise RunError(f"{damage}; {what}") from damage


def _artifact(record: Record, path: Path) -> Artifact:
    content: dict[str, Any] = record.content
    try:
        return Artifact(**content, path=path, hashes={name: state.sha256 for name, state in record.files.items()})
    except TypeError as error:
        raise DamagedFile(path / RECORD, "is not the record of an artifact") from error
