"""Prompts that open ``<think>``, and what is kept and trained on after them."""

import pytest
from helpers.configs import composed
from helpers.models import OPENING, SILENT, TEMPLATE, tokenizer

from openr1.data.chat import encoder_for
from openr1.data.prefill import closes, opens, with_opened_tag
from openr1.data.sources import Document

REST = "30+12 is 42</think><answer>42</answer>"


@pytest.mark.parametrize(
    ("prompt", "opened", "closed"),
    [
        ("<|assistant|><think>", True, False),
        ("<|assistant|><think>\n", True, False),
        ("<|assistant|><think>\n\n</think>\n\n", False, True),
        ("<|assistant|>", False, False),
        ("what does <think> mean?", False, False),
        ("<thinking>", False, False),
        ("", False, False),
    ],
)
def test_what_a_prompt_begins(prompt, opened, closed):
    assert (opens(prompt), closes(prompt)) == (opened, closed)


@pytest.mark.parametrize(
    ("completion", "opened", "kept"),
    [
        (REST, True, f"<think>{REST}"),
        (f"<think>{REST}", True, f"<think>{REST}"),
        ("30+12", True, "<think>30+12"),  # cut off
        (REST, False, REST),
        (REST, None, f"<think>{REST}"),
        (f"<think>{REST}", None, f"<think>{REST}"),
        ("<answer>42</answer>", None, "<answer>42</answer>"),
    ],
)
def test_a_completion_is_whole(completion, opened, kept):
    assert with_opened_tag(completion, opened) == kept


def encoded(tokens, prompt, completion, *overrides):
    [(ids, length)] = encoder_for(composed(*overrides).data, tokens)([Document(completion, prompt)])
    return tokens.decode(ids[:length]), tokens.decode(ids[length:-1])


@pytest.mark.parametrize(
    ("template", "said"),
    [(TEMPLATE, f"<think>{REST}"), (OPENING, REST), (SILENT, f"<think>{REST}")],
)
def test_a_chat_is_trained_on_as_it_was_written(template, said):
    tokens = tokenizer()
    tokens.chat_template = template
    prompt, completion = encoded(tokens, "30+12=", f"<think>{REST}", "data.chat=true", "model.checkpoint=some/model")
    assert opens(prompt) == (template == OPENING)
    assert completion == said


def test_an_instruction_that_opens_the_thoughts_is_no_part_of_what_is_trained_on():
    prompt, completion = encoded(tokenizer(), "30+12=", f"<think>{REST}", "data.instruction='{prompt} <think>'")
    assert prompt == "30+12= <think>"
    assert completion == REST
    assert encoded(tokenizer(), "30+12=", f"<think>{REST}") == ("30+12=", f"<think>{REST}")
