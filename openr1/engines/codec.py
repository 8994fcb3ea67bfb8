"""Between text and tokens, the same for every engine that runs here."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from openr1.data.documents import Document
from openr1.data.prefill import opens
from openr1.data.tokenizer import Encoder, load_checkpoint
from openr1.engines.base import Request, RequestError
from openr1.errors import ConfigError

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase

TAIL = 32  # tokens, enough for a tag and the space around it
MARK, BRACKETS = "\ufdd0", ("\ufdd1", "\ufdd2")  # noncharacters of Unicode, for use within a program


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
            ids, _ = self.chat(request.messages)
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


class ChatTemplate:
    """The chat template of a tokenizer, up to the assistant's turn.

    What the template writes may be special tokens. What a turn says is text, also where it spells one.

    Only where a turn spells a special token are the two told apart: each place in a turn that spells one is marked, so that in
    the rendered text those without a mark are the template's. These become tokens that no text can spell.

    :param tokenizer: reads special tokens in a text.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer = tokenizer
        added = tokenizer.backend_tokenizer.get_added_tokens_decoder()
        self.special = {token.content: (number, token) for number, token in added.items() if token.special}
        longest_first = sorted(self.special, key=len, reverse=True)
        self.spelled = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")
        self.written = re.compile(f"{MARK}?(?:{self.spelled.pattern})")

    def __call__(self, messages: Sequence[Mapping[str, str]]) -> tuple[list[int], str]:
        """The token ids of a conversation, and its text.

        :raises ConfigError: where there is no template.
        :raises RequestError: where it refuses the conversation, or changes what a turn says about a special token.
        """
        text = render(self.tokenizer, messages, add_generation_prompt=True)
        if not any(self.spelled.search(value) for message in messages for value in message.values()):
            return self.tokenizer(text, add_special_tokens=False)["input_ids"], text
        if any(character in text for character in (MARK, *BRACKETS)):
            raise RequestError("a turn spells a special token and holds a character from U+FDD0 to U+FDD2, which stand for one")
        escaped = self.written.sub(self._escaped, self._marked(messages, text))
        ids = self._unspellable.encode(escaped, add_special_tokens=False).ids
        return [self._original.get(token, token) for token in ids], text

    def _marked(self, messages: Sequence[Mapping[str, str]], text: str) -> str:
        """The rendered text with marks. Of thoughts, which templates look for and cut, those of the assistant may be tokens."""
        for kept in ((), ("assistant",)):
            turns = [
                message if message["role"] in kept else {key: self._mark(value) for key, value in message.items()}
                for message in messages
            ]
            marked = render(self.tokenizer, turns, add_generation_prompt=True)
            if marked.replace(MARK, "") == text:
                return marked
        raise RequestError("a turn spells a special token that the chat template changes")

    def _mark(self, text: str) -> str:
        return self.spelled.sub(lambda found: MARK + found.group(), text)

    def _escaped(self, found: re.Match[str]) -> str:
        return found.group()[1:] if found.group().startswith(MARK) else _name(self.special[found.group()][0])

    @cached_property
    def _unspellable(self) -> Tokenizer:
        """The tokenizer, for which text that spells a special token is text, and with each of them under a name of its own."""
        from tokenizers import AddedToken

        made = copy.deepcopy(self.tokenizer.backend_tokenizer)
        made.encode_special_tokens = True
        for number, token in self.special.values():
            flags = {name: getattr(token, name) for name in ("lstrip", "rstrip", "single_word")}
            made.add_tokens([AddedToken(_name(number), normalized=False, special=False, **flags)])
        return made

    @cached_property
    def _original(self) -> dict[int, int]:
        """Token ids by those that stand for them."""
        return {self._unspellable.token_to_id(_name(number)): number for number, _ in self.special.values()}


def _name(token: int) -> str:
    return f"{token}".join(BRACKETS)


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
