"""What to beware of in a fit, in words: too few points, ridges, bounds, basins, runs that decide, residuals that trend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.fit.intervals import SIDES, Profile, profiled
from analysis.formatting import number
from analysis.laws.base import Law, Solution

if TYPE_CHECKING:
    import pandas as pd

FLAT = 0.005  # share by which the objective must rise where a parameter is three times as large or small
FEW = 3  # points a parameter, below which a fit says little
RIDGE = 100  # condition number of the scaled Jacobian from which parameters trade off (Belsley, Kuh and Welsch 1980, 3.2)
MOVED = 1.0  # standard errors by which one run may move a parameter
TREND = 1e-3  # probability of a rank correlation as large by chance
FAILED = 0.05  # share of resamples that may leave the law undetermined


def diagnose(
    law: Law,
    frame: pd.DataFrame,
    solution: Solution,
    params: dict[str, float],
    se: dict[str, float],
    left_out: np.ndarray | None,
    labels: np.ndarray,
) -> dict[str, Any]:
    """``condition``, ``ridge``, ``flat``, ``basins``, ``agreeing``, ``at_bound``, ``influence`` and ``trends``, and
    ``warnings``, which say the same in sentences.

    :param left_out: estimates (g, p) without each run in turn; null where there are none.
    :param labels: the runs (g,) in the order of ``left_out``.
    """
    condition, ridge = _ridge(law, frame, solution.params) if law.regression else (None, [])
    flat = _flat(law, frame, solution) if law.regression else {}
    bound = [p.name for p in law.parameters if params[p.name] != 0 and not p.lower < params[p.name] < p.upper]
    influence = _influence(law, params, se, left_out, labels)
    trends = _trends(law, frame, solution.params)
    free = sum(value != 0 for value in params.values())
    warnings = [*solution.warnings]
    if len(frame) < FEW * free and law.regression:
        warnings.append(f"too few points: {len(frame)} for {free} parameters; intervals and checks say little")
    if bound:
        warnings.append(f"the runs do not determine {', '.join(bound)}: at the edge of what is plausible")
    if solution.basins > 1 and solution.agreeing < 0.5:
        warnings.append(f"the starts ended in {solution.basins} optima, {solution.agreeing:.0%} of them in the best")
    if ridge:
        warnings.append(
            f"a flat ridge: {' and '.join(ridge)} trade off against each other, and the runs hardly tell their values apart"
            f" (condition number {condition:.3g})"
        )
    warnings += [
        f"a flat ridge: from {name} = {_end(low, 'next to 0')} to {_end(high, 'any size')} the objective rises by less than"
        f" {FLAT:.1%}, so that the runs do not determine {name}"
        for name, (low, high) in flat.items()
    ]
    if influence and abs(influence[0]["standard_errors"]) > MOVED:
        row = influence[0]
        warnings.append(
            f"one run moves the fit: without {row['run']}, {row['parameter']} is {number(row['without'])}"
            f" instead of {number(row['with'])} ({abs(row['standard_errors']):.1f} standard errors)"
        )
    warnings += [
        f"residuals trend with {row['with']} ({row['shape']}, rank correlation {row['correlation']:+.2f}): the law bends where"
        " the runs do not, and will be off beyond them"
        for row in trends
    ]
    return {
        "condition": condition,
        "ridge": ridge,
        "flat": flat,
        "basins": solution.basins,
        "agreeing": solution.agreeing,
        "at_bound": bound,
        "influence": influence,
        "trends": trends,
        "warnings": warnings,
    }


def _ridge(law: Law, frame: pd.DataFrame, params: np.ndarray) -> tuple[float | None, list[str]]:
    """Condition number of the Jacobian with columns of length one, and the parameters along its flattest direction."""
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


def _flat(law: Law, frame: pd.DataFrame, solution: Solution) -> dict[str, list[float | None]]:
    """Parameters that can be three times as large, or as small, at nearly the same objective, and how far they can go."""
    profile, value = Profile(law, frame, solution.params), float(solution.value[0])
    allowed = value * (1 + FLAT)
    free = law.free(frame)
    names = [p.name for p in law.parameters if p.name in free and p.positive and not p.coefficient]
    start = np.repeat(solution.params, 2, axis=0)
    flat = [name for name in names if (profile.at(name, SIDES * np.log(3), start)[0] < allowed).any()]
    return profiled(law, frame, solution.params, allowed, flat)


def _end(value: float | None, otherwise: str) -> str:
    return otherwise if value is None else number(value)


def _influence(
    law: Law, params: dict[str, float], se: dict[str, float], left_out: np.ndarray | None, labels: np.ndarray
) -> list[dict[str, Any]]:
    """The runs that move a parameter most, in standard errors, largest first; coefficients, which depend on units, aside."""
    if left_out is None or not se or len(left_out) != len(labels):
        return []
    rows = []
    for j, p in enumerate(law.parameters):
        # where E is 0 in every resample but for rounding, it has no standard error to speak of
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


def _trends(law: Law, frame: pd.DataFrame, params: np.ndarray) -> list[dict[str, Any]]:
    """Predictors that the residuals rise or fall with, or that they bend with."""
    from scipy.stats import spearmanr

    points = law.predicted(frame)
    predicted = law.predict(params, points)[0]
    residuals = law.observed(points) - predicted
    rows = []
    for name in ("C", "N", "D"):
        if name not in points or points[name].nunique() < 4 or len(points) < 10 or not np.isfinite(residuals).all():
            continue
        x = np.log(points[name].to_numpy())
        for shape, values in (("straight", x), ("bent", np.abs(x - np.median(x)))):
            found = spearmanr(values, residuals)
            if found.pvalue < TREND:
                rows.append({"with": name, "shape": shape, "correlation": float(found.statistic), "p": float(found.pvalue)})
    return rows
