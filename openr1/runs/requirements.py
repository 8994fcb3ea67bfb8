"""Requirements of a run: what this machine and the installed libraries must have for it, checked before anything is written."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from openr1.distributed.devices import require_device
from openr1.distributed.launcher import check_processes
from openr1.models.checkpoints import checkpoint_of
from openr1.rewards.judge import JudgeOptions, check_judge
from openr1.rewards.preference import check_reward_model
from openr1.stages.scoring_models import scoring_models
from openr1.system.artifacts import NAME, Store
from openr1.system.errors import ConfigError
from openr1.training.parametrization import parametrization_of

if TYPE_CHECKING:
    from openr1.config.schema import Config
    from openr1.models.shape import Shape


def check_requirements(config: Config) -> None:
    """Refuse a run that this machine cannot begin.

    :raises ConfigError: without a GPU for a run on one or enough of them, without the library of its attention or strategy,
        or without a reward model that can score or a judge that answers.
    """
    check_processes(config)
    if config.stage.needs_model and (config.stage.rollouts or not config.stage.trains):
        require_device("engine.device", getattr(config.engine, "device", "cpu"))
    if config.stage.trains:
        require_device("compute.device", config.compute.device)
        _check_attention(config.model.attention)
    _check_scoring_models(config)  # last, since they may be on the Hub or behind a server


def _check_scoring_models(config: Config) -> None:
    """Refuse a run whose reward models cannot score, or whose judges do not answer. Models that do not exist yet are left out.

    :raises ConfigError: for the first.
    """
    store = Store(config.paths.artifacts)
    for one in scoring_models(config):
        if isinstance(one.options, JudgeOptions):
            check_judge(one.options, one.key)
            continue
        require_device(f"{one.key}.device", one.options.device)
        artifact = store.get(one.options.model)
        if artifact is None and NAME.fullmatch(one.options.model):
            continue  # an earlier step of a recipe makes it
        options = replace(one.options, model=str(artifact.model)) if artifact else one.options
        check_reward_model(options, one.key)


def _check_attention(name: str) -> None:
    if not name.startswith("flash_attention"):
        return
    from transformers.utils import is_flash_attn_2_available, is_flash_attn_3_available

    available = {"flash_attention_2": is_flash_attn_2_available, "flash_attention_3": is_flash_attn_3_available}
    if not available[name]():
        raise ConfigError(f"model.attention: {name} needs the package flash-attn and a GPU; sdpa is always there")


def check_build(config: Config, shape: Shape | None) -> None:
    """Build the model of a run without its weights, if it has ``model.options``, which only transformers know, or a
    parametrization, whose base must have all tensors of the model.

    :param shape: of the model that is trained from scratch; None for a run without one.
    :raises ConfigError: if transformers cannot build it.
    """
    if not shape or not config.stage.trains or checkpoint_of(config.model, config.scale):
        return
    parametrization = parametrization_of(config, shape)
    if not config.model.options and parametrization is None:
        return
    import torch

    from openr1.models.build import build

    try:
        with torch.device("meta"):
            build(config.model, shape, config.seed, parametrization=parametrization)
    except ConfigError:
        raise
    except Exception as error:  # of any type, raised somewhere in a model of transformers
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
        raise ConfigError(
            f"model.options: transformers cannot build {shape.family} with {config.model.options}; {reason}"
        ) from error
