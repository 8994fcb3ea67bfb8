"""Rewards of form."""

import pytest

from openr1.data.tasks.base import Problem
from openr1.rewards import REWARDS, Sample

PROBLEM = Problem("1+1=", "2")
GOOD = "<think>1+1</think><answer>2</answer>"


def values(name, *completions, **options):
    return REWARDS[name]([Sample(PROBLEM, completion) for completion in completions], **options)


@pytest.mark.parametrize(
    ("completion", "value"),
    [
        (GOOD, 1),
        (" <think>\n1\n+1\n</think>\n<answer>\n2\n</answer>\n", 1),
        ("<think></think><answer></answer>", 0),  # nothing was thought or answered
        ("<think> \n</think><answer>2</answer>", 0),
        ("<think>1+1</think><answer> </answer>", 0),
        ("So: " + GOOD, 0),
        (GOOD + " Done.", 0),
        (GOOD + GOOD, 0),
        ("line\n" + GOOD + "\nline", 0),  # ^ and $ of a multi-line pattern would find it
        ("<think>a</think>between<answer>2</answer>", 0),
        ("<think>a</think><answer>2</answer><answer>3</answer>", 0),
        ("<think>a<think>b</think><answer>2</answer>", 0),
        ("<answer>2</answer><think>a</think>", 0),
        ("<think>a</think><answer>2", 0),
        ("<answer>2</answer>", 0),
        ("", 0),
    ],
)
def test_format_is_of_the_whole_completion(completion, value):
    assert values("format", completion) == [value]


def test_format_after_a_prompt_that_opens_the_thoughts():
    rest = GOOD.removeprefix("<think>")
    assert values("format", rest, GOOD) == [0, 1]
    assert values("format", rest, GOOD, "\n" + GOOD, opened=True) == [1, 1, 1]  # one that has the tag is given no second
    assert values("tag_count", rest) == [0.75]
    assert values("tag_count", rest, GOOD, opened=True) == [1, 1]


def test_each_tag_that_is_there_once_is_worth_a_quarter():
    assert values("tag_count", GOOD, "<think>a</think>", "<answer>", "none") == [1, 0.5, 0.25, 0]
    assert values("tag_count", GOOD + "<think>", GOOD + GOOD) == [0.75, 0]


def test_steps_count_up_to_three():
    steps = "First, a.\nNext, b.\nFinally, c."
    assert values("reasoning_steps", "nothing", "Step 1: a", steps, steps + steps) == [0, 1 / 3, 1, 1]
    # markers at the start of a line count on every line, not on the first alone
    assert values("reasoning_steps", "1. a\n2. b", "a\n- b\n* c", "costs 1. a or 2-1") == [2 / 3, 2 / 3, 0]
    assert values("reasoning_steps", "# a\n# b", markers="^#", enough=4) == [0.5]


def test_code_format_is_the_form_with_a_fenced_block():
    block = "```python\nprint(2)\n```"
    whole = f"<think>print</think><answer>{block}</answer>"
    assert values("code_format", whole) == [1]
    assert values("code_format", whole.replace("python", "cpp"), whole.replace("python", "")) == [0, 0]
    assert values("code_format", whole.replace("python", "cpp"), language="cpp") == [1]
    assert values("code_format", block, f"<think>{block}</think><answer>2</answer>", GOOD) == [0, 0, 0]
    assert values("code_format", whole.removeprefix("<think>"), opened=True) == [1]
    indented = block.replace("\n", "\n    ")
    assert values("code_format", f"<think>print</think><answer>\n    {indented}\n</answer>") == [1]
