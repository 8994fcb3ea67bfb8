"""Differences between the making of a finished run and that of a rerun, before it is made: code, packages, data, machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from openr1.config.recipe import RecipeStep
from openr1.config.schema import Config, to_dict
from openr1.options import flatten
from openr1.runs.record import RunRecord, StageRecord
from openr1.system.artifacts import NAME

OWN = ("study", "paths.", "tracking.")  # keys of a config that are a rerun's own
DIRTY = "-dirty"


@dataclass(frozen=True)
class Difference:
    """Something that is not as it was.

    :ivar what: such as ``commit``, or ``packages``.
    :ivar text: a phrase that says how it was and how it is.
    """

    what: str
    text: str

    def __str__(self) -> str:
        return f"{self.what}: {self.text}"


def differences(run: RunRecord, steps: Sequence[RecipeStep], here: Mapping[str, Any]) -> list[Difference]:
    """Return what differs, each thing once.

    :param steps: of the rerun, in the order of the stages of the record.
    :param here: the environment of the rerun.
    """
    found: dict[Difference, None] = {}
    for stage, step in zip(run.stages, steps, strict=False):
        label = f" of {stage.name}" if stage.name and len(run.stages) > 1 else ""
        for difference in (*_of_environment(stage, step.config, here), *_of_inputs(stage, step, label)):
            found.setdefault(difference)
    return list(found)


def config_differences(before: Config, now: Config) -> list[str]:
    """Return the keys whose values differ between two configs, with both values."""
    old, new = flatten(to_dict(before)), flatten(to_dict(now))
    keys = [key for key in dict.fromkeys([*old, *new]) if not key.startswith(OWN)]
    return [f"{key}: {_shown(old, key)} -> {_shown(new, key)}" for key in keys if _shown(old, key) != _shown(new, key)]


def _shown(values: Mapping[str, Any], key: str) -> str:
    return str(values[key]) if key in values else "not set"


def _of_environment(stage: StageRecord, config: Config, here: Mapping[str, Any]) -> list[Difference]:
    there = stage.environment
    if not there:
        return [Difference("environment", "that of the original is not known")]
    found = _of_code(there, here)
    for name in ("python", "platform", "hardware"):
        if name not in there:
            found.append(Difference(name, "that of the original is not known"))
        elif there[name] != here[name]:
            found.append(Difference(name, f"{there[name]} in the original, {here[name]} now"))
    found += _of_packages(there.get("packages"), here["packages"])
    before, now = _threads(stage.config["compute"], there.get("cpus")), _threads(to_dict(config)["compute"], here["cpus"])
    if before is None:
        found.append(Difference("threads", "their number in the original is not known"))
    elif before != now:
        found.append(Difference("threads", f"{before} in the original, {now} now; compute.threads={before} takes as many"))
    return found


def _of_code(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[Difference]:
    before, now = there.get("git_commit"), here["git_commit"]
    if before is None:
        return [Difference("commit", "that of the original is not known")]
    found = []
    if before.removesuffix(DIRTY) != now.removesuffix(DIRTY):
        found.append(Difference("commit", f"{_short(before)} in the original, {_short(now)} now"))
    known = "uncommitted" in there
    if before.endswith(DIRTY) and not known:
        found.append(Difference("uncommitted changes", "the original had some, which were not recorded"))
    elif (changes := there.get("uncommitted")) != here["uncommitted"]:
        was = "none" if changes is None else f"some (hash {changes})"
        now_has = "none" if here["uncommitted"] is None else f"some (hash {here['uncommitted']})"
        found.append(Difference("uncommitted changes", f"{was} in the original, {now_has} now"))
    return found


def _short(commit: str) -> str:
    return commit.removesuffix(DIRTY)[:12]


def _of_packages(there: Mapping[str, str] | None, here: Mapping[str, str]) -> list[Difference]:
    if there is None:
        return [Difference("packages", "those of the original are not known")]
    names = sorted({*there, *here}, key=str.lower)
    return [
        Difference(
            "package", f"{name} {there.get(name, 'not installed')} in the original, {here.get(name, 'not installed')} now"
        )
        for name in names
        if there.get(name) != here.get(name)
    ]


def _threads(compute: Mapping[str, Any], cpus: int | None) -> int | None:
    """Return the number of threads of one process, as :func:`openr1.distributed.launcher.threads_per_process` sets it."""
    if compute.get("threads"):
        return compute["threads"]
    return None if cpus is None else max(1, cpus // compute["processes"])


def _of_inputs(stage: StageRecord, step: RecipeStep, label: str) -> list[Difference]:
    """Compare the fingerprints of data and models. An artifact is named by what made it, which is compared itself."""
    found = []
    for name in dict.fromkeys([*stage.inputs, *step.inputs]):
        before, now = stage.inputs.get(name, "none"), step.inputs.get(name, "none")
        if before != now and not (NAME.fullmatch(before) and NAME.fullmatch(now)):
            what = f"{name}{label}"
            found.append(Difference(what, f"its content has changed: {before[:16]} in the original, {now[:16]} now"))
    if not found and stage.inputs == step.inputs and stage.fingerprint != step.fingerprint:
        same = _decides(stage.config) == _decides(to_dict(step.config))
        if same:
            text = "this version of the code makes another result of the same config and data"
            found.append(Difference(f"rules{label}", text))
    return found


def _decides(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in flatten(config).items() if not key.startswith((*OWN, "compute."))}
