"""Loss as a function of the mix of the training data, and the mix of lowest loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np

from openr1.analysis.formatting import join_names
from openr1.analysis.laws.base import Law, Parameter, Solution
from openr1.analysis.laws.mixing_terms import (
    geometric_mean,
    geometric_mean_slopes,
    inverse_gain,
    inverse_gain_slopes,
    power_mean,
    power_mean_slopes,
)
from openr1.analysis.laws.own_columns import own_numbers
from openr1.analysis.laws.points import Inputs, Points
from openr1.analysis.laws.regression import GRID, CurveLaw
from openr1.analysis.numerics.simplex import minimise_on_simplex
from openr1.analysis.sources.frame import Columns, group_budgets
from openr1.analysis.warning import RankedWarning, Severity
from openr1.options.ranges import Count, OneOf
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

FORMS = ("additive", "joint", "exponential")
PREFIX, SUFFIX = "data.sources.", ".weight"  # of the columns of the runs of a study
FLAT = 0.1  # exponent of a share below which a hundredth of a source has more than 63 % of the effect of the whole
TERMS = (("N", "A", "alpha"), ("D", "B", "beta"))


@dataclass
class DataMixing(CurveLaw):
    """Loss against the shares h of the sources in a mix, which sum to 1.

    - ``additive``: ``L = E + 1/sum_i C_i h_i^gamma_i + A N^-alpha + B D^-beta`` (arXiv 2507.09404). The best mix is the same
      at every N and D.
    - ``joint``: A and B depend on the mix as well, so that the best mix moves with N and D (arXiv 2507.09404):
      ``A(h) = (sum_i C^A_i h_i)^gamma_A``, and B likewise. The parameters are ``A_i = (C^A_i)^gamma_A``, the coefficients of
      training on source i alone.
    - ``exponential``: ``L = c + sum_j k_j exp(sum_i t_ji h_i)`` at one N and one D, where j are the ``domains`` that the
      evaluation data consist of (arXiv 2403.16952, its law of one domain and its implicit aggregation of several). Since
      shares sum to 1, k_j is part of the exponent: the parameters are ``R_ji = k_j exp(t_ji)``, the loss of domain j above c
      after training on source i alone, and the law is ``c + sum_j prod_i R_ji^h_i``. With one domain, a single source is best.

    Weights are divided by their sum in each run.
    """

    name: ClassVar[str] = "data_mixing"
    title: ClassVar[str] = "Data mixing law"
    source: ClassVar[str] = "Shukor et al. 2025, arXiv 2507.09404; exponential: Ye et al. 2024, arXiv 2403.16952"

    form: Annotated[str, OneOf(FORMS)] = "additive"  # additive, joint or exponential
    weights: list[str] = field(default_factory=list)  # columns of the weights; empty for data.sources.NAME.weight
    domains: Count = 1  # exponential: number of domains that the evaluation data consist of

    @property
    def labels(self) -> list[str]:
        """The names of the sources."""
        return [name.removeprefix(PREFIX).removesuffix(SUFFIX) for name in self.weights]

    @property
    def scaled(self) -> bool:
        """True for a law that depends on N and D too."""
        return self.form != "exponential"

    @property
    def formula(self) -> str:
        if not self.scaled:
            return "L(h) = c + prod_i R_i^h_i" if self.domains == 1 else "L(h) = c + sum_j prod_i R_ji^h_i"
        a, b = ("A", "B") if self.form == "additive" else (f"(sum_i h_i {x}_i^(1/gamma_{x}))^gamma_{x}" for x in "AB")
        return f"L(N, D, h) = E + 1/(sum_i C_i h_i^gamma_i) + {a} N^-alpha + {b} D^-beta"

    @property
    def predictors(self) -> tuple[str, ...]:
        return (*self.weights, *(("N", "D") if self.scaled else ()))

    @property
    def needs(self) -> tuple[str, ...]:
        return (*(("N", "D") if self.scaled else ()), self.response)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        labels = self.labels
        if not self.scaled:
            of = (
                [("", "the evaluation data")]
                if self.domains == 1
                else [(f"_{j}", f"domain {j}") for j in range(1, self.domains + 1)]
            )
            reducible = (
                Parameter(
                    f"R{j}_{label}", f"loss of {domain} above c after training on {label} alone", 1e-4, 1e3, starts=(0.05, 8)
                )
                for j, domain in of
                for label in labels
            )
            return (Parameter("c", "loss that no mix changes, nats per token", lower=1e-3, linear=True), *reducible)
        mix = [
            *(Parameter(f"C_{label}", f"reduction of the loss by {label}", 1e-3, 1e6, starts=(0.3, 50)) for label in labels),
            *(Parameter(f"gamma_{label}", f"exponent of the share of {label}", 1e-3, 20, starts=(0.05, 3)) for label in labels),
        ]
        return (
            Parameter("E", "irreducible loss, nats per token", lower=1e-3, linear=True),
            *mix,
            *self._term("A", "model", "alpha"),
            *self._term("B", "data", "beta"),
        )

    def _term(self, name: str, of: str, exponent: str) -> tuple[Parameter, ...]:
        """Return the parameters of the term of N, or of D."""
        power = Parameter(exponent, f"exponent of the {of} term", lower=1e-2, upper=3, starts=(0.05, 1.5))
        if self.form == "additive":
            return (Parameter(name, f"coefficient of the {of} term", coefficient=True, linear=True), power)
        parts = (
            Parameter(f"{name}_{label}", f"coefficient of the {of} term, trained on {label} alone", coefficient=True)
            for label in self.labels
        )
        bend = Parameter(f"gamma_{name}", f"curvature of the {of} term in the shares", -20, 20, positive=False, starts=(0.3, 3))
        return (*parts, bend, power)

    # the runs

    def prepare(self, frame: pd.DataFrame) -> tuple[Law, pd.DataFrame]:
        found = [str(name) for name in frame if str(name).startswith(PREFIX) and str(name).endswith(SUFFIX)]
        weights = self.weights or [name for name in found if own_numbers(frame, name).nunique() > 1]
        missing = [name for name in weights if name not in frame]
        if missing or len(weights) < 2:
            shares = _find_shares(frame)
            hint = f"; these look like weights: {join_names(shares, 20)}" if shares else ""
            wrong = (
                f"there is no column {missing[0]!r}"
                if missing
                else "a mix has two sources or more; name the columns of weights"
            )
            raise ConfigError(f"law.weights: {wrong}{hint}")
        law = replace(self, weights=weights)
        if len(set(law.labels)) < len(weights):
            raise ConfigError(f"law.weights: two columns are of the same source: {', '.join(weights)}")
        return law, frame

    def shares(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the shares (n, sources) of the sources in each run.

        :raises ConfigError: for a weight that is negative or missing.
        """
        weights = np.stack([own_numbers(frame, name).to_numpy() for name in self.weights], axis=1)
        for name, values in zip(self.weights, weights.T, strict=True):
            if not (values >= 0).all():
                raise ConfigError(f"law.weights: {name} is missing or negative in row {int(np.argmin(values >= 0))}")
        if not (weights.sum(axis=1) > 0).all():
            raise ConfigError(f"law.weights: all weights are 0 in row {int(np.argmin(weights.sum(axis=1) > 0))}")
        return weights / weights.sum(axis=1, keepdims=True)

    def inputs(self, frame: pd.DataFrame) -> dict[str, np.ndarray]:
        shares = dict(zip(self.weights, self.shares(frame).T, strict=True))
        return shares | {name: frame[name].to_numpy(dtype=float) for name in ("N", "D") if self.scaled}

    def points(self, frame: pd.DataFrame) -> Points:
        points, columns = super().points(frame), self.inputs(frame)
        shares = {name: columns[name] for name in self.weights}  # without a unit
        return replace(points, x=Inputs(**(vars(points.x) | shares)), scale=points.scale | dict.fromkeys(shares, 1.0))

    def fixed(self, frame: pd.DataFrame) -> dict[str, float]:
        """Return 0 for the parameters of a term whose N, or D, is the same in all runs, and 1 for the exponent of a term
        with two values, which do not determine one.
        """
        values: dict[str, float] = {}
        for x, name, exponent in TERMS if self.form == "additive" else ():
            count = _levels(frame, x)
            values |= {name: 0.0, exponent: 0.0} if count == 1 else {exponent: 1.0} if count == 2 else {}
        return values

    def check_runs(self, frame: pd.DataFrame) -> None:
        super().check_runs(frame)
        for name, shares in zip(self.labels, self.shares(frame).T, strict=True):
            if np.ptp(shares) < 1e-9:
                raise ConfigError(
                    f"law.weights: the share of {name} is {shares[0]:.3g} in all runs; name sources whose shares change"
                )
        for x in ("N", "D"):
            if self.form == "joint" and _levels(frame, x) < 3:
                raise ConfigError(f"law.form: joint needs runs of three or more {x}; there are {_levels(frame, x)}")
            if self.form == "exponential" and x in frame and _levels(frame, x) > 1:
                raise ConfigError(
                    f"law.form: exponential is a law of runs of one {x}; choose them by runs.where, or law.form=additive"
                )

    def estimate(self, frame: pd.DataFrame) -> Solution:
        solution, fixed = super().estimate(frame), self.fixed(frame)
        for x, name, exponent in TERMS:
            if name in fixed:
                solution.warnings.append(
                    RankedWarning(f"all runs have the same {x}, so that its term is part of E", Severity.PARAMETER)
                )
            elif exponent in fixed:
                solution.warnings.append(
                    RankedWarning(
                        f"two values of {x} do not determine {exponent}, which is set to 1: predict no other {x}",
                        Severity.MISLEADING,
                    )
                )
        return solution

    def starts(self, points: Points, fixed: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Draw starts at random from a fixed seed, since a grid over so many parameters would be too coarse."""
        rng = np.random.default_rng(0)
        free = [p for p in self.parameters if p.name not in fixed and not p.linear]
        excess = points.y.max() - points.y.min()
        ends = {p.name: (0.05 * excess, 5 * excess) if p.coefficient else p.starts for p in free}
        return {name: np.exp(rng.uniform(np.log(low), np.log(high), GRID)) for name, (low, high) in ends.items()}

    # the formula

    def curve(self, x: Inputs, *params):
        return self._loss([getattr(x, name) for name in self.weights], getattr(x, "N", None), getattr(x, "D", None), *params)

    def _loss(self, shares, n, d, first, *params):
        """Return the losses for shares of each source, (n,) or (m, n) each."""
        m = len(shares)
        if not self.scaled:
            return first + sum(geometric_mean(shares, params[i : i + m]) for i in range(0, len(params), m))
        terms = (self._coefficient(shares, *part) * x**-power for x, (*part, power) in self._scale_terms(n, d, params))
        return first + inverse_gain(shares, params[:m], params[m : 2 * m]) + sum(terms)

    def _scale_terms(self, n, d, params):
        """Return N and D, each with the parameters of its term."""
        first = 2 * len(self.weights)
        middle = (first + len(params)) // 2
        return (n, params[first:middle]), (d, params[middle:])

    def _coefficient(self, shares, *part):
        return part[0] if self.form == "additive" else power_mean(shares, part[:-1], part[-1])

    def slopes(self, x: Inputs, first, *params):
        shares = [getattr(x, name) for name in self.weights]
        m = len(shares)
        values, slopes = first + 0 * shares[0], [np.ones_like(first * shares[0])]
        if not self.scaled:
            parts = [geometric_mean_slopes(shares, params[i : i + m]) for i in range(0, len(params), m)]
        else:
            parts = [inverse_gain_slopes(shares, params[:m], params[m : 2 * m])]
            parts += [self._scale_slopes(shares, y, *part) for y, part in self._scale_terms(x.N, x.D, params)]
        for value, by in parts:
            values, slopes = values + value, slopes + by
        return values, slopes

    def _scale_slopes(self, shares, y, *part):
        """Return the term of N, or of D, and its derivatives."""
        *of_mix, power = part
        by_y = y**-power
        value, slopes = (of_mix[0], [1.0]) if self.form == "additive" else power_mean_slopes(shares, of_mix[:-1], of_mix[-1])
        return value * by_y, [*(slope * by_y for slope in slopes), -value * by_y * np.log(y)]

    def rescaled(self, params, scale):
        if not self.scaled:
            return params
        values = dict(params)
        for x, name, exponent in TERMS:
            for coefficient in [name] if self.form == "additive" else [f"{name}_{label}" for label in self.labels]:
                values[coefficient] = params[coefficient] * scale[x] ** -params[exponent]
        return values

    def least_shares(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the least share (sources,) above 0 of each source that some run leaves out; 0 for the others."""
        shares = self.shares(frame)
        return np.where((shares == 0).any(axis=0), np.where(shares > 0, shares, np.inf).min(axis=0), 0)

    def optimum(self, params: np.ndarray, least: np.ndarray, n: float = 1.0, d: float = 1.0) -> np.ndarray:
        """Return the shares (m, sources) of lowest loss for a model of n parameters trained on d tokens.

        :param least: (sources,), the least share of a source that is not left out and whose exponent is small: such a law
            promises nearly as much from a trace of it, which no run had, as from all of it.
        """
        columns = [column[:, None] for column in params.T]

        def loss(shares: np.ndarray, rows: np.ndarray) -> np.ndarray:
            with np.errstate(all="ignore"):
                return self._loss(list(np.moveaxis(shares, -1, 0)), n, d, *(column[rows] for column in columns))

        m = len(self.weights)
        flat = params[:, 1 + m : 1 + 2 * m] < FLAT if self.scaled else np.zeros((len(params), m), dtype=bool)
        return minimise_on_simplex(loss, np.where(flat, least, 0))


def _levels(frame: pd.DataFrame, x: str) -> int:
    """Return the number of different N, or D, which differ by more than 5 %."""
    return len(np.unique(group_budgets(frame[x].to_numpy(dtype=float))))


def _find_shares(frame: pd.DataFrame) -> list[str]:
    """Return the columns of a frame that look like weights: those of sources, or else numbers from 0 to 1 that change."""
    import pandas as pd

    named = [str(name) for name in frame if str(name).startswith(PREFIX) and str(name).endswith(SUFFIX)]
    numbers = {str(name): pd.to_numeric(frame[name], errors="coerce") for name in frame if name not in vars(Columns())}
    return named or [name for name, values in numbers.items() if values.between(0, 1).all() and values.nunique() > 1]
