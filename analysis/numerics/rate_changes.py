"""Sums over the changes of a learning rate before a step, for many steps at once.

A schedule has up to a change at every step. Changes long before a step act on it alike, so that they are taken together in
blocks whose lengths grow in proportion to their distance from it; those of the last steps count one by one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SINGLE = 6  # last steps whose changes count one by one
GROWTH = 1.3  # ratio of the distances of both ends of a block
SMALLEST = 1e-9  # largest change, over the highest rate, that is rounding
FLOOR = 1e-6  # a rate of 0 counts as this share of the highest one


@dataclass(frozen=True)
class RateChanges:
    """Learning rates before n points, and p blocks of changes.

    :ivar area: (n,), the sum of the rates up to the step of each point.
    :ivar point: (p,), the point of each block, in ascending order.
    :ivar drop: (p,), the fall of the rate within a block; negative for a rise.
    :ivar rate: (p,), the rate after the change, the mean of the block in logarithms.
    :ivar reach: (p,), the sum of the rates from the change to the point.
    """

    area: np.ndarray
    point: np.ndarray
    drop: np.ndarray
    rate: np.ndarray
    reach: np.ndarray


def warmup_end(rates: np.ndarray) -> int:
    """Return the step up to which rates (steps + 1,) rise from the first one on."""
    falls = np.flatnonzero(np.diff(rates) <= SMALLEST * rates.max())
    return int(falls[0]) if len(falls) else len(rates) - 1


def rate_changes(rates: np.ndarray, steps: np.ndarray) -> RateChanges:
    """Return the changes after the warm-up of a schedule (all steps + 1,) before each of some steps (n,)."""
    total, highest = np.cumsum(rates) - rates[0], rates.max()  # the rate after 0 steps trains nothing
    change = np.append(0.0, -np.diff(rates))
    change[: warmup_end(rates) + 1] = 0
    before = total - rates  # the sum of the rates before each step
    log_rate = np.log(np.maximum(rates, FLOOR * highest))
    edges = _edges(steps)
    parts = []
    for change_of_sign in (np.maximum(change, 0), np.minimum(change, 0)):
        sums = [np.append(0.0, np.cumsum(change_of_sign * values)) for values in (np.ones_like(rates), before, log_rate)]
        drop, start, rate = (values[edges[:, 1:]] - values[edges[:, :-1]] for values in sums)
        used = np.abs(drop) > SMALLEST * highest
        point, block = np.nonzero(used)
        drop, start, rate = (values[point, block] for values in (drop, start, rate))
        parts.append((point, drop, np.exp(rate / drop), total[steps][point] - start / drop))
    point, drop, rate, reach = (np.concatenate(values) for values in zip(*parts, strict=True))
    later = reach > SMALLEST * highest  # a fall to 0 at the point itself acts on nothing yet
    order = np.flatnonzero(later)[np.argsort(point[later], kind="stable")]
    return RateChanges(total[steps], point[order], drop[order], rate[order], reach[order])


def _edges(steps: np.ndarray) -> np.ndarray:
    """Return the edges of blocks (n, blocks + 1) before steps (n,): indices of changes in ascending order, ends excluded."""
    longest = max(int(steps.max()), SINGLE)
    grown = [float(SINGLE)]
    while grown[-1] < longest + 1:
        grown.append(max(grown[-1] + 1, grown[-1] * GROWTH))
    distance = np.concatenate([np.arange(SINGLE), np.floor(grown)]).astype(int)
    return np.maximum(steps[:, None] + 1 - distance[::-1], 0)
