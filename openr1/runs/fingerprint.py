"""Fingerprints of runs: a hash of everything that changes a result.

The resolved config of the stage and the fingerprints of its inputs count. The machine, the tracking store and the name of the
study do not, so that studies share the artifacts that they have in common. An artifact of an earlier step of a recipe counts by
its name, so that fingerprints are known before anything runs.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from openr1.config.schema import Config, to_dict
from openr1.curation import decontamination
from openr1.curation.options import CurationStep, Decontaminate, Preferred, steps_of
from openr1.data.hashing import digest, hash_files
from openr1.data.readability import RULE as READABILITY
from openr1.data.words import RULE as WORDS
from openr1.models.checkpoints import checkpoint_of
from openr1.models.mtp_files import FOLDER
from openr1.rewards.base import VERDICTS
from openr1.rewards.judge import PROMPTS, JudgeOptions
from openr1.rewards.options import fingerprinted_options
from openr1.rl.rules import policy_rules
from openr1.runs.dataset import dataset_fingerprint, problems_fingerprint
from openr1.runs.inputs import artifact_references, is_served, with_named_checkpoint
from openr1.stages.scoring_models import comparing_terms, scoring_functions, scoring_models
from openr1.system.artifacts import Store

OBSERVING = ("log_every", "log_completions", "preflight")  # options of stage=grpo that change no result


def identify(config: Config) -> tuple[str, dict[str, str]]:
    """Return the fingerprint of a run, and those of its inputs by name, without making anything."""
    config = with_named_checkpoint(config)
    inputs = input_fingerprints(config)
    return fingerprint(config, inputs), inputs


def input_fingerprints(config: Config) -> dict[str, str]:
    """Return what identifies each input of a run: a fingerprint of its content, or the name of an artifact."""
    stage, store = config.stage, Store(config.paths.artifacts)
    inputs: dict[str, str] = {
        name: store.name_of(reference) or reference for name, (_, reference) in artifact_references(config).items()
    }
    if stage.rollouts:
        inputs |= {
            "problems": problems_fingerprint(config),
            "eval": problems_fingerprint(replace(config, stage=stage.evaluation)),
        }
    elif stage.trains:
        inputs["data"] = dataset_fingerprint(config)
    elif stage.kind == "curate":
        inputs |= _evaluation_sets(config)
    elif not getattr(stage, "answers", None):
        inputs["problems"] = problems_fingerprint(config)
        if stage.kind == "reject":
            inputs |= _evaluation_sets(config)
    checkpoint = checkpoint_of(config.model, config.scale) if config.stage.needs_model else None
    if is_served(config):
        inputs["model"] = str(config.engine.model)
    elif checkpoint and "model" not in inputs:
        inputs["model"] = checkpoint_fingerprint(checkpoint, config.model.revision, Path(config.paths.cache))
    for one in scoring_models(config):
        if one.model and one.name not in inputs:
            inputs[one.name] = checkpoint_fingerprint(one.model, one.options.revision, Path(config.paths.cache))
    return inputs


def _evaluation_sets(config: Config) -> dict[str, str]:
    fingerprints: dict[str, str] = {}
    for name, step in steps_of("stage.steps", config.stage.steps).items():
        if isinstance(step, Decontaminate):
            sets = decontamination.set_contents(step, f"stage.steps.{name}", Path(config.paths.cache))
            fingerprints |= {f"{name}.{key}": digest(content) for key, content in sets.items()}
    return fingerprints


def fingerprint(config: Config, inputs: dict[str, str]) -> str:
    """Return a hash of everything that decides the result of a run: 16 hexadecimal digits."""
    resolved = to_dict(config)
    parts = training_parts(config, inputs) if config.stage.trains else _untrained_parts(config, resolved)
    # an option that is off does not count, so that another one, added later, leaves the fingerprints as they are
    parts["stage"] = {key: value for key, value in parts["stage"].items() if not _is_off(value)}
    parts |= rule_versions(config)
    return digest({"config": parts, "inputs": inputs})[:16]


def rule_versions(config: Config) -> dict[str, int]:
    """Return the versions of rules in the code that decide a result: how answers are graded, how text is split into words."""
    stage = config.stage
    curates = stage.kind in ("curate", "reject")
    kinds = {step.kind for step in steps_of("stage.steps", stage.steps).values()} if curates else set()
    versions = {}
    if "verify" in kinds or stage.kind == "evaluate" or stage.rollouts:
        versions["verdicts"] = VERDICTS
    if stage.rollouts:
        versions |= policy_rules(config)
    rewards = scoring_functions(config)
    if "near_dedupe" in kinds or "repetition_penalty" in rewards:
        versions["words"] = WORDS
    if "readability" in rewards:
        versions["readability"] = READABILITY
    if any(isinstance(one.options, JudgeOptions) for one in scoring_models(config)):
        versions["judge"] = PROMPTS
    return versions


def _is_off(option: Any) -> bool:
    if isinstance(option, dict):  # adapters without a rank, a reward without a function
        return any(option.get(name, 0) is None for name in ("rank", "function"))
    return option is None or option is False or option == []


def training_parts(config: Config, inputs: dict[str, str]) -> dict[str, Any]:
    """Return the part of the config that decides the result of a run that trains, beside its inputs."""
    resolved = to_dict(config)
    parts = {key: resolved[key] for key in ("model", "scale", "stage", "budget", "optim", "seed")}
    parts["model"].pop("checkpoints")
    if "model" in inputs:
        # a checkpoint is known by its content, wherever it lies, and decides the shape
        parts["model"] = {key: parts["model"][key] for key in ("attention", "options", "mtp")}
        parts.pop("scale")
    if not config.model.mtp.depth:  # options of modules that there are not do not count
        parts["model"].pop("mtp")
    parts["data"] = {"context": config.data.context, "eval_tokens": config.data.eval_tokens}
    parts["compute"] = {key: resolved["compute"][key] for key in ("precision", "micro_batch")}
    if config.compute.gradient_checkpointing and config.budget.flops is not None:
        parts["compute"]["gradient_checkpointing"] = True  # its FLOPs leave fewer for steps
    if config.compute.processes > 1 and getattr(config.stage, "lora", None) is not None and config.stage.lora.dropout:
        parts["compute"]["processes"] = config.compute.processes  # each process draws its own dropout
    for group, key in (("budget", "completions"), ("optim", "warmup_tokens")):
        if parts[group][key] is None:  # null options do not count
            parts[group].pop(key)
    _drop_unused(parts["optim"], config)
    parts["stage"].pop("trunk", None)  # it counts as an input
    if config.stage.rollouts:
        parts |= _generation_parts(config, resolved)
        parts["reward"] = _reward_parts(resolved["reward"])
        parts["stage"] = {key: value for key, value in parts["stage"].items() if key not in OBSERVING}
        parts["stage"] |= _scoring_parts(config)
        if config.stage.loss.tis_cap is None:  # null does not count
            parts["stage"]["loss"].pop("tis_cap")
    return parts


def _reward_parts(reward: dict[str, Any]) -> dict[str, Any]:
    """Return the part of the mix of rewards that decides the values of answers."""
    terms = {
        name: {**term, "options": fingerprinted_options(term["function"] or name, term["options"])}
        for name, term in reward["terms"].items()
    }
    parts = {"terms": terms, "time_limit": reward["time_limit"]}
    by_task = {task: {name: float(weight) for name, weight in weights.items()} for task, weights in reward["by_task"].items()}
    return parts | ({"by_task": by_task} if by_task else {})


def _scoring_parts(config: Config) -> dict[str, Any]:
    """Return the part of a stage's config that decides how answers are compared; nothing if they are not."""
    return {
        key: {"function": term.function, "options": fingerprinted_options(str(term.function), term.options)}
        for key, term in comparing_terms(config.stage).items()
    }


