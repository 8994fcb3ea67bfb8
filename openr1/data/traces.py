"""Completions that the oracles of tasks write: at once, with their trace, or with the trace in a chosen layout."""

from __future__ import annotations

import random

from openr1.data.hashing import hash64, unit
from openr1.data.options import TaskSource
from openr1.data.readable_pairs import drawn_defects, steps_of, write_answer
from openr1.data.tasks.completions import direct_completion, reasoned_completion
from openr1.data.tasks.problem import Problem


def has_layout(problem: Problem) -> bool:
    """Return True if the trace of a problem has several steps, which can stand in more than one layout."""
    return len(steps_of(problem)) > 1


def oracle_completion(problem: Problem, source: TaskSource) -> str:
    """Return the completion of a problem's oracle, the same on every machine: a share ``source.reasoned`` reasons first.

    :raises ValueError: if the problem has no oracle.
    """
    if unit("reasoned", problem.prompt) >= source.reasoned:
        return direct_completion(problem)
    if source.defects is None or not has_layout(problem):
        return reasoned_completion(problem)
    rng = random.Random(hash64("defects", problem.prompt))
    return write_answer(problem, steps_of(problem), drawn_defects(rng, source.defects), rng)
