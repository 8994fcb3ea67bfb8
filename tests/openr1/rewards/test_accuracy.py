"""Right answers, by the kind of the problem."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from openr1.data.tasks import reasoned_completion
from openr1.data.tasks.base import Problem
from openr1.data.tasks.countdown import Countdown
from openr1.rewards import REWARDS, Sample, Verified, verify
from openr1.rewards.base import Verdict
from openr1.rewards.correctness import judge_answer


def right(problem, completion):
    return verify(Sample(problem, completion))


@pytest.mark.parametrize(
    ("completion", "correct"),
    [
        ("<answer>42</answer>", True),
        ("<think>40+2</think><answer> 42\n</answer>", True),
        ("<answer>43</answer>", False),
        ("<answer>42.0</answer>", False),
        ("<answer>41</answer><answer>42</answer>", False),
        ("<think>41? <answer>41</answer></think><answer>42</answer>", True),
        ("<think>so <answer>42</answer>", False),  # the thoughts never ended
        ("<think><answer>42</answer></think>6", False),
        ("<think>so</think>42", False),
        ("42", False),
        ("", False),
    ],
)
def test_exact(completion, correct):
    assert right(Problem("40+2=", "42"), completion) is correct


def test_exact_without_a_gold_answer_has_no_verdict():
    assert right(Problem("q", ""), "<answer></answer>") is None
    assert right(Problem("q", "", task="a label of some data set"), "<answer></answer>") is None


def test_exact_asks_the_problem_s_task():
    countdown = Countdown()
    [problem] = countdown.generate(1, 0, countdown.Options())
    assert right(problem, reasoned_completion(problem)) is True
    assert right(problem, f"<answer> ({problem.answer}) </answer>") is True  # another text of the same value
    assert right(problem, "<answer>1</answer>") is False


@pytest.mark.parametrize(
    ("gold", "answer", "correct"),
    [
        ("1/2", "0.5", True),
        (r"\frac{1}{2}", "$0.5$", True),
        (r"$\frac{1}{2}$", r"\boxed{\frac{2}{4}}", True),
        (r"5\sqrt{2}", r"\sqrt{50}", True),
        (r"5\sqrt{2}", "5", False),
        ("5", r"5\sqrt{2}", False),
        ("x^2+1", "$1+x^2$", True),
        ("(1,2)", "(1,3)", False),
        (r"\{1,2\}", r"$\{2,1\}$", True),
        ("1,000", "1000", True),
        (r"50\%", "50%", True),
        (r"\text{Evelyn}", r"\boxed{\text{Evelyn}}", True),
        (r"\text{Evelyn}", r"\boxed{\text{Briana}}", False),
        ("42", "", False),
        ("42", "I do not know.", False),
    ],
)
def test_math(gold, answer, correct):
    problem = Problem("q", gold, kind="math")
    assert right(problem, f"<think>hm</think><answer>{answer}</answer>") is correct


@pytest.mark.parametrize("gold", ["", "$$", r"\boxed{}", r"\boxed{\frac{1}{}}"])
def test_a_gold_answer_that_cannot_be_read_gives_no_value(gold):
    sample = Sample(Problem("q", gold, kind="math"), "<answer>1</answer>")

    def open_r1(sample):
        from math_verify import parse

        return 1.0 if not parse(sample.problem.answer, fallback_mode="no_fallback", parsing_timeout=None) else 0.0

    assert open_r1(sample) == 1.0
    assert REWARDS["accuracy"]([sample]) == [None]
    assert REWARDS["cosine"]([sample]) == [None]
    assert REWARDS["length"]([sample]) == [None]


def test_math_is_read_where_the_answer_stands():
    problem = Problem("q", "7", kind="math")
    assert right(problem, r"<think>\boxed{7}</think> It is \boxed{8}.") is False
    assert right(problem, r"<think>\boxed{8}</think> It is \boxed{7}.") is True
    assert right(problem, r"<think>it could be \boxed{7} or") is False  # cut off before it answered
    assert right(problem, r"The answer is $\boxed{7}$.") is True
    assert right(problem, "<answer>8</answer><answer>7</answer>") is False


@pytest.mark.parametrize(
    ("completion", "correct"),
    [
        ("<answer>B</answer>", True),
        ("<answer>(B)</answer>", True),
        ("<answer>B) 12 apples</answer>", True),
        (r"<answer>\boxed{\text{B}}</answer>", True),
        (r"<think>A?</think> So the answer is \boxed{B}.", True),
        ("<think>A?</think>The answer is **B**.", True),
        ("Answer: A\n\nNo, wait.\n\nAnswer: B", True),
        ("<answer>A</answer>", False),
        ("<answer>Bananas</answer>", False),
        ("<answer>A, B</answer>", False),
        ("I like all of them", False),
        ("<think>B", False),
    ],
)
def test_choice(completion, correct):
    assert right(Problem("q", "B", kind="choice"), completion) is correct


def test_choice_of_no_letter_has_no_verdict():
    assert right(Problem("q", "12 apples", kind="choice"), "<answer>B</answer>") is None


def test_an_unknown_kind_is_an_error():
    with pytest.raises(ValueError, match="'essay'"):
        right(Problem("q", "a", kind="essay"), "a")


def test_a_verdict_is_not_asked_for_twice():
    sample = Sample(Problem("q", "2"), "<answer>3</answer>", tokens=7)
    assert judge_answer(sample) == Verdict(False)
    known = Verified.of(sample, Verdict(True))
    assert verify(known) is True
    assert (known.problem, known.completion, known.tokens) == (sample.problem, sample.completion, 7)
    assert verify(Verified.of(sample, Verdict())) is None


def test_accuracy():
    problem = Problem("q", "2")
    group = [Sample(problem, "<answer>2</answer>"), Sample(problem, "<answer>3</answer>")]
    assert REWARDS["accuracy"]([*group, Verified.of(group[0], Verdict())]) == [1, 0, None]


def test_math_verify_s_own_time_outs_are_off():
    """They are signals, which only the main thread has, and which would end the alarm of a process that scores."""
    sample = Sample(Problem("q", "0.5", kind="math"), r"<answer>\frac{1}{2}</answer>")
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(verify, sample).result() is True
