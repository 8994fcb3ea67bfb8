"""``plan.json``: the runs of a study and their price before they started, in the folder of the study.

One object:

- ``study``, ``command`` as it was given, ``written`` (ISO 8601, UTC), ``hardware``, ``at_once`` (runs side by side),
  ``worker_start_seconds`` (of a process before its first run), ``further_rounds`` (whether results decide on further runs);
- ``sum`` of the next round and the rounds that are known to follow: ``runs``, ``done``, and of the work that is left ``flops``,
  ``gpu_hours``, ``money``, ``seconds`` to the end of the last run, and ``unknown``, the kinds of stages that these leave out;
- ``runs``, those of earlier rounds too, in the order in which they start, each with ``name``, ``overrides``, ``round`` (from 0
  on), ``state`` when this was written, ``share_done``, ``params`` N, ``tokens`` D, ``flops`` C, ``memory_bytes`` of one device
  (an estimate), and of the work that was left ``seconds``, ``seconds_from``, ``gpu_hours`` and ``money``; null is unknown;
- in each run ``stages``, in order: ``name`` in its recipe, ``kind``, ``fingerprint``, ``artifacts`` (the folder of artifacts,
  relative to that of the study: it is found from any directory, and when the outputs have moved), ``flops``, ``seconds`` of
  the whole stage, and ``shared`` where a run before it makes the stage;
- ``search`` instead of ``runs`` for a search of Optuna: ``storage``, ``name``, ``n_trials``, and of one trial ``least``,
  ``mean`` and ``most``, each with ``flops`` and ``seconds``.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from openr1.config.schema import PathsConfig
from openr1.sweeps.cost.price import RunPrice, StudyPrice
from openr1.sweeps.planning.grammar import format_value
from openr1.sweeps.planning.states import StagePlace
from openr1.system.errors import ConfigError, RunError
from openr1.system.files import write_json
from openr1.system.records import DamagedFile, read_json
from openr1.tracking.options import TrackingConfig

FILE = "plan.json"
# words of Hydra that make a command line one of openr1-plan
OF_PRICE = ("hydra.sweeper._target_=", "hydra.mode=", "+hydra.sweeper.forecast=")


def command_line(name: str, config: DictConfig) -> str:
    """Return the command line of a composed config, with its overrides of Hydra.

    :param name: of the command, such as ``openr1 -m``.
    """
    overrides = config.hydra.overrides
    of_hydra = [
        word
        for word in overrides.hydra
        if not word.startswith(("hydra.sweeper._target_=", "hydra.mode=", "+hydra.sweeper.forecast="))
    ]
    return shlex.join([*name.split(), *of_hydra, *overrides.task])


def resume_hint(command: str) -> str:
    """Say how to resume a study that no process works on.

    :param command: as :func:`command_line` returns it; "" if it is not known.
    """
    if not command:
        return "no worker is running; the command that started it resumes it"
    return f"no worker is running; resume with: {command.replace('openr1-plan', 'openr1 -m', 1)}"


def path_of(paths: PathsConfig, study: str) -> Path:
    """Return the path of the plan of a study."""
    return Path(paths.studies) / study / FILE


def write(
    price: StudyPrice,
    overrides: Sequence[Sequence[str]],
    command: str,
    adapts: bool,
    before: Sequence[dict[str, Any]] = (),
    keep: Collection[str] = (),
) -> None:
    """Write the plan of each study among the runs.

    :param overrides: of each run.
    :param adapts: results decide on further runs.
    :param before: the entries of the runs of earlier rounds (:func:`entries_of`).
    :param keep: studies whose plans stay as they are.
    """
    entries = entries_of(price, overrides, before)
    for study in dict.fromkeys(run.run.config.study for run in price.runs if run.run.config.study not in keep):
        runs = [entry for entry, run in zip(entries, price.runs, strict=True) if run.run.config.study == study]
        paths = next(run.run.config.paths for run in price.runs if run.run.config.study == study)
        plan = {"further_rounds": adapts, "sum": _sum(price), "runs": [*before, *runs], "at_once": price.at_once}
        plan |= {"hardware": price.hardware, "worker_start_seconds": price.start}
        save(paths, study, command, plan)


def save(paths: PathsConfig, study: str, command: str, plan: dict[str, Any]) -> Path:
    """Write a plan with its head, and return its path."""
    path = path_of(paths, study)
    path.parent.mkdir(parents=True, exist_ok=True)
    head = {"study": study, "command": command, "written": datetime.now(UTC).isoformat(timespec="seconds")}
    write_json(path, {**head, **plan}, shared=True)
    return path


def track(tracking: TrackingConfig, paths: PathsConfig, study: str) -> None:
    """Put the plan of a study into the store, so that the study is known without its folder.

    :raises StoreError: if the store refuses it.
    """
    from openr1.tracking.mlflow import log_study

    log_study(tracking, study, [path_of(paths, study)], {}, {"command": read(paths, study)["command"]})


def read(paths: PathsConfig, study: str) -> dict[str, Any]:
    """Read the plan of a study.

    :raises ConfigError: where there is none.
    :raises RunError: where it was damaged.
    """
    path = path_of(paths, study)
    if not path.exists():
        root = Path(paths.studies)
        known = sorted(plan.parent.relative_to(root).as_posix() for plan in root.rglob(FILE))  # a name may have slashes
        there = f"there are {', '.join(known)}" if known else "no study has one"
        raise ConfigError(f"status: {path} is not there; {there} (openr1-plan and openr1 -m write it)")
    try:
        plan = read_json(path)
    except DamagedFile as damage:
        raise RunError(f"{damage}; openr1-plan or openr1 -m with the options of the study writes it again") from damage
    for stage in (stage for run in plan["runs"] for stage in run["stages"]):
        stage["artifacts"] = str(_artifacts(path.parent, stage["artifacts"], paths))
    return plan


def renamed(plan: dict[str, Any], name: str, folder: Path) -> dict[str, Any]:
    """Return a plan, as :func:`read` reads it, for another name of its study, so that its command resumes it by that name.

    :param folder: of the study from now on.
    """
    keys = ("study", "sweep.name") if "search" in plan else ("study",)
    plan = {**plan, "study": name, "command": shlex.join(_renamed(shlex.split(plan["command"]), name, keys))}
    if "search" in plan:
        plan["search"] = {**plan["search"], "name": name}
    for run in plan["runs"]:
        run["overrides"] = _renamed(run["overrides"], name, [key for key in keys if _sets(run["overrides"], key)])
        for stage in run["stages"]:
            stage["artifacts"] = os.path.relpath(stage["artifacts"], folder)
    return plan


def _renamed(words: Sequence[str], name: str, keys: Sequence[str]) -> list[str]:
    """Return overrides in which some keys have a name for value."""
    others = [word for word in words if not any(_sets([word], key) for key in keys)]
    return others + [f"{key}={format_value(name)}" for key in keys]


def _sets(words: Sequence[str], key: str) -> bool:
    return any(word.lstrip("+").startswith(f"{key}=") for word in words)


def _artifacts(folder: Path, given: str, paths: PathsConfig) -> Path:
    """Return the folder of artifacts that a plan names.

    Earlier versions wrote it relative to the directory of the command, which is not known; it is that of ``paths`` then.
    """
    there = Path(os.path.normpath(folder.absolute() / given))
    return there if there.is_dir() or given.startswith(os.pardir) else Path(paths.artifacts)


def begun_without(paths: PathsConfig, study: str, fingerprints: Collection[str] = (), search: bool = False) -> str | None:
    """Say what the plan of a study has that a new plan would lose; None if it may be replaced.

    :param fingerprints: of the stages of the new plan.
    :param search: the new plan is one of a search.
    """
    if not path_of(paths, study).exists():
        return None
    try:
        plan = read(paths, study)
    except RunError:  # it is damaged
        return None
    if "search" in plan:
        return None if search else "it is the plan of a search"
    lost = [run for run in plan["runs"] if not {stage["fingerprint"] for stage in run["stages"]} <= set(fingerprints)]
    begun = [run for run in lost if any(_is_begun(stage) for stage in run["stages"])]
    return f"{len(begun)} of its {len(plan['runs'])} runs are begun or done and not among these" if begun else None


def _is_begun(stage: Mapping[str, Any]) -> bool:
    place = StagePlace(stage["kind"], stage["fingerprint"], stage["artifacts"])
    return place.is_made or place.partial.is_dir()


def entries_of(
    price: StudyPrice, overrides: Sequence[Sequence[str]], before: Sequence[dict[str, Any]] = ()
) -> list[dict[str, Any]]:
    """Return the entries of priced runs, with rounds that follow those of ``before``."""
    first = before[-1]["round"] + 1 if before else 0
    numbers = [first + i for i, runs in enumerate(price.rounds) for _ in runs]
    return [_entry(run, job, number) for run, job, number in zip(price.runs, overrides, numbers, strict=True)]


def _sum(price: StudyPrice) -> dict[str, Any]:
    done = sum(run.run.is_done() for run in price.runs)
    seconds = price.seconds if price.is_timed or not price.unfinished else None
    return {"runs": len(price.runs), "done": done, **asdict(price.amount), "seconds": seconds, "unknown": price.unknown}


def _entry(price: RunPrice, overrides: Sequence[str], number: int) -> dict[str, Any]:
    estimate, config = price.run.main.estimate, price.run.config
    folder = path_of(config.paths, config.study).parent
    return {
        "name": price.run.name,
        "overrides": list(overrides),
        "round": number,
        "state": str(price.state) or "waiting",
        "share_done": price.run.share_done(),
        "params": estimate.params,
        "tokens": estimate.tokens,
        "flops": estimate.flops,
        "memory_bytes": price.memory,
        "seconds": price.seconds,
        "seconds_from": price.sources,
        "gpu_hours": price.amount.gpu_hours,
        "money": price.amount.money,
        "stages": [
            {
                "name": stage.stage.name,
                "kind": stage.stage.config.stage.kind,
                "fingerprint": stage.stage.fingerprint,
                "artifacts": os.path.relpath(stage.stage.config.paths.artifacts, folder),
                "flops": stage.stage.estimate.flops_new,
                "seconds": stage.timing.seconds if stage.timing else None,
                "shared": stage.shared,
            }
            for stage in price.stages
        ],
    }
