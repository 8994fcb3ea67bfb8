"""Rolling-origin validation: fit the runs below some compute, predict those above it, and move the limit up.

Tashman 2000, Out-of-sample tests of forecasting accuracy, International Journal of Forecasting 16.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from openr1.analysis.formatting import scientific
from openr1.analysis.progress import tell_step
from openr1.analysis.sources.budgets import group_budgets

if TYPE_CHECKING:
    import pandas as pd

    from openr1.analysis.forecast.candidates import Candidate
    from openr1.analysis.laws.regression import CurveLaw

SHARES = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # of the runs, below each origin
LEAST_BELOW, LEAST_ABOVE = 7, 2  # runs that an origin needs below and above it
RECENT = 0.25  # power of compute by which an origin counts: the last ones are most like the forecast
WRONG = 1.0  # error of a candidate that cannot be fitted, and the largest that counts


def origins(frame: pd.DataFrame) -> list[float]:
    """Return the largest compute of the runs below each origin; empty if there are too few runs.

    Runs of one budget, which differ by up to a training step, are all below an origin or all above it.
    """
    flops = np.sort(frame["C"].to_numpy(dtype=float))
    budgets = group_budgets(flops)
    last = np.searchsorted(budgets, np.unique(np.quantile(budgets, SHARES, method="lower")), side="right") - 1
    limits = flops[last]
    least = max(LEAST_BELOW, min(12, len(flops) // 3))
    below = np.searchsorted(flops, limits, side="right")
    return limits[(below >= least) & (len(flops) - below >= LEAST_ABOVE)].tolist()


def validate(frame: pd.DataFrame, candidates: Sequence[Candidate]) -> pd.DataFrame:
    """Return a row per candidate, origin and run above it.

    The columns are ``candidate``, ``origin`` (FLOPs), ``reach`` (log of the run's FLOPs over the origin), ``weight``,
    ``predicted``, ``measured`` and ``error``, see :func:`errors`. An error that is not a number is one of a law that the runs
    below the origin do not determine.
    """
    import pandas as pd

    tables = []
    limits = origins(frame)
    for origin in limits:
        below, above = frame[frame["C"] <= origin].reset_index(drop=True), frame[frame["C"] > origin]
        for candidate in candidates:
            tell_step(f"forecast: {candidate.name}, fitted up to {scientific(origin)} FLOPs and tried beyond")
            law = candidate.law
            targets = law.fitted_rows(above)
            predicted = law.predict(candidate.estimate(below), targets)[0]
            tables.append(
                pd.DataFrame(
                    {
                        "candidate": candidate.name,
                        "origin": origin,
                        "reach": np.log(targets["C"].to_numpy(dtype=float) / origin),
                        "weight": (origin / limits[-1]) ** RECENT,
                        "predicted": predicted,
                        "measured": law.observed(targets),
                        "error": errors(law, predicted, law.observed(targets)),
                    }
                )
            )
    if not tables:
        return pd.DataFrame(columns=["candidate", "origin", "reach", "weight", "predicted", "measured", "error"])
    return pd.concat(tables, ignore_index=True)


def errors(law: CurveLaw, predicted: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Return the errors (n,) of predictions: differences of logarithms for a loss, of the values for a rate."""
    with np.errstate(all="ignore"):
        return np.log(predicted / measured) if law.response == "loss" else predicted - measured


def scores(validation: pd.DataFrame) -> pd.Series:
    """Return the score of each candidate, smallest first: the mean size of its errors, by the weights of the origins."""
    size = validation["error"].abs().fillna(WRONG).clip(upper=WRONG)
    table = validation.assign(size=size * validation["weight"]).groupby("candidate", sort=False)[["size", "weight"]].sum()
    return (table["size"] / table["weight"]).sort_values(kind="stable")
