"""Forecasts: the law that predicted best so far, fitted to all runs, and the intervals of its curve and of new runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from openr1.analysis.fit.arguments import check_option, positive_numbers, read_rows, require_columns, settle_columns
from openr1.analysis.fit.fit import fit, resolve_law
from openr1.analysis.fit.resampling import Bootstrap
from openr1.analysis.fit.result import Fit, to_json_values
from openr1.analysis.fit.weights import check_weights
from openr1.analysis.forecast.candidates import Candidate, candidates, on_one_line
from openr1.analysis.forecast.noise import LEVELS, RunNoise, estimate_noise, seed_noise
from openr1.analysis.forecast.rolling import scores, validate
from openr1.analysis.laws import Law
from openr1.analysis.sources.rows import usable
from openr1.analysis.sources.tidied import require_tidy
from openr1.options import typed
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from openr1.analysis.sources.frame import Runs

STACKED = 1.25  # score of a candidate over the best one's, up to which it is in the stack
RULE = (
    "The law, its objective and the weights of the runs are those with the smallest mean error on the runs above each of the"
    " origins, when fitted below it; an origin counts as the fourth root of its compute."
)


@dataclass
class Forecast:
    """Predictions of runs that have not been made, and how they came about."""

    table: pd.DataFrame  # a row per run: N, D, C, predicted, curve_low/high, and run_low/high_50, _80 and _95
    response: str
    chosen: list[str]  # the candidate, or the candidates of a stack
    scores: dict[str, float]  # candidate -> mean error beyond the origins, smallest first
    origins: list[float]  # FLOPs
    noise: RunNoise
    largest: float  # FLOPs of the largest run of the fit
    fit: Fit = field(repr=False)  # of the best candidate to all runs
    validation: pd.DataFrame = field(repr=False)
    along_line: bool = False  # N and D of the runs lie on one line, which the forecast continues

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON, without the validation."""
        return to_json_values(
            {
                "response": self.response,
                "rule": RULE,
                "chosen": self.chosen,
                "scores": self.scores,
                "origins": self.origins,
                "noise": vars(self.noise),
                "largest": self.largest,
                "runs": self.table.to_dict("records"),
                "params": self.fit.params,
                "n_points": self.fit.n_points,
            }
        )


@typed("flops")
def forecast(
    frame: pd.DataFrame | Runs,
    flops: float | Sequence[float] | None = None,
    *,
    at: pd.DataFrame | Runs | None = None,
    laws: str | Law | Sequence[str | Law | type[Law]] = (),
    stack: bool = False,
    bootstrap: Bootstrap | None = None,
) -> Forecast:
    """Forecast the response of runs that have not been made.

    :param frame: a tidy frame of finished runs.
    :param flops: training FLOPs of the runs, each with the best N and D by the law.
    :param at: instead of ``flops``, rows with the columns that the laws need, such as N, D and C.
    :param laws: the laws to choose from, or their names; by default those of the loss that the columns allow.
    :param stack: predict the median of all candidates that did about as well as the best one, within a quarter.
    :raises ConfigError: if the runs are too few to choose by, or lack a column.
    """
    if (flops is None) == (at is None):
        raise ConfigError("forecast: give FLOPs or rows with N, D and C, and not both")
    check_option(bootstrap, "bootstrap", Bootstrap, "Bootstrap(resamples=100)")
    frame, said = settle_columns(read_rows(frame))
    frame = require_tidy(frame, ["C"])
    check_weights(frame)
    several = isinstance(laws, Iterable) and not isinstance(laws, str)
    known = [resolve_law(law) for law in cast(Any, laws if several else [laws])]
    if at is None:
        given: np.ndarray | pd.DataFrame = positive_numbers(flops, "flops")
    else:
        given = read_rows(at, "at").reset_index(drop=True)
        for key in (key for key in ("N", "D", "C") if key in given):
            if given[key].dtype.kind not in "fiu" or not usable(key, given[key], zero_compute=False).all():
                raise ConfigError(f"at: {key} must hold positive finite numbers")
    choices = {candidate.name: candidate for candidate in candidates(frame, known)}
    validation = validate(frame, list(choices.values()))
    ranked = scores(validation)
    if ranked.empty:
        raise ConfigError(
            f"forecast: {len(frame)} runs are too few to fit some of them and predict the others; make at least 10 runs of"
            " different compute"
        )
    chosen = [str(name) for name in (ranked.index[ranked <= STACKED * ranked.iloc[0]] if stack else ranked.index[:1])]
    best = choices[chosen[0]]
    result = fit(best.weighted(frame), best.law, bootstrap=bootstrap)
    result.diagnostics["warnings"] += said
    members = [choices[name] for name in chosen]
    targets = _best_allocations(result, given) if isinstance(given, np.ndarray) else given
    for member in members:
        # a law of the error is fitted to the pass rate, which a run that has not been made has as little as a response
        needs = [name for name in member.law.needs if name not in (member.law.response, "pass_at_1")]
        require_columns(targets, list(dict.fromkeys(["C", *needs])), "flops" if at is None else "at", member.law)
    predicted, ends = _predict(frame, targets, members, result)
    rows = validation[validation["candidate"] == chosen[0]]
    logs = best.law.response == "loss"
    noise = estimate_noise(rows, max(result.scatter or 0.0, seed_noise(frame, best.law.response, logs)), logs)
    largest = float(frame["C"].max())
    table = _with_intervals(targets, predicted, ends, noise, largest)
    origins = sorted(validation["origin"].unique().tolist())
    names = {str(name): float(score) for name, score in ranked.items()}
    along = not laws and on_one_line(frame)
    return Forecast(table, best.law.response, chosen, names, origins, noise, largest, result, validation, along)


