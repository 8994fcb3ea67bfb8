"""Fits of a law to runs: the estimate, its intervals, and predictions of held-out runs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from openr1.analysis.fit.arguments import check_option, check_plain_frame, read_rows, settle_columns
from openr1.analysis.fit.diagnostics import FAILED, diagnose, set_zeros, withhold_intervals
from openr1.analysis.fit.held_out import held_out_errors
from openr1.analysis.fit.intervals import (
    bca_intervals,
    likelihood_rise,
    percentile_intervals,
    profile_intervals,
    widening_factor,
)
from openr1.analysis.fit.resampling import Bootstrap, Holdout, drawn_together, resampling_groups
from openr1.analysis.fit.result import Fit, to_json_values
from openr1.analysis.fit.weights import check_weights, run_weights, weighted
from openr1.analysis.formatting import count_rows
from openr1.analysis.laws import Law, TrainingFlops
from openr1.analysis.laws.constraints import Constraints, read_priors, read_values
from openr1.analysis.laws.custom import law_class
from openr1.analysis.laws.regression import CurveLaw
from openr1.analysis.progress import tell_step
from openr1.analysis.sources.rows import join_columns
from openr1.analysis.sources.tidied import mark_told, require_tidy
from openr1.analysis.warning import RankedWarning, Severity, ranked
from openr1.options import typed
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from openr1.analysis.sources.frame import Runs

UNDETERMINED = 1e100  # a larger coefficient comes from an exponent that the resample does not determine
REACH = 100  # range of the frontier in fit.json, over the largest budget of the runs
ROWS = 9  # rows of the frontier in fit.json
FEW_RUNS = 5  # least number of training curves, of which resamples differ enough
TRAIN = "fit without the held-out runs: "
MEDIAN_OF_T = 0.7407  # median size of Student's t with SCATTER_FREEDOM degrees of freedom
MOST_RESAMPLED = 50_000  # rows beyond which intervals come from resamples of this many
BATCH = 30_000_000  # counts of rows at a time, a quarter of a gigabyte


@typed("weights", "fix", "priors")
def fit(
    frame: pd.DataFrame | Runs,
    law: str | Law | type[Law] = "chinchilla",
    holdout: Holdout | None = None,
    bootstrap: Bootstrap | None = None,
    *,
    weights: str | None = None,
    fix: Mapping[str, float] | None = None,
    tie: Sequence[Sequence[str]] = (),
    priors: Mapping[str, Any] | None = None,
) -> Fit:
    """Fit a law to the rows of a tidy frame (:mod:`openr1.analysis.sources.frame`).

    :param frame: the frame, or the ``Runs`` that hold it.
    :param law: a name in :data:`openr1.analysis.laws.LAWS`, ``module:Class`` of a law of one's own, a law with options, or the
        class of a law.
    :param holdout: rows that a second fit is not given, and predicts; none by default.
    :param weights: a rule of :data:`openr1.analysis.fit.weights.RULES`, or a column; equal weights by default.
    :param fix: parameter -> its value.
    :param tie: lists of parameters that are equal.
    :param priors: parameter -> its ``Prior``, or a mapping with ``mean`` and ``sd``, or ``median`` and ``log_sd``.
    :raises ConfigError: if the runs lack a column, or are too few for the law; for values in another unit.
    """
    frame, law = read_rows(frame), resolve_law(law)
    check_option(holdout, "holdout", Holdout, "Holdout(fraction=0.2)")
    check_option(bootstrap, "bootstrap", Bootstrap, "Bootstrap(resamples=100)")
    bootstrap = bootstrap or Bootstrap()
    constraints = Constraints(read_values(fix or {}), [list(names) for names in tie], read_priors(priors or {}))
    if weights is not None:
        frame = weighted(frame, run_weights(frame, weights))
    frame, said = settle_columns(frame)
    check_weights(frame)
    given = frame
    law, frame = _prepare(law, frame, constraints)
    notes = [*said, *check_plain_frame(given, law.needs)]
    frame = mark_told(frame, [*law.needs, "weight"])  # the fit without the held-out runs need not tell again
    started = time.perf_counter()
    tell_step(f"{law.title}: the best of many starts, {count_rows(len(frame), frame)}")
    solution = law.estimate(frame)
    if law.response in frame and len(frame) > 1 and frame[law.response].nunique() == 1:
        raise ConfigError(f"runs: all {len(frame)} rows have the same {law.response}; a law needs runs that differ")
    fitted = time.perf_counter()
    names = [parameter.name for parameter in law.parameters]
    params = {name: float(value) for name, value in zip(names, solution.params[0], strict=True)}
    together = drawn_together(law, frame)
    draws, left_out, failed = _resample(law, frame, solution.params, bootstrap, together)
    tell_step(f"{law.title}: intervals and diagnostics")
    runs = _run_labels(frame, together)
    widen = widening_factor(law, frame, len(runs))
    intervals = _compute_intervals(law, frame, solution, names, draws, left_out, bootstrap, widen)
    done = time.perf_counter()

    se = dict(zip(names, draws.std(axis=0, ddof=1).tolist(), strict=True)) if draws is not None else {}
    diagnostics = diagnose(law, frame, solution, params, se, left_out, runs)
    withhold_intervals(law, frame, solution, params, intervals, se, diagnostics)
    set_zeros(law, frame, params, intervals, diagnostics)
    diagnostics["warnings"] += notes
    if failed > FAILED * bootstrap.resamples:
        diagnostics["warnings"].append(
            RankedWarning(
                f"{failed} of {bootstrap.resamples} resamples do not determine the law, and are left out of the intervals",
                Severity.INTERVAL,
            )
        )
    if draws is not None and "run" in frame and 1 < len(runs) < FEW_RUNS:
        diagnostics["warnings"].append(
            RankedWarning(
                f"intervals are based on resamples of only {len(runs)} runs, and may be far too narrow", Severity.INTERVAL
            )
        )
    if draws is not None and "run" in frame and frame["run"].nunique() == 1 and len(frame) > 1:
        diagnostics["warnings"].append(
            RankedWarning(
                "all rows are points of one run: intervals take them as independent, and may be far too narrow",
                Severity.INTERVAL,
            )
        )
    train_fit, held_out, train_warnings = _evaluate_holdout(law, frame, holdout, bootstrap)
    diagnostics["warnings"] += [line for line in train_warnings if line.removeprefix(TRAIN) not in diagnostics["warnings"]]
    diagnostics["warnings"] = ranked(diagnostics["warnings"])
    result = Fit(
        law=law,
        params=params,
        se=se,
        ci95=intervals.get(bootstrap.interval, {}),
        intervals=intervals,
        objective={"name": law.loss.name, "delta": law.loss.delta, "value": float(solution.value[0])},
        n_points=len(frame),
        runs={name: [float(frame[name].min()), float(frame[name].max())] for name in ("N", "D", "C", "loss") if name in frame},
        flops_of=TrainingFlops.of(frame) if {"N", "D"} <= set(frame) else TrainingFlops(),
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
        scatter=_scatter(law, frame, solution.params),
        frame=frame,
        weights=weights,
        constraints=constraints.to_dict(),
        draws=draws,
        left_out=left_out,
        without_holdout=train_fit,
    )
    if "C" in frame:
        largest = float(frame["C"].max())
        if not result.undetermined and (reason := result.unknown_at(largest)):
            diagnostics["undetermined"] = f"even at the largest budget of the runs, {reason}"
            diagnostics["warnings"].insert(0, RankedWarning(diagnostics["undetermined"], Severity.NO_ANSWER))
        budgets = np.geomspace(frame["C"][frame["C"] != 0].min(), REACH * largest, ROWS)
        result.frontier_table = to_json_values(result.frontier(budgets).to_dict("records"))
    return result


def _scatter(law: Law, frame: pd.DataFrame, params: np.ndarray) -> float | None:
    """Return the scale of Student's t that the runs scatter by about the law; null if it predicts none of them."""
    rows = law.fitted_rows(frame)
    measured, predicted = law.observed(rows), law.predict(params, rows)[0]
    with np.errstate(all="ignore"):
        residuals = np.log(measured / predicted) if law.loss.logs else measured - predicted
    residuals = residuals[np.isfinite(residuals)]
    if not len(residuals):
        return None
    fitted = len(law.free(frame)) if isinstance(law, CurveLaw) else len(law.parameters)
    return float(np.median(np.abs(residuals)) / MEDIAN_OF_T * np.sqrt(len(residuals) / max(len(residuals) - fitted, 1)))


