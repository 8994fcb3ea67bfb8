"""Artifacts: directories that stages make, named by fingerprint, whole or absent."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from openr1.files import locked, write_json

RECORD = "artifact.json"
STARTED = "run.json"  # names the tracked run
NAME = re.compile(r"([a-z]+)-([0-9a-f]{16})")


@dataclass(frozen=True)
class Artifact:
    """A finished directory: ``model/`` in it loads with ``from_pretrained``, ``data/`` holds Parquet files, and
    ``history.jsonl`` the curves of training."""

    kind: str  # the stage that made it
    fingerprint: str
    inputs: dict[str, str] = field(default_factory=dict)  # name -> fingerprint, or the name of an artifact
    metrics: dict[str, float] = field(default_factory=dict)
    path: Path = Path()

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
        whole = hashlib.sha256()
        for path in [*sorted(self.model.glob("*.safetensors")), *sorted(self.data.glob("*.parquet"))]:
            whole.update(path.read_bytes())
        return whole.hexdigest()

    def shown(self) -> list[Path]:
        """Return the files that are shown with the tracked run: cards, scores, and graded answers."""
        cards = [path for path in sorted(self.path.iterdir()) if path.suffix in (".md", ".json")]
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
        return _read(self.path(kind, fingerprint))

    def name_of(self, reference: str) -> str | None:
        """Return the name of the artifact that a config refers to by name or directory; None for anything else.

        An artifact that is named need not be there yet: a recipe plans with it before it is made.
        """
        if NAME.fullmatch(reference):
            return reference
        artifact = _read(Path(reference))
        return artifact.name if artifact else None

    def get(self, reference: str) -> Artifact | None:
        """Return the artifact of this name, or in this directory, if it exists."""
        return _read(self.root / reference if NAME.fullmatch(reference) else Path(reference))

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
        record = {key: value for key, value in asdict(artifact).items() if key != "path"}
        write_json(folder / RECORD, record)
        target = self.path(artifact.kind, artifact.fingerprint)
        os.rename(folder, target)
        return Artifact(**record, path=target)


def _read(path: Path) -> Artifact | None:
    record = path / RECORD
    return Artifact(**json.loads(record.read_text()), path=path) if record.exists() else None
