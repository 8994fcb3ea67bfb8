"""Conversion between text and tokens, the same for all engines that run in this process."""

from __future__ import annotations

import copy
from collections.abc import Sequence

from openr1.data.chat_template import ChatTemplate, ConversationError
from openr1.data.documents import Document
from openr1.data.prefill import opens
from openr1.data.tokenizer import Encoder, load_checkpoint
from openr1.engines.base import Request, RequestError
from openr1.engines.end_tokens import read_end_tokens

TAIL = 32  # tokens, enough for a tag and the space around it


class Codec:
    """The tokenizer of a model.

    A prompt is encoded as in training, so that a model meets the tokens that it was trained on: with a start token if the
    tokenizer has one. Text that spells a special token stays text, also in messages, which pass through the chat template.
    """

    def __init__(self, model: str, revision: str | None = None) -> None:
        # copies, since one reads special tokens in a text, and the other, like the tokenizer itself in training, does not
        self.tokenizer = copy.deepcopy(load_checkpoint(model, revision))
        self.raw = Encoder(copy.deepcopy(self.tokenizer))
        self.chat = ChatTemplate(self.tokenizer)
        self.end = read_end_tokens(model, revision) | {self.tokenizer.eos_token_id}

    def encode(self, request: Request, context: int) -> list[int]:
        """Return the token ids of a prompt.

        :param context: positions of prompt and completion.
        :raises ConfigError: for messages to a model without a chat template.
        :raises RequestError: if the template refuses the messages, or the prompt has no tokens or too many.
        """
        if request.prompt is not None:
            [(ids, length)] = self.raw([Document("", request.prompt)])
            ids = ids[:length]
        else:
            try:
                ids, _ = self.chat(request.messages or ())
            except ConversationError as error:
                raise RequestError(str(error)) from error
        if not ids:
            raise RequestError("the prompt is empty")
        if len(ids) >= context:
            raise RequestError(f"a prompt of {len(ids)} tokens leaves no room in a context of {context}")
        return ids

    def decode(self, ids: Sequence[Sequence[int]]) -> list[str]:
        """Return the texts of token ids, without special tokens."""
        return self.tokenizer.backend_tokenizer.decode_batch([list(sequence) for sequence in ids], skip_special_tokens=True)

    def tail(self, ids: Sequence[int]) -> str:
        """Return the last tokens of a prompt as text, with special tokens."""
        return self.tokenizer.backend_tokenizer.decode(list(ids[-TAIL:]), skip_special_tokens=False)

    def opens(self, ids: Sequence[int]) -> bool:
        """Tell whether a prompt ends with an open ``<think>``."""
        return opens(self.tail(ids))
