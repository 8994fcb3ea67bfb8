"""Rows of one table in several units: some N in thousands or millions, some C in another unit than FLOPs, some losses as
perplexities.

Where N, D and C are all known, C over 6ND tells. Elsewhere the losses tell: a law of all rows fits them only if the values of
some rows are a thousand, a million, ... times what stands there. Nothing is concluded from losses that no law fits closely,
such as those of several data sets, nor from quantities whose values differ by less than such a factor.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from openr1.analysis.sources.columns import Keys
from openr1.analysis.sources.numbers import in_words
from openr1.analysis.sources.units import Unit
from openr1.analysis.warning import RankedWarning, Severity
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

OTHER_UNIT = (
    300  # factor between the C over 6ND of rows that is beyond any embedding, attention or idle expert; units differ by 1000
)
FACTORS = {"N": (1e3, 1e6, 1e9), "D": (1e3, 1e6, 1e9), "C": (1e3, 1e6, 1e9, 1e12, 1e15, 1e18, 8.64e19)}
NAMES = {"N": "parameters", "D": "tokens", "C": "FLOPs"}
EXPONENTS = (0.1, 0.2, 0.3, 0.4, 0.55, 0.8)
MARGIN = 3  # times the range of the others, in which a row lies once its unit is right
CLOSE = 0.05  # largest typical distance of log losses from a law that tells anything
FAR = 0.2  # least distance of a row from that law as it stands
BETTER = 3  # times as close to the rows as a law of the values as they stand
LEAST = 7  # rows in the unit of the others; fewer are fitted by any law
SEVERAL = 3  # rows that no chance brings together
WIDE_GAP = 10  # factor to the nearest of the others, beyond which fewer rows are in another unit for certain
LIKELY_PERPLEXITY = 5  # that of 1.6 nats per token; fewer losses below it have many reasons
MOST = 400  # rows that the law is fitted to
ROUNDS = 6  # of fitting the law and choosing the unit of each row
KEPT = 0.8  # share of the rows that each round fits, which leaves out those that fit neither way


@dataclass(frozen=True)
class _Mixture:
    """Rows that seem to be in another unit than the others.

    :ivar certain: no row of the others has such values as they stand.
    """

    key: str
    factor: float  # by which the rows are to be multiplied, or divided if ``larger``
    larger: bool
    rows: np.ndarray
    certain: bool


def check_mixed_units(frame: pd.DataFrame, needs: Sequence[str], told: Mapping[str, Unit], keys: Keys) -> list[RankedWarning]:
    """Return warnings about rows that may be in another unit than the others.

    :param told: units that the user gives, whose quantities are not checked.
    :raises ConfigError: for rows that certainly are.
    """
    compared = {"N", "D", "C"} <= set(frame)
    if compared:
        _refuse_other_ratios(frame, told, keys)
    given = [key for key in ("N", "D", "C") if key in frame and key in needs]
    inputs = [key for key in given if key != "C"] or given
    if "loss" not in needs or "loss" not in frame or not inputs or len(frame) <= LEAST:
        return []
    for key in [] if compared else inputs:
        if key not in told and (mixture := _find_mixture(frame, key, inputs)):
            return [RankedWarning(_report(frame, mixture, keys), Severity.MISLEADING)]
    return _find_perplexities(frame, inputs, told, keys)


def flops_ratios(frame: pd.DataFrame) -> pd.Series:
    """Return C over 6ND of the rows that have both."""
    ratio = frame["C"] / (6.0 * frame["N"] * frame["D"])  # of floats, since whole numbers would overflow
    return ratio[(ratio > 0) & (ratio < float("inf"))]


def _refuse_other_ratios(frame: pd.DataFrame, told: Mapping[str, Unit], keys: Keys) -> None:
    """Refuse rows whose C over 6ND is another one than that of most rows by a factor that only units have.

    :raises ConfigError: naming some of them.
    """
    if ("C" in told and told["C"].keeps) or "teacher_loss" in frame:  # C may be of another unit, or of the teacher
        return
    ratio = flops_ratios(frame)
    if ratio.empty:
        return
    middle = float(ratio.median())
    odd = ratio[(ratio > OTHER_UNIT * middle) | (ratio < middle / OTHER_UNIT)]
    if odd.empty:
        return
    shown = ", ".join(f"row {index} ({value:.2g} times)" for index, value in odd.head(3).items())
    place = keys.columns.rstrip(".") or "N, D, C"
    raise ConfigError(
        f"{place}: N, D or C is in another unit than elsewhere in {len(odd)} of {len(frame)} rows: C is {middle:.2g} times"
        f" 6ND, and not in {shown}; give all rows in parameters, tokens and FLOPs, or write {keys.unit('C', '1')} to keep them"
    )


def _report(frame: pd.DataFrame, found: _Mixture, keys: Keys) -> str:
    """Return a line about rows that may be in another unit.

    :raises ConfigError: with that line, if they are.
    """
    values = frame[found.key].iloc[found.rows]
    shown = ", ".join(f"row {index} ({in_words(float(f'{value:.6g}'))})" for index, value in values.head(3).items())
    more = f" and {len(values) - 3} more" if len(values) > 3 else ""
    fit = f"{found.key} divided by {found.factor:g}" if found.larger else f"{found.factor:g} times that {found.key}"
    line = (
        f"{len(values)} of {len(frame)} rows {'are' if found.certain else 'may be'} in another unit than the others:"
        f" {shown}{more}, whose losses fit {fit}"
    )
    if found.certain:
        keep = keys.unit(found.key, "1")
        raise ConfigError(
            f"{keys.column(found.key)}: {line}; give all rows in {NAMES[found.key]}, or write {keep} to keep them"
        )
    return f"{found.key}: {line}"


def _find_mixture(frame: pd.DataFrame, key: str, inputs: Sequence[str]) -> _Mixture | None:
    """Return the rows whose losses fit another unit of a quantity, if there are some."""
    values = frame[key].to_numpy(dtype=float)
    spread = values.max() / values.min()
    for factor in FACTORS[key]:
        if not factor / MARGIN < spread < np.inf:
            continue
        scaled = frame.assign(**{key: values * factor})
        both = _columns(frame, inputs), _columns(scaled, inputs)
        losses = np.log(frame["loss"].to_numpy(dtype=float))
        chosen = _choose(both, (losses, losses), values * factor <= values.max() * MARGIN)
        if chosen is None:
            continue
        larger = bool(chosen.sum() > len(frame) / 2)  # the others are too small: these rows are too large
        rows = ~chosen if larger else chosen
        right = np.where(rows, values / factor if larger else values * factor, values)
        others = values[~rows]
        inside = (right[rows] >= others.min() / MARGIN) & (right[rows] <= others.max() * MARGIN)
        if not inside.all() or len(others) < LEAST:
            continue
        gap = max(others.min() / values[rows].max(), values[rows].min() / others.max())
        certain = gap > (1 if rows.sum() >= SEVERAL else WIDE_GAP)
        if not certain and _is_plateau(losses[rows], losses[~rows]):
            continue
        return _Mixture(key, factor, larger, np.flatnonzero(rows), bool(certain))
    return None


def _is_plateau(losses: np.ndarray, others: np.ndarray) -> bool:
    """Return True for the highest losses, which may be those of models that have not begun to learn, on which no law holds."""
    return bool(np.median(losses) > np.quantile(others, 0.8))


def _find_perplexities(frame: pd.DataFrame, inputs: Sequence[str], told: Mapping[str, Unit], keys: Keys) -> list[RankedWarning]:
    """Return a warning about losses that fit a law of the others once their logarithm is taken.

    :raises ConfigError: if there are several of them.
    """
    loss = frame["loss"].to_numpy(dtype=float)
    if "loss" in told or loss.max() < 1.7 * np.median(loss) or loss.min() <= 0:
        return []
    with np.errstate(all="ignore"):
        taken = np.where(loss > 1.05, np.log(np.log(np.maximum(loss, 1.05))), np.nan)
    inputs_of = _columns(frame, inputs)
    rows = _choose((inputs_of, inputs_of), (np.log(loss), taken), loss > 2.5 * loss.min())
    if rows is None or rows.sum() > len(frame) / 2 or (~rows).sum() < LEAST:
        return []
    shown = ", ".join(f"row {index} ({value:.4g})" for index, value in frame["loss"][rows].head(3).items())
    if rows.sum() < SEVERAL and loss[rows].max() < LIKELY_PERPLEXITY:
        return []
    line = f"the loss of {rows.sum()} of {len(frame)} rows {{}} a perplexity, as if its logarithm were to be taken: {shown}"
    if rows.sum() >= SEVERAL:
        keep = keys.unit("loss", "1")
        raise ConfigError(
            f"{keys.column('loss')}: {line.format('is')}; give all losses in nats per token, or write {keep} to keep them"
        )
    return [RankedWarning(line.format("may be"), Severity.MISLEADING)]


def _columns(frame: pd.DataFrame, inputs: Sequence[str]) -> np.ndarray:
    """Return the logarithms (n, k) of the inputs of a law."""
    return np.log(frame[list(inputs)].to_numpy(dtype=float))


def _choose(
    inputs: tuple[np.ndarray, np.ndarray], losses: tuple[np.ndarray, np.ndarray], start: np.ndarray
) -> np.ndarray | None:
    """Choose for each row one of two readings, so that a law fits the losses closely; null if it does not, or if the first
    reading of all rows does about as well.

    :param inputs: logarithms (n, k) by either reading.
    :param losses: logarithms (n,) by either reading; NaN where there is no second one.
    :param start: mask (n,) of the rows that begin with the second reading.
    :returns: mask (n,) of the rows with the second reading.
    """
    second = start & np.isfinite(losses[1])
    sample = np.arange(len(second))
    if len(second) > MOST:
        sample = np.sort(np.random.default_rng(0).permutation(len(second))[:MOST])
    distances = np.empty((2, len(second)))
    rows = sample
    for turn in range(ROUNDS):
        law = _Law.fit(np.where(second[:, None], inputs[1], inputs[0])[rows], np.where(second, losses[1], losses[0])[rows])
        distances = np.stack([np.abs(law.predict(inputs[place]) - losses[place]) for place in (0, 1)])
        distances[1] = np.where(np.isfinite(distances[1]), distances[1], np.inf)
        before, second = second, distances[1] < distances[0]
        nearest = distances.min(axis=0)[sample]
        rows = sample[nearest <= np.quantile(nearest, KEPT)]
        if turn and (before == second).all():
            break
    nearest = distances.min(axis=0)
    typical = float(np.median(nearest))
    limit = max(CLOSE, 4 * typical)
    second &= (distances[0] > max(FAR, 8 * typical)) & (distances[1] < limit)
    if not second.any() or second.all() or typical > CLOSE:
        return None
    plain = _Law.fit(inputs[0][sample], losses[0][sample])
    if np.mean(np.abs(plain.predict(inputs[0]) - losses[0])) < BETTER * np.mean(np.minimum(nearest, FAR)):
        return None
    return second


@dataclass(frozen=True)
class _Law:
    """A law of log losses: a constant and a falling power of each input, none of them negative."""

    exponents: tuple[float, ...]
    coefficients: np.ndarray
    centre: np.ndarray

    @classmethod
    def fit(cls, inputs: np.ndarray, losses: np.ndarray) -> _Law:
        """Fit the law to rows (m, k) and their losses (m,), by least squares of relative errors at each set of exponents."""
        from scipy.optimize import nnls

        centre = inputs.mean(axis=0)
        best, smallest = None, np.inf
        for exponents in _grid(inputs.shape[1]):
            terms = _terms(inputs - centre, exponents) / np.exp(losses)[:, None]
            coefficients, distance = nnls(terms, np.ones(len(losses)))
            if best is None or distance < smallest:
                best, smallest = cls(exponents, coefficients, centre), distance
        assert best is not None
        return best

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Return the log losses (n,) of rows (n, k)."""
        with np.errstate(all="ignore"):
            return np.log(_terms(inputs - self.centre, self.exponents) @ self.coefficients)


def _grid(inputs: int) -> Iterator[tuple[float, ...]]:
    return product(EXPONENTS, repeat=inputs)


def _terms(inputs: np.ndarray, exponents: Sequence[float]) -> np.ndarray:
    """Return the terms (n, 1 + k) of the law."""
    return np.concatenate([np.ones((len(inputs), 1)), np.exp(-inputs * np.asarray(exponents))], axis=1)
