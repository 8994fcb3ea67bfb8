"""Rewards of a text's words, and the parts of a completion."""

import pytest

from openr1.data.tasks.base import Problem
from openr1.rewards import REWARDS, Sample
from openr1.rewards.parsing import extract_conclusion, extract_last_boxes, extract_program, extract_thoughts, find_blocks

PROBLEM = Problem("1+1=", "2")


def values(name, *completions, **options):
    return REWARDS[name]([Sample(PROBLEM, completion) for completion in completions], **options)


def test_repetition():
    assert values("repetition_penalty", "a b c d e", "a b", "") == [0, 0, 0]
    assert values("repetition_penalty", "a a a a a") == pytest.approx([-2 / 3])  # 3 trigrams, 1 of them unique
    assert values("repetition_penalty", "so so so so so", "So so SO so so") == pytest.approx([-2 / 3] * 2)
    assert values("repetition_penalty", "a b a b", ngram=2, penalty=-0.3) == pytest.approx([-0.1])


@pytest.mark.parametrize(
    "said", ["the answer is nine. ", "所以答案是九。", "ดังนั้นคำตอบคือเก้า", "だから答えは九です。", "ដូច្នេះចម្លើយគឺប្រាំបួន"]
)
def test_what_is_said_again_is_penalised_with_and_without_spaces(said):
    [again, once] = values("repetition_penalty", said * 20, said)
    assert again < -0.9
    assert once > -0.1


def test_language_is_a_share_of_the_words_of_the_thoughts():
    mixed = "<think>we add 二 numbers</think><answer>二二二</answer>"
    assert values("language_consistency", mixed) == [0.75]
    assert values("language_consistency", mixed, language="zh") == [0.25]
    assert values("language_consistency", "<think>12+7=19</think><answer>two</answer>") == [None]


def test_thoughts():
    assert extract_thoughts("<think>a</think><answer>b</answer>") == "a"
    assert extract_thoughts("a</think>b") == "a"  # the prompt opened them
    assert extract_thoughts("a") == "a"


def test_conclusion():
    assert extract_conclusion("<think>a</think> <answer> b </answer> c") == "b"
    assert extract_conclusion("<think>maybe <answer>1</answer></think> b") == "b"
    assert extract_conclusion("thought</think>b") == "b"
    assert extract_conclusion("b") == "b"
    assert extract_conclusion("<think>a \\boxed{3}") is None
    assert extract_conclusion("<think>a <answer>3</answer>") is None  # the thoughts never ended
    assert extract_conclusion("<think>a</think>3<think>or <answer>4</answer>") is None
    assert extract_conclusion("<answer>1</answer><answer>2</answer>") is None


def test_a_program_is_the_last_block_of_its_language():
    first, second = "```python\nprint(1)\n```", "```python\nprint(2)\n```"
    assert extract_program(f"{first}\nor\n{second}") == "print(2)\n"
    assert extract_program(f"{second}\nIt prints:\n```\n2\n```") == "print(2)\n"
    assert extract_program("```\nprint(3)\n```") == "print(3)\n"
    assert extract_program("```py\nprint(4)\n```") == "print(4)\n"
    assert extract_program("<answer>print(5)</answer>") == "print(5)"
    assert extract_program(f"<think>{first}</think>no program") is None
    assert extract_program("<answer>```python\nprint(6)</answer>") is None  # cut off
    assert extract_program("```cpp\nint main(){}\n```") is None


def test_a_block_is_of_the_language_it_names():
    assert find_blocks("```python\na\n```\n```\nb\n```", "python") == ["a\n"]
    assert find_blocks("```python\na\n```\n\n```\nb\n```") == ["b\n"]


@pytest.mark.parametrize(
    ("text", "contents"),
    [
        (r"so \boxed{3}.", ["3"]),
        (r"\fbox{3}", ["3"]),
        (r"$\boxed{\frac{1}{\sqrt{2}}}$", [r"\frac{1}{\sqrt{2}}"]),
        (r"\boxed{\{1, 2\}}", [r"\{1, 2\}"]),
        (r"\boxed{\text{if } x \} 2}", [r"\text{if } x \} 2"]),
        ("\\boxed \n{3}", ["3"]),
        (r"\\boxed{3}", ["3"]),  # escaped once too often
        (r"x = 3 \\\boxed{3}", ["3"]),  # after the end of a line
        (r"$\boxed 3$", ["3"]),
        (r"\boxed{\ 3\ }", ["3"]),
        (r"\boxed C.", ["C"]),
        (r"\boxed{\boxed{3}}", ["3"]),
        (r"{\bf \boxed{3}", ["3"]),
        (r"\boxed{3}, \boxed{5}", ["3", "5"]),
        (r"$x = \boxed{3}$ and $y = \boxed{5}$", ["3", "5"]),
        (r"\boxed{3} \quad\text{or}\quad \boxed{5}", ["3", "5"]),
        ("1. \\boxed{A}\n2. \\boxed{B}", ["A", "B"]),
        (r"\boxed{3}. \boxed{5}", ["3", "5"]),
        ("\\boxed{3}\n\n\\boxed{3}", ["3"]),
        (r"\boxed{甲}或\boxed{乙}", ["甲", "乙"]),
        (r"I get \boxed{3}. That is wrong: it is \boxed{5}", ["5"]),
        (r"\boxed{1} No: \boxed{3}, \boxed{5}", ["3", "5"]),
        (r"\boxed{3} 不对, \boxed{5}", ["5"]),
        (r"\boxed{3}, or rather \boxed{5", ["3"]),
        (r"put it within \boxed{}: 3", []),
        (r"the command \boxed makes a box", []),
        ("3", []),
    ],
)
def test_the_last_boxes(text, contents):
    assert extract_last_boxes(text) == contents


def test_a_thousand_boxes_are_read_at_once():
    assert extract_last_boxes(r"\boxed{" * 20_000 + "3}") == ["3"]
