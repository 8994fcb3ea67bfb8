"""Answers that would take a reader or a verifier for ever cost their own time limit, and other answers are judged."""

import pytest
from helpers.verdict_cases import hostile

from openr1.data.tasks.base import Problem
from openr1.rewards import RewardConfig, Sample, Scorer, TermConfig

T = "<think>I try.</think>"
MANY = 100_000
LIMIT = 2.0


def boxed(text):
    return f"{T}$\\boxed{{{text}}}$"


def nested(opening, closing, depth=2000, inner="5"):
    return opening * depth + inner + closing * depth


MATH = {
    "a tower of powers": boxed("9^{9^{9^{9^{9}}}}"),
    "a tower of powers with parentheses": boxed("(((9^9)^9)^9)^{9^9}"),
    "a root of a tower": boxed(r"\sqrt[9^{9^9}]{9^{9^9}}"),
    "a factorial": boxed("999999999!"),
    "a factorial of a factorial": boxed("(((9!)!)!)!"),
    "a binomial": boxed(r"\binom{10^9}{5 \cdot 10^8}"),
    "many digits": boxed("7" * MANY),
    "many decimals": boxed("0." + "7" * MANY),
    "a number with a huge exponent": boxed("1e999999999"),
    "a huge base": boxed("10_{999999999999}"),
    "braces": boxed(nested("{", "}", MANY)),
    "fractions": boxed(nested(r"\frac{1}{1+", "}")),
    "roots": boxed(nested(r"\sqrt{1+", "}")),
    "powers in powers": boxed(nested("x^{", "}")),
    "parentheses": boxed(nested("(", ")", MANY)),
    "absolute values": boxed(nested("|1-", "|")),
    "floors": boxed(nested(r"\lfloor 1+", r"\rfloor")),
    "logarithms": boxed(nested(r"\ln(9+", ")", 300)),
    "a huge matrix": boxed(r"\begin{pmatrix}" + r"\\".join(["&".join(["7"] * 200)] * 200) + r"\end{pmatrix}"),
    "a power of a matrix": boxed(r"\begin{pmatrix}1&1\\1&0\end{pmatrix}^{999999999}"),
    "a long product": boxed(r" \cdot ".join(f"(x+{n})" for n in range(900))),
    "a power of a sum": boxed("(a+b+c+d+e+f+g)^{99999}"),
    "a sum of many terms": boxed(r"\sum_{n=1}^{10^{12}} \frac{1}{n^{7}}"),
    "a product of many factors": boxed(r"\prod_{n=1}^{10^{12}} n"),
    "an integral": boxed(r"\int_0^1 \sin(x^{\sin x}) e^{x^2} dx"),
    "a limit": boxed(r"\lim_{x \to 0} \frac{\sin(\tan(x)) - \tan(\sin(x))}{x^{99}}"),
    "a sine of a huge number": boxed(r"\sin(10^{10^{6}})"),
    "cancelling powers": boxed(r"(10^{10^{5}}+7) - 10^{10^{5}}"),
    "a radical that hides zero": boxed(r"\sqrt{10^{300}+1}-\sqrt{10^{300}}"),
    "many signs": boxed(r"\pm 1" * 60),
    "a list": boxed(",".join(map(str, range(20_000)))),
    "many dollars": T + "$" * MANY,
    "many boxes": T + r"\boxed{" * MANY,
    "many statements": T + "the answer is " * 20_000,
    "many spaces": T + "5" + " " * MANY + "6",
    "many commas": T + "1" + "," * MANY + "2",
    "digits in groups": T + "1" + ",000" * 30_000 + "x",
    "many equations": boxed("x=" * 20_000 + "7"),
    "text in text": boxed(nested(r"\text{", "}")),
}
CHOICE = {
    "many letters": T + "A or " * 20_000,
    "many statements": T + "the answer is B, " * 5_000,
    "many options": T + "A) x\n" * 20_000,
    "many quotes": T + "('" * MANY + "A",
    "many spaces": T + "The answer" + " " * MANY + "is" + " " * MANY + "B C",
    "many dashes": T + "answer" + " is:=-" * 20_000 + "B C",
    "many boxes": T + r"\boxed{\text{" * 20_000,
    "many words": T + "the correct option of the option of " * 5_000,
    "many letters in a box": T + r"\boxed{" + "A," * 20_000 + "}",
    "many tags": T + "<b" * MANY + "A B",
}
CODE = {
    "open fences": T + "```python\n" * 20_000,
    "fences in fences": T + "".join("`" * n + "\n" for n in range(3, 600)),
    "quotes of quotes": T + "> " * MANY + "```python\nx\n```",
    "nested parentheses": f"{T}```\n{nested('(', ')', MANY)}\n```",
    "nested signs": f"{T}```\nprint({'-' * MANY}1)\n```",
    "nested lists": f"{T}```\nf({nested('[', ']', 90)})\n```\n```\n{'not ' * MANY}x\n```",
    "a huge number": f"{T}```python\nprint(10 ** 10 ** 10)\n```",
    "a constant": f"{T}```python\nx = 2 ** 9999999 * 'a'\n```",
}
RIGHT = {"math": boxed("7"), "choice": f"{T}The answer is D.", "code": f"{T}```python\nprint(7)\n```"}
GOLD = {"math": "7", "choice": "D", "code": ""}


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "bombs"), [("math", MATH), ("choice", CHOICE), ("code", CODE)])
def test_a_bomb_costs_one_answer_its_limit_and_the_others_nothing(kind, bombs):
    problem = Problem("q", GOLD[kind], kind=kind, tests=(("", "7"),) if kind == "code" else ())
    config = RewardConfig({"accuracy": TermConfig()}, time_limit=LIMIT, workers=2, sandbox="unsafe_subprocess")
    config.limits.cpu_seconds, config.limits.wall_seconds = 1, 4
    samples = [Sample(problem, text) for bomb in bombs.values() for text in (bomb, RIGHT[kind])]
    with Scorer(config) as scorer:
        scores = [score for [score] in scorer.score([[sample] for sample in samples])]
    assert [name for name, score in zip(bombs, scores[::2], strict=True) if score.correct is not False] == []
    assert [name for name, score in zip(bombs, scores[1::2], strict=True) if score.correct is not True] == []
    late = f"no end within {LIMIT:g} s"  # no process died, and none took more
    assert {error for score in scores for error in score.errors.values()} <= {late}
    assert not any(score.errors for score in scores[1::2])


@pytest.mark.slow
def test_a_bomb_beside_a_right_answer_does_not_hide_it():
    cases = hostile()[::6]
    with Scorer(RewardConfig({"accuracy": TermConfig()}, time_limit=LIMIT, workers=2)) as scorer:
        bombs = [Sample(Problem("q", case["gold"], kind="math"), case["completion"]) for case in cases]
        right = Sample(Problem("q", "7", kind="math"), RIGHT["math"])
        scores = scorer.score([[bomb, right] for bomb in bombs])
    assert [score[1].correct for score in scores] == [True] * len(cases)
    assert [case["why"] for case, score in zip(cases, scores, strict=True) if score[0].correct] == []
