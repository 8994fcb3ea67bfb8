"""Reward models: a language model's body with a head that gives a whole text one number, its reward.

The head is one linear layer without bias, from the width to one label; it is read at the last token that is not padding. Every
family has a class for it in transformers (``AutoModelForSequenceClassification``), so a saved folder is loaded by that class
and needs no code of ours. A text's reward is then ``model(ids).logits``, [texts, 1].

Where the padding token is the end token too, as in some released tokenizers, that head is read at the token before the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from openr1.models.build import family_config
from openr1.models.checkpoints import absent, load_with, refuse_code
from openr1.system.errors import ConfigError
from openr1.system.hub import look_for_hub

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

    from openr1.models.options import ModelConfig
    from openr1.models.shape import Shape

CLASSIFIER = "ForSequenceClassification"  # how the names of such classes end in transformers


def build_reward_model(
    model: ModelConfig, shape: Shape, seed: int, *, eos_token_id: int | None = None, pad_token_id: int | None = None
) -> PreTrainedModel:
    """Build a reward model without dropout, with weights that its family's own initialiser draws from the seed.

    Their standard deviation, of the head too, is that of :func:`openr1.models.build.build`.

    :param shape: of the body; its ``labels`` need not be set.
    :raises ConfigError: if transformers refuses a value of ``model.options``.
    """
    import torch
    from transformers import AutoModelForSequenceClassification

    config = family_config(model, shape, bos_token_id=None, eos_token_id=eos_token_id, pad_token_id=pad_token_id, num_labels=1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return AutoModelForSequenceClassification.from_config(config, attn_implementation=model.attention, dtype="float32")


def load_reward_model(key: str, checkpoint: str, revision: str | None = None, **options: Any) -> PreTrainedModel:
    """Load a reward model in float32, without dropout, ready to score.

    :param key: where the checkpoint stands in the config, for messages.
    :param checkpoint: a directory or Hub id of a classifier of sequences with one label.
    :param options: further arguments of ``from_pretrained``, such as ``attn_implementation``.
    :raises ConfigError: if there is no such checkpoint, it names code of its own, it has no head or more labels than one, or
        it cannot be loaded.
    """
    config = reward_model_config(key, checkpoint, revision)
    return _load(key, checkpoint, revision, config, options, new_head=False).eval()


def reward_model_config(key: str, checkpoint: str, revision: str | None = None) -> PreTrainedConfig:
    """Read the config of a reward model.

    :raises ConfigError: if there is no such checkpoint, it names code of its own, or it has no head of one label.
    """
    config = _config(key, checkpoint, revision)
    if not _is_classifier(config):
        raise ConfigError(
            f"{key}: {checkpoint} is a {_class_name(config)}, which gives no reward; stage=reward_model makes one"
        )
    if config.num_labels != 1:
        raise ConfigError(f"{key}: {checkpoint} has a head of {config.num_labels} labels; a reward model has 1")
    return config


def start_reward_model(key: str, checkpoint: str, revision: str | None, seed: int, **options: Any) -> PreTrainedModel:
    """Load the checkpoint that the training of a reward model starts from, in float32 and without dropout.

    A reward model goes on with its head. A language model gets a new head, which the family's own initialiser draws from the
    seed with the standard deviation of its config; its weights are kept, and its own head is left out.

    :raises ConfigError: as :func:`load_reward_model`, but for a language model.
    """
    import torch

    config = _config(key, checkpoint, revision)
    if _is_classifier(config):
        return load_reward_model(key, checkpoint, revision, **options).train()
    config.num_labels = 1
    with torch.random.fork_rng(devices=[]), _without_report():
        torch.manual_seed(seed)
        return _load(key, checkpoint, revision, config, options, new_head=True).train()


def is_reward_model(checkpoint: str, revision: str | None = None) -> bool:
    """Tell whether a checkpoint is a classifier of sequences, by the class that its ``config.json`` names."""
    from transformers import PreTrainedConfig

    look_for_hub(checkpoint)
    try:
        raw, _ = PreTrainedConfig.get_config_dict(checkpoint, revision=revision)
    except OSError:
        return False
    return any(name.endswith(CLASSIFIER) for name in raw.get("architectures") or [])


def _config(key: str, checkpoint: str, revision: str | None) -> PreTrainedConfig:
    """Read the config of a checkpoint, and set every dropout in it to 0."""
    from transformers import AutoConfig

    refuse_code(checkpoint, revision, key)
    try:
        config = AutoConfig.from_pretrained(checkpoint, revision=revision or "main", trust_remote_code=False)
    except OSError as error:
        raise absent(key, checkpoint) from error
    except (ValueError, KeyError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ConfigError(f"{key}: {checkpoint} cannot be loaded: {reason}") from error
    for name, value in vars(config).items():
        if ("dropout" in name or name.endswith("_pdrop")) and isinstance(value, float):
            setattr(config, name, 0.0)
    return config


def _class_name(config: PreTrainedConfig) -> str:
    return (config.architectures or [config.model_type])[0]


def _is_classifier(config: PreTrainedConfig) -> bool:
    return any(name.endswith(CLASSIFIER) for name in config.architectures or [])


def _load(
    key: str, checkpoint: str, revision: str | None, config: PreTrainedConfig, options: dict[str, Any], new_head: bool
) -> PreTrainedModel:
    from transformers import AutoModelForSequenceClassification

    arguments = {"dtype": "float32", **options, "config": config, "output_loading_info": True}
    model, info = load_with(AutoModelForSequenceClassification, key, checkpoint, revision, **arguments)
    missing = sorted(name for name in info["missing_keys"] if not (new_head and name == "score.weight"))
    if missing:
        raise ConfigError(f"{key}: {checkpoint} has no weights for {missing[0]}; give a checkpoint that is whole")
    return model


@contextmanager
def _without_report() -> Iterator[None]:
    """Keep transformers from listing the head that is new and the one that is left out, as both are meant."""
    from transformers.utils import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
