"""Readability: each part falls with its own defect alone."""

# ruff: noqa: RUF001 - characters that look alike are what is tested

import pytest

from openr1.data.readability import NOTHING, readability, split_steps
from openr1.data.tasks.problem import Problem
from openr1.rewards.base import Sample
from openr1.rewards.registry import REWARDS

GOOD = "<think>12+7=19\n19+30=49\nso 49</think><answer>49</answer>"
PROSE = "First we add the tens.\nThen we add the ones.\nSo the sum is 49."


def test_a_readable_answer_has_every_part():
    for text in (GOOD, PROSE, "Все слова на одном языке.\nИх два."):
        assert readability(text)._replace(summary=1) == (1, 1, 1, 1, 1), text
    assert readability(GOOD).summary == readability(PROSE).summary == 1


@pytest.mark.parametrize(
    ("part", "value", "text"),
    [
        ("step_a_line", 0.5, "<think>12+7=19,19+30=49,49+1=50\nso 50</think><answer>50</answer>"),
        ("step_a_line", 2 / 3, "We add the tens. We add the ones.\nSo 49."),
        ("summary", 0, "<think>12+7=19\n19+30=49</think><answer>49</answer>"),
        ("summary", 0, "<think>12+7=19\n19+30=49\nso 50</think><answer>49</answer>"),
        ("no_repetition", 0.75, "<think>12+7=19\n19+30=49\n19+30=49\nso 49</think><answer>49</answer>"),
        ("concise", 0.75, "<think>12+7=19\nwait\n19+30=49\nso 49</think><answer>49</answer>"),
        ("concise", 0.75, "<think>12+7=19\nhmm, let me think\n19+30=49\nso 49</think><answer>49</answer>"),
        ("one_alphabet", 6 / 8, "<think>then 12+7=19\nда 19+30=49\nso 49</think><answer>49</answer>"),
        ("one_alphabet", 2 / 3, "<think>12+7=19\n再 19+30=49\nso 49</think><answer>49</answer>"),
    ],
)
def test_a_defect_lowers_its_own_part_alone(part: str, value: float, text: str):
    parts = readability(text)
    assert getattr(parts, part) == pytest.approx(value)
    assert parts._replace(**{part: 1}) == (1, 1, 1, 1, 1)
    assert parts.score == pytest.approx((4 + value) / 5)


def test_length_counts_beyond_what_is_allowed():
    text = "\n".join(f"{i}+1={i + 1}" for i in range(200)) + "\nso 200"
    assert readability(text, longest=len(text)).concise == 1
    assert readability(text, longest=len(text) // 2).concise == pytest.approx(0.5, rel=0.01)


def test_a_loop_within_one_sentence_is_repetition():
    assert readability("so we add and " * 50).no_repetition < 0.05


def test_letters_of_mathematics_are_no_other_alphabet():
    assert readability("The area is π r², which is 3.\nSo 3.").one_alphabet == 1
    assert readability("Die Fläche ist größer.\nВот так.").one_alphabet < 1
    assert readability("これは漢字です").one_alphabet == 1


def test_nothing_is_not_readable():
    assert readability("") == readability(" <think></think><answer></answer>") == NOTHING


def test_steps_are_equations_or_sentences():
    assert split_steps("12+7=19,19+30=49") == ["12+7=19", "19+30=49"]
    assert split_steps("1,000+5=1,005") == ["1,000+5=1,005"]
    assert split_steps("It is 3.5. So it is.") == ["It is 3.5", "So it is"]


def test_the_reward_is_the_score():
    samples = [Sample(Problem("", ""), text) for text in (GOOD, "", GOOD.replace("\n", ","))]
    values = REWARDS["readability"](samples)
    assert values == [readability(sample.completion).score for sample in samples]
    assert values[0] == 1
    assert values[1] == 0
    assert REWARDS["readability"](samples[:1], longest=10)[0] < 1
