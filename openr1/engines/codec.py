"""Between text and tokens, the same for every engine that runs here."""

from __future__ import annotations

import copy
from collections.abc import Sequence

from openr1.data.chat_template import ChatTemplate, ConversationError
from openr1.data.documents import Document
from openr1.data.prefill import opens
from openr1.data.tokenizer import Encoder, load_checkpoint
from openr1.engines.base import Request, RequestError

TAIL = 32  # tokens, enough for a tag and the space around it


class Codec:
    """The tokenizer of a model.

    A prompt as text is encoded as training does it, so that a model meets the tokens that it was trained on: with a start token
    where the tokenizer has one, and what spells a special token stays text. So it does in messages, which go through the chat
    template.
    """

    def __init__(self, model: str, revision: str | None = None) -> None:
        # copies, since one reads special tokens in a text and the other does not, as does training with the tokenizer itself
        self.tokenizer = copy.deepcopy(load_checkpoint(model, revision))
        self.raw = Encoder(copy.deepcopy(self.tokenizer))
        self.chat = ChatTemplate(self.tokenizer)
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
            try:
                ids, _ = self.chat(request.messages)
            except ConversationError as error:
                raise RequestError(str(error)) from error
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
        """Tell whether a prompt ends with an open ``<think>``."""
        return opens(self.tail(ids))


def end_tokens(model: str, revision: str | None = None) -> set[int]:
    """The tokens at which generation stops, of ``generation_config.json``, or where there is none of ``config.json``."""
    from transformers import AutoConfig, GenerationConfig

    try:
        config = GenerationConfig.from_pretrained(model, revision=revision)
    except OSError:
        config = AutoConfig.from_pretrained(model, revision=revision).get_text_config()
    ids = config.eos_token_id
    return set(ids) if isinstance(ids, list | tuple) else {ids} - {None}
