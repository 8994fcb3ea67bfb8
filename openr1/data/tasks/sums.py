"""Additions: ``12+7+30=`` is 49, by the running sums ``12+7=19,19+30=49``."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import accumulate, pairwise

from openr1.data.tasks.base import DrawnTask, Problem
from openr1.data.tasks.rng import below, check_least, check_range


@dataclass
class SumsOptions:
    """Sums of ``min_terms`` to ``max_terms`` numbers, each number of terms equally often, of numbers from 0 to ``maximum``."""

    min_terms: int = 2
    max_terms: int = 4
    maximum: int = 99


class Sums(DrawnTask):
    """Difficulty: the additions."""

    name = "sums"
    Options = SumsOptions

    def check(self, options: SumsOptions) -> None:
        check_range(options.min_terms, options.max_terms, "terms", 2)
        check_least(options, maximum=1)

    def capacity(self, options: SumsOptions) -> int:
        # each length has its turn, so the set ends with the fewest, the shortest
        return (options.max_terms - options.min_terms + 1) * (options.maximum + 1) ** options.min_terms

    def draw(self, rng: random.Random, place: int, options: SumsOptions) -> Problem:
        length = options.min_terms + place % (options.max_terms - options.min_terms + 1)
        terms = [below(rng, options.maximum + 1) for _ in range(length)]
        steps = zip(pairwise(accumulate(terms)), terms[1:], strict=True)
        trace = ",".join(f"{before}+{term}={after}" for (before, after), term in steps)
        prompt = "+".join(map(str, terms)) + "="
        return Problem(prompt, str(sum(terms)), trace, task=self.name, difficulty=length - 1)
