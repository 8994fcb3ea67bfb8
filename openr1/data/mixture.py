"""Which source comes next, and which of its sequences: exact weights, no repetition within an epoch, no luck of the machine."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Sequence

import numpy as np

from openr1.data.hashing import hash64


def interleave(
    shares: Sequence[float], lengths: Sequence[Iterator[int]], sequences: float = math.inf, tokens: float = math.inf
) -> np.ndarray:
    """The source of each sequence of a mix, shape ``(n,)``, so that the tokens of every prefix are in proportion to the shares.

    Of the sources that are not ahead of their share, the one comes next that would first fall behind it. For sequences of one
    length no source is ever a whole sequence away from its share (Tijdeman, "The chairman assignment problem", 1980).

    :param shares: one a source; they add up to 1.
    :param lengths: tokens of the sequences of each source, in order.
    :param sequences: stop after so many,
    :param tokens: or before there are more tokens, or where a source has no further sequence.
    """
    heads = [next(source) for source in lengths]
    used = [0] * len(shares)
    total, chosen = 0, array("H")
    everyone = range(len(shares))
    while len(chosen) < sequences:
        due, best = math.inf, 0
        for source in everyone:
            if used[source] < shares[source] * (total + heads[source]):
                deadline = (used[source] + heads[source]) / shares[source]
                if deadline < due:
                    due, best = deadline, source
        total += heads[best]
        if total > tokens:
            break
        chosen.append(best)
        used[best] += heads[best]
        following = next(lengths[best], None)
        if following is None:
            break
        heads[best] = following
    return np.array(chosen, dtype=np.uint16)


def permutation(n: int, seed: int, source: str, epoch: int) -> np.ndarray:
    """The order of the ``n`` sequences of a source in one epoch."""
    bits = np.random.PCG64([seed, hash64("permutation", source), epoch])
    # NumPy keeps the raw stream of a bit generator the same in all versions, but not Generator.permutation
    return np.argsort(bits.random_raw(n), kind="stable")


def place(choice: np.ndarray, orders: Sequence[np.ndarray]) -> np.ndarray:
    """Which sequence of its source each sequence of a mix is, shape ``(n,)``: the sources' orders, each from its beginning."""
    items = np.empty(len(choice), dtype=np.int64)
    for source, order in enumerate(orders):
        places = choice == source
        items[places] = order[: np.count_nonzero(places)]
    return items


def draw(lengths: np.ndarray, seed: int, source: str, orders: list[np.ndarray]) -> Iterator[int]:
    """Lengths of the sequences of a source, epoch after epoch, without end.

    :param orders: the permutation of each epoch is appended as it begins.
    """
    while True:
        orders.append(permutation(len(lengths), seed, source, len(orders)))
        yield from lengths[orders[-1]].tolist()
