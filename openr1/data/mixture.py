"""The order of a mix: exact weights, no repetition within an epoch, and the same on every machine."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Sequence

import numpy as np

from openr1.data.hashing import hash64


def interleave(
    shares: Sequence[float], lengths: Sequence[Iterator[int]], sequences: float = math.inf, tokens: float = math.inf
) -> np.ndarray:
    """Choose the source of each sequence of a mix, so that the tokens of every prefix are in proportion to the shares.

    Among the sources that are not ahead of their share, the next is the one that would be the first to fall behind. If all
    sequences have the same length, no source is ever a whole sequence away from its share (Tijdeman, "The chairman assignment
    problem", 1980). The mix also ends when a source has no further sequence.

    :param shares: one share per source; they add up to 1.
    :param lengths: tokens of the sequences of each source, in order.
    :param sequences: maximum number of sequences.
    :param tokens: maximum number of tokens.
    :return: indices of sources, shape ``(n,)``, uint16.
    """
    heads = [next(source) for source in lengths]
    used = [0] * len(shares)
    total, chosen = 0, array("H")
    sources = range(len(shares))
    while len(chosen) < sequences:
        due, best = math.inf, 0
        for source in sources:
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
    """Return the order of the ``n`` sequences of a source in one epoch."""
    bits = np.random.PCG64([seed, hash64("permutation", source), epoch])
    # NumPy guarantees the same raw stream of a bit generator in all versions, but not the same Generator.permutation
    return np.argsort(bits.random_raw(n), kind="stable")


def place(choice: np.ndarray, orders: Sequence[np.ndarray]) -> np.ndarray:
    """Return the index of each sequence of a mix within its source, shape ``(n,)``: each source is read in its own order."""
    items = np.empty(len(choice), dtype=np.int64)
    for source, order in enumerate(orders):
        places = choice == source
        items[places] = order[: np.count_nonzero(places)]
    return items


def draw(lengths: np.ndarray, seed: int, source: str, orders: list[np.ndarray]) -> Iterator[int]:
    """Yield the lengths of the sequences of a source, epoch after epoch, without end.

    :param orders: the permutation of each epoch is appended as it begins.
    """
    while True:
        orders.append(permutation(len(lengths), seed, source, len(orders)))
        yield from lengths[orders[-1]].tolist()
