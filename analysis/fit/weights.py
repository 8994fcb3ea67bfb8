"""Weights of runs in the sum that a fit minimises, by rules or by a column. docs/forecasts.md says when to use which."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from openr1.analysis.sources.tidied import mark_told
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

TENFOLD = 0.5  # weight of a run by ``recency``, relative to one of ten times its compute
REPEATS = 3  # least number of configurations that were run more than once, for a variance by seeds
SMALLEST = 0.25  # share of the median variance below which a variance is luck


def run_weights(frame: pd.DataFrame, weights: str) -> np.ndarray:
    """Return the weights (n,) of runs, of mean 1.

    :param weights: a rule, one of :data:`RULES`, or a column of the frame.
    :raises ConfigError: if the rule needs a column that the frame lacks, or the column holds no weights.
    """
    if not isinstance(weights, str):
        raise ConfigError(
            f"weights: must be one of {', '.join(RULES)}, or the name of a column; for weights of your own write"
            " fit(frame.assign(w=...), weights='w')"
        )
    if weights in RULES:
        values = RULES[weights](frame)
    elif weights in frame or f"{weights}_unused" in frame:  # as a tidy frame calls a column named weight
        values = _column(frame, weights if weights in frame else f"{weights}_unused")
    else:
        raise ConfigError(
            f"weights: must be one of {', '.join(RULES)}, or a column of the runs; there is no column {weights!r}"
        )
    return values / values.mean()


def check_weights(frame: pd.DataFrame) -> None:
    """Refuse weights of runs that a fit cannot use.

    :raises ConfigError: if the column ``weight``, where there is one, holds other values than weights.
    """
    if "weight" in frame:
        _column(frame, "weight")


def weighted(frame: pd.DataFrame, weights: np.ndarray) -> pd.DataFrame:
    """Return runs with weights (n,) that somebody asked for, so that no warning tells of them."""
    return mark_told(frame.assign(weight=weights), ["weight"])


def _column(frame: pd.DataFrame, name: str) -> np.ndarray:
    import pandas as pd

    values = pd.to_numeric(frame[name], errors="coerce").to_numpy(dtype=float)
    if not (np.isfinite(values) & (values >= 0)).all() or not values.any():
        raise ConfigError(f"weights: the column {name} must hold numbers of at least 0, not all of them 0")
    return values


def _flops(frame: pd.DataFrame, rule: str) -> np.ndarray:
    if "C" not in frame or not (frame["C"] > 0).all():
        raise ConfigError(f"weights: {rule} needs the FLOPs of every run; name runs.columns.C, or set runs.flops_6nd=true")
    return frame["C"].to_numpy(dtype=float)


def _sqrt_flops(frame: pd.DataFrame) -> np.ndarray:
    """Return the square roots of the FLOPs, as OLMo-core's ladder weighs its points."""
    return np.sqrt(_flops(frame, "sqrt_flops"))


def _recency(frame: pd.DataFrame) -> np.ndarray:
    """Return weights that halve with each tenfold less compute."""
    return _flops(frame, "recency") ** -np.log10(TENFOLD)


def _inverse_variance(frame: pd.DataFrame) -> np.ndarray:
    """Return inverse variances of log loss, by the standard errors of the losses."""
    if "loss_se" not in frame:
        raise ConfigError("weights: inverse_variance needs the standard error of every loss; name runs.columns.loss_se")
    return _inverse(np.square(_column(frame, "loss_se") / frame["loss"].to_numpy(dtype=float)))


def _seeds(frame: pd.DataFrame) -> np.ndarray:
    """Return inverse variances of log loss between runs that repeat a configuration, as a power of compute.

    The runs of a configuration have the same N and D. Their sample variances are fitted by a line of log variance in log C,
    weighted by degrees of freedom, so that runs without a repetition have a variance too.
    """
    log_c = np.log(_flops(frame, "seeds"))
    table = frame.assign(log_c=log_c, log_loss=np.log(frame["loss"])).groupby(["N", "D"])
    groups = table.agg(n=("log_loss", "size"), variance=("log_loss", "var"), log_c=("log_c", "mean"))
    groups = groups[(groups["n"] > 1) & (groups["variance"] > 0)]
    if len(groups) < REPEATS:
        raise ConfigError(
            f"weights: seeds needs at least {REPEATS} configurations (N, D) that were run more than once, with different"
            f" losses; there {'is' if len(groups) == 1 else 'are'} {len(groups)}"
        )
    freedom = np.sqrt(groups["n"] - 1)
    degree = 1 if np.ptp(groups["log_c"]) > 0 else 0
    line = np.polyfit(groups["log_c"], np.log(groups["variance"]), degree, w=freedom)
    return _inverse(np.exp(np.polyval(line, np.clip(log_c, groups["log_c"].min(), groups["log_c"].max()))))


def _inverse(variances: np.ndarray) -> np.ndarray:
    """Return inverse variances; one far below the median counts as a quarter of it."""
    return 1 / np.maximum(variances, max(SMALLEST * np.median(variances), 1e-300))


RULES: dict[str, Callable[[pd.DataFrame], np.ndarray]] = {
    "sqrt_flops": _sqrt_flops,
    "recency": _recency,
    "inverse_variance": _inverse_variance,
    "seeds": _seeds,
}
