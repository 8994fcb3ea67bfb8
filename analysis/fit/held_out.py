"""Errors of a fit on held-out runs: at the runs' own N, D and C, and on the best run of each budget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from openr1.analysis.fit.result import to_json_values
from openr1.analysis.laws.base import best_runs

if TYPE_CHECKING:
    import pandas as pd

    from openr1.analysis.fit.result import Fit

SHOWN = ("name", "run_id", "run", "N", "D", "C", "k")  # columns that identify the row of a prediction


def held_out_errors(train_fit: Fit, train: pd.DataFrame, test: pd.DataFrame) -> dict[str, Any]:
    """Return how a fit to the rows ``train`` predicts the rows ``test``, as :attr:`Fit.holdout`.

    ``error`` is the mean of |predicted / measured - 1| over ``points``: the held-out rows, each predicted at its own N, D and
    C. A law of the frontier predicts no other run than the best one of a budget, so that its points are the ``best_runs``.

    ``best_runs`` are the best run of each held-out budget that improves on smaller ones, predicted at its own N, D and C too,
    with the mean ``best_runs_error``: any two laws of a loss compare on them. Their ``frontier`` is another figure: the loss of
    the compute-optimal run at the cost of that run, which need not have been trained.
    """
    law = train_fit.law
    best = best_runs(test) if law.response == "loss" and "budget" in test else test.iloc[:0]
    rows = _compare_with_measured(train_fit, best)
    points = rows if law.best_runs_only else _compare_with_measured(train_fit, law.fitted_rows(test))
    return {
        "n": len(test),
        "n_fitted": len(train),
        "largest_fitted": float(train["C"].max()) if "C" in train else None,
        "params": train_fit.params,
        "error": _mean_size([row["relative_error"] for row in points]),
        "mean_absolute_error": _mean_size([row["predicted"] - row["measured"] for row in points]),
        "points": points,
        "best_runs_error": _mean_size([row["relative_error"] for row in rows]),
        "best_runs": [row | frontier for row, frontier in zip(rows, _frontier_losses(train_fit, best), strict=True)],
        "warnings": train_fit.diagnostics["warnings"],
    }


def _frontier_losses(train_fit: Fit, rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the loss of the compute-optimal run at the cost of each row with its interval; null for a law without one.

    A law of any N and D takes the cost of a run from its N and D, as it does that of the optimum: the C of a run is a few
    percent off this rule, by which an optimum would seem worse than a run of the same C.
    """
    if not len(rows):
        return []
    exact = train_fit.law.allocates and not train_fit.law.best_runs_only and {"N", "D"} <= set(rows)
    budgets = train_fit.flops_of(rows["N"], rows["D"]) if exact else rows["C"]
    table = train_fit.frontier(np.asarray(budgets, dtype=float))
    names = {"loss": "frontier", "loss_low": "frontier_low", "loss_high": "frontier_high"}
    if "loss_low" not in table:
        return [dict.fromkeys(names.values()) for _ in range(len(rows))]
    return to_json_values(table[list(names)].rename(columns=names).to_dict("records"))


def _compare_with_measured(train_fit: Fit, rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a dict per row: the measured value, the prediction with its interval, and (predicted - measured) / measured."""
    if not len(rows):
        return []
    low, high = train_fit.interval(rows)
    table = rows[[name for name in SHOWN if name in rows]].assign(
        measured=train_fit.law.observed(rows), predicted=train_fit.predict(rows), low=low, high=high
    )
    with np.errstate(all="ignore"):
        return to_json_values(table.assign(relative_error=table["predicted"] / table["measured"] - 1).to_dict("records"))


def _mean_size(errors: list[float | None]) -> float | None:
    """Return the mean absolute value; null for none."""
    sizes = [abs(error) for error in errors if error is not None]
    return float(np.mean(sizes)) if sizes else None
