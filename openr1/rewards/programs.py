"""The verdict on a program: the tests that it passes in the sandbox."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from openr1.rewards.base import Sample, Verdict, wrong
from openr1.rewards.parts import program

if TYPE_CHECKING:
    from openr1.rewards.sandbox import Sandbox


def check(sample: Sample, sandbox: Sandbox | None, every: bool, progress: Callable[[str], Any]) -> Verdict:
    """Run the tests of a sample's problem; no verdict where it has none."""
    if not sample.problem.tests:
        return Verdict()
    source = program(sample.completion)
    if source is None:
        return wrong(sample)
    if sandbox is None:
        from openr1.rewards.sandbox import default

        sandbox = default()
    passed = sandbox.test(source, sample.problem.tests, every, progress)
    return Verdict(all(passed), passed)
