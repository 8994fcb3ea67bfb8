"""Compute budgets of runs: the FLOPs that several runs share."""

from __future__ import annotations

import numpy as np

BUDGET_TOLERANCE = 0.05


def budgets_of(flops: np.ndarray, zero_compute: bool) -> np.ndarray:
    """Return the budget (n,) of each row, 0 for one before training; NaN for all if C is not known or not positive."""
    trained = flops > 0
    if not (trained | (zero_compute & (flops == 0))).all():
        return np.full(len(flops), np.nan)
    budgets = np.zeros(len(flops))
    budgets[trained] = group_budgets(flops[trained])
    return budgets


def group_budgets(flops: np.ndarray, tolerance: float = BUDGET_TOLERANCE) -> np.ndarray:
    """Return the budget of each run: the geometric mean of the FLOPs that lie within a tolerance of one another.

    Runs of one budget differ by up to a training step. Sorted by FLOPs, a new budget begins at a run with more than
    ``1 + tolerance`` times the FLOPs of the smallest run of the budget, so that no group is wider than the tolerance.

    :param flops: (n,).
    :returns: (n,), in FLOPs.
    """
    logs = np.log(np.asarray(flops, dtype=float))
    labels = np.empty(len(logs))
    order = np.argsort(logs, kind="stable")
    start = 0
    for end in range(1, len(order) + 1):
        if end == len(order) or logs[order[end]] > logs[order[start]] + np.log1p(tolerance):
            labels[order[start:end]] = np.exp(logs[order[start:end]].mean())
            start = end
    return labels
