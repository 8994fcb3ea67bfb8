"""Chat templates: conversations as token ids, without confusing text with the special tokens that a template writes."""

from __future__ import annotations

import copy
import re
import resource
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase

MARK, BRACKETS = "\ufdd0", ("\ufdd1", "\ufdd2")  # noncharacters of Unicode, for use within a program
PROBE = "sentinel"  # stands for an answer; plain, so that no template changes it
MEMORY = 1 << 30  # bytes that one rendering may take, which takes some thousands
SECONDS = 10.0  # of processor time for one rendering, which takes a millisecond


class ConversationError(Exception):
    """A conversation that a chat template cannot render. Its message is one line."""


class ChatTemplate:
    """The chat template of a tokenizer, up to the beginning of the assistant's turn.

    The template may write special tokens; a turn is plain text, even if it spells one. Only if a turn spells a special token do
    the two have to be told apart: each such place in a turn is marked, so that the unmarked ones in the rendered text are the
    template's own. Those are then replaced by tokens that no text can spell.

    :param tokenizer: a tokenizer that reads special tokens in a text.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer = tokenizer
        added = tokenizer.backend_tokenizer.get_added_tokens_decoder()
        self.special = {token.content: (number, token) for number, token in added.items() if token.special}
        longest_first = sorted(self.special, key=len, reverse=True)
        self.spelled = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")
        self.written = re.compile(f"{MARK}?(?:{self.spelled.pattern})")

    def __call__(self, messages: Sequence[Mapping[str, str]]) -> tuple[list[int], str]:
        """Return the token ids of a conversation, and its text.

        :raises ConfigError: if there is no template.
        :raises ConversationError: if the template refuses the conversation, or changes a special token that a turn spells.
        """
        text = render(self.tokenizer, messages, add_generation_prompt=True)
        if not any(self.spelled.search(value) for message in messages for value in message.values()):
            return self.tokenizer(text, add_special_tokens=False)["input_ids"], text
        if any(character in text for character in (MARK, *BRACKETS)):
            raise ConversationError(
                "a turn spells a special token and holds a character from U+FDD0 to U+FDD2, which stand for one"
            )
        escaped = self.written.sub(self._escape, self._render_marked(messages, text))
        ids = self._unspellable.encode(escaped, add_special_tokens=False).ids
        return [self._original.get(token, token) for token in ids], text

    def _render_marked(self, messages: Sequence[Mapping[str, str]], text: str) -> str:
        """Render the messages with marks.

        Templates look for the tags of reasoning in the assistant's turns and cut it out. If marks disturb that, the assistant's
        turns stay unmarked, and their tags may become tokens.
        """
        for unmarked in ((), ("assistant",)):
            turns = [
                message if message["role"] in unmarked else {key: self._mark(value) for key, value in message.items()}
                for message in messages
            ]
            marked = render(self.tokenizer, turns, add_generation_prompt=True)
            if marked.replace(MARK, "") == text:
                return marked
        raise ConversationError("a turn spells a special token that the chat template changes")

    def _mark(self, text: str) -> str:
        return self.spelled.sub(lambda match: MARK + match.group(), text)

    def _escape(self, match: re.Match[str]) -> str:
        return match.group()[1:] if match.group().startswith(MARK) else _alias(self.special[match.group()][0])

    @cached_property
    def _unspellable(self) -> Tokenizer:
        """A tokenizer that reads spelled special tokens as text, and each special token under an alias."""
        from tokenizers import AddedToken

        tokenizer = copy.deepcopy(self.tokenizer.backend_tokenizer)
        tokenizer.encode_special_tokens = True
        for number, token in self.special.values():
            flags = {name: getattr(token, name) for name in ("lstrip", "rstrip", "single_word")}
            tokenizer.add_tokens([AddedToken(_alias(number), normalized=False, special=False, **flags)])
        return tokenizer

    @cached_property
    def _original(self) -> dict[int, int]:
        """Ids of the special tokens, by the ids of their aliases."""
        aliases = {number: self._unspellable.token_to_id(_alias(number)) for number, _ in self.special.values()}
        return {alias: number for number, alias in aliases.items() if alias is not None}


def _alias(token: int) -> str:
    return f"{token}".join(BRACKETS)


def render(tokenizer: Any, messages: Sequence[Any], add_generation_prompt: bool) -> str:
    """Render messages in the chat template, as text.

    A template may be someone else's. Transformers renders it in a sandbox, without access to the interpreter; it may still fail
    in any way, never end, or take all memory.

    :raises ConfigError: if there is no template.
    :raises ConversationError: if it refuses the messages, or cannot be rendered.
    """
    import jinja2

    if not tokenizer.chat_template:
        raise ConfigError("model.checkpoint: its tokenizer has no chat template; ask it with plain prompts")
    try:
        chat = [dict(message) for message in messages]
        with _limits(SECONDS, MEMORY):
            return tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=add_generation_prompt)
    except (jinja2.TemplateSyntaxError, jinja2.exceptions.SecurityError) as error:
        cause = " ".join(str(error).split())
    except jinja2.TemplateError as error:
        raise ConversationError(f"the chat template refuses the messages: {' '.join(str(error).split())}") from error
    except Exception as error:
        reason = " ".join(str(error).split()) or "it takes too much memory"
        cause = f"{type(error).__name__}: {reason}"[:300]
    raise ConversationError(f"{_template_file(tokenizer)} cannot be rendered: {cause}; correct it or choose another checkpoint")


@contextmanager
def _limits(seconds: float, memory: int) -> Iterator[None]:
    """Raise a TimeoutError in the block after this much processor time, and a MemoryError if it takes more than so many bytes.

    Only the main thread has limits, as only it gets signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: object) -> None:
        raise TimeoutError(f"no end within {seconds:g} s")

    before = signal.signal(signal.SIGVTALRM, interrupt)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    lower = _address_space() + memory
    if sys.platform == "linux" and (soft == resource.RLIM_INFINITY or lower < soft):
        resource.setrlimit(resource.RLIMIT_AS, (lower, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _address_space() -> int:
    """Return the bytes of memory that this process has mapped, which the limit counts; 0 where Linux does not tell."""
    path = Path("/proc/self/statm")
    return int(path.read_text().split()[0]) * resource.getpagesize() if path.exists() else 0


def _template_file(tokenizer: Any) -> str:
    """Return the file of a tokenizer that has the chat template, for messages."""
    folder = Path(tokenizer.name_or_path)
    alone = (folder / "chat_template.jinja").exists() or not (folder / "tokenizer_config.json").exists()
    return f"the chat template of {folder / 'chat_template.jinja' if alone else folder / 'tokenizer_config.json'}"


def end_of_turn(tokenizer: Any) -> int:
    """Return the token with which the chat template ends the assistant's turn.

    :raises ConfigError: if there is no template, it takes no conversation, or its turn has no end token: a model trained on it
        never learns to stop.
    """
    chat = [{"role": "user", "content": "question"}, {"role": "assistant", "content": PROBE}]
    try:
        text = render(tokenizer, chat, add_generation_prompt=False)
    except ConversationError as error:
        raise ConfigError(f"model.checkpoint: {error}") from error
    tokenizer = copy.deepcopy(tokenizer)  # a call changes how the tokenizer reads special tokens from then on
    if PROBE not in text:
        raise ConfigError("model.checkpoint: its chat template leaves out what the assistant says")
    after = tokenizer(text[text.rindex(PROBE) + len(PROBE) :], add_special_tokens=False)["input_ids"]
    special = {token for token, added in tokenizer.added_tokens_decoder.items() if added.special} | {tokenizer.eos_token_id}
    end = next((token for token in after if token in special), None)
    if end is None:
        raise ConfigError(
            "model.checkpoint: its chat template ends the assistant's turn without an end token, so that a model trained on it "
            "never stops; put {{ eos_token }} after the content of the assistant's turn"
        )
    return end
