"""Completions that the oracles of tasks write: at once, with their trace, or with the trace in a chosen layout."""

from __future__ import annotations

import random

from openr1.data.hashing import hash64, unit
from openr1.data.options import TaskSource
from openr1.data.readable_pairs import drawn_defects, steps_of, write_answer
from openr1.data.tasks.completions import direct_completion, reasoned_completion
from openr1.data.tasks.problem import Problem


def oracle_completion(problem: Problem, source: TaskSource) -> str:
    """Return the completion of a problem's oracle, the same on every machine: a share ``source.reasoned`` reasons first.

    :raises ValueError: if the problem has no oracle.
    """
    if unit("reasoned", problem.prompt) >= source.reasoned:
        return direct_completion(problem)
    steps = steps_of(problem) if source.defects is not None else []
    if len(steps) < 2:
        return reasoned_completion(problem)
    rng = random.Random(hash64("defects", problem.prompt))
    return write_answer(problem, steps, drawn_defects(rng, source.defects or 0.0), rng)
