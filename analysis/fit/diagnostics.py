"""Diagnostics of a fit: too few points, ridges, bounds, local optima, influential runs, trends of residuals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from openr1.analysis.fit.intervals import SIDES, LikelihoodProfile, likelihood_rise, profile_intervals
from openr1.analysis.fit.parabola_bias import measure_parabola_bias
from openr1.analysis.fit.undetermined import undetermined
from openr1.analysis.formatting import join_words, number, quantity
from openr1.analysis.laws.base import Law, Solution
from openr1.analysis.laws.regression import CurveLaw
from openr1.analysis.warning import RankedWarning, Severity

if TYPE_CHECKING:
    import pandas as pd

FLAT = 0.005  # relative rise of the objective that a threefold change of a determined parameter exceeds
FEW = 3  # points per parameter below which a fit is unreliable
RIDGE = 100  # condition number of the scaled Jacobian of a ridge (Belsley, Kuh and Welsch 1980, 3.2)
SINGULAR = 1e6  # condition number beyond which parameters are not determined, whatever the noise
LOADING = 0.05  # share of an undetermined direction that makes a parameter undetermined
NEXT_TO_ZERO = 0.01  # an irreducible loss or rate below this share of the typical response is next to 0
DESCRIBING = ("N", "D", "U", "C", "lr", "batch", "teacher_loss", "k")  # columns by whose values a run is named
MOVED = 1.0  # standard errors by which a single run may move a parameter without a warning
TREND = 1e-3  # p-value of the rank correlation of a trend
FAILED = 0.05  # share of resamples that may leave the law undetermined without a warning
VANISHED = 1e-4  # largest relative effect of a parameter on any prediction if its estimate counts as 0
SLACK = 1.1  # factor by which an interval may fall short of a range of equal fits, as resamples do by chance
TINY = 1e-6  # estimates below this may be 0 if they change no prediction
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
    """Return ``condition``, ``ridge``, ``singular``, ``flat``, ``basins``, ``agreeing``, ``at_bound``, ``at_zero``,
    ``influence``, ``trends`` and ``parabola_bias``, and the same in sentences as ``warnings``. ``undetermined`` is the reason
    why the runs give no advice on larger budgets, or an empty text.

    :param left_out: estimates (g, p) without each run in turn; null if there are none.
    :param labels: the runs (g,) in the order of ``left_out``.
    """
    condition, ridge, singular = _find_ridge(law, frame, solution.params) if isinstance(law, CurveLaw) else (None, [], [])
    flat = _find_flat(law, frame, solution) if isinstance(law, CurveLaw) else {}
    given = _given(law, frame, params)
    zero = _find_vanished(law, frame, solution.params, params, given)
    edge = [p.name for p in law.parameters if p.name not in given and not p.lower < params[p.name] < p.upper]
    bound = [p.name for p in law.parameters if p.name in (*zero, *edge)]
    influence = _measure_influence(law, params, {k: v for k, v in se.items() if k not in zero}, left_out, labels)
    trends = _find_trends(law, frame, solution.params)
    free = len(params) - len(given)
    reason = undetermined(law, frame, solution.params, bound, [*flat])
    warnings = [*([RankedWarning(reason, Severity.NO_ANSWER)] if reason else []), *solution.warnings]
    if len(frame) < FEW * free and law.regression:
        warnings.append(
            RankedWarning(
                f"there are only {len(frame)} points for {free} parameters, so that intervals and diagnostics are unreliable",
                Severity.INTERVAL,
            )
        )
    warnings += [
        RankedWarning(
            f"{p.name} ({p.meaning}) is 0, at the edge of what is allowed: the runs do not show it, and predictions beyond them"
            " go without it",
            Severity.MISLEADING,
        )
        for p in law.parameters
        if p.name in zero
    ]
    edges = [name for name in edge if name not in zero]
    if edges:
        warnings.append(
            RankedWarning(
                f"the runs do not determine {', '.join(edges)}: the estimate is at the edge of the plausible range",
                Severity.PARAMETER,
            )
        )
    if solution.basins > 1 and solution.agreeing < 0.5:
        warnings.append(
            RankedWarning(
                f"the starts reached {solution.basins} local optima; {solution.agreeing:.0%} of them reached the best one",
                Severity.PARAMETER,
            )
        )
    if ridge:
        warnings.append(
            RankedWarning(
                f"the runs do not determine {join_words(ridge)} separately, since they compensate each other (condition number"
                f" {condition:.3g})",
                Severity.PARAMETER,
            )
        )
    for name, (low, high) in flat.items():
        ends = f"{'0' if low is None else number(low)} to {'infinity' if high is None else number(high)}"
        warnings.append(
            RankedWarning(
                f"the runs do not determine {name}: from {ends} the objective rises by less than {FLAT:.1%}", Severity.PARAMETER
            )
        )
    if influence and abs(influence[0]["standard_errors"]) > MOVED:
        row = influence[0]
        warnings.append(
            RankedWarning(
                f"leaving out {describe_run(frame, row['run'])} changes {row['parameter']}"
                f" from {number(row['with'])} to {number(row['without'])} ({abs(row['standard_errors']):.1f} standard errors)",
                Severity.PARAMETER,
            )
        )
    warnings += [
        RankedWarning(
            f"residuals trend with {row['with']} ({row['shape']}, rank correlation {row['correlation']:+.2f}): the law does not"
            " have the shape of the data, so that extrapolations are unreliable",
            Severity.MISLEADING,
        )
        for row in trends
    ]
    return {
        "condition": condition,
        "ridge": ridge,
        "singular": singular,
        "flat": flat,
        "basins": solution.basins,
        "agreeing": solution.agreeing,
        "at_bound": bound,
        "at_zero": zero,
        "influence": influence,
        "trends": trends,
        "parabola_bias": measure_parabola_bias(law, frame, solution),
        "undetermined": reason,
        "warnings": warnings,
    }


def _given(law: Law, frame: pd.DataFrame, params: dict[str, float]) -> set[str]:
    """Return the names of the parameters that are given rather than fitted; a law that is not one curve sets them to 0."""
    if isinstance(law, CurveLaw):
        return {*law.known(frame), *law.constraints.tied}
    return {name for name, value in params.items() if value == 0}


def _find_vanished(law: Law, frame: pd.DataFrame, vector: np.ndarray, params: dict[str, float], given: set[str]) -> list[str]:
    """Return the fitted positive parameters that are 0 except for rounding, since their logarithms are fitted.

    In a curve, such a parameter is below its range or tiny, or multiplies a term, and changes no prediction.
    """
    positive = [p for p in law.parameters if p.positive and p.name not in given]
    below = [p for p in positive if p.linear or params[p.name] < max(p.lower, TINY)]
    if not isinstance(law, CurveLaw):
        return [p.name for p in positive if params[p.name] < BELOW * p.lower]
    if not below:
        return []
    slopes = law.jacobian(vector, frame)  # by logarithms
    effect = dict(zip(law.free(frame), np.abs(slopes).max(axis=0, initial=0), strict=True))
    size = 1.0 if law.loss.logs else float(np.median(np.abs(law.observed(law.fitted_rows(frame)))))
    return [p.name for p in below if effect[p.name] < VANISHED * size]


def _find_ridge(law: CurveLaw, frame: pd.DataFrame, params: np.ndarray) -> tuple[float | None, list[str], list[str]]:
    """Return the condition number of the Jacobian with columns of length one, the parameters along its flattest direction,
    and those along directions that change nothing but rounding.
    """
    jacobian = law.jacobian(params, frame)
    length = np.linalg.norm(jacobian, axis=0)
    if not jacobian.shape[1] or not np.isfinite(jacobian).all():
        return None, [], []
    names = np.array([name for name, used in zip(law.free(frame), length > 0, strict=True) if used])
    _, values, directions = np.linalg.svd(jacobian[:, length > 0] / length[length > 0], full_matrices=False)
    condition = float(values[0] / max(values[-1], 1e-300))
    if condition < RIDGE:
        return condition, [], []
    flat = np.abs(directions[-1])
    idle = np.linalg.norm(directions[values < values[0] / SINGULAR], axis=0)
    return condition, names[flat > 0.3 * flat.max()].tolist(), names[idle > LOADING].tolist()


def _find_flat(law: CurveLaw, frame: pd.DataFrame, solution: Solution) -> dict[str, list[float | None]]:
    """Return the parameters that can change threefold at nearly the same objective, with the range that they can take.

    A parameter in the unit of the response that is next to 0, such as an irreducible loss, is determined if it can not be as
    large as a hundredth of the typical response.
    """
    profile, value = LikelihoodProfile(law, frame, solution.params), float(solution.value[0])
    allowed = value * (1 + FLAT)
    free = law.free(frame)
    typical = NEXT_TO_ZERO * float(np.median(law.observed(law.fitted_rows(frame))))
    start = np.repeat(solution.params, 2, axis=0)
    flat = []
    for j, p in enumerate(law.parameters):
        if p.name not in free or not p.positive or p.coefficient:
            continue
        steps = SIDES * np.log(3)
        if p.linear and 0 < solution.params[0, j] < typical / 3:
            steps = np.full(2, np.log(typical / solution.params[0, j]))
        if (profile.at(p.name, steps, start)[0] < allowed).any():
            flat.append(p.name)
    return profile_intervals(law, frame, solution.params, allowed, flat)


def withhold_intervals(
    law: Law,
    frame: pd.DataFrame,
    solution: Solution,
    params: dict[str, float],
    intervals: dict[str, dict[str, list[float | None]]],
    se: dict[str, float],
    diagnostics: dict[str, Any],
) -> None:
    """Remove intervals and standard errors that would look certain though the runs say nothing, and warn of them.

    These are the parameters along directions that change no prediction of the runs, from which resamples never move away
    from their start, those whose resamples all agree, and those that fit the runs equally beyond their interval.
    """
    fixed = {*law.known(frame), *law.constraints.tied} if isinstance(law, CurveLaw) else set()
    bounds = {p.name: (0.0, p.upper) for p in law.parameters}
    kinds = [kind for kind in intervals if kind != "profile"]
    agreeing = [
        name
        for name in params
        if kinds
        and any(name not in intervals[kind] for kind in kinds)
        and name not in fixed
        and params[name] not in bounds[name]
    ]
    singular = [name for name in diagnostics["singular"] if kinds]
    beyond = [
        name for name in _find_narrow(law, frame, solution, intervals, kinds, diagnostics["flat"]) if name not in singular
    ]
    for name in params:
        if name in (*singular, *beyond) or any(name not in intervals[kind] for kind in kinds):
            se.pop(name, None)
            for kind in kinds:
                intervals[kind].pop(name, None)
    if singular:
        diagnostics["warnings"].append(
            RankedWarning(
                f"{join_words(singular)} have no interval, since other values predict the runs equally", Severity.INTERVAL
            )
        )
    if beyond:
        diagnostics["warnings"].append(
            RankedWarning(
                f"{join_words(beyond)} {'has' if len(beyond) == 1 else 'have'} no interval, since values beyond that of the"
                " resamples fit the runs equally",
                Severity.INTERVAL,
            )
        )
    rest = [name for name in agreeing if name not in singular]
    if rest:
        has = "has" if len(rest) == 1 else "have"
        diagnostics["warnings"].append(
            RankedWarning(
                f"{join_words(rest)} {has} no interval, since all resamples agree, which shows no scatter", Severity.INTERVAL
            )
        )


def set_zeros(
    law: Law,
    frame: pd.DataFrame,
    params: dict[str, float],
    intervals: dict[str, dict[str, list[float | None]]],
    diagnostics: dict[str, Any],
) -> None:
    """Set estimates that are 0 except for rounding to 0, and the lower ends of their intervals, where no prediction changes."""
    rows = law.fitted_rows(frame)
    for name in diagnostics["at_zero"]:
        before, after = (np.array([[*values.values()]]) for values in (params, {**params, name: 0.0}))
        with np.errstate(all="ignore"):
            if not np.allclose(law.predict(after, rows), law.predict(before, rows), rtol=10 * VANISHED, atol=0, equal_nan=True):
                continue
        params[name] = 0.0
        for ends in (kind[name] for kind in intervals.values() if name in kind):
            ends[0] = 0.0


def _find_narrow(
    law: Law,
    frame: pd.DataFrame,
    solution: Solution,
    intervals: dict[str, dict[str, list[float | None]]],
    kinds: list[str],
    flat: dict[str, list[float | None]],
) -> list[str]:
    """Return the flat parameters whose intervals leave out values at which the likelihood is nearly that of the estimate."""
    rise = FLAT * float(solution.value[0])
    if not flat or not isinstance(law, CurveLaw) or rise > likelihood_rise(law, frame, solution.params):
        return []  # of very many runs, the range of a flat parameter may be wider than its interval

    def leaves_out(ends: list[float | None], low: float | None, high: float | None) -> bool:
        return float(ends[0] or 0) > SLACK * (low or 0) or float(ends[1] or np.inf) < (np.inf if high is None else high) / SLACK

    return [
        name for name, ends in flat.items() if any(leaves_out(intervals[k][name], *ends) for k in kinds if name in intervals[k])
    ]


def describe_run(frame: pd.DataFrame, label: str) -> str:
    """Name what is left out: a run, a budget, a point of a single training curve, or the run with these values."""
    named = [frame[name].astype(str) for name in ("name", "run_id") if name in frame] if "run" not in frame else []
    # names may be numbers, and are then no positions
    if named and (not label.isdigit() or any((names == label).any() for names in named)):
        return f"run {label}"
    if "run" in frame and frame["run"].nunique() > 1 and label in set(frame["run"].astype(str)):
        return f"run {label}"
    if not label.isdigit():
        return f"the budget of {quantity('budget', float(label))} FLOPs"
    row = frame.iloc[int(label)]
    if "step" in frame and row["step"] == row["step"]:
        return f"the point of step {row['step']:g}"
    values = [f"{name} = {quantity(name, float(row[name]))}" for name in DESCRIBING if name in frame]
    values = values or [f"{name} = {quantity(name, float(row[name]))}" for name in ("loss", "pass_at_1") if name in frame]
    return f"the run with {join_words(values[:3])}" if values else f"row {label}"


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
        if (
            p.coefficient
            or not se.get(p.name, 0.0) > 1e-9 * abs(params[p.name]) + 1e-12
            or not np.isfinite(left_out[:, j]).any()
        ):
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
    rows: list[dict[str, Any]] = []
    if len(points) == 0 or np.ptp(residuals) == 0:
        return rows
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
