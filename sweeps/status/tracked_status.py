"""Status of runs that no study has planned, such as a single run or a recipe, from the tracking store and their artifacts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from openr1.runs.reproduction.origins import is_named
from openr1.sweeps.planning.states import StagePlace, State, state_of_run
from openr1.sweeps.planning.tracked_runs import latest_by_fingerprint, read_tracked_runs
from openr1.sweeps.status import plan_file
from openr1.sweeps.status.config import StatusConfig
from openr1.sweeps.status.study_status import SCORES, RunStatus, StudyStatus, scores_of
from openr1.tracking.mlflow import TrackedRun, read_config

PARENT, STEP, ROLE = "mlflow.parentRunId", "step.", "role"


def read_tracked_status(config: StatusConfig) -> StudyStatus:
    """Read the status of the tracked runs of a name: of a study, ``STUDY/TRIAL``, or the name or id of a run.

    :raises ConfigError: where there is neither a plan nor a run of this name.
    """
    runs = read_tracked_runs(config.tracking)
    trials = {run.run_id for run in runs if run.tags.get(ROLE) == "trial"}
    top = [run for run in runs if run.tags.get(PARENT) not in trials and _is_meant(run, config.status)]
    top = top or [run for run in runs if run.run_id == config.status]  # a stage of a recipe
    if not top:
        plan_file.read(config.paths, config.status)  # raises the error
    rows = [row for run in _newest(top) for row in _rows(run, runs, config)]
    return StudyStatus(config.status, "", rows, None, adapts=False)


def _is_meant(run: TrackedRun, name: str) -> bool:
    study = run.tags.get("study", "")
    if name in (run.run_id, study):
        return True
    return "reproduces" not in run.tags and is_named(name, study, run.name, run.tags.get("trial", ""))


def _newest(runs: Sequence[TrackedRun]) -> list[TrackedRun]:
    """Return one run of those with the same fingerprint: attempts of one."""
    return list({run.tags.get("fingerprint", run.run_id): run for run in runs}.values())


def _rows(run: TrackedRun, runs: Sequence[TrackedRun], config: StatusConfig) -> list[RunStatus]:
    if run.tags.get(ROLE) != "trial":
        return [_row(run.name, run, runs, config)]
    by_id = {one.run_id: one for one in runs}
    children = [one for one in runs if one.tags.get(PARENT) == run.run_id]
    ended = {tag.removeprefix(STEP): by_id.get(run_id) for tag, run_id in run.tags.items() if tag.startswith(STEP)}
    begun = iter([child for child in children if child not in ended.values()])
    rows = []
    for name in read_config(config.tracking.uri, run.run_id)["recipe"]["steps"]:
        title, stage = f"{run.name}: {name}", ended.get(name) or next(begun, None)
        rows.append(_row(title, stage, runs, config) if stage else _waiting(title))
    return rows


def _row(name: str, run: TrackedRun, runs: Sequence[TrackedRun], config: StatusConfig) -> RunStatus:
    place = _place(run.tags, config)
    if run.status == "FINISHED":  # its artifact may be gone since
        return RunStatus(name, 0, State.DONE, "", 1.0, _known_scores(run), 0.0, [], is_timed=False)
    state, reason = state_of_run([place], latest_by_fingerprint([*runs, run]))
    share = 1.0 if state is State.DONE else place.share_done()
    return RunStatus(name, 0, state, reason, share, scores_of([place]), 0.0, [], is_timed=False)


def _known_scores(run: TrackedRun) -> dict[str, float]:
    return {score: run.metrics[score] for score in SCORES if score in run.metrics}


def _place(tags: Mapping[str, Any], config: StatusConfig) -> StagePlace:
    artifacts = Path(tags["artifact"]).parent if "artifact" in tags else Path(config.paths.artifacts)
    there = artifacts if artifacts.is_dir() else Path(config.paths.artifacts)
    return StagePlace(tags["stage"], tags["fingerprint"], str(there))


def _waiting(name: str) -> RunStatus:
    return RunStatus(name, 0, State.WAITING, "", 0.0, {}, 0.0, [], is_timed=False)
