"""Conversations of data sets, as they are written by whoever writes them."""

import json

import pytest
from helpers.data import open_source

from openr1.data.options import FilesSource
from openr1.data.sources import Document
from openr1.system.errors import ConfigError


def turn(role, content, **more):
    return {"role": role, "content": content, **more}


def shared(speaker, value):
    return {"from": speaker, "value": value}


ASK, ANSWER = turn("user", "a"), turn("assistant", "b")
CALL = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]


@pytest.fixture
def read(write_rows, configure):
    def read(*rows, name="rows.jsonl", **columns):
        path = write_rows(name, rows)
        return list(open_source(configure({"mine": FilesSource(path=str(path), **columns)})).documents())

    return read


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        ([ASK, ANSWER], Document("b", "a", (ASK,))),
        ([turn("system", "s"), ASK, ANSWER], Document("b", "a", (turn("system", "s"), ASK))),
        ([ASK, ANSWER, turn("user", "c"), turn("assistant", "d")], Document("d", "a\nc", (ASK, ANSWER, turn("user", "c")))),
        ([turn("user", [{"type": "text", "text": "a"}]), turn("assistant", [{"text": "b"}])], Document("b", "a", (ASK,))),
        ([turn("user", [{"type": "text", "text": "a"}, {"type": "text", "text": "a"}]), ANSWER], Document("b", "aa")),
        ([turn("user", ["a", "a"]), ANSWER], Document("b", "aa")),
        ([shared("human", "a"), shared("gpt", "b")], Document("b", "a", (ASK,))),
        ([shared("system", "s"), shared("human", "a"), shared("gpt", "b")], Document("b", "a")),
        ([{**ASK, "tool_calls": None, "name": None}, {**ANSWER, "tool_calls": []}], Document("b", "a", (ASK,))),
        (json.dumps([ASK, ANSWER]), Document("b", "a", (ASK,))),
    ],
)
def test_turns_are_read_as_they_are_meant(read, turns, expected):
    [found] = read({"chat": turns}, messages="chat")
    assert (found.completion, found.prompt) == expected[:2]
    assert not expected.turns or found.turns == expected.turns


@pytest.mark.parametrize(
    "turns",
    [
        [ASK, turn("assistant", None, tool_calls=CALL)],
        [ASK, turn("assistant", "", tool_calls=CALL)],
        [ASK, turn("assistant", None)],
        [ASK, turn("assistant", float("nan"))],
        [ASK, turn("assistant", "")],
        [ASK, turn("assistant", " \n")],
        [ASK, turn("assistant", [])],
        [ASK, turn("assistant", None, tool_calls=CALL), turn("tool", "sunny"), ANSWER],
        [turn("user", None), ANSWER],
        [shared("human", "a"), shared("function_call", "{}"), shared("observation", "3"), shared("gpt", "b")],
        [],
        None,
    ],
)
def test_conversations_with_a_turn_without_text_are_left_out_and_counted(read, turns, caplog):
    assert [document.completion for document in read({"chat": turns}, {"chat": [ASK, ANSWER]}, messages="chat")] == ["b"]
    assert "data.sources.mine: 1 of 2 rows are left out: 1 for " in caplog.text


@pytest.mark.parametrize(
    ("turns", "message"),
    [
        ([ASK, turn("assistant", 3)], "holds a turn whose content is int, not text"),
        ([ASK, turn("assistant", True)], "holds a turn whose content is bool, not text"),
        ([ASK, turn("assistant", {"x": 1})], "holds a turn whose content is dict, not text"),
        ([turn("user", [{"type": "image_url", "image_url": "u"}]), ANSWER], "holds a turn with a part of type 'image_url'"),
        ([turn("user", [3]), ANSWER], "holds a turn with a part of type 'text', not text"),
        ([ASK], "holds a conversation that does not end with the assistant's answer to a user"),
        ([ANSWER], "holds a conversation that does not end"),
        ("a chat", "holds other things than lists of turns with role and content"),
        (["a", "b"], "holds other things than lists of turns"),
        ([{"role": "user"}, ANSWER], "holds other things than lists of turns"),
        ([{"role": 1, "content": "a"}, ANSWER], "holds other things than lists of turns"),
        ({"role": "user", "content": "a"}, "holds other things than lists of turns"),
        (3, "holds other things than lists of turns"),
    ],
)
def test_what_is_no_conversation_is_refused_with_its_row(read, turns, message):
    with pytest.raises(ConfigError, match=rf"^data\.sources\.mine\.messages: .*rows\.jsonl:2 {message}"):
        read({"chat": [ASK, ANSWER]}, {"chat": turns}, messages="chat")


def test_prompts_and_completions_may_be_turns(read):
    columns = {"prompt": "prompt", "completion": "completion"}
    assert read({"prompt": [ASK], "completion": "b"}, **columns) == [Document("b", "a")]
    assert read({"prompt": [ASK], "completion": [ANSWER]}, **columns) == [Document("b", "a")]
    several = (turn("system", "s"), ASK, ANSWER, turn("user", "c"))
    assert read({"prompt": list(several), "completion": [turn("assistant", "d")]}, **columns) == [
        Document("d", "a\nc", several)
    ]
    assert read({"prompt": [ASK], "completion": [turn("assistant", None, tool_calls=CALL)]}, **columns) == []


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"prompt": [ANSWER], "completion": "b"}, r"prompt: .*:1 holds a prompt that does not end with a turn of a user"),
        ({"prompt": ["a"], "completion": "b"}, r"prompt: .*:1 holds other things than lists of turns"),
        ({"prompt": "a", "completion": ["b"]}, r"completion: .*:1 holds other things than lists of turns"),
        ({"prompt": "a", "completion": [ASK, ANSWER]}, r"completion: .*:1 holds a completion that is not one turn"),
    ],
)
def test_turns_that_are_no_prompt_or_completion_are_refused(read, row, message):
    with pytest.raises(ConfigError, match=rf"^data\.sources\.mine\.{message}"):
        read(row, prompt="prompt", completion="completion")


def test_a_conversation_of_a_parquet_file_is_read_like_one_of_json(tmp_path, configure):
    import pyarrow as pa
    import pyarrow.parquet

    rows = [{"chat": [ASK, ANSWER]}, {"chat": [ASK, {"role": "assistant", "content": None}]}]
    pa.parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    source = FilesSource(path=str(tmp_path / "rows.parquet"), messages="chat")
    assert list(open_source(configure({"mine": source})).documents()) == [Document("b", "a", (ASK,))]


def test_half_of_a_character_in_json_text_is_refused_with_its_row(read):
    cell = '[{"role": "user", "content": "q\\ud800"}, {"role": "assistant", "content": "a"}]'
    with pytest.raises(ConfigError, match=r"rows\.jsonl:1 holds half of a character") as error:
        read({"messages": cell}, messages="messages")
    assert "\n" not in str(error.value)
