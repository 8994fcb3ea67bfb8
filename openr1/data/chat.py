"""How prompts and completions of a data set become tokens: as they are, under an instruction, or as turns of a chat.

It is what :func:`openr1.engines.generate.build_request` asks a model, token by token, so that training and generation agree.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from openr1.config.schema import Config
from openr1.data.documents import Document
from openr1.data.options import DataConfig
from openr1.data.prefill import continued
from openr1.data.tokenizer import Encoder
from openr1.errors import ConfigError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Message = dict[str, str]


def instructed(data: DataConfig, prompt: str) -> str:
    """Return a prompt within its instruction, as a model reads it."""
    return data.instruction.replace("{prompt}", prompt)


def conversation(data: DataConfig, prompt: str) -> list[Message]:
    """Return the turns before the answer to a prompt."""
    opening = [{"role": "system", "content": data.system}] if data.system is not None else []
    return [*opening, {"role": "user", "content": instructed(data, prompt)}]


def encoder_for(config: Config, tokenizer: PreTrainedTokenizerBase) -> Encoder:
    """The encoder of a data set.

    :raises ConfigError: for a chat, where the tokenizer has no chat template, or one without an end of the assistant's turn.
    """
    return ChatEncoder(tokenizer, config) if config.data.chat else InstructedEncoder(tokenizer, config)


class InstructedEncoder(Encoder):
    """``[bos] instruction completion eos``. A ``<think>`` that the instruction ends with is left out of the completion."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, config: Config) -> None:
        super().__init__(tokenizer)
        self.config = config

    def __call__(self, documents: list[Document]) -> list[tuple[list[int], int]]:
        several = next((one for one in documents if one.turns), None)
        if several:
            raise ConfigError(
                f"data.chat: must be true for prompts of several turns, such as {several.prompt[:40]!r}, which are a chat"
            )
        prompts = [instructed(self.config.data, one.prompt) for one in documents]
        pairs = zip(documents, prompts, strict=True)
        return super().__call__([one._replace(prompt=p, completion=continued(p, one.completion)) for one, p in pairs])


class ChatEncoder(Encoder):
    """The chat template up to the assistant's turn, the completion, and the token that ends the turn.

    The completion is not put through the template: some leave thoughts out. It loses a ``<think>`` with which the template
    begins the turn. Text that spells a special token stays text.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, config: Config) -> None:
        from openr1.engines.checks import end_of_turn
        from openr1.engines.codec import ChatTemplate

        chat = copy.deepcopy(tokenizer)
        chat.backend_tokenizer.encode_special_tokens = False
        self.config, self.template, self.end = config, ChatTemplate(chat), end_of_turn(chat)
        super().__init__(tokenizer)

    def __call__(self, documents: list[Document]) -> list[tuple[list[int], int]]:
        from openr1.engines.base import RequestError

        found = []
        for document in documents:
            turns = list(document.turns) or conversation(self.config.data, document.prompt)
            try:
                prompt, text = self.template(turns)
            except RequestError as error:
                raise ConfigError(f"data.chat: {error}, such as {document.prompt[:40]!r}") from error
            said = self.backend.encode(continued(text, document.completion), add_special_tokens=False).ids
            found.append(([*prompt, *said, self.end], len(prompt)))
        return found
