"""What stages make: directories named by fingerprint, whole or absent.

A fingerprint is a hash of what changes a result: the resolved config of the stage and the fingerprints of its inputs. Where a
run executes, how it is tracked and what its study is called are not in it, so that studies share what they have in common.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from filelock import FileLock

from openr1.config import Config, digest, to_dict
from openr1.data.hashing import hash_files
from openr1.files import write_json

RECORD = "artifact.json"


@dataclass(frozen=True)
class Artifact:
    """A finished directory. ``model/`` in it loads with ``from_pretrained``; ``history.jsonl`` holds the run's curves."""

    kind: str  # the stage that made it
    fingerprint: str
    inputs: dict[str, str] = field(default_factory=dict)  # name -> fingerprint
    metrics: dict[str, float] = field(default_factory=dict)
    path: Path = Path()

    @property
    def model(self) -> Path:
        return self.path / "model"

    def sha256(self) -> str:
        """Hash of the weights: equal for runs that are equal to the bit."""
        whole = hashlib.sha256()
        for path in sorted(self.model.glob("*.safetensors")):
            whole.update(path.read_bytes())
        return whole.hexdigest()

    def history(self) -> list[dict[str, float]]:
        """One dict a logged step: ``step``, ``tokens``, ``flops`` and what was measured there."""
        return [json.loads(line) for line in (self.path / "history.jsonl").read_text().splitlines()]


def fingerprint(config: Config, inputs: dict[str, str]) -> str:
    """Hash of what decides the result of a run: 16 hexadecimal digits."""
    resolved = to_dict(config)
    parts = {key: resolved[key] for key in ("model", "scale", "stage", "budget", "optim", "seed")}
    parts["model"].pop("checkpoints")
    if "model" in inputs:
        # a checkpoint is known by its content, wherever it lies, and decides the shape
        parts["model"] = {key: parts["model"][key] for key in ("attention", "options")}
        parts.pop("scale")
    parts["data"] = {"context": config.data.context, "eval_tokens": config.data.eval_tokens}
    parts["compute"] = {key: resolved["compute"][key] for key in ("precision", "micro_batch")}
    return digest({"config": parts, "inputs": inputs})[:16]


def fingerprint_of(checkpoint: str, revision: str | None, cache: Path) -> str:
    """What a checkpoint is: the content of a directory, wherever it lies, or the id and revision of a Hub model."""
    folder = Path(checkpoint)
    if not folder.is_dir():
        return f"{checkpoint}@{revision or 'main'}"
    return hash_files([path for path in sorted(folder.iterdir()) if path.is_file()], cache)[:16]


class Store:
    """The artifacts under one directory. Safe for several processes."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    def path(self, kind: str, fingerprint: str) -> Path:
        return self.root / f"{kind}-{fingerprint}"

    def partial(self, kind: str, fingerprint: str) -> Path:
        """Where a run works until its artifact is whole; what a killed run goes on from."""
        return self.root / ".partial" / f"{kind}-{fingerprint}"

    def find(self, kind: str, fingerprint: str) -> Artifact | None:
        path = self.path(kind, fingerprint)
        if not (path / RECORD).exists():
            return None
        return Artifact(**json.loads((path / RECORD).read_text()), path=path)

    @contextmanager
    def lock(self, kind: str, fingerprint: str) -> Iterator[None]:
        """Held by the one process that makes this artifact; a second one waits, and then finds it made."""
        folder = self.partial(kind, fingerprint)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            yield

    def publish(self, artifact: Artifact, scratch: tuple[str, ...] = ()) -> Artifact:
        """Turn the partial directory into the artifact, in one rename.

        :param scratch: names in it that only a resume needed.
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
