"""Between text and tokens, the same for every engine that runs here."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from openr1.data.prefill import opens
from openr1.data.sources import Document
from openr1.data.tokenizer import Encoder, load_checkpoint
from openr1.engines.base import Request, RequestError
from openr1.errors import ConfigError

TAIL = 32  # tokens, enough for a tag and the space around it


class Codec:
    """The tokenizer of a model.

    A prompt as text is encoded as training does it, so that a model meets the tokens that it was trained on: with a start token
    where the tokenizer has one, and what spells a special token stays text. Messages go through the chat template.
    """

    def __init__(self, model: str, revision: str | None = None) -> None:
        # copies, since one reads special tokens in a text and the other does not, as does training with the tokenizer itself
        self.tokenizer = copy.deepcopy(load_checkpoint(model, revision))
        self.raw = Encoder(copy.deepcopy(self.tokenizer))
        self.end = end_tokens(model, revision) | {self.tokenizer.eos_token_id}

    def encode(self, request: Request, context: int) -> list[int]:
        """The token ids of a prompt.

        :param context: positions of prompt and completion.
        :raises ConfigError: for messages, where the model has no chat template.
        :raises RequestError: where the template refuses them, or the prompt has no tokens or too many.
        """
        if request.prompt is not None:
            [(ids, length)] = self.raw([Document("", request.prompt)])
            ids = ids[:length]
        else:
            text = render(self.tokenizer, request.messages, add_generation_prompt=True)
            ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        if not ids:
            raise RequestError("the prompt is empty")
        if len(ids) >= context:
            raise RequestError(f"a prompt of {len(ids)} tokens leaves no room in a context of {context}")
        return ids

    def decode(self, ids: Sequence[Sequence[int]]) -> list[str]:
        """The texts of token ids, special tokens left out."""
        return self.tokenizer.backend_tokenizer.decode_batch([list(some) for some in ids], skip_special_tokens=True)

    def tail(self, ids: Sequence[int]) -> str:
        """The text with which a prompt ends, as the model reads it."""
        return self.tokenizer.backend_tokenizer.decode(list(ids[-TAIL:]), skip_special_tokens=False)

    def opens(self, ids: Sequence[int]) -> bool:
        """Whether a prompt ends with an open ``<think>``."""
        return opens(self.tail(ids))


def render(tokenizer: Any, messages: Sequence[Any], add_generation_prompt: bool) -> str:
    """Messages in the chat template, as text.

    :raises ConfigError: where there is no template.
    :raises RequestError: where it refuses the messages.
    """
    import jinja2

    if not tokenizer.chat_template:
        raise ConfigError("model.checkpoint: its tokenizer has no chat template; ask it with plain prompts")
    try:
        chat = [dict(message) for message in messages]
        return tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=add_generation_prompt)
    except jinja2.TemplateError as error:
        raise RequestError(f"the chat template refuses the messages: {' '.join(str(error).split())}") from error


def end_tokens(model: str, revision: str | None = None) -> set[int]:
    """The tokens at which generation stops, of ``generation_config.json``, or where there is none of ``config.json``."""
    from transformers import AutoConfig, GenerationConfig

    try:
        config = GenerationConfig.from_pretrained(model, revision=revision)
    except OSError:
        config = AutoConfig.from_pretrained(model, revision=revision).get_text_config()
    ids = config.eos_token_id
    return set(ids) if isinstance(ids, list | tuple) else {ids} - {None}