def _prepare(law: Law, frame: pd.DataFrame, constraints: Constraints) -> tuple[Law, pd.DataFrame]:
    """Return the law as these runs need it, under the constraints or those that it has, and the rows that it is fitted to."""
    prepared, frame = law.prepare(frame)
    missing = [name for name in prepared.needs if name not in frame]
    if missing:
        hint = ", or set runs.flops_6nd=true" if missing == ["C"] else ""
        there = join_columns(frame.drop(columns="budget", errors="ignore"))
        raise ConfigError(f"runs.columns.{missing[0]}: {law.name} needs this column; name it{hint}; there are {there}")
    used = [name for name in prepared.uses if name in frame]
    frame = require_tidy(frame, [*prepared.needs, *used], law.zero_compute)
    if not isinstance(prepared, CurveLaw) or not isinstance(law, CurveLaw):
        if constraints:
            raise ConfigError(f"fix, tie and priors: are for laws that are one curve; {law.name} is not")
        return prepared, frame
    return prepared.constrained(constraints or law.constraints), frame


def resolve_law(law: str | Law | type[Law]) -> Law:
    """Return the law of a name, of ``module:Class`` or of a class, with its default options; a law as it is.

    :raises ConfigError: for anything else.
    """
    law = law_class(law) if isinstance(law, str) else law
    if isinstance(law, type) and issubclass(law, Law):
        return law()
    if not isinstance(law, Law):
        raise ConfigError(f"law: must be a name, such as 'chinchilla', or a law, such as Chinchilla(), not {law!r}")
    return law


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
    if len(frame) > MOST_RESAMPLED and isinstance(law, CurveLaw):
        return _subsample(law, frame, params, bootstrap, together)
    group_of = np.unique(together, return_inverse=True)[1]
    strata = None if law.clusters(frame) is not None else law.strata(frame)
    batch = max(1, BATCH // len(frame))

    def refit(counts: np.ndarray, noise: np.ndarray | None = None) -> np.ndarray:
        parts = []
        for rows in (slice(i, i + batch) for i in range(0, len(counts), batch)):
            drawn = law
            if noise is not None and isinstance(law, CurveLaw):
                drawn = law.constrained(replace(law.constraints, noise=noise[rows]))
            tell_step(f"{law.title}: {len(counts)} resamples, {rows.start / len(counts):.0%} done")
            parts.append(drawn.resample(frame, params, counts[rows][:, group_of]))
        return np.concatenate(parts)

    priors = len(law.constraints.priors) if isinstance(law, CurveLaw) else 0
    # a prior is uncertain too: each resample draws its centre (randomized maximum a posteriori, Bardsley et al. 2014)
    noise = np.random.default_rng(bootstrap.seed).normal(size=(bootstrap.resamples, priors)) if priors else None
    draws = law.scattered(frame, params, refit(bootstrap.counts(together, strata), noise), bootstrap.seed)
    left_out = refit(bootstrap.left_out(together))
    good = (np.abs(draws) < UNDETERMINED).all(axis=1)  # False for NaN
    left_out = np.where((np.abs(left_out) < UNDETERMINED).all(axis=1)[:, None], left_out, np.nan)
    return (draws[good] if good.sum() > 1 else None), left_out, int(np.sum(~good))


def _subsample(
    law: CurveLaw, frame: pd.DataFrame, params: np.ndarray, bootstrap: Bootstrap, together: np.ndarray
) -> tuple[np.ndarray | None, np.ndarray | None, int]:
    """Resample some of very many rows, and bring the estimates as much closer to that of all rows as these are more.

    Politis and Romano 1994, Large sample confidence regions based on subsamples, Annals of Statistics 22: the distance of an
    estimate from the truth shrinks with the root of the number of rows, or of the runs whose points are drawn together. The
    logarithms of positive parameters are moved.
    """
    chosen = np.sort(np.random.default_rng(bootstrap.seed).permutation(len(frame))[:MOST_RESAMPLED])
    rows = frame.iloc[chosen].reset_index(drop=True)
    centre = law.resample(rows, params, np.ones((1, len(rows))))
    draws, left_out, failed = _resample(law, rows, centre, bootstrap, together[chosen])
    logs = np.array([p.positive for p in law.parameters]) & (params[0] > 0) & (centre[0] > 0)
    closer = np.sqrt(len(np.unique(together[chosen])) / len(np.unique(together)))

    def move(values: np.ndarray | None) -> np.ndarray | None:
        if values is None:
            return None
        with np.errstate(all="ignore"):
            factors = params * np.where(logs, values / np.where(logs, centre, 1), 1) ** closer
        return np.where(logs, factors, params + (values - centre) * closer)

    return move(draws), move(left_out), failed


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
) -> tuple[Fit | None, dict[str, Any] | None, list[RankedWarning]]:
    """Fit without the held-out rows and predict them; return a warning instead if too few rows remain."""
    held = holdout.mask(frame) if holdout else None
    if held is None:
        return None, None, []
    train, test = frame[~held].reset_index(drop=True), frame[held].reset_index(drop=True)
    cut = _warn_of_cut_runs(law, train, test)
    try:
        train_fit = fit(train, law, bootstrap=bootstrap)
        result = held_out_errors(train_fit, train, test)
    except ConfigError as error:
        reason = str(error).removeprefix("law: ")
        return None, None, [RankedWarning(f"nothing was held out: {reason}", Severity.HELD_OUT)]
    said = [  # a warning of this fit is one of the held-out error, which it made
        RankedWarning(f"{TRAIN}{warning}", max(warning.severity, Severity.HELD_OUT))
        for warning in train_fit.diagnostics["warnings"]
    ]
    return train_fit, result, cut + said


def _warn_of_cut_runs(law: Law, train: pd.DataFrame, test: pd.DataFrame) -> list[RankedWarning]:
    """Warn if held-out rows continue runs that the law is fitted to: to predict them is easier than to predict a new run.

    A law of a learning curve (its response is no loss) is asked just that.
    """
    if law.response != "loss" or "run" not in test:
        return []
    cut = sorted(set(train["run"].astype(str)) & set(test["run"].astype(str)))
    if not cut:
        return []
    line = (
        f"{len(cut)} of {test['run'].nunique()} held-out runs, such as {cut[0]}, have earlier rows in the fit: the held-out "
        "error is that of continuing a run, and that of a new run is likely larger"
    )
    return [RankedWarning(line, Severity.HELD_OUT)]
