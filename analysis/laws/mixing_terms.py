"""Terms of laws of a data mix, as functions of the shares of its sources, with their slopes.

``shares`` is a list of arrays (n,) or (m, n), one per source; parameters are (m, 1). Values may be complex, slopes are real.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Arrays = Sequence[Any]


def inverse_gain(shares: Arrays, c: Arrays, gamma: Arrays) -> Any:
    """Return ``1/sum_i c_i h_i^gamma_i``."""
    return 1 / sum(factor * _power(h, power) for h, factor, power in zip(shares, c, gamma, strict=True))


def inverse_gain_slopes(shares: Arrays, c: Arrays, gamma: Arrays) -> tuple[Any, list[Any]]:
    """Return :func:`inverse_gain` and its derivatives by each c, then by each gamma."""
    powers = [_power(h, power) for h, power in zip(shares, gamma, strict=True)]
    value = 1 / sum(factor * power for factor, power in zip(c, powers, strict=True))
    by_c = [-(value**2) * power for power in powers]
    return value, [*by_c, *(slope * factor * _log(h) for slope, factor, h in zip(by_c, c, shares, strict=True))]


def power_mean(shares: Arrays, alone: Arrays, gamma: Any) -> Any:
    """Return ``(sum_i h_i a_i^(1/gamma))^gamma``, the mean of the values of single sources with exponent 1/gamma."""
    logs = [np.log(value) / gamma for value in alone]
    top = np.max([np.real(log) for log in logs], axis=0)
    total = sum(h * np.exp(log - top) for h, log in zip(shares, logs, strict=True))
    return np.exp(gamma * (top + np.log(total)))


def power_mean_slopes(shares: Arrays, alone: Arrays, gamma: Any) -> tuple[Any, list[Any]]:
    """Return :func:`power_mean` and its derivatives by each value of a single source, then by gamma."""
    value = power_mean(shares, alone, gamma)
    weights = [h * np.exp((np.log(one) - np.log(value)) / gamma) for h, one in zip(shares, alone, strict=True)]
    by_alone = [value * weight / one for weight, one in zip(weights, alone, strict=True)]
    middle = sum(weight * np.log(one) for weight, one in zip(weights, alone, strict=True))
    return value, [*by_alone, value * (np.log(value) - middle) / gamma]


def geometric_mean(shares: Arrays, alone: Arrays) -> Any:
    """Return ``prod_i r_i^h_i``."""
    return np.exp(sum(h * np.log(one) for h, one in zip(shares, alone, strict=True)))


def geometric_mean_slopes(shares: Arrays, alone: Arrays) -> tuple[Any, list[Any]]:
    """Return :func:`geometric_mean` and its derivatives by the value of each source."""
    value = geometric_mean(shares, alone)
    return value, [value * h / one for h, one in zip(shares, alone, strict=True)]


def _power(share: Any, exponent: Any) -> Any:
    """Return ``share^exponent``, which is 0 for a share of 0 even where the exponent is complex."""
    there = np.real(share) > 0
    return np.where(there, np.where(there, share, 1) ** exponent, 0)


def _log(share: Any) -> Any:
    """Return the logarithm of a share; 0 for a share of 0, whose power is 0 at every exponent."""
    return np.log(np.where(share > 0, share, 1))