def as_pass_rate(forecast: Forecast) -> Forecast:
    """Return a forecast of an error rate as one of the pass rate, ``1 - error``, with the ends of its intervals exchanged."""
    table = forecast.table
    flipped = {"predicted": 1 - table["predicted"]}
    for low in [name for name in table if "_low" in str(name)]:
        high = str(low).replace("_low", "_high")
        flipped |= {low: 1 - table[high], high: 1 - table[low]}
    return replace(forecast, table=table.assign(**flipped), response="pass_at_1")


def _best_allocations(result: Fit, budgets: np.ndarray) -> pd.DataFrame:
    """Return a row per budget with the allocation that the law holds best."""
    import pandas as pd

    frontier = result.frontier_of_law(budgets)
    if frontier.empty and set(result.law.predictors) == {"C"}:
        return pd.DataFrame({"C": budgets})
    columns = [name for name in ("N", "D", "C") if name in frontier]
    if missing := set(result.law.predictors) - {*columns, "M"}:
        raise ConfigError(f"forecast: {result.law.name} needs {', '.join(sorted(missing))} of the run; forecast it from Python")
    nowhere = ~np.isfinite(frontier[columns]).all(axis=1) | (frontier[columns] <= 0).any(axis=1)
    if nowhere.any():
        raise ConfigError(f"forecast: {result.unknown_at(float(budgets[nowhere.argmax()]))}; or give N and D of the run")
    return frontier[columns]


def _predict(
    frame: pd.DataFrame, targets: pd.DataFrame, members: Sequence[Candidate], result: Fit
) -> tuple[np.ndarray, np.ndarray]:
    """Return the predictions (n,), the median of several candidates, and the interval (2, n) of the curve."""
    single, ends = result.predict(targets), result.interval(targets)
    if len(members) == 1:
        return single, ends
    others = [member.law.predict(member.estimate(frame), targets)[0] for member in members[1:]]
    every = np.stack([single, *others])
    median = np.nanmedian(every, axis=0)
    # the interval of the curve covers what the laws differ by
    return median, np.stack([np.fmin(ends[0], every.min(axis=0)), np.fmax(ends[1], every.max(axis=0))])


def _with_intervals(
    targets: pd.DataFrame, predicted: np.ndarray, curve: np.ndarray, noise: RunNoise, largest: float
) -> pd.DataFrame:
    """Return the targets with predictions and intervals; the interval of a run holds that of the curve."""
    reach = np.log(targets["C"].to_numpy(dtype=float) / largest)
    columns = {"predicted": predicted, "curve_low": curve[0], "curve_high": curve[1]}
    for level in LEVELS:
        low, high = noise.interval(predicted, reach, level)
        if level == LEVELS[-1]:
            low, high = np.fmin(low, curve[0]), np.fmax(high, curve[1])
        columns |= {f"run_low_{level * 100:.0f}": low, f"run_high_{level * 100:.0f}": high}
    return targets.assign(**columns)
