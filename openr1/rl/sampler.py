"""Which problem comes next: a pure function of the seed and of how many were drawn before, so that a resume goes on exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from openr1.data.hashing import hash64
from openr1.data.tasks.base import Problem


class ProblemSampler:
    """Problems in a shuffled order, each pass over a source in another one; sources take turns by their weights.

    :param sources: the problems of each, and its weight.
    :ivar drawn: problems so far, by source: all that a resume needs.

    >>> deck = Deck({"a": [Problem(str(i), "") for i in range(3)]}, {"a": 1.0}, seed=0)
    >>> sorted(deck.draw()[1].prompt for _ in range(3)), deck.drawn
    (['0', '1', '2'], {'a': 3})
    """

    def __init__(self, sources: Mapping[str, Sequence[Problem]], weights: Mapping[str, float], seed: int) -> None:
        self.sources, self.seed = sources, seed
        whole = sum(weights[name] for name in sources)
        self.shares = {name: weights[name] / whole for name in sources}
        self.drawn = dict.fromkeys(sources, 0)
        self.orders: dict[str, tuple[int, np.ndarray]] = {}

    @property
    def place(self) -> int:
        """How many were drawn."""
        return sum(self.drawn.values())

    @property
    def passes(self) -> float:
        """Over all problems together."""
        return self.place / sum(map(len, self.sources.values()))

    def draw(self) -> tuple[int, Problem]:
        """The number of the draw, and its problem."""
        place = self.place
        # whoever is furthest behind its share; the first of several
        name = max(self.shares, key=lambda one: self.shares[one] * (place + 1) - self.drawn[one])
        problems, number = self.sources[name], self.drawn[name]
        lap, index = divmod(number, len(problems))
        self.drawn[name] += 1
        return place, problems[self._order(name, lap)[index]]

    def _order(self, name: str, lap: int) -> np.ndarray:
        if self.orders.get(name, (None, None))[0] != lap:
            generator = np.random.default_rng(hash64("deck", str(self.seed), name, str(lap)))
            self.orders[name] = (lap, generator.permutation(len(self.sources[name])))
        return self.orders[name][1]
