"""Fits of a law to runs: the estimate, its intervals, and predictions of held-out runs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.fit.diagnostics import FAILED, diagnose, withhold_intervals
from analysis.fit.held_out import held_out_errors
from analysis.fit.intervals import bca_intervals, likelihood_rise, percentile_intervals, profile_intervals, widening_factor
from analysis.fit.resampling import Bootstrap, Holdout, drawn_together, resampling_groups
from analysis.fit.result import Fit, to_json_values
from analysis.laws import LAWS, Cost, Law
from analysis.laws.regression import CurveLaw
from openr1.errors import ConfigError
from openr1.options import one_of

if TYPE_CHECKING:
    import pandas as pd

UNDETERMINED = 1e100  # a larger coefficient comes from an exponent that the resample does not determine
REACH = 100  # range of the frontier in fit.json, over the largest budget of the runs
ROWS = 9  # rows of the frontier in fit.json
FEW_RUNS = 5  # least number of training curves, of which resamples differ enough
TRAIN = "fit without the held-out runs: "
BATCH = 30_000_000  # counts of rows at a time, a quarter of a gigabyte


def fit(
    frame: pd.DataFrame, law: str | Law = "chinchilla", holdout: Holdout | None = None, bootstrap: Bootstrap | None = None
) -> Fit:
    """Fit a law to the rows of a tidy frame (:mod:`analysis.sources.frame`).

    :param law: a name in :data:`analysis.laws.LAWS`, or a law with options of its own.
    :param holdout: rows that a second fit is not given, and predicts; none by default.
    :raises ConfigError: if the runs lack a column, or are too few for the law.
    """
    law = resolve_law(law)
    bootstrap = bootstrap or Bootstrap()
    missing = [name for name in law.needs if name not in frame]
    if missing:
        hint = ", or set runs.flops_6nd=true" if missing == ["C"] else ""
        raise ConfigError(f"runs.columns.{missing[0]}: {law.name} needs this column; name it{hint}")
    started = time.perf_counter()
    solution = law.estimate(frame)
    if law.response in frame and len(frame) > 1 and frame[law.response].nunique() == 1:
        raise ConfigError(f"runs: all {len(frame)} rows have the same {law.response}; a law needs runs that differ")
    fitted = time.perf_counter()
    names = [parameter.name for parameter in law.parameters]
    params = {name: float(value) for name, value in zip(names, solution.params[0], strict=True)}
    together = drawn_together(law, frame)
    draws, left_out, failed = _resample(law, frame, solution.params, bootstrap, together)
    runs = _run_labels(frame, together)
    widen = widening_factor(law, frame, len(runs))
    intervals = _compute_intervals(law, frame, solution, names, draws, left_out, bootstrap, widen)
    done = time.perf_counter()

    se = dict(zip(names, draws.std(axis=0, ddof=1).tolist(), strict=True)) if draws is not None else {}
    diagnostics = diagnose(law, frame, solution, params, se, left_out, runs)
    withhold_intervals(law, frame, params, intervals, se, diagnostics)
    if failed > FAILED * bootstrap.resamples:
        diagnostics["warnings"].append(
            f"{failed} of {bootstrap.resamples} resamples do not determine the law, and are left out of the intervals"
        )
    if draws is not None and "run" in frame and 1 < len(runs) < FEW_RUNS:
        diagnostics["warnings"].append(f"intervals are based on resamples of only {len(runs)} runs, and may be far too narrow")
    train_fit, held_out, train_warnings = _evaluate_holdout(law, frame, holdout, bootstrap)
    diagnostics["warnings"] += [line for line in train_warnings if line.removeprefix(TRAIN) not in diagnostics["warnings"]]
    result = Fit(
        law=law,
        params=params,
        se=se,
        ci95=intervals.get(bootstrap.interval, {}),
        intervals=intervals,
        objective={"name": law.loss.name, "delta": law.loss.delta, "value": float(solution.value[0])},
        n_points=len(frame),
        runs={name: [float(frame[name].min()), float(frame[name].max())] for name in ("N", "D", "C", "loss") if name in frame},
        cost=Cost.of(frame) if {"N", "D"} <= set(frame) else Cost(),
        holdout=held_out,
        frontier_table=[],
        diagnostics=diagnostics,
        tables=to_json_values(solution.tables),
        bootstrap={
            "resamples": bootstrap.resamples,
            "seed": bootstrap.seed,
            "interval": bootstrap.interval,
            "failed": failed,
            "widened": widen,
        },
        seconds={"fit": fitted - started, "bootstrap": done - fitted},
        draws=draws,
        left_out=left_out,
        without_holdout=train_fit,
    )
    if "C" in frame:
        budgets = np.geomspace(frame["C"].min(), REACH * frame["C"].max(), ROWS)
        result.frontier_table = to_json_values(result.frontier(budgets).to_dict("records"))
    return result


def resolve_law(law: str | Law) -> Law:
    """Return the law of a name, with its default options; a law as it is."""
    if not isinstance(law, str):
        return law
    one_of(law, "law", LAWS)
    return LAWS[law]()


def _run_labels(frame: pd.DataFrame, together: np.ndarray) -> np.ndarray:
    """Return the names of the runs, in the order of ``np.unique(together)``; row numbers for runs without a name, and the
    clusters of a law as they are.
    """
    labels, first = np.unique(together, return_index=True)
    if len(labels) < len(np.unique(resampling_groups(frame))):
        return labels
    known = next((name for name in ("name", "run_id") if name in frame and "run" not in frame), None)
    if known is None:
        return labels
    names = frame[known].to_numpy(dtype=object)[first]
    return np.where(frame[known].isna().to_numpy()[first], labels, names)


def _resample(
    law: Law, frame: pd.DataFrame, params: np.ndarray, bootstrap: Bootstrap, together: np.ndarray
) -> tuple[np.ndarray | None, np.ndarray | None, int]:
    """Return the estimates of the resamples that determine all parameters, the estimates without each run in turn, and
    the number of other resamples.
    """
    if bootstrap.resamples == 0:
        return None, None, 0
    group_of = np.unique(together, return_inverse=True)[1]
    strata = None if law.clusters(frame) is not None else law.strata(frame)
    counts = np.concatenate([bootstrap.counts(together, strata), bootstrap.left_out(together)])
    batch = max(1, BATCH // len(frame))
    parts = [law.resample(frame, params, counts[i : i + batch][:, group_of]) for i in range(0, len(counts), batch)]
    draws, left_out = np.split(np.concatenate(parts), [bootstrap.resamples])
    good = (np.abs(draws) < UNDETERMINED).all(axis=1)  # False for NaN
    left_out = np.where((np.abs(left_out) < UNDETERMINED).all(axis=1)[:, None], left_out, np.nan)
    return (draws[good] if good.sum() > 1 else None), left_out, int(np.sum(~good))


def _compute_intervals(
    law: Law,
    frame: pd.DataFrame,
    solution: Any,
    names: list[str],
    draws: np.ndarray | None,
    left_out: np.ndarray | None,
    bootstrap: Bootstrap,
    widen: float,
) -> dict[str, dict[str, list[float | None]]]:
    """Return the intervals of every kind: kind -> parameter -> ends."""
    intervals: dict[str, dict[str, list[float | None]]] = {}
    if draws is not None and left_out is not None:
        for kind, ends in (
            ("percentile", percentile_intervals(draws, widen)),
            ("bca", bca_intervals(solution.params[0], draws, left_out, widen)),
        ):
            intervals[kind] = {name: pair.tolist() for name, pair in zip(names, ends.T, strict=True) if np.isfinite(pair).all()}
    if bootstrap.profile:
        if not (isinstance(law, CurveLaw) and law.independent):
            raise ConfigError(f"bootstrap.profile: {law.name} is not one curve through independent points and has no profile")
        allowed = float(solution.value[0]) + likelihood_rise(law, frame, solution.params)
        intervals["profile"] = profile_intervals(law, frame, solution.params, allowed, law.free(frame))
    return intervals


def _evaluate_holdout(
    law: Law, frame: pd.DataFrame, holdout: Holdout | None, bootstrap: Bootstrap
) -> tuple[Fit | None, dict[str, Any] | None, list[str]]:
    """Fit without the held-out rows and predict them; return a warning instead if too few rows remain."""
    held = holdout.mask(frame) if holdout else None
    if held is None:
        return None, None, []
    train, test = frame[~held].reset_index(drop=True), frame[held].reset_index(drop=True)
    try:
        train_fit = fit(train, law, bootstrap=bootstrap)
        result = held_out_errors(train_fit, train, test)
    except ConfigError as error:
        return None, None, [f"nothing was held out: {str(error).removeprefix('law: ')}"]
    return train_fit, result, [f"{TRAIN}{warning}" for warning in train_fit.diagnostics["warnings"]]
