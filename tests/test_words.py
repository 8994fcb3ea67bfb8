"""How docstrings and error messages begin: with what a thing is or does, never with a question word."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.source import ROOT, docstrings, messages, modules, user_errors

REFUSED = ("What", "Whether", "Of", "Who", "Where", "Which")
KEY = re.compile(r"[\w.{}\[\]*+=@/-]+: ")  # a message begins with the key that it is about


def first_word(text: str) -> str:
    return re.match(r"[\s\"'`(*]*(\w*)", text)[1]


def refused(text: str) -> bool:
    return first_word(text).capitalize() in REFUSED


def places(texts: Iterator[tuple[Path, int, str]]) -> list[str]:
    return [f"{path.relative_to(ROOT)}:{line}: {text.splitlines()[0][:60]}" for path, line, text in texts]


def test_no_docstring_begins_with_a_question_word():
    found = places((path, line, text) for path in modules() for line, text, _ in docstrings(path) if refused(text))
    assert not found, "\n".join(found)


def test_no_message_begins_with_a_question_word():
    errors = user_errors()
    given = ((path, line, text) for path in modules() for line, text in messages(path, errors))
    found = places(place for place in given if refused(place[2]) or refused(KEY.sub("", place[2], count=1)))
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("source", "texts"),
    [
        ('raise ConfigError("stage.eval: which is it?")', ["stage.eval: which is it?"]),
        ('raise StoreError(f"{key}: {value!r} is not" if value else "What")', ["{}: {} is not", "What"]),
        ('raise RunError("a" "b" + str(c))', ["ab"]),
    ],
)
def test_messages_are_found(source, texts, tmp_path):
    path = tmp_path / "module.py"
    path.write_text(source)
    assert [text for _, text in messages(path, user_errors())] == texts


@pytest.mark.parametrize(
    "text", ["What a run does.", "``x``", "Offer a run.", "of FLOPs", "Whatever is given.", "(Where it is)"]
)
def test_question_words_are_whole_words(text):
    assert refused(text) == (text in ("What a run does.", "of FLOPs", "(Where it is)"))
