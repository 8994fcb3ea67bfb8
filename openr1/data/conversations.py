"""Conversations of data sets: lists of turns with role and content, or as ShareGPT has them with from and value.

A content is text, or a list of parts that are text. What is not text is refused, but for calls of tools: a conversation that
has one is left out, since the call is no text and the turns after it answer it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from openr1.data.cells import is_missing
from openr1.data.tables import is_whole

Turn = Mapping[str, str]  # {"role", "content"}
ROLES = {"human": "user", "gpt": "assistant", "chatgpt": "assistant", "bing": "assistant", "bard": "assistant"}
ROLES |= {"observation": "tool"}
CALLS = ("tool_calls", "function_call")
NO_TURNS = "holds other things than lists of turns with role and content"


def turns_of(cell: Any) -> tuple[Turn, ...] | None:
    """The turns of a conversation; None where one has no text, such as a call of a tool.

    :param cell: a list, or the JSON text of one.
    :raises ValueError: for what is no conversation.
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
    found = [_turn(given) for given in cell]
    return None if None in found else tuple(found)


def answered(turns: Sequence[Turn]) -> None:
    """Make sure that a conversation ends with the assistant's answer to a user.

    :raises ValueError: where it does not.
    """
    if turns[-1]["role"] != "assistant" or not any(turn["role"] == "user" for turn in turns):
        raise ValueError("holds a conversation that does not end with the assistant's answer to a user")


def asked(turns: Sequence[Turn]) -> str:
    """The text of the users' turns."""
    return "\n".join(turn["content"] for turn in turns if turn["role"] == "user")


def prompt_of(cell: Any) -> tuple[Turn, ...] | None:
    """The turns of a prompt, of which the last is a user's or a tool's; None where one has no text.

    :raises ValueError: for what is no such prompt.
    """
    turns = turns_of(cell)
    if turns is not None and (turns[-1]["role"] == "assistant" or not asked(turns)):
        raise ValueError("holds a prompt that does not end with a turn of a user")
    return turns


def single_turn(cell: Any, system: str | None) -> str | None:
    """The text of a prompt that is one turn of a user; None where it has none.

    :param system: the system's turn that may stand before it.
    :raises ValueError: for a prompt of other turns, which would be lost.
    """
    turns = prompt_of(cell)
    if turns is None:
        return None
    before = [turn for turn in turns[:-1] if (turn["role"], turn["content"]) != ("system", system)]
    if [turn["role"] for turn in before] == ["system"]:
        said = before[0]["content"][:40]
        raise ValueError(
            f"has a system's turn, {said!r}…; the system's turn of problems is data.system, with data.chat=true: make it that "
            "one, or leave it out"
        )
    if before:
        raise ValueError(f"holds a conversation of {len(turns)} turns; a problem is one turn of a user")
    return turns[-1]["content"]


def completion_of(cell: Any) -> str | None:
    """The text of a completion that is a list of one turn of the assistant; None where it has no text.

    :raises ValueError: for what is no such completion.
    """
    turns = turns_of(cell)
    if turns is not None and [turn["role"] for turn in turns] != ["assistant"]:
        raise ValueError("holds a completion that is not one turn of the assistant")
    return turns[0]["content"] if turns else None


def _turn(given: Any) -> Turn | None:
    if not isinstance(given, Mapping):
        raise ValueError(NO_TURNS)
    role = given.get("role") or given.get("from")
    if not isinstance(role, str):
        raise ValueError(NO_TURNS)
    if role in CALLS or any(given.get(call) for call in CALLS):
        return None
    if "content" not in given and "value" not in given:
        raise ValueError(NO_TURNS)
    content = _text(given["content"] if "content" in given else given["value"])
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
