"""The verdict on a program: the tests that it passes in the sandbox."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from openr1.rewards.base import Sample, Verdict, wrong
from openr1.rewards.parsing import program

if TYPE_CHECKING:
    from openr1.rewards.sandbox import Sandbox, Test


def check(sample: Sample, sandbox: Sandbox | None, every: bool, progress: Callable[[str], Any]) -> Verdict:
    """Run the tests of a sample's problem; no verdict where it has none."""
    tests = sample.problem.tests
    if not tests:
        return Verdict(step="the problem has no tests")
    source = program(sample.completion)
    if source is None:
        return wrong(sample)._replace(gold=_told(tests), step="no program in the answer")
    if sandbox is None:
        from openr1.rewards.sandbox import default

        sandbox = default()
    passed = sandbox.test(source, tests, every, progress)
    return Verdict(all(passed), passed, _told(tests), source, _step(passed, len(tests)))


def _told(tests: tuple[Test, ...]) -> str:
    functions = sorted({test[2] for test in tests if len(test) > 2})
    of = f"calls of {' and '.join(functions)}" if functions else "input and output"
    return f"{len(tests)} {'test' if len(tests) == 1 else 'tests'} of {of}"


def _step(passed: tuple[bool, ...], tests: int) -> str:
    if len(passed) < tests:
        return f"test {len(passed)} of {tests} failed; those after it were not run"
    return f"{sum(passed)} of {tests} tests passed"
