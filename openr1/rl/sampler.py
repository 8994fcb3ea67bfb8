"""Sampler of problems. The next problem depends only on the seed and on how many were drawn before, so a resume is exact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from openr1.data.hashing import hash64
from openr1.data.tasks.base import Problem


class ProblemSampler:
    """Sampler without replacement: each pass over a source has a new random order, and sources take turns by their weights.

    :param sources: the problems of each source.
    :param weights: the weight of each source.
    :ivar drawn: number of problems drawn so far, by source; a resume needs nothing else.

    >>> sampler = ProblemSampler({"a": [Problem(str(i), "") for i in range(3)]}, {"a": 1.0}, seed=0)
    >>> sorted(sampler.draw()[1].prompt for _ in range(3)), sampler.drawn
    (['0', '1', '2'], {'a': 3})
    """

    def __init__(self, sources: Mapping[str, Sequence[Problem]], weights: Mapping[str, float], seed: int) -> None:
        self.sources, self.seed = sources, seed
        total = sum(weights[name] for name in sources)
        self.shares = {name: weights[name] / total for name in sources}
        self.drawn = dict.fromkeys(sources, 0)
        self.orders: dict[str, tuple[int, np.ndarray]] = {}  # number of a source's pass, and its order

    @property
    def total_drawn(self) -> int:
        """Return the number of problems drawn so far."""
        return sum(self.drawn.values())

    @property
    def epochs(self) -> float:
        """Return the number of passes over all problems together."""
        return self.total_drawn / sum(map(len, self.sources.values()))

    def draw(self) -> tuple[int, Problem]:
        """Draw a problem.

        :returns: the number of the draw, and the problem.
        """
        number = self.total_drawn
        # the source that is furthest behind its share; the first of several
        name = max(self.shares, key=lambda source: self.shares[source] * (number + 1) - self.drawn[source])
        problems = self.sources[name]
        epoch, index = divmod(self.drawn[name], len(problems))
        self.drawn[name] += 1
        return number, problems[self._order(name, epoch)[index]]

    def _order(self, name: str, epoch: int) -> np.ndarray:
        if name not in self.orders or self.orders[name][0] != epoch:
            generator = np.random.default_rng(hash64("deck", str(self.seed), name, str(epoch)))
            self.orders[name] = (epoch, generator.permutation(len(self.sources[name])))
        return self.orders[name][1]
