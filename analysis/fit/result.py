"""A fitted law: parameters with intervals, predictions, and the best allocation of compute."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from openr1.analysis.fit import display
from openr1.analysis.fit.arguments import positive_number, positive_numbers, predict_rows, read_frame, reading_json
from openr1.analysis.fit.intervals import bca_intervals, percentile_intervals
from openr1.analysis.fit.undetermined import too_wide
from openr1.analysis.laws import Law, TrainingFlops
from openr1.analysis.laws.constraints import Constraints
from openr1.analysis.laws.custom import law_class, law_reference
from openr1.analysis.laws.regression import CurveLaw
from openr1.analysis.warning import RankedWarning
from openr1.options import typed
from openr1.system.errors import ConfigError
from openr1.system.files import replacing

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from openr1.analysis.sources.frame import Runs

FIT_FILE, DRAWS_FILE, LEFT_OUT_FILE = "fit.json", "bootstrap.csv", "jackknife.csv"
NOT_SAVED = ("law", "flops_of", "draws", "left_out", "without_holdout", "frame")
SCATTER_FREEDOM = 4  # degrees of freedom of Student's t that single runs scatter by: some lie far off
BISECTIONS = 80  # bisections after which log C is exact to rounding


@dataclass(repr=False)
class Fit:
    """A fitted law.

    ``params`` are estimated from *all* runs; use these. ``holdout["params"]`` are estimated without the held-out runs,
    and serve only to predict them.

    Intervals are computed by the bootstrap. They cover parameters or values of the law, under the assumption that the law
    is right; they do not cover the scatter of single runs about it.
    """

    law: Law
    params: dict[str, float]
    se: dict[str, float]  # standard errors: standard deviations over the resamples; empty without a bootstrap, as is ci95
    ci95: dict[str, list[float | None]]  # 95 % intervals of the kind bootstrap["interval"]
    intervals: dict[str, dict[str, list[float | None]]]  # kind (percentile, bca, profile) -> parameter -> ends
    objective: dict[str, Any]  # name, delta, value: a sum over the points, not a mean
    n_points: int
    runs: dict[str, list[float]]  # column -> smallest and largest value of the runs
    flops_of: TrainingFlops
    holdout: dict[str, Any] | None
    frontier_table: list[dict]  # the best allocation of a few budgets, from the smallest of the runs on
    diagnostics: dict[str, Any]  # see openr1.analysis.fit.diagnostics.diagnose
    tables: dict[str, list[dict]]  # intermediate results, such as the minima of IsoFLOP budgets
    bootstrap: dict[str, Any]  # resamples, seed, interval, failed, and widened, the factor of the intervals
    seconds: dict[str, float]  # seconds of the fit and of the bootstrap
    scatter: float | None = None  # scale of the runs about the curve, of log responses where the law is fitted in them
    weights: str | None = None  # the rule or the column of the weights of the runs
    constraints: dict[str, Any] = field(default_factory=dict)  # fix, tie and priors, where there are any
    draws: np.ndarray | None = field(default=None, repr=False, compare=False)  # (m, p), the estimates of the resamples
    left_out: np.ndarray | None = field(
        default=None, repr=False, compare=False
    )  # (g, p), the estimates without each run in turn
    without_holdout: Fit | None = field(default=None, repr=False, compare=False)  # the fit without the held-out runs
    frame: pd.DataFrame | None = field(default=None, repr=False, compare=False)  # the runs; None for a fit that was loaded

    def __repr__(self) -> str:
        return display.text(self)

    def _repr_html_(self) -> str:
        return display.html(self)

    def to_frame(self) -> pd.DataFrame:
        """Return a row per parameter: ``estimate``, ``se``, ``low``, ``high`` and ``meaning``."""
        return display.to_frame(self)

    def to_latex(self) -> str:
        """Return the parameters with their 95 % intervals as a LaTeX table, which needs ``booktabs``."""
        return display.latex(self)

    def plot(self, ax: Axes | None = None, x: str | None = None) -> Axes:
        """Draw the measured and the predicted responses of the runs; see :func:`openr1.analysis.fit.display.plot`."""
        return display.plot(self, ax, x)

    def ends(self, name: str) -> tuple[float | None, float | None]:
        """Return the ends of the interval of a parameter; null for an open end or without a bootstrap."""
        low, high = self.ci95.get(name, (None, None))
        return low, high

    @overload
    def predict(self, frame: pd.DataFrame | Runs, interval: None = None) -> np.ndarray: ...
    @overload
    def predict(self, frame: pd.DataFrame | Runs, interval: Literal["curve", "run"]) -> pd.DataFrame: ...

    def predict(self, frame: pd.DataFrame | Runs, interval: str | None = None) -> np.ndarray | pd.DataFrame:
        """Predict the responses (n,) of rows with the columns that the law needs. A law of budgets predicts its frontier.

        :param interval: ``curve`` or ``run`` for a frame with ``predicted``, ``low`` and ``high``: the 95 % interval of the
            curve, or of a new run, which has the scatter of the fitted runs too. Neither knows how wrong the law is beyond the
            runs; :func:`openr1.analysis.forecast` measures that.
        :raises ConfigError: for rows that lack a column, or whose values no run can have.
        """
        frame = read_frame(frame)
        predicted = predict_rows(self.law, self.vector, frame)[0]
        if interval is None:
            return predicted
        import pandas as pd

        if interval not in ("curve", "run"):
            raise ConfigError(f"interval: must be curve or run, not {interval!r}")
        low, high = self.interval(frame)
        if interval == "run":
            low, high = self._with_scatter(predicted, low, high)
        return pd.DataFrame({"predicted": predicted, "low": low, "high": high}, index=frame.index)

    def _with_scatter(self, predicted: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Widen the interval of a curve by the scatter of single runs, in logarithms where the law is fitted in them."""
        if self.scatter is None:
            return np.full_like(predicted, np.nan), np.full_like(predicted, np.nan)
        from scipy.stats import t

        half = t.ppf(0.975, SCATTER_FREEDOM) * self.scatter
        if not self.law.loss.logs:
            return predicted - np.hypot(predicted - low, half), predicted + np.hypot(high - predicted, half)
        down, up = np.log(predicted / low), np.log(high / predicted)
        return predicted * np.exp(-np.hypot(down, half)), predicted * np.exp(np.hypot(up, half))

    def interval(self, frame: pd.DataFrame | Runs) -> np.ndarray:
        """Return the lower and upper ends (2, n) of the predictions; NaN without a bootstrap.

        :raises ConfigError: for rows that lack a column, or whose values no run can have.
        """
        rows = read_frame(frame)
        predict_rows(self.law, self.vector, rows)
        return self.interval_of(lambda params: self.law.predict(params, rows))

    def interval_of(self, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Return the 95 % interval (2, ...) of any function of the parameters.

        :param function: parameters (m, p) -> values (m, ...).
        """
        estimate = function(self.vector)[0]
        if self.draws is None:
            return np.full((2, *np.shape(estimate)), np.nan)
        if self.bootstrap["interval"] == "percentile" or self.left_out is None:
            return percentile_intervals(function(self.draws), self.bootstrap["widened"])
        return bca_intervals(estimate, function(self.draws), function(self.left_out), self.bootstrap["widened"])

    def value_and_interval(self, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Return the value of any function of the parameters at the estimate, and the ends of its interval: (3, ...)."""
        return np.stack([function(self.vector)[0], *self.interval_of(function)])

    def frontier(self, flops: np.ndarray | float) -> pd.DataFrame:
        """Return the best allocation of budgets, a row each: ``C`` and those of ``N``, ``D`` and the response that the
        law predicts.

        Columns ``N_low``, ``N_high`` and so on are the ends of the intervals. ``undetermined`` is the reason why the runs do
        not tell the best allocation of a budget, whose numbers are then NaN, or an empty text. The frame has no rows for a law
        without a frontier.

        :raises ConfigError: for a budget that is not a positive finite number.
        """
        table = self.frontier_of_law(flops)
        if table.empty:
            return table
        reasons = [self.undetermined or self._too_wide(row) for row in table.to_dict("records")]
        table.loc[[bool(reason) for reason in reasons], table.columns != "C"] = np.nan
        return table.assign(undetermined=reasons)

    def frontier_of_law(self, flops: np.ndarray | float) -> pd.DataFrame:
        """Return what :meth:`frontier` does by the estimate alone, whether or not the runs determine it."""
        import pandas as pd

        flops = positive_numbers(flops, "flops")
        names = list(self.law.frontier(self.vector, flops[:1], self.flops_of))
        if not names:
            return pd.DataFrame({"C": []})

        def rows(params: np.ndarray) -> np.ndarray:
            best = self.law.frontier(params, flops, self.flops_of)
            # between two infinite draws there would be no interval, as if there was no scatter
            return np.minimum(np.stack([best[name] for name in names], axis=1), np.finfo(float).max)

        table = {"C": flops}
        for name, (value, low, high) in zip(names, np.moveaxis(self.value_and_interval(rows), 0, 1), strict=True):
            table |= {name: value, f"{name}_low": low, f"{name}_high": high}
        return pd.DataFrame(table)

    def _too_wide(self, row: dict[str, float]) -> str:
        """Return why the sizes of a row of the frontier are no advice and what to add, or an empty text."""
        amounts = {name: row[name] if row[name] >= 1 else 0.0 for name in ("N", "D") if name in row}
        reasons = [too_wide(f"{name}*", value, row[f"{name}_low"], row[f"{name}_high"]) for name, value in amounts.items()]
        more = "budgets" if self.law.best_runs_only else "runs of these sizes with more and with fewer tokens"
        return next((f"{reason}: add {more}" for reason in reasons if reason), "")

    def budget_for(self, loss: float) -> dict[str, float]:
        """Return the smallest budget whose best response is ``loss``: ``C``, ``C_low``, ``C_high`` in FLOPs, and its
        ``N`` and ``D``.

        :param loss: one loss; a list of them would have a budget each.
        :raises ConfigError: for a law without a frontier or that the runs do not determine, or a loss that no budget reaches.
        """
        loss = positive_number(loss, "loss")

        if not self.law.frontier(self.vector, np.ones(1), self.flops_of):
            raise ConfigError(
                f"law: {self.law.name} has no frontier, so that no budget follows from a loss; chinchilla has one"
            )
        best = float(self._budgets(self.vector, loss)[0])
        if not np.isfinite(best):
            raise ConfigError(f"loss: no budget reaches {loss:.4g} by the law {self.law.name}")
        row = self.frontier(best).iloc[0]
        if row["undetermined"]:
            raise ConfigError(f"loss: the runs do not tell the budget of {loss:.4g}, since {row['undetermined']}")
        low, high = self.interval_of(partial(self._budgets, loss=loss))
        return {"C": best, "C_low": float(low), "C_high": float(high), **{k: float(row[k]) for k in ("N", "D") if k in row}}

    def _budgets(self, params: np.ndarray, loss: float) -> np.ndarray:
        """Return the smallest budgets (m,) whose best response is ``loss``; infinite where none is."""
        low, high = np.full((len(params), 1), -50.0), np.full((len(params), 1), 150.0)  # log FLOPs
        reached = self._best(params, np.exp(high)) <= loss
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            enough = self._best(params, np.exp(middle)) <= loss
            low, high = np.where(enough, low, middle), np.where(enough, middle, high)
        return np.where(reached, np.exp(high), np.inf)[:, 0]

    def _best(self, params: np.ndarray, flops: np.ndarray) -> np.ndarray:
        """Return the best response (m, k) of budgets."""
        with np.errstate(all="ignore"):
            return self.law.frontier(params, flops, self.flops_of)[self.law.response]

    def off_optimum(self, n: np.ndarray | float, flops: float) -> pd.DataFrame:
        """Return the cost of training other sizes than the best one with a budget, a row per size.

        The columns are ``loss``; ``above``, its difference from the best loss of the budget; ``C_equivalent``, the budget
        whose best loss is the same; and ``wasted``, the share of the budget that is wasted.

        :param n: sizes (k,), in parameters.
        :raises ConfigError: for a law that does not predict the loss of any size and tokens, or whose best size the runs do not
            determine.
        """
        import pandas as pd

        if not (self.law.allocates and self.law.regression):
            raise ConfigError(f"law: {self.law.name} does not predict the loss off the optimum; chinchilla does")
        n, flops = positive_numbers(n, "n"), positive_number(flops, "flops")
        best = self.frontier(flops).iloc[0]
        if best["undetermined"]:
            raise ConfigError(f"flops: the runs do not tell the best size of {flops:.4g}, since {best['undetermined']}")
        d = flops / self.flops_of(n, 1)
        table = pd.DataFrame({"N": n, "D": d, "C": flops})
        table["loss"] = self.predict(table)
        table["above"] = table["loss"] - float(best["loss"])
        table["C_equivalent"] = [float(self._budgets(self.vector, loss)[0]) for loss in table["loss"]]
        table["wasted"] = 1 - table["C_equivalent"] / flops
        return table

    @property
    def vector(self) -> np.ndarray:
        """The parameters as an array (1, p), as laws take them."""
        return np.array([list(self.params.values())])

    def known_at(self, flops: float) -> tuple[str, ...]:
        """Return which of N, D and loss the fit tells of the best run of a budget: none if the runs do not determine it; beyond
        the runs, no loss without an irreducible one, for which a few optima are too few.
        """
        if self.unknown_at(flops):
            return ()
        floorless = self.law.best_runs_only and self.params.get("E") == 0 and flops > self.runs["C"][1] * 1.05
        return ("N", "D") if floorless else ("N", "D", "loss")

    def unknown_at(self, flops: float) -> str:
        """The reason why the runs do not tell the best allocation of a budget, or an empty text."""
        reasons = self.frontier(flops).get("undetermined", [self.undetermined])
        return str(next(iter(reasons)))

    @property
    def undetermined(self) -> str:
        """The reason why the runs give no advice on larger budgets, and what to add; an empty text if they give advice."""
        return self.diagnostics.get("undetermined", "")

    @property
    def error(self) -> float | None:
        """The mean absolute relative error on held-out runs at their own N, D and C: on all of them, or, for a law of the
        frontier, on the best run of each held-out budget; null if nothing was held out.
        """
        return self.holdout["error"] if self.holdout else None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON, without the draws of the bootstrap and the second fit."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__ if name not in NOT_SAVED}
        values["frontier"] = values.pop("frontier_table")
        about = {"title": self.law.title, "formula": self.law.formula, "source": self.law.source}
        return to_json_values(
            {"law": law_reference(self.law), "options": asdict(self.law), **about, **values, "flops_of": asdict(self.flops_of)}
        )

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Fit:
        """Invert :meth:`to_dict`."""
        law = law_class(values["law"])(**values["options"])
        known = {name: value for name, value in values.items() if name in cls.__dataclass_fields__}
        known["diagnostics"] = _with_warnings(values["diagnostics"])
        if values.get("holdout"):
            known["holdout"] = _with_warnings(values["holdout"])
        if values.get("constraints") and isinstance(law, CurveLaw):
            law = law.constrained(Constraints.from_dict(values["constraints"]))
        return cls(
            **{**known, "law": law, "flops_of": TrainingFlops(**values["flops_of"]), "frontier_table": values["frontier"]}
        )

    @typed()
    def save(self, directory: str | Path) -> Path:
        """Write ``fit.json``, and the draws of the bootstrap and the jackknife as CSV files with a column per parameter."""
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        with replacing(directory / FIT_FILE, shared=True) as temporary:
            temporary.write_text(json.dumps(self.to_dict(), indent=2, allow_nan=False) + "\n")
        for name, draws in ((DRAWS_FILE, self.draws), (LEFT_OUT_FILE, self.left_out)):
            if draws is not None:
                np.savetxt(directory / name, draws, fmt="%.17g", delimiter=",", header=",".join(self.params), comments="")
        return directory / FIT_FILE

    @classmethod
    @typed()
    def load(cls, directory: str | Path) -> Fit:
        """Read what :meth:`save` wrote.

        :raises ConfigError: naming the file, if it is missing or of another version.
        """
        with reading_json(Path(directory) / FIT_FILE) as values:
            fit = cls.from_dict(values)
        read = {
            name: np.loadtxt(Path(directory) / name, delimiter=",", skiprows=1, ndmin=2)
            for name in (DRAWS_FILE, LEFT_OUT_FILE)
            if (Path(directory) / name).exists()
        }
        fit.draws, fit.left_out = read.get(DRAWS_FILE), read.get(LEFT_OUT_FILE)
        return fit


def _with_warnings(values: dict[str, Any]) -> dict[str, Any]:
    """Return values of JSON with the warnings as they were before :func:`to_json_values`."""
    return {**values, "warnings": [RankedWarning.from_json(warning) for warning in values.get("warnings", [])]}


def to_json_values(value: Any) -> Any:
    """Convert containers of NumPy values for JSON; NaN and infinity become null."""
    if isinstance(value, dict):
        return {key: to_json_values(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json_values(item) for item in value]
    if isinstance(value, RankedWarning):
        return value.to_dict()
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value
