"""Conversations of data sets: lists of turns with ``role`` and ``content``, or in ShareGPT's form with ``from`` and ``value``.

A content is text, or a list of parts that are text. Any other content is refused, except for calls of tools: a conversation
with such a call is left out, since the call is not text and the turns after it respond to it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from openr1.data.cells import is_missing
from openr1.data.json_text import is_whole

Turn = Mapping[str, str]  # {"role", "content"}
ROLES = {"human": "user", "gpt": "assistant", "chatgpt": "assistant", "bing": "assistant", "bard": "assistant"}
ROLES |= {"observation": "tool"}
CALLS = ("tool_calls", "function_call")
NO_TURNS = "holds other things than lists of turns with role and content"


def turns_of(cell: Any) -> tuple[Turn, ...] | None:
    """Return the turns of a conversation; None if a turn has no text, such as a call of a tool.

    :param cell: a list, or the JSON text of one.
    :raises ValueError: for a cell that is not a conversation.
    """
    if isinstance(cell, str):
        try:
            cell = json.loads(cell)
        except (ValueError, RecursionError) as error:
            raise ValueError(NO_TURNS) from error
        if not is_whole(cell):
            raise ValueError("holds half of a character (a surrogate) in the text of a turn")
    if not isinstance(cell, list):
        raise ValueError(NO_TURNS)
    turns = [_turn(raw) for raw in cell]
    texts = tuple(turn for turn in turns if turn is not None)
    return texts if len(texts) == len(turns) else None


def is_json(text: str) -> bool:
    """Return True for the JSON text of a conversation, as tables without nested columns hold it."""
    if not re.match(r"\s*\[\s*\{", text):
        return False
    try:
        turns = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return all(
        isinstance(turn, dict) and ({"role", "content"} <= set(turn) or {"from", "value"} <= set(turn)) for turn in turns
    )


def require_answer(turns: Sequence[Turn]) -> None:
    """Require that a conversation ends with the assistant's answer to a user.

    :raises ValueError: if it does not.
    """
    if turns[-1]["role"] != "assistant" or not any(turn["role"] == "user" for turn in turns):
        raise ValueError("holds a conversation that does not end with the assistant's answer to a user")


def user_text(turns: Sequence[Turn]) -> str:
    """Return the text of the users' turns."""
    return "\n".join(turn["content"] for turn in turns if turn["role"] == "user")


def prompt_of(cell: Any) -> tuple[Turn, ...] | None:
    """Return the turns of a prompt, of which the last is a user's or a tool's; None if a turn has no text.

    :raises ValueError: for a cell that is not such a prompt.
    """
    turns = turns_of(cell)
    if turns is not None and (turns[-1]["role"] == "assistant" or not user_text(turns)):
        raise ValueError("holds a prompt that does not end with a turn of a user")
    return turns


def single_turn(cell: Any, system: str | None) -> str | None:
    """Return the text of a prompt that is a single turn of a user; None if it has no text.

    :param system: the system turn that may precede it.
    :raises ValueError: for a prompt with other turns, which would be lost.
    """
    turns = prompt_of(cell)
    if turns is None:
        return None
    before = [turn for turn in turns[:-1] if (turn["role"], turn["content"]) != ("system", system)]
    if [turn["role"] for turn in before] == ["system"]:
        content = before[0]["content"][:40]
        raise ValueError(
            f"has a system's turn, {content!r}…; the system's turn of problems is data.system, with data.chat=true: make it "
            "that one, or leave it out"
        )
    if before:
        raise ValueError(f"holds a conversation of {len(turns)} turns; a problem is one turn of a user")
    return turns[-1]["content"]


def completion_of(cell: Any) -> str | None:
    """Return the text of a completion that is a list of one turn of the assistant; None if it has no text.

    :raises ValueError: for a cell that is not such a completion.
    """
    turns = turns_of(cell)
    if turns is not None and [turn["role"] for turn in turns] != ["assistant"]:
        raise ValueError("holds a completion that is not one turn of the assistant")
    return turns[0]["content"] if turns else None


def _turn(raw: Any) -> Turn | None:
    if not isinstance(raw, Mapping):
        raise ValueError(NO_TURNS)
    role = raw.get("role") or raw.get("from")
    if not isinstance(role, str):
        raise ValueError(NO_TURNS)
    if role in CALLS or any(raw.get(call) for call in CALLS):
        return None
    if "content" not in raw and "value" not in raw:
        raise ValueError(NO_TURNS)
    content = _text(raw["content"] if "content" in raw else raw["value"])
    return None if content is None else {"role": ROLES.get(role, role), "content": content}


def _text(content: Any) -> str | None:
    if is_missing(content):
        return None
    if isinstance(content, list):
        return "".join(map(_part, content))
    if not isinstance(content, str):
        raise ValueError(f"holds a turn whose content is {type(content).__name__}, not text")
    return content


def _part(part: Any) -> str:
    text, kind = (part.get("text"), part.get("type")) if isinstance(part, Mapping) else (part, "text")
    if not isinstance(text, str) or kind not in (None, "text"):
        raise ValueError(f"holds a turn with a part of type {kind or type(part).__name__!r}, not text")
    return text