def _drop_unused(optim: dict[str, Any], config: Config) -> None:
    """Remove options of the optimiser that do not count: an option that is off leaves fingerprints as they are."""
    if config.optim.kind == "adamw":
        optim.pop("kind")
        optim.pop("muon")
    if config.optim.parametrization == "standard":
        optim.pop("parametrization")
        optim.pop("base")
    elif optim["base"]:
        optim["base"].pop("name")


def _untrained_parts(config: Config, resolved: dict[str, Any]) -> dict[str, Any]:
    if getattr(config.stage, "answers", None):
        return {"stage": {"kind": config.stage.kind, **_scoring_parts(config)}}
    parts = {"stage": resolved["stage"] | _scoring_parts(config)}
    if config.stage.kind in ("curate", "reject"):
        # artifacts and evaluation sets count as inputs, by their content; the order of steps matters
        steps = steps_of("stage.steps", config.stage.steps)
        options = [[name, _step_parts(step)] for name, step in steps.items()]
        if config.stage.kind == "curate":
            return {"stage": {"kind": "curate", "steps": options}}
        parts["stage"]["steps"] = options
    parts["seed"] = config.seed
    if config.stage.needs_model:
        parts |= _generation_parts(config, resolved)
    return parts


def _step_parts(step: CurationStep) -> dict[str, Any]:
    options = {key: value for key, value in asdict(step).items() if key != "sets"}
    if isinstance(step, Preferred):
        options["options"] = fingerprinted_options(step.function, step.options)
    return options


def _generation_parts(config: Config, resolved: dict[str, Any]) -> dict[str, Any]:
    """Return the part of the config that decides how a model is asked, and how it answers."""
    engine = {key: resolved["engine"][key] for key in ("kind", *config.engine.fingerprinted)}
    return {"engine": engine, "prompt": {key: getattr(config.data, key) for key in ("chat", "system", "instruction")}}


def checkpoint_fingerprint(checkpoint: str, revision: str | None, cache: Path) -> str:
    """Return what identifies a checkpoint: a hash of its files, wherever they lie, or the id and revision of a Hub model.

    Modules of multi-token prediction are among the files.
    """
    folder = Path(checkpoint)
    if not folder.is_dir():
        return f"{checkpoint}@{revision or 'main'}"
    files = [path for place in (folder, folder / FOLDER) if place.is_dir() for path in sorted(place.iterdir())]
    return hash_files([path for path in files if path.is_file()], cache)[:16]
