"""Additions: ``12+7+30=`` is 49, by the running sums ``12+7=19,19+30=49``."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import accumulate, pairwise

from openr1.data.tasks.base import Problem, Task


@dataclass
class SumsOptions:
    """Sums of ``min_terms`` to ``max_terms`` numbers, each number of terms equally often, of numbers from 0 to ``maximum``."""

    min_terms: int = 2
    max_terms: int = 4
    maximum: int = 99


class Sums(Task):
    Options = SumsOptions

    def generate(self, count: int, seed: int, options: SumsOptions) -> list[Problem]:
        low, high, size = options.min_terms, options.max_terms, options.maximum + 1
        if not 2 <= low <= high:
            raise ValueError(f"options.min_terms: must be at least 2 and at most max_terms={high}")
        if size < 2:
            raise ValueError("options.maximum: must be at least 1")
        # problems of one length are drawn without replacement: there must be enough of the fewest, the shortest
        lengths = high - low + 1
        if -(-count // lengths) > size**low:
            raise ValueError(f"problems: at most {lengths * size**low} distinct sums have these options")
        rng = random.Random(seed)
        seen: dict[str, Problem] = {}
        while len(seen) < count:
            # only random() itself is promised to be the same in every version of Python
            terms = [int(rng.random() * size) for _ in range(low + len(seen) % lengths)]
            problem = _problem(terms)
            seen.setdefault(problem.prompt, problem)
        return list(seen.values())


def _problem(terms: list[int]) -> Problem:
    steps = zip(pairwise(accumulate(terms)), terms[1:], strict=True)
    trace = ",".join(f"{before}+{term}={after}" for (before, after), term in steps)
    return Problem(prompt="+".join(map(str, terms)) + "=", answer=str(sum(terms)), trace=trace)
