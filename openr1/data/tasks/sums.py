"""Additions: ``12+7+30=`` is 49, by the running sums ``12+7=19,19+30=49``."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Annotated

from annotated_types import Interval

from openr1.data.tasks.base import DrawnTask
from openr1.data.tasks.option_checks import check_order
from openr1.data.tasks.problem import Problem
from openr1.data.tasks.rng import randbelow


@dataclass
class SumsOptions:
    """Options of sums: ``min_terms`` to ``max_terms`` terms, each count equally often, of numbers from 0 to ``maximum``."""

    min_terms: Annotated[int, Interval(ge=2, le=1000)] = 2
    max_terms: Annotated[int, Interval(ge=2, le=1000)] = 4
    maximum: Annotated[int, Interval(ge=1, le=1000000000)] = 99


class Sums(DrawnTask):
    """The task sums. The difficulty is the number of additions."""

    name = "sums"
    Options = SumsOptions

    def check_options(self, options: SumsOptions) -> None:
        check_order(options.min_terms, options.max_terms, "terms")

    def capacity(self, options: SumsOptions) -> int:
        # lengths take turns, so the set ends when the shortest one, of which there are fewest, is exhausted
        return (options.max_terms - options.min_terms + 1) * (options.maximum + 1) ** options.min_terms

    def draw(self, rng: random.Random, place: int, options: SumsOptions) -> Problem:
        length = options.min_terms + place % (options.max_terms - options.min_terms + 1)
        terms = [randbelow(rng, options.maximum + 1) for _ in range(length)]
        steps = zip(pairwise(accumulate(terms)), terms[1:], strict=True)
        trace = ",".join(f"{before}+{term}={after}" for (before, after), term in steps)
        prompt = "+".join(map(str, terms)) + "="
        return Problem(prompt, str(sum(terms)), trace, task=self.name, difficulty=length - 1)
