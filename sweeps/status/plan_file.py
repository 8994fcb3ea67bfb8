"""``plan.json``: what a study was to run and what that was to take, beside the study.

One object:

- ``study``, ``command`` as it was given, ``written`` (ISO 8601, UTC), ``hardware``, ``at_once`` runs side by side,
  ``worker_start_seconds``, ``further_rounds`` whether runs may follow that depend on the results;
- ``sum`` of the round that comes next and those that are known to follow: ``runs``, ``done``, and of what is to do ``flops``,
  ``gpu_hours``, ``money``, ``seconds`` to the end of the last run, and ``unknown``, the kinds of stages that these leave out;
- ``runs``, those of earlier rounds too, in the order in which they start, each with ``name``, ``overrides``, ``round`` (from 0
  on), ``state`` when this was written, ``share_done``, ``params`` N, ``tokens`` D, ``flops`` C, ``memory_bytes`` of one device
  (an estimate), and of what was to do ``seconds``, ``seconds_from``, ``gpu_hours`` and ``money``; null is not known;
- in each run ``stages``, in order: ``name`` in its recipe, ``kind``, ``fingerprint``, ``artifacts`` (the folder that it is in),
  ``flops``, ``seconds`` of the whole stage, and ``shared`` where a run before it makes it;
- ``search`` where Optuna decides, in the place of ``runs``: ``storage``, ``name``, ``n_trials``, and of one trial ``least``,
  ``mean`` and ``most``: ``flops`` and ``seconds``.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from openr1.config.schema import PathsConfig
from openr1.errors import ConfigError
from openr1.files import write_json
from sweeps.cost.price import RunPrice, StudyPrice

FILE = "plan.json"


def command_of(name: str, config: DictConfig) -> str:
    """The command line of a composed config, with what it says to Hydra."""
    given = config.hydra.overrides
    spoken = [word for word in given.hydra if not word.startswith(("hydra.sweeper._target_=", "hydra.mode="))]
    return shlex.join([*name.split(), *spoken, *given.task])


def path_of(paths: PathsConfig, study: str) -> Path:
    return Path(paths.studies) / study / FILE


def write(
    found: StudyPrice, overrides: Sequence[Sequence[str]], command: str, further: bool, before: Sequence[dict] = ()
) -> None:
    """Write the plan of each study among the runs.

    :param overrides: of each run.
    :param further: runs may follow that depend on the results.
    :param before: the runs of the rounds before, as :func:`runs_of` has them.
    """
    fresh = runs_of(found, overrides, before)
    for study in dict.fromkeys(one.run.config.study for one in found.runs):
        runs = [run for run, one in zip(fresh, found.runs, strict=True) if one.run.config.study == study]
        paths = next(one.run.config.paths for one in found.runs if one.run.config.study == study)
        plan = {"further_rounds": further, "sum": sum_of(found), "runs": [*before, *runs], "at_once": found.at_once}
        plan |= {"hardware": found.hardware, "worker_start_seconds": found.start}
        save(paths, study, command, plan)


def save(paths: PathsConfig, study: str, command: str, plan: dict[str, Any]) -> Path:
    path = path_of(paths, study)
    path.parent.mkdir(parents=True, exist_ok=True)
    head = {"study": study, "command": command, "written": datetime.now(UTC).isoformat(timespec="seconds")}
    write_json(path, {**head, **plan}, shared=True)
    return path


def read(paths: PathsConfig, study: str) -> dict[str, Any]:
    """The plan of a study.

    :raises ConfigError: where there is none.
    """
    path = path_of(paths, study)
    if not path.exists():
        known = sorted(one.parent.name for one in Path(paths.studies).glob(f"*/{FILE}"))
        there = f"there are {', '.join(known)}" if known else "no study has one"
        raise ConfigError(f"status: {path} is not there; {there} (openr1-plan and openr1 -m write it)")
    return json.loads(path.read_text())


def sum_of(found: StudyPrice) -> dict[str, Any]:
    done = sum(one.run.share_done() == 1 for one in found.runs)
    known = {"seconds": found.seconds if found.timed or not found.todo else None, "unknown": found.unknown}
    return {"runs": len(found.runs), "done": done, **asdict(found.amount), **known}


def runs_of(found: StudyPrice, overrides: Sequence[Sequence[str]], before: Sequence[dict] = ()) -> list[dict[str, Any]]:
    first = before[-1]["round"] + 1 if before else 0
    numbers = [first + i for i, runs in enumerate(found.rounds) for _ in runs]
    return [_run(*one) for one in zip(found.runs, overrides, numbers, strict=True)]


def _run(one: RunPrice, overrides: Sequence[str], number: int) -> dict[str, Any]:
    estimate = one.run.main.estimate
    return {
        "name": one.run.name,
        "overrides": list(overrides),
        "round": number,
        "state": str(one.state) or "waiting",
        "share_done": one.run.share_done(),
        "params": estimate.params,
        "tokens": estimate.tokens,
        "flops": estimate.flops,
        "memory_bytes": one.memory,
        "seconds": one.seconds,
        "seconds_from": one.sources,
        "gpu_hours": one.amount.gpu_hours,
        "money": one.amount.money,
        "stages": [
            {
                "name": stage.stage.name,
                "kind": stage.stage.config.stage.kind,
                "fingerprint": stage.stage.fingerprint,
                "artifacts": stage.stage.config.paths.artifacts,
                "flops": stage.stage.estimate.flops_new,
                "seconds": stage.timing.seconds if stage.timing else None,
                "shared": stage.shared,
            }
            for stage in one.stages
        ],
    }
