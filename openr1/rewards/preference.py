"""Reward models as rewards: ``preference`` of the summary, ``harmlessness`` of everything.

The R1 report (arXiv 2501.12948, section 2.3.4) assesses helpfulness by the final summary alone, so that the reward interferes
little with the reasoning, and harmlessness by the whole response, the thoughts included.

A text is read as ``stage=reward_model`` reads it in training: by the reward model's own tokenizer, as turns of its chat
template if it has one, and with the token that ends an answer. The policy's tokens are not used, so that its tokenizer may be
another one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar
from weakref import WeakValueDictionary

from omegaconf import MISSING

from openr1.models import flops
from openr1.models.checkpoints import UnknownFamily, checkpoint_shape
from openr1.models.options import ModelConfig, ScaleConfig
from openr1.models.reward_scoring import score_ids
from openr1.options.ranges import Count, FreeText, OneOf
from openr1.rewards.base import Sample
from openr1.rewards.model_based import PARTS, ModelReward, ModelRewardOptions
from openr1.system.errors import ConfigError
from openr1.system.files import write_json
from openr1.system.records import read_json

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from openr1.data.options import DataConfig
    from openr1.models.shape import Shape

PROMPT_FORM = "prompt_form.json"  # beside a reward model
PROMPT_KEYS = ("chat", "system", "instruction")  # options of the data that decide how a prompt is put

# models that a term uses now: (reference, revision, device) -> the model
LOADED: WeakValueDictionary[tuple[str, str | None, str], Any] = WeakValueDictionary()


@dataclass
class RewardModelOptions(ModelRewardOptions):
    """Options of rewards by a reward model."""

    model: str = MISSING  # artifact of stage=reward_model, directory, or Hub id; in a recipe @STEP
    revision: str | None = None  # branch, tag or commit of a Hub model
    batch_size: Count = 32  # texts in a forward pass
    device: Annotated[str, OneOf(("cpu", "cuda"))] = "cpu"
    # how texts are read; null as in the model's training; one from elsewhere reads a chat if its tokenizer has a chat template
    chat: bool | None = None
    system: FreeText | None = None  # the system turn; null as in its training
    instruction: str | None = None  # text around the prompt, which {prompt} stands for; null as in its training

    unfingerprinted: ClassVar[tuple[str, ...]] = ("model", "revision", "device")

    def __post_init__(self) -> None:
        if self.instruction is not None and "{prompt}" not in self.instruction:
            raise ValueError(f"instruction: {self.instruction!r} must contain {{prompt}}, the place of the prompt")


@dataclass
class PreferenceOptions(RewardModelOptions):
    """Options of ``preference``."""

    of: Annotated[str, OneOf(PARTS)] = "summary"  # the text that is scored: summary (without the thoughts) or completion


class RewardModel(ModelReward):
    """A reward model that is loaded, with its tokenizer.

    :raises ConfigError: if it cannot be loaded, has another head than one label, or its tokenizer does not fit.
    """

    options: RewardModelOptions

    def __init__(self, options: RewardModelOptions, key: str, cache: Path | None = None) -> None:
        super().__init__(options)
        self.model = load_shared(options, key)
        self.shape = reward_shape(options)
        config = self.model.config.get_text_config()
        self.reader = TextReader(options, key, config.vocab_size)
        self.context: float = getattr(config, "max_position_embeddings", None) or math.inf

    def rate_texts(self, samples: Sequence[Sample], texts: Sequence[str]) -> list[float | str]:
        """Return the reward of each prompt with its text."""
        encoded = [self.reader.encode(sample.problem.prompt, text) for sample, text in zip(samples, texts, strict=True)]
        scores: list[float | str] = [
            f"{len(ids)} tokens are beyond the reward model's {self.context} positions" if isinstance(ids, list) else ids
            for ids in encoded
        ]
        fitting = [(place, ids) for place, ids in enumerate(encoded) if isinstance(ids, list) and len(ids) <= self.context]
        rewards = score_ids(self.model, [ids for _, ids in fitting], self.options.batch_size)
        for (place, ids), reward in zip(fitting, rewards, strict=True):
            scores[place] = reward
            if self.shape:
                self.flops += len(ids) * flops.forward_flops(self.shape, len(ids))
        return scores

    def close(self) -> None:
        del self.model


def load_shared(options: RewardModelOptions, key: str) -> Any:
    """Load a reward model, once for all terms that use it at the same time.

    :raises ConfigError: if it cannot be loaded, or has another head than one label.
    """
    from openr1.models.reward_models import load_reward_model

    place = (options.model, options.revision, options.device)
    if (model := LOADED.get(place)) is None:
        model = load_reward_model(f"{key}.model", options.model, options.revision).to(options.device)
        LOADED[place] = model
    return model


def write_prompt_form(folder: Path, data: DataConfig) -> None:
    """Write beside a reward model how its training put prompts, so that it is asked as it was trained."""
    write_json(folder / PROMPT_FORM, {name: getattr(data, name) for name in PROMPT_KEYS})


def read_prompt_form(folder: Path) -> dict[str, Any]:
    """Return what :func:`write_prompt_form` wrote; nothing for a model from elsewhere."""
    file = folder / PROMPT_FORM
    return read_json(file) if file.is_file() else {}


class TextReader:
    """The tokens of a prompt and an answer, as a reward model reads them.

    :param vocabulary: rows of the model's embedding.
    :raises ConfigError: if the model has no tokenizer, or one that does not fit.
    """

    def __init__(self, options: RewardModelOptions, key: str, vocabulary: int) -> None:
        from openr1.data.chat import encoder_for
        from openr1.data.options import DataConfig
        from openr1.data.tokenizer import load_checkpoint

        folder = Path(options.model)
        if folder.is_dir() and not any(word in path.name for path in folder.iterdir() for word in ("token", "vocab", "merges")):
            raise ConfigError(f"{key}.model: {options.model} holds no tokenizer")  # transformers would make an empty one
        try:
            tokenizer: PreTrainedTokenizerBase = load_checkpoint(options.model, options.revision)
            given = {name: value for name in PROMPT_KEYS if (value := getattr(options, name)) is not None}
            trained = {"chat": bool(tokenizer.chat_template), **read_prompt_form(folder)}
            data = DataConfig(name="reward", **trained | given)
            self.encoder = encoder_for(data, tokenizer)
        except ConfigError as error:  # names the key of the policy's model
            raise ConfigError(f"{key}.model: {str(error).removeprefix('model.checkpoint: ')}") from error
        if len(tokenizer) > vocabulary:
            raise ConfigError(
                f"{key}.model: the tokenizer of {options.model} has {len(tokenizer)} tokens, but its embedding has "
                f"{vocabulary} rows; the two do not belong together"
            )

    def encode(self, prompt: str, text: str) -> list[int] | str:
        """Return the token ids, or the reason why the model cannot read the text."""
        from openr1.data.documents import Document

        try:
            [(ids, _)] = self.encoder([Document(text, prompt)])
        except ConfigError as error:  # the chat template refuses this one text
            return str(error).removeprefix("data.chat: ")
        return ids


def reward_shape(options: RewardModelOptions) -> Shape | None:
    """Return the shape of a reward model, from which its FLOPs follow; None if its family is unknown."""
    from dataclasses import replace

    try:
        model = ModelConfig(checkpoint=options.model, revision=options.revision)
        return replace(checkpoint_shape(model, ScaleConfig(), 0), labels=1)
    except UnknownFamily:
        return None


def check_reward_model(options: RewardModelOptions, key: str) -> None:
    """Refuse a reward model by its small files, before anything is loaded.

    :param key: where the options stand in the config.
    :raises ConfigError: for a model that does not exist, has another head than one label, or whose tokenizer does not fit.
    """
    from openr1.models.reward_models import reward_model_config

    config = reward_model_config(f"{key}.model", options.model, options.revision)
    TextReader(options, key, config.get_text_config().vocab_size)
