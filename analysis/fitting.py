"""A law fitted to runs: estimates, bootstrap intervals, and the check on runs that the fit did not see."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.laws import LAWS, Cost, Law
from analysis.resampling import Bootstrap, Holdout, percentiles
from openr1.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

FIT_FILE, DRAWS_FILE = "fit.json", "bootstrap.csv"
UNDETERMINED = 1e100  # a coefficient beyond this comes of an exponent that the resample leaves free


@dataclass
class Fit:
    """A fitted law.

    ``params`` come from *all* runs, and are what to use. ``holdout["params"]`` come from the runs that were not held out, and
    serve only to predict those that were; nothing is ever fitted again on them.

    Intervals are percentiles of the bootstrap: they cover the law's parameters or value, given that the law is right, and not
    the scatter of a single run about it.
    """

    law: Law
    params: dict[str, float]
    se: dict[str, float]  # standard deviation over the resamples; empty without a bootstrap, as is ci95
    ci95: dict[str, list[float]]
    objective: dict[str, Any]  # name, delta, value: a sum over the points, not a mean
    n_points: int
    runs: dict[str, list[float]]  # column -> smallest and largest value among the runs
    cost: Cost
    holdout: dict[str, Any] | None
    diagnostics: dict[str, Any]  # condition, basins, agreeing, at_bound, warnings
    tables: dict[str, list[dict]]  # what the estimate was made of, such as the minima of IsoFLOP budgets
    bootstrap: dict[str, int]  # resamples, seed, failed
    seconds: dict[str, float]  # fit, bootstrap
    draws: np.ndarray | None = field(default=None, repr=False, compare=False)  # (m, p), of the bootstrap
    without_holdout: Fit | None = field(default=None, repr=False, compare=False)  # the second fit

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        """Losses (n,), in nats a token, of runs with the columns that the law needs. A law of budgets gives its frontier."""
        return self.law.predict(self.vector, frame)[0]

    def interval(self, frame: pd.DataFrame) -> np.ndarray:
        """Lower and upper ends (2, n) of the predictions; NaN without a bootstrap."""
        if self.draws is None:
            return np.full((2, len(frame)), np.nan)
        return percentiles(self.law.predict(self.draws, frame))

    def frontier(self, flops: np.ndarray | float) -> pd.DataFrame:
        """The best allocation of budgets, a row each: ``C`` and those of ``N``, ``D``, ``loss`` that the law knows.

        ``N_low`` and ``N_high``, and so on, are the ends of the intervals. The frame has no rows for a law of N or D alone.
        """
        import pandas as pd

        flops = np.atleast_1d(np.asarray(flops, dtype=float))
        best = self.law.frontier(self.vector, flops, self.cost)
        if not best:
            return pd.DataFrame({"C": []})
        table = {"C": flops}
        ends = self.law.frontier(self.draws, flops, self.cost) if self.draws is not None else {}
        for name, values in best.items():
            low, high = percentiles(ends[name]) if ends else np.full((2, len(flops)), np.nan)
            table |= {name: values[0], f"{name}_low": low, f"{name}_high": high}
        return pd.DataFrame(table)

    @property
    def vector(self) -> np.ndarray:
        """The parameters as the law takes them: (1, p)."""
        return np.array([list(self.params.values())])

    @property
    def error(self) -> float | None:
        """Mean absolute relative error of the best loss of the held-out budgets; of all held-out runs for a law without a
        frontier; null where nothing was held out."""
        return self.holdout and self.holdout["error"]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; the draws of the bootstrap and the second fit are left out."""
        options = {"name": self.law.name, "formula": self.law.formula, "source": self.law.source, "options": asdict(self.law)}
        values = {
            name: getattr(self, name)
            for name in self.__dataclass_fields__
            if name not in ("law", "cost", "draws", "without_holdout")
        }
        return _plain({"law": options, "cost": asdict(self.cost), **values})

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Fit:
        """The inverse of :meth:`to_dict`."""
        law = LAWS[values["law"]["name"]](**values["law"]["options"])
        return cls(**{**values, "law": law, "cost": Cost(**values["cost"])})

    def save(self, directory: str | Path) -> Path:
        """Write ``fit.json``, and the draws of the bootstrap as ``bootstrap.csv``, a column a parameter."""
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        (directory / FIT_FILE).write_text(json.dumps(self.to_dict(), indent=2, allow_nan=False) + "\n")
        if self.draws is not None:
            np.savetxt(
                directory / DRAWS_FILE, self.draws, fmt="%.10g", delimiter=",", header=",".join(self.params), comments=""
            )
        return directory / FIT_FILE

    @classmethod
    def load(cls, directory: str | Path) -> Fit:
        """What :meth:`save` wrote."""
        fit = cls.from_dict(json.loads((Path(directory) / FIT_FILE).read_text()))
        draws = Path(directory) / DRAWS_FILE
        fit.draws = np.loadtxt(draws, delimiter=",", skiprows=1, ndmin=2) if draws.exists() else None
        return fit


