"""Records of finished trials: all that a rerun needs and is compared with, as JSON beside the results of the study.

A record stands in ``studies/STUDY/runs/FINGERPRINT.json``, and in the folder that Hydra made for the run as ``run.json``. It
holds no weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openr1.config.schema import to_dict
from openr1.data.hashing import digest
from openr1.system.artifacts import NAME, STARTED, Artifact
from openr1.system.files import write_json
from openr1.system.records import DamagedFile, read_json

if TYPE_CHECKING:
    from openr1.config.schema import Config

FILE = "run.json"  # in the folder that Hydra made
FOLDER = "runs"  # in the folder of a study


@dataclass(frozen=True)
class StageRecord:
    """One finished stage.

    :ivar name: of the step of a recipe; "" for a run of one stage.
    :ivar inputs: fingerprints of its inputs, by name.
    :ivar content: SHA-256 of its weights or data; None if unknown.
    :ivar config: resolved, of this stage alone.
    :ivar environment: of the process that made it, as :func:`openr1.tracking.environment.environment` returns it.
    :ivar is_tracked: the metrics come from the store, so that last points of curves are among them.
    """

    name: str
    kind: str
    fingerprint: str
    inputs: dict[str, str]
    metrics: dict[str, float]
    content: str | None
    config: dict[str, Any]
    environment: dict[str, Any] = field(default_factory=dict)
    run_id: str | None = None
    is_tracked: bool = False

    @property
    def artifact_name(self) -> str:
        return f"{self.kind}-{self.fingerprint}"


@dataclass(frozen=True)
class RunRecord:
    """One finished trial: a run of one stage, or of the stages of a recipe.

    :ivar name: for people.
    :ivar recipe: the resolved config of a recipe; None for a run of one stage.
    :ivar run_id: its tracked run.
    :ivar fingerprint: of the trial.
    """

    name: str
    study: str
    trial: str
    fingerprint: str
    stages: list[StageRecord]
    recipe: dict[str, Any] | None = None
    run_id: str | None = None

    @property
    def config(self) -> dict[str, Any]:
        """The resolved config that runs all of it."""
        return self.recipe if self.recipe is not None else self.stages[0].config

    @property
    def key(self) -> str:
        """The text that its places are named by."""
        return (self.run_id or self.fingerprint)[:8]

    def stage_alone(self, artifact: str) -> RunRecord | None:
        """Return the record of the one stage that made an artifact; None if none of its stages did."""
        for stage in self.stages:
            if stage.artifact_name == artifact:
                name = f"{self.name}/{stage.name}" if stage.name else self.name
                alone = replace(stage, name="")
                return RunRecord(name, self.study, self.trial, stage.fingerprint, [alone], None, stage.run_id)
        return None


def stage_record(name: str, config: Config, artifact: Artifact, run_id: str | None) -> StageRecord:
    """Return the record of a stage whose artifact is there."""
    return StageRecord(
        name,
        artifact.kind,
        artifact.fingerprint,
        artifact.inputs,
        artifact.metrics,
        artifact.sha256(),
        to_dict(config),
        read_beginning(artifact.path).get("environment", {}),
        run_id,
    )


def beginning(study: str, run_id: str, config: dict[str, Any]) -> dict[str, Any]:
    """Return what the folder of an artifact says of its making: ``run.json``."""
    from openr1.tracking.mlflow import environment

    return {"study": study, "run_id": run_id, "config": config, "environment": environment()}


def read_beginning(folder: Path) -> dict[str, Any]:
    """Return what the folder of an artifact says of its making; nothing if that is not known."""
    try:
        return read_json(folder / STARTED)
    except DamagedFile:
        return {}


def fingerprint_of(steps: Sequence[tuple[str, str, str]]) -> str:
    """Return the fingerprint of a trial: of its steps together, or of its one stage.

    :param steps: name, kind and fingerprint of each; a stage alone has no name.
    """
    if not steps[0][0]:
        return steps[0][2]
    return digest([list(step) for step in steps])[:16]


def folder_of(studies: str | Path, study: str) -> Path:
    """Return the folder of the records of a study."""
    return Path(studies) / study / FOLDER


def write(record: RunRecord, path: Path) -> None:
    """Write a record as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, asdict(record), shared=True, sort=False)


def read(path: Path) -> RunRecord:
    """Read a record.

    :raises DamagedFile: for a file that is none.
    """
    content = read_json(path)
    try:
        return RunRecord(**{**content, "stages": [StageRecord(**stage) for stage in content["stages"]]})
    except (TypeError, KeyError) as error:
        raise DamagedFile(path, "is not the record of a run") from error


def artifact_inputs(stage: StageRecord) -> Iterator[tuple[str, str]]:
    """Yield the inputs of a stage that are artifacts: name of the input, name of the artifact."""
    return ((name, value) for name, value in stage.inputs.items() if NAME.fullmatch(value))
