"""Inputs of a run: which artifacts and models it takes, where the config names them, and whether they exist yet."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TYPE_CHECKING

from openr1.models.smollm2 import PACKAGE
from openr1.stages.scoring_models import scoring_models, with_reward_models
from openr1.system.artifacts import Artifact, Store
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    from openr1.config.schema import Config

PACKAGED = f"pypi:{PACKAGE}"  # the one model that comes from a package index


def is_served(config: Config) -> bool:
    """Tell whether a run asks a model behind a server."""
    return not config.stage.trains and config.stage.needs_model and config.engine.served


def artifact_references(config: Config) -> dict[str, tuple[str, str]]:
    """Return the artifacts that a run takes: input name -> (config key, reference)."""
    named = Store(config.paths.artifacts).name_of
    models = {one.name: (f"{one.key}.model", one.model) for one in scoring_models(config) if one.model and named(one.model)}
    return {**_stage_references(config), **models}


def _stage_references(config: Config) -> dict[str, tuple[str, str]]:
    stage = config.stage
    if stage.kind == "curate":
        return {f"answers.{i}": (f"stage.inputs[{i}]", reference) for i, reference in enumerate(stage.inputs)}
    if getattr(stage, "answers", None):
        return {"answers": ("stage.answers", stage.answers)}
    references = {}
    for group in ("sources", "held_out") if stage.trains and not stage.rollouts else ():
        for name, source in getattr(config.data, group).items():
            if source.kind == "artifact":
                references[f"{group}.{name}"] = (f"data.{group}.{name}.artifact", source.artifact)
    if getattr(stage, "trunk", None):
        references["trunk"] = ("stage.trunk", stage.trunk)
    checkpoint = config.model.checkpoint
    if checkpoint and config.stage.needs_model and not is_served(config) and Store(config.paths.artifacts).name_of(checkpoint):
        references["model"] = ("model.checkpoint", checkpoint)
    return references


def missing_artifacts(config: Config) -> list[str]:
    """Return the references of artifacts that do not exist yet, such as those of earlier steps of a recipe."""
    store = Store(config.paths.artifacts)
    return [reference for _, reference in artifact_references(config).values() if store.get(reference) is None]


def input_artifacts(config: Config) -> dict[str, Artifact]:
    """Return the artifacts that a run takes, by input name.

    :raises ConfigError: for the first that does not exist.
    """
    store = Store(config.paths.artifacts)
    return {name: _artifact(key, store, reference) for name, (key, reference) in artifact_references(config).items()}


def with_local_checkpoint(config: Config, unmade: Collection[str] = ()) -> Config:
    """Return the config with the directories of its model and reward models. A packaged model is unpacked first.

    :param unmade: names of artifacts that do not exist yet, which stay as they are.
    :raises ConfigError: if the artifact does not exist.
    :raises RunError: if it is damaged.
    """
    store = Store(config.paths.artifacts)

    def local(key: str, model: str) -> str:
        return str(_artifact(key, store, model).model) if store.name_of(model) and model not in unmade else model

    config = with_reward_models(config, local)
    if config.model.checkpoint in unmade:
        return config
    if config.model.checkpoint == PACKAGED:
        from openr1.models.smollm2 import model_directory

        return replace(config, model=replace(config.model, checkpoint=str(model_directory(config.paths.cache))))
    return _with_checkpoint(config, lambda store, reference: str(_artifact("model.checkpoint", store, reference).model))


def with_named_checkpoint(config: Config) -> Config:
    """Return the config with the names of the artifacts of its model and reward models, if their directories were given."""
    store = Store(config.paths.artifacts)
    config = with_reward_models(config, lambda _, model: store.name_of(model) or model)
    return _with_checkpoint(config, lambda store, reference: store.name_of(reference))


def _with_checkpoint(config: Config, form: Callable[[Store, str], str | None]) -> Config:
    reference, store = config.model.checkpoint, Store(config.paths.artifacts)
    if reference is None or store.name_of(reference) is None:
        if reference:
            store.check_around(reference)
        return config
    return replace(config, model=replace(config.model, checkpoint=form(store, reference)))


def _artifact(key: str, store: Store, reference: str) -> Artifact:
    artifact = store.get(reference)
    if artifact is None:
        raise ConfigError(f"{key}: there is no artifact {reference} in {store.root}")
    return artifact
