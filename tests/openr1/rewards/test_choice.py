"""Verdicts on answers to multiple choice, and letters that may be words."""

import time

import pytest

from openr1.data.tasks.base import Problem
from openr1.rewards import Sample, verify
from openr1.rewards.choice import judge_choice, read_letter

MAYBE_WORDS = [
    ("A", "\\boxed{a}"),
    ("A", "\\boxed{A. I think so}"),
    ("I", "Answer: I"),
    ("I", "The answer is (I)."),
    ("A", "The answer is A."),
    ("A", "Answer: A"),
    ("A", "answer: a"),
    ("A", "(A) is correct."),
    ("A", "A is the correct answer."),
    ("A", "The answer is A because of it."),
    ("B", "<b>Answer:</b> B"),
    ("B", "<strong>B</strong>"),
    ("B", "The answer is \\textbf{B}."),
    ("B", "The answer is $\\mathbf{(B)}$."),
    ("B", "\\(\\boxed{\\text{B. } 12}\\)"),
    ("B", "Answer: \\boxed{B}"),
    ("B", "Answer: $\\boxed{\\text{B}}$."),
    ("B", "My answer: B"),
    ("B", "Choice: B"),
    ("B", "Option: B"),
    ("B", "The correct letter is B."),
    ("B", "Selected answer: B"),
    ("B", "Your answer: B"),
    ("B", "Correct Answer: B"),
    ("B", "Ans: B"),
    ("B", "Ans. B"),
    ("A", "Answer: A\n"),
    ("A", "Answer: (a)"),
    ("A", "<answer>x</answer> Answer: A"),
]


@pytest.mark.parametrize(("right", "text"), MAYBE_WORDS)
def test_a_letter_that_may_be_a_word(right, text):
    assert read_letter(text) == right


@pytest.mark.parametrize(
    "gold", ["C", "c", "(C)", "C.", "C)", "C) a wave", "**C**", r"\boxed{C}", "$C$", "Ｃ", "Answer: C", " C\n"]
)
def test_a_gold_letter_is_read_as_an_answer_is(gold):
    problem = Problem("q", gold, kind="choice")
    assert verify(Sample(problem, "<think>A?</think>Answer: C")) is True
    assert verify(Sample(problem, "<think>A?</think>Answer: A")) is False


@pytest.mark.parametrize("gold", ["2", "12 apples", "a wave", "A wave", "A, B", "AB", ""])
def test_a_gold_answer_that_is_no_letter_has_no_verdict(gold):
    assert verify(Sample(Problem("q", gold, kind="choice"), "Answer: A")) is None


def test_thoughts_are_no_answer():
    problem = Problem("q", "C", kind="choice")
    assert verify(Sample(problem, r"<think>so \boxed{C}</think>I do not know")) is False
    assert verify(Sample(problem, r"<think>so \boxed{C}")) is False


@pytest.mark.parametrize(
    ("completion", "answer", "step"),
    [
        (r"\boxed{(C)}", "C", "boxed letter"),
        ("Answer: C", "C", "stated as the answer"),
        ("Option C is correct.", "C", "stated as correct"),
        ("C) a wave", "C", "letter at the beginning"),
        ("Answer: A or C", "", "several letters: A, C"),
        ("I do not know", "", "no letter"),
        ("<think>C", "", "no conclusion"),
    ],
)
def test_a_verdict_says_how_it_was_reached(completion, answer, step):
    verdict = judge_choice(Sample(Problem("q", "(C)", kind="choice"), completion))
    assert (verdict.gold, verdict.answer, verdict.step) == ("C", answer, step)


@pytest.mark.parametrize(
    "text", ["Answer: A\n", "A, ", "(", "A is correct. ", "answer is ", r"\boxed{A}", "answer:::: ", "\n", ". "]
)
def test_a_hostile_text_takes_no_time(text):
    start = time.perf_counter()
    read_letter("Answer: C" + text * (50_000 // len(text)))
    assert time.perf_counter() - start < 10
