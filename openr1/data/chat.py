"""How prompts and completions of a data set become tokens: as they are, under an instruction, or as turns of a chat.

It is what :func:`openr1.asking.request` asks a model, token by token, so that training and generation agree.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from openr1.config import Config
from openr1.data.prefill import continued
from openr1.data.sources import Document
from openr1.data.tokenizer import Encoder

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Message = dict[str, str]


def instructed(config: Config, prompt: str) -> str:
    """What a model reads of a prompt."""
    return config.data.instruction.replace("{prompt}", prompt)


def conversation(config: Config, prompt: str) -> list[Message]:
    """The turns before the answer."""
    opening = [{"role": "system", "content": config.data.system}] if config.data.system is not None else []
    return [*opening, {"role": "user", "content": instructed(config, prompt)}]


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
        prompts = [instructed(self.config, one.prompt) for one in documents]
        pairs = zip(documents, prompts, strict=True)
        return super().__call__([one._replace(prompt=p, completion=continued(p, one.completion)) for one, p in pairs])


class ChatEncoder(Encoder):
    """The chat template up to the assistant's turn, the completion, and the token that ends the turn.

    The completion is not put through the template: some leave thoughts out. It loses a ``<think>`` with which the template
    begins the turn. Its text that spells a special token stays text.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, config: Config) -> None:
        from openr1.engines.checks import end_of_turn

        self.config, self.chat = config, copy.deepcopy(tokenizer)
        self.chat.backend_tokenizer.encode_special_tokens = False
        self.end = end_of_turn(self.chat)
        super().__init__(tokenizer)

    def __call__(self, documents: list[Document]) -> list[tuple[list[int], int]]:
        from openr1.engines.codec import render

        found = []
        for document in documents:
            turns = list(document.turns) or conversation(self.config, document.prompt)
            text = render(self.chat, turns, add_generation_prompt=True)
            prompt = self.chat(text, add_special_tokens=False)["input_ids"]
            said = self.backend.encode(continued(text, document.completion), add_special_tokens=False).ids
            found.append(([*prompt, *said, self.end], len(prompt)))
        return found
