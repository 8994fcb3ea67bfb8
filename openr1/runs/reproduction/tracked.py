"""Records of finished runs, read from the tracking store alone."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

from openr1.runs.record import RunRecord, StageRecord
from openr1.runs.reproduction.origins import PLAN, NotReproducibleError, is_named
from openr1.tracking import mlflow as tracking
from openr1.tracking import study_transfer
from openr1.tracking.mlflow import TrackedRun
from openr1.tracking.reading import find_study, read_file, read_run, read_runs
from openr1.tracking.store import run_exists

PARENT, STEP, INPUT = "mlflow.parentRunId", "step.", "input."


class TrackedOrigin:
    """The runs of a tracking store.

    :param scratch: a folder for files that are read from the store.
    """

    def __init__(self, uri: str, scratch: Path) -> None:
        self.uri, self.where, self.scratch = uri, uri, scratch

    @cached_property
    def runs(self) -> list[TrackedRun]:
        """All runs that are no reproductions themselves, oldest first."""
        return [run for run in read_runs(self.uri, None, None) if "reproduces" not in run.tags]

    def by_id(self, run_id: str) -> RunRecord | None:
        if not run_exists(self.uri, run_id):
            return None
        run = read_run(self.uri, run_id)
        if run.tags.get("role") == "study" or "stage" not in run.tags:
            name = run.tags.get("study", run.name)
            raise NotReproducibleError(
                f"{run_id}: is the study {name}; openr1-reproduce --study {name} reproduces all its runs"
            )
        if run.status != "FINISHED":
            raise _unfinished(run_id, run)
        return self.record(run)

    def by_name(self, name: str) -> list[RunRecord]:
        named = [run for run in self.runs if is_named(name, run.tags.get("study", ""), run.name, run.tags.get("trial", ""))]
        finished = [run for run in named if run.status == "FINISHED"]
        if named and not finished:
            raise _unfinished(name, named[-1])
        # stages of a recipe have the trial's name too, and the trial comes first
        trials = {run.run_id for run in finished if run.tags.get("role") == "trial"}
        top = [run for run in finished if run.tags.get(PARENT) not in trials]
        distinct = {run.tags.get("fingerprint"): run for run in top}
        return [self.record(run) for run in distinct.values()]

    def study(self, name: str) -> tuple[list[RunRecord], list[str]]:
        runs = [run for run in self.runs if run.tags.get("study") == name]
        trials = {run.run_id for run in runs if run.tags.get("role") == "trial"}
        top = [run for run in runs if run.tags.get(PARENT) not in trials]
        finished = {run.tags["fingerprint"]: run for run in top if run.status == "FINISHED"}
        others = [run for run in top if run.status != "FINISHED" and run.tags.get("fingerprint") not in finished]
        lines = [f"{run.name} ({run.run_id}) is {run.tags.get('state', run.status)}" for run in others]
        return [self.record(run) for run in finished.values()], lines

    def maker(self, artifact: str) -> RunRecord | None:
        kind, _, fingerprint = artifact.rpartition("-")
        run = self._made(kind, fingerprint)
        return self.record(run) if run else None

    def recipe_of(self, run: RunRecord) -> RunRecord | None:
        if run.recipe is not None:
            return run
        parent = read_run(self.uri, run.run_id).tags.get(PARENT) if run.run_id else None
        return self.by_id(parent) if parent and read_run(self.uri, parent).tags.get("role") == "trial" else None

    def stores(self) -> list[Path]:
        return list(dict.fromkeys(Path(run.tags["artifact"]).parent for run in self.runs if "artifact" in run.tags))

    def plan(self, study: str) -> Path | None:
        parent = find_study(self.uri, study)
        text = read_file(self.uri, parent, PLAN) if parent else None
        if text is None:
            return None
        (self.scratch / PLAN).write_text(text)
        return self.scratch / PLAN

    def tracked(self, study: str) -> list[dict[str, Any]]:
        return list(study_transfer.read_study(self.uri, study))

    def record(self, run: TrackedRun) -> RunRecord:
        """Return the record of a finished run of a stage or a recipe.

        :raises ConfigError: if the store has not got its config.
        """
        tags = run.tags
        head = (run.name, tags["study"], tags.get("trial", ""), tags["fingerprint"])
        if tags.get("role") != "trial":
            return RunRecord(*head, [self._stage("", run)], None, run.run_id)
        recipe = tracking.read_config(self.uri, run.run_id)
        steps = {key.removeprefix(STEP): value for key, value in tags.items() if key.startswith(STEP)}
        names = [name for name in recipe["recipe"]["steps"] if name in steps]
        stages = [self._stage(name, read_run(self.uri, steps[name])) for name in names]
        return RunRecord(*head, stages, recipe, run.run_id)

    def _stage(self, name: str, run: TrackedRun) -> StageRecord:
        tags = run.tags
        return StageRecord(
            name,
            tags["stage"],
            tags["fingerprint"],
            {key.removeprefix(INPUT): value for key, value in tags.items() if key.startswith(INPUT)},
            run.metrics,
            tags.get("model_sha256") or tags.get("data_sha256"),
            tracking.read_config(self.uri, run.run_id),
            self._environment(run),
            run.run_id,
            is_tracked=True,
        )

    def _environment(self, run: TrackedRun) -> dict[str, Any]:
        """Return the environment of the process that made the artifact of a run, which may be that of another study."""
        maker = run
        if run.tags.get("reused") == "True":
            maker = self._made(run.tags["stage"], run.tags["fingerprint"]) or run
        text = read_file(self.uri, maker.run_id, tracking.ENVIRONMENT)
        known = {key: maker.tags[key] for key in ("hardware", "git_commit") if key in maker.tags}
        return {**known, **(json.loads(text) if text else {})}

    def _made(self, kind: str, fingerprint: str) -> TrackedRun | None:
        """Return the finished run that made an artifact, rather than one that only took it over."""
        wanted = ("FINISHED", kind, fingerprint)
        runs = [run for run in self.runs if (run.status, run.tags["stage"], run.tags.get("fingerprint")) == wanted]
        return next((run for run in runs if run.tags.get("reused") != "True"), runs[0] if runs else None)


def _unfinished(name: str, run: TrackedRun) -> NotReproducibleError:
    return NotReproducibleError(f"{name}: is {run.status}; only a finished run has figures that a rerun can be compared with")
