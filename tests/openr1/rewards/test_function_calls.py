"""Tests that call a function of a program. Programs run unprotected here, by ours alone."""

import pytest

from openr1.data.tasks.base import Problem
from openr1.rewards import REWARDS, Sample, Verified
from openr1.rewards.correctness import judge_answer
from openr1.rewards.function_calls import same_result
from openr1.rewards.sandbox import Limits, build_sandbox

ADD = ("[[1, 2], 3]", "6", "add")
PAIR = ("[2]", "[2, 4]", "pair")


@pytest.fixture(scope="module")
def unsafe():
    return build_sandbox("unsafe_subprocess", limits=Limits(cpu_seconds=1, wall_seconds=5))


@pytest.mark.parametrize(
    ("program", "test"),
    [
        ("def add(a, b):\n    return sum(a) + b", ADD),
        ("class Solution:\n    def add(self, a: List[int], b: int) -> int:\n        return sum(a) + b", ADD),
        ("class Solution:\n    pass\ndef add(a, b):\n    return sum(a) + b", ADD),
        ("print('a line')\ndef add(a, b):\n    print(9)\n    return 6.0", ADD),
        ("import os\ndef add(a, b):\n    os.write(1, b'7')\n    return 6", ADD),
        ("add = lambda a, b: reduce(lambda x, y: x + y, a) + b", ADD),
        (
            "from __future__ import annotations\nimport dataclasses\n@dataclasses.dataclass\nclass P: x: int\n"
            "def add(a, b):\n  return P(6).x",
            ADD,
        ),
        ("def add(a, b):\n    return 6\nif __name__ == '__main__':\n    print(input())", ADD),
        ("def pair(n):\n    return n, n * n", PAIR),
        ("def pair(n):\n    return [(n, [n])]", ("[2]", "[[2, [2]]]", "pair")),
        ("def pair(n):\n    return 2", ("[2]", "2", "pair", "[2]")),
        ("def pair(n):\n    return [2]", ("[2]", "2", "pair", "[2]")),
        ("def f(n):\n    return n + 1", (f"[{'9' * 5000}]", f"1{'0' * 5000}", "f")),
        ("def f(n):\n    return {1: None, 'a': 'é'}", ("[2]", '{"1": null, "a": "\\u00e9"}', "f")),
        ("def f(n):\n    return n and f(n - 1)", ("[20000]", "0", "f")),
        ("def gcd(a, b):\n    return a if not b else gcd(b, a % b)", ("[12, 18]", "6", "gcd")),
        ("def f():\n    return True", ("[]", "true", "f")),
    ],
)
def test_a_function_that_returns_the_result(unsafe, program, test):
    assert unsafe.run_tests(program, [test]) == (True,)


@pytest.mark.parametrize(
    ("program", "test"),
    [
        ("def add(a, b):\n    print(6)", ADD),
        ("print(6)", ADD),
        ("import os\nos.write(1, b'6')\nos._exit(0)", ADD),
        ("def add(a, b):\n    return '6'", ADD),
        ("def add(a, b):\n    return [6]", ADD),
        ("def add(a, b):\n    exit()", ADD),
        ("def add(a):\n    return 6", ADD),
        ("def sum_of(a, b):\n    return 6", ADD),
        ("def add(a, b):\n    while True: pass", ADD),
        ("class All(list):\n    def __eq__(self, other): return True\ndef add(a, b):\n    return All()", ADD),
        ("class All:\n    def __eq__(self, other): return True\ndef add(a, b):\n    return All()", ADD),
        ("import json\njson.dumps = lambda value, **_: 'true'\ndef add(a, b):\n    return 6", ADD),
        ("def add(a, b):\n    yield 6", ADD),
        ("def pair(n):\n    return {2, 4}", PAIR),
        ("def pair(n):\n    return [4, 2]", PAIR),
        ("def pair(n):\n    return 2", PAIR),
        ("def f(n):\n    return 0.1 + 0.2", ("[1]", "0.3", "f")),
        ("def f(n):\n    return float('nan')", ("[1]", "NaN", "f")),
        ("pass", ("[12, 18]", "6", "gcd")),  # which mathematics has, and the program has not
    ],
)
def test_a_function_that_does_not(unsafe, program, test):
    assert unsafe.run_tests(program, [test]) == (False,)


def test_what_is_no_json_is_no_result():
    for printed in ("", "6 6", "[" * 100_000, "six", "6\n7"):
        assert not same_result(printed, "6")
    assert same_result(" 6\n", "6")
    assert same_result("9" * 300_000, "9" * 300_000)


def test_a_problem_may_have_both_kinds_of_tests(unsafe):
    program = "def add(a, b):\n    return sum(a) + b\nif __name__ == '__main__':\n    print(input())"
    assert unsafe.run_tests(program, [("x", "x"), ADD, ("y", "z")]) == (True, True, False)


def test_every_reward_of_programs_has_the_same_verdict(unsafe):
    problem = Problem("add", "", kind="code", tests=(ADD, ("[[], 1]", "1", "add")))
    sample = Sample(problem, "```python\ndef add(a, b):\n    return 6\n```")
    verdict = judge_answer(sample, unsafe, run_all=True)
    assert verdict.passed == (True, False)
    checked = [Verified.of(sample, verdict)]
    assert [REWARDS[name](checked) for name in ("code", "binary_code", "accuracy")] == [[0.5], [0], [0]]
    assert (verdict.gold, verdict.step) == ("2 tests of calls of add", "1 of 2 tests passed")
    assert verdict.answer == "def add(a, b):\n    return 6\n"
    assert judge_answer(sample, unsafe).step == "1 of 2 tests passed"


def test_a_verdict_says_how_it_came_about(unsafe):
    problem = Problem("one", "", kind="code", tests=(("", "1"), ("", "2"), ("", "1")))
    stopped = judge_answer(Sample(problem, "```python\nprint(1)\n```"), unsafe)
    assert stopped.step == "test 2 of 3 failed; those after it were not run"
    none = judge_answer(Sample(problem, "I cannot."), unsafe)
    assert (none.answer, none.step) == ("", "no program in the answer")
    assert judge_answer(Sample(Problem("one", "", kind="code"), "1"), unsafe).step == "the problem has no tests"


def test_whole_numbers_have_any_length(unsafe):
    digits = "7" * 10_000
    assert unsafe.execute("print(int(input()))", digits).prints(digits)
