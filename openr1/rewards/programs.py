"""Verdicts on programs, by the tests that they pass in the sandbox."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from openr1.rewards.base import Sample, Verdict, wrong_verdict
from openr1.rewards.parsing import extract_program

if TYPE_CHECKING:
    from openr1.rewards.sandbox import Sandbox, Test


def judge_program(sample: Sample, sandbox: Sandbox | None, run_all: bool, progress: Callable[[str], Any]) -> Verdict:
    """Run the tests of a sample's problem. Without tests there is no verdict."""
    tests = sample.problem.tests
    if not tests:
        return Verdict(step="the problem has no tests")
    source = extract_program(sample.completion)
    if source is None:
        return wrong_verdict(sample)._replace(gold=_describe(tests), step="no program in the answer")
    if sandbox is None:
        from openr1.rewards.sandbox import default_sandbox

        sandbox = default_sandbox()
    passed = sandbox.run_tests(source, tests, run_all, progress)
    return Verdict(all(passed), passed, _describe(tests), source, _summarise(passed, len(tests)))


def _describe(tests: tuple[Test, ...]) -> str:
    functions = sorted({test[2] for test in tests if len(test) > 2})
    kind = f"calls of {' and '.join(functions)}" if functions else "input and output"
    return f"{len(tests)} {'test' if len(tests) == 1 else 'tests'} of {kind}"


def _summarise(passed: tuple[bool, ...], tests: int) -> str:
    if len(passed) < tests:
        return f"test {len(passed)} of {tests} failed; those after it were not run"
    return f"{sum(passed)} of {tests} tests passed"
