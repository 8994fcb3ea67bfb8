"""Diagnostics of a fit: too few points, ridges, bounds, local optima, influential runs, trends of residuals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.fit.intervals import SIDES, LikelihoodProfile, profile_intervals
from analysis.fit.parabola_bias import measure_parabola_bias
from analysis.formatting import join_words, number
from analysis.laws.base import Law, Solution
from analysis.laws.regression import CurveLaw

if TYPE_CHECKING:
    import pandas as pd

FLAT = 0.005  # relative rise of the objective that a threefold change of a determined parameter exceeds
FEW = 3  # points per parameter below which a fit is unreliable
RIDGE = 100  # condition number of the scaled Jacobian of a ridge (Belsley, Kuh and Welsch 1980, 3.2)
MOVED = 1.0  # standard errors by which a single run may move a parameter without a warning
TREND = 1e-3  # p-value of the rank correlation of a trend
FAILED = 0.05  # share of resamples that may leave the law undetermined without a warning
VANISHED = 1e-4  # largest relative effect of a parameter on any prediction if its estimate counts as 0
BELOW = 0.1  # the same for a law that is not one curve, over the lower end of the plausible range


def diagnose(
    law: Law,
    frame: pd.DataFrame,
    solution: Solution,
    params: dict[str, float],
    se: dict[str, float],
    left_out: np.ndarray | None,
    labels: np.ndarray,
) -> dict[str, Any]:
    """Return ``condition``, ``ridge``, ``flat``, ``basins``, ``agreeing``, ``at_bound``, ``at_zero``, ``influence``,
    ``trends`` and ``parabola_bias``, and the same in sentences as ``warnings``.

    :param left_out: estimates (g, p) without each run in turn; null if there are none.
    :param labels: the runs (g,) in the order of ``left_out``.
    """
    condition, ridge = _find_ridge(law, frame, solution.params) if isinstance(law, CurveLaw) else (None, [])
    flat = _find_flat(law, frame, solution) if isinstance(law, CurveLaw) else {}
    given = _given(law, frame, params)
    zero = _find_vanished(law, frame, solution.params, params, given)
    edge = [p.name for p in law.parameters if p.name not in given and not p.lower < params[p.name] < p.upper]
    bound = [p.name for p in law.parameters if p.name in (*zero, *edge)]
    influence = _measure_influence(law, params, se, left_out, labels)
    trends = _find_trends(law, frame, solution.params)
    free = len(params) - len(given)
    warnings = [*solution.warnings]
    if len(frame) < FEW * free and law.regression:
        warnings.append(f"too few points ({len(frame)} for {free} parameters): intervals and diagnostics are unreliable")
    warnings += [
        f"{p.name} ({p.meaning}) is 0, at the edge of what is allowed: the runs do not show it, and predictions beyond them go"
        " without it"
        for p in law.parameters
        if p.name in zero
    ]
    undetermined = [name for name in edge if name not in zero]
    if undetermined:
        warnings.append(
            f"the runs do not determine {', '.join(undetermined)}: the estimate is at the edge of the plausible range"
        )
    if solution.basins > 1 and solution.agreeing < 0.5:
        warnings.append(
            f"the starts reached {solution.basins} local optima; {solution.agreeing:.0%} of them reached the best one"
        )
    if ridge:
        warnings.append(
            f"the runs do not determine {join_words(ridge)} separately, since they compensate each other (condition number"
            f" {condition:.3g})"
        )
    for name, (low, high) in flat.items():
        ends = f"{'0' if low is None else number(low)} to {'infinity' if high is None else number(high)}"
        warnings.append(f"the runs do not determine {name}: from {ends} the objective rises by less than {FLAT:.1%}")
    if influence and abs(influence[0]["standard_errors"]) > MOVED:
        row = influence[0]
        warnings.append(
            f"leaving out {_describe_run(frame, row['run'])} changes {row['parameter']}"
            f" from {number(row['with'])} to {number(row['without'])} ({abs(row['standard_errors']):.1f} standard errors)"
        )
    warnings += [
        f"residuals trend with {row['with']} ({row['shape']}, rank correlation {row['correlation']:+.2f}): the law does not"
        " have the shape of the data, so that extrapolations are unreliable"
        for row in trends
    ]
    return {
        "condition": condition,
        "ridge": ridge,
        "flat": flat,
        "basins": solution.basins,
        "agreeing": solution.agreeing,
        "at_bound": bound,
        "at_zero": zero,
        "influence": influence,
        "trends": trends,
        "parabola_bias": measure_parabola_bias(law, frame, solution),
        "warnings": warnings,
    }


def _given(law: Law, frame: pd.DataFrame, params: dict[str, float]) -> set[str]:
    """Return the names of the parameters that are given rather than fitted; a law that is not one curve sets them to 0."""
    if isinstance(law, CurveLaw):
        return {*law.known(frame), *law.constraints.tied}
    return {name for name, value in params.items() if value == 0}


def _find_vanished(law: Law, frame: pd.DataFrame, vector: np.ndarray, params: dict[str, float], given: set[str]) -> list[str]:
    """Return the fitted positive parameters that are 0 except for rounding, since their logarithms are fitted.

    In a curve, such a parameter is below its range, or multiplies a term, and changes no prediction.
    """
    below = [p for p in law.parameters if p.positive and p.name not in given and (p.linear or params[p.name] < p.lower)]
    if not isinstance(law, CurveLaw):
        return [p.name for p in below if params[p.name] < BELOW * p.lower]
    if not below:
        return []
    slopes = law.jacobian(vector, frame)  # by logarithms
    effect = dict(zip(law.free(frame), np.abs(slopes).max(axis=0, initial=0), strict=True))
    size = 1.0 if law.loss.logs else float(np.median(np.abs(law.observed(law.fitted_rows(frame)))))
    return [p.name for p in below if effect[p.name] < VANISHED * size]


def _find_ridge(law: CurveLaw, frame: pd.DataFrame, params: np.ndarray) -> tuple[float | None, list[str]]:
    """Return the condition number of the Jacobian with columns of length one, and the parameters along its flattest
    direction.
    """
    jacobian = law.jacobian(params, frame)
    length = np.linalg.norm(jacobian, axis=0)
    if not jacobian.shape[1] or not np.isfinite(jacobian).all():
        return None, []
    names = [name for name, used in zip(law.free(frame), length > 0, strict=True) if used]
    _, values, directions = np.linalg.svd(jacobian[:, length > 0] / length[length > 0], full_matrices=False)
    condition = float(values[0] / max(values[-1], 1e-300))
    if condition < RIDGE:
        return condition, []
    flat = np.abs(directions[-1])
    return condition, [name for name, share in zip(names, flat, strict=True) if share > 0.3 * flat.max()]


def _find_flat(law: CurveLaw, frame: pd.DataFrame, solution: Solution) -> dict[str, list[float | None]]:
    """Return the parameters that can change threefold at nearly the same objective, with the range that they can take."""
    profile, value = LikelihoodProfile(law, frame, solution.params), float(solution.value[0])
    allowed = value * (1 + FLAT)
    free = law.free(frame)
    names = [p.name for p in law.parameters if p.name in free and p.positive and not p.coefficient]
    start = np.repeat(solution.params, 2, axis=0)
    flat = [name for name in names if (profile.at(name, SIDES * np.log(3), start)[0] < allowed).any()]
    return profile_intervals(law, frame, solution.params, allowed, flat)


def _describe_run(frame: pd.DataFrame, label: str) -> str:
    """Name what is left out: a run, a point of a single training curve, or a row."""
    if {"name", "run_id"} & set(frame) and "run" not in frame:
        return f"run {label}"
    if "run" in frame and frame["run"].nunique() > 1:
        return f"run {label}"
    step = frame["step"].iloc[int(label)] if "step" in frame else None
    return f"row {label}" if step is None or step != step else f"the point of step {step:g}"


def _measure_influence(
    law: Law, params: dict[str, float], se: dict[str, float], left_out: np.ndarray | None, labels: np.ndarray
) -> list[dict[str, Any]]:
    """Return the run that changes each parameter most, in standard errors, largest first; coefficients, which depend on
    units, are left out.
    """
    if left_out is None or not se or len(left_out) != len(labels):
        return []
    rows = []
    for j, p in enumerate(law.parameters):
        # if E is 0 in every resample except for rounding, it has no meaningful standard error
        if p.coefficient or not se[p.name] > 1e-9 * abs(params[p.name]) + 1e-12 or not np.isfinite(left_out[:, j]).any():
            continue
        moves = (left_out[:, j] - params[p.name]) / se[p.name]
        worst = int(np.nanargmax(np.abs(moves)))
        rows.append(
            {
                "run": str(labels[worst]),
                "parameter": p.name,
                "with": params[p.name],
                "without": float(left_out[worst, j]),
                "standard_errors": float(moves[worst]),
            }
        )
    return sorted(rows, key=lambda row: -abs(row["standard_errors"]))


def _find_trends(law: Law, frame: pd.DataFrame, params: np.ndarray) -> list[dict[str, Any]]:
    """Return the predictors with which the residuals rise, fall or bend."""
    from scipy.stats import spearmanr

    points = law.fitted_rows(frame)
    predicted = law.predict(params, points)[0]
    residuals = law.observed(points) - predicted
    rows = []
    for name in ("C", "N", "D", "batch"):
        if name not in points or points[name].nunique() < 4 or len(points) < 10 or not np.isfinite(residuals).all():
            continue
        with np.errstate(divide="ignore"):  # points before training are the first in rank
            x = np.log(points[name].to_numpy())
        for shape, values in (("straight", x), ("bent", np.abs(x - np.median(x)))):
            test = spearmanr(values, residuals)
            if test.pvalue < TREND:
                rows.append({"with": name, "shape": shape, "correlation": float(test.statistic), "p": float(test.pvalue)})
    return rows