def fit(
    frame: pd.DataFrame, law: str | Law = "chinchilla", holdout: Holdout | None = None, bootstrap: Bootstrap | None = None
) -> Fit:
    """Fit a law to the runs of a tidy frame (:mod:`analysis.frame`).

    :param law: a name in :data:`analysis.laws.LAWS`, or a law with options of its own.
    :param holdout: what a second fit is not given; nothing by default.
    :raises ConfigError: where the runs lack a column, or are too few for the law.
    """
    law = LAWS[law]() if isinstance(law, str) else law
    bootstrap = bootstrap or Bootstrap()
    missing = [name for name in law.needs if name not in frame]
    if missing:
        hint = ", or set runs.flops_6nd=true" if missing == ["C"] else ""
        raise ConfigError(f"runs.columns.{missing[0]}: {law.name} needs this column; name it{hint}")
    started = time.perf_counter()
    solution = law.estimate(frame)
    fitted = time.perf_counter()
    draws, failed = _draws(law, frame, solution.params, bootstrap)
    done = time.perf_counter()

    names = [parameter.name for parameter in law.parameters]
    params = dict(zip(names, solution.params[0], strict=True))
    # an irreducible loss of exactly 0 was not estimated, which the solution says itself
    at_bound = [p.name for p in law.parameters if params[p.name] != 0 and not p.lower < params[p.name] < p.upper]
    condition = law.condition(solution.params, frame)
    found = [*solution.warnings, *_warnings(at_bound, solution, condition, failed, bootstrap)]
    inner, held_out, unheld = _check(law, frame, holdout, bootstrap)
    return Fit(
        law=law,
        params={name: float(value) for name, value in params.items()},
        se=dict(zip(names, draws.std(axis=0, ddof=1).tolist(), strict=True)) if draws is not None else {},
        ci95=dict(zip(names, percentiles(draws).T.tolist(), strict=True)) if draws is not None else {},
        objective={"name": law.objective, "delta": law.delta, "value": float(solution.value[0])},
        n_points=len(frame),
        runs={name: [float(frame[name].min()), float(frame[name].max())] for name in ("N", "D", "C", "loss") if name in frame},
        cost=Cost.of(frame) if "D" in frame else Cost(),
        holdout=held_out,
        diagnostics={
            "condition": condition,
            "basins": solution.basins,
            "agreeing": solution.agreeing,
            "at_bound": at_bound,
            "warnings": [*found, *unheld],
        },
        tables=_plain(solution.tables),
        bootstrap={"resamples": bootstrap.resamples, "seed": bootstrap.seed, "failed": failed},
        seconds={"fit": fitted - started, "bootstrap": done - fitted},
        draws=draws,
        without_holdout=inner,
    )


def _draws(law: Law, frame: pd.DataFrame, params: np.ndarray, bootstrap: Bootstrap) -> tuple[np.ndarray | None, int]:
    """The estimates of the resamples that determine all parameters, and how many do not."""
    if bootstrap.resamples == 0:
        return None, 0
    draws = law.resample(frame, params, bootstrap.weights(len(frame), law.strata(frame)))
    good = (np.abs(draws) < UNDETERMINED).all(axis=1)  # false for NaN
    return (draws[good] if good.sum() > 1 else None), int(np.sum(~good))


def _check(
    law: Law, frame: pd.DataFrame, holdout: Holdout | None, bootstrap: Bootstrap
) -> tuple[Fit | None, dict[str, Any] | None, list[str]]:
    """Fit without the held-out runs and predict them; a warning in place of that where too few remain."""
    held = holdout.mask(frame) if holdout else None
    if held is None:
        return None, None, []
    train, test = frame[~held], frame[held]
    try:
        inner = fit(train, law, bootstrap=bootstrap)
    except ConfigError as error:
        return None, None, [f"nothing could be held out: {str(error).removeprefix('law: ')}"]
    targets = law.predicted(test)
    points = _compare(targets, inner.predict(targets), *inner.interval(targets))
    best = test.loc[test.groupby("budget")["loss"].idxmin()]
    frontier = inner.frontier(best["C"].to_numpy())
    budgets = _compare(best, frontier["loss"], frontier["loss_low"], frontier["loss_high"]) if len(frontier) else []
    mean, error = (float(np.mean([abs(row["relative_error"]) for row in rows])) if rows else None for rows in (points, budgets))
    result = {
        "n": len(test),
        "n_fitted": len(train),
        "largest_fitted": float(train["C"].max()),
        "params": inner.params,
        "mean_relative_error": mean,
        "error": mean if error is None else error,
        "points": points,
        "budgets": budgets,
        "warnings": inner.diagnostics["warnings"],
    }
    known = [f"without the held-out runs: {warning}" for warning in inner.diagnostics["warnings"]]
    return inner, result, known


def _compare(measured: pd.DataFrame, predicted, low, high) -> list[dict[str, Any]]:
    """A dict a row: what was measured, the prediction with its interval, and (predicted - measured) / measured."""
    rows = measured[[name for name in ("run_id", "N", "D", "C", "loss") if name in measured]].assign(
        predicted=np.asarray(predicted), low=np.asarray(low), high=np.asarray(high)
    )
    return _plain(rows.assign(relative_error=rows["predicted"] / rows["loss"] - 1).to_dict("records"))


def _warnings(at_bound: list[str], solution, condition: float | None, failed: int, bootstrap: Bootstrap) -> list[str]:
    found = []
    if at_bound:
        found.append(f"the runs do not determine {', '.join(at_bound)}: at the edge of what is plausible")
    if solution.basins > 1 and solution.agreeing < 0.5:
        found.append(f"the starts ended in {solution.basins} optima, {solution.agreeing:.0%} of them in the best")
    if condition is not None and condition > 300:
        found.append(f"a flat ridge: parameters trade off against each other (condition number {condition:.3g})")
    if bootstrap.resamples and failed > 0.05 * bootstrap.resamples:
        found.append(f"{failed} of {bootstrap.resamples} resamples do not determine the law and are left out of the intervals")
    return found


def _plain(value: Any) -> Any:
    """Containers of NumPy values as JSON has them; NaN and infinity as null."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value
