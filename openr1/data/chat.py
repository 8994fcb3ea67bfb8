"""Prompts and completions of a data set as tokens: verbatim, within an instruction, or as turns of a chat.

:func:`openr1.engines.generate.build_request` asks a model with the same tokens, so that training and generation agree.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING

from openr1.data.chat_template import ChatTemplate, ConversationError, end_of_turn
from openr1.data.documents import Document
from openr1.data.options import DataConfig
from openr1.data.prefill import continued
from openr1.data.tokenizer import Encoder
from openr1.system.errors import ConfigError

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


def encoder_for(data: DataConfig, tokenizer: PreTrainedTokenizerBase) -> Encoder:
    """Return the encoder of a data set.

    :raises ConfigError: for a chat, if the tokenizer has no chat template, or one without an end of the assistant's turn.
    """
    return ChatEncoder(tokenizer, data) if data.chat else InstructedEncoder(tokenizer, data)


class InstructedEncoder(Encoder):
    """``[bos] instruction completion eos``. A ``<think>`` that ends the instruction is left out of the completion."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, data: DataConfig) -> None:
        super().__init__(tokenizer)
        self.data = data

    def __call__(self, documents: Sequence[Document]) -> list[tuple[list[int], int]]:
        chat = next((document for document in documents if document.turns), None)
        if chat:
            raise ConfigError(
                f"data.chat: must be true for prompts of several turns, such as {chat.prompt[:40]!r}, which are a chat"
            )
        prompts = [instructed(self.data, document.prompt) for document in documents]
        return super().__call__(
            [
                document._replace(prompt=prompt, completion=continued(prompt, document.completion))
                for document, prompt in zip(documents, prompts, strict=True)
            ]
        )


class ChatEncoder(Encoder):
    """The chat template up to the assistant's turn, the completion, and the token that ends the turn.

    The completion does not pass through the template, since some templates cut the reasoning out. A ``<think>`` with which the
    template begins the turn is left out of it. Text that spells a special token stays text.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, data: DataConfig) -> None:
        chat = copy.deepcopy(tokenizer)
        chat.backend_tokenizer.encode_special_tokens = False
        self.data, self.template, self.end = data, ChatTemplate(chat), end_of_turn(chat)
        super().__init__(tokenizer)

    def __call__(self, documents: Sequence[Document]) -> list[tuple[list[int], int]]:
        encoded = []
        for document in documents:
            turns = list(document.turns) or conversation(self.data, document.prompt)
            try:
                prompt, text = self.template(turns)
            except ConversationError as error:
                raise ConfigError(f"data.chat: {error}, such as {document.prompt[:40]!r}") from error
            completion = self.backend.encode(continued(text, document.completion), add_special_tokens=False).ids
            encoded.append(([*prompt, *completion, self.end], len(prompt)))
        return encoded
