"""Completions of prompts that open ``<think>``: whole as text, the model's own as tokens."""

from types import SimpleNamespace

import pytest
from helpers.models import OPENING, SILENT, TEMPLATE

from openr1.engines import Request, Sampling, open_engine
from openr1.engines.openai import _to_completion
from openr1.engines.options import OpenAIEngine, TransformersEngine

ASKED = [{"role": "user", "content": "1 plus 7"}]


@pytest.mark.parametrize(
    ("template", "request_", "begins"),
    [
        (OPENING, {"messages": ASKED}, "<think>"),
        (OPENING, {"prompt": "1 plus 7"}, ""),
        (TEMPLATE, {"messages": ASKED}, ""),
        (SILENT, {"messages": ASKED}, ""),
        (None, {"prompt": "1 plus 7\n<think>\n"}, "<think>"),
    ],
    ids=["template", "no template", "plain template", "thoughts are over", "plain prompt"],
)
def test_a_local_engine_gives_the_tag_back(model_at, template, request_, begins):
    engine = open_engine(TransformersEngine(model=model_at(template=template)), Sampling(max_tokens=8))
    [reply] = engine.generate([Request("1", n=3, **request_)])
    for one in reply.completions:
        assert one.text == begins + engine.codec.decode([one.token_ids])[0]
        assert one.tokens == len(one.token_ids) == len(one.logprobs)


def answer(text, reasoning=None):
    message = SimpleNamespace(content=text, reasoning_content=reasoning)
    choice = SimpleNamespace(message=message, logprobs=None, finish_reason="stop")
    return SimpleNamespace(choices=[choice], usage=None)


@pytest.mark.parametrize(
    ("text", "reasoning", "opened", "kept"),
    [
        ("2</think>2", None, None, "<think>2</think>2"),  # evidently opened
        ("2", None, None, "2"),
        ("2 and", None, True, "<think>2 and"),
        ("2</think>2", None, False, "2</think>2"),
        ("2", "1+1", True, "<think>1+1</think>2"),  # set apart by the server, and put together here
    ],
)
def test_a_server_s_template_is_told_or_seen(text, reasoning, opened, kept):
    assert _to_completion(answer(text, reasoning), opened).text == kept


def test_the_option_of_a_server_decides_what_is_kept():
    assert OpenAIEngine().opens_think is None
    assert "opens_think" in OpenAIEngine.fingerprinted
