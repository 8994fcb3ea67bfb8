"""Accuracy on downstream tasks as a law of training compute, of model size and data, and of the samples per problem."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from annotated_types import Interval

from openr1.analysis.laws.base import Parameter
from openr1.analysis.laws.per_k import ROW, rows_per_k, scaled_starts
from openr1.analysis.laws.points import Inputs, Points
from openr1.analysis.laws.regression import CurveLaw
from openr1.analysis.numerics.optimise import OBJECTIVES
from openr1.options.ranges import OneOf
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

PASS_AT = re.compile(r"pass_at_(\d+)")  # columns of a run, one for each k


@dataclass
class Downstream(CurveLaw):
    """Accuracy Q against training compute C at one number of tokens per parameter; or against N and D.

    The logarithm of accuracy is a power law, so that accuracy rises along an S-shaped curve from 0 to 1. With ``chance``,
    the accuracy of a guess, it rises from there: ``(Q - chance)/(1 - chance)`` takes the place of Q.

    With ``k``, Q is pass@k, the share of problems that one of k samples solves. Either the runs have a row per k, with ``k``
    and ``coverage``, or columns ``pass_at_1``, ``pass_at_4``, ..., which runs of ``stage=evaluate`` log; a resample draws runs,
    with all of their k. Exponents have the opposite sign of those in the paper, as everywhere in this package.
    """

    name: ClassVar[str] = "downstream"
    title: ClassVar[str] = "Downstream accuracy"
    source: ClassVar[str] = "Krajewski et al. 2025, arXiv 2512.08894"
    response: ClassVar[str] = "pass_at_1"

    objective: Annotated[str, OneOf(OBJECTIVES)] = "mse"
    x: Annotated[str, OneOf(("C", "ND"))] = "C"  # C, or ND for model size and data
    k: bool = False  # fit pass@k at several k
    chance: Annotated[float, Interval(ge=0, lt=1)] = 0.0  # accuracy of a guess, such as 0.25 with four choices

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.k and self.x == "ND":
            raise ConfigError("law.k: pass@k is a law of C; set law.x=C")

    @property
    def formula(self) -> str:
        accuracy = "Q" if not self.chance else f"((Q - {self.chance:g})/{1 - self.chance:g})"
        if self.k:
            return f"log(-log {accuracy}) = log A - alpha log C - beta log k - delta log C log k"
        return f"-log {accuracy} = " + ("A C^-alpha" if self.x == "C" else "A N^-alpha + B D^-beta")

    @property
    def predictors(self) -> tuple[str, ...]:
        return (*self.x, *(("k",) if self.k else ()))

    @property
    def needs(self) -> tuple[str, ...]:
        return tuple(self.x) if self.k else (*self.x, self.response)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        of = "compute" if self.x == "C" else "the model term"
        common = (
            Parameter("A", f"coefficient of {of}", coefficient=True, starts=(0.01, 20)),
            Parameter("alpha", f"exponent of {of}{', at one sample' if self.k else ''}", 1e-3, 3, starts=(0.02, 1.5)),
        )
        if self.k:
            signed: dict[str, Any] = {"lower": -np.inf, "coefficient": True, "positive": False}
            return (
                *common,
                Parameter("beta", "exponent of the samples at C = 1, far below the runs", starts=(0.02, 1.5), **signed),
                Parameter("delta", "rise of the exponent of the samples with log C", starts=(-0.1, 0.1), **signed),
            )
        data = (
            Parameter("B", "coefficient of the data term", coefficient=True, starts=(0.01, 20)),
            Parameter("beta", "exponent of the data term", 1e-3, 3, starts=(0.02, 1.5)),
        )
        return common if self.x == "C" else (*common, *data)

    def curve(self, x: Inputs, *params):
        return self._accuracy(sum(self._terms(x, *params)))

    def _terms(self, x: Inputs, a, alpha, *more):
        """Return the terms (m, n) of the negative logarithm of accuracy."""
        if self.k:
            beta, delta = more
            return [a * x.C**-alpha * x.k ** -(beta + delta * np.log(x.C))]
        if self.x == "C":
            return [a * x.C**-alpha]
        b, beta = more
        return [a * x.N**-alpha, b * x.D**-beta]

    def _accuracy(self, exponent):
        return self.chance + (1 - self.chance) * np.exp(-exponent)

    def slopes(self, x: Inputs, *params):
        terms = self._terms(x, *params)
        values = self._accuracy(sum(terms))
        slope = self.chance - values  # by the negative logarithm
        first = next(iter(self.x))
        by = [terms[0] / params[0], -terms[0] * np.log(getattr(x, first))]
        if self.k:
            by += [-terms[0] * np.log(x.k), -terms[0] * np.log(x.k) * np.log(x.C)]
        elif self.x == "ND":
            by += [terms[1] / params[2], -terms[1] * np.log(x.D)]
        return values, [slope * value for value in by]

    def rescaled(self, params, scale):
        unit = {name: np.log(factor) for name, factor in scale.items()}
        if self.x == "ND":
            shift = {
                term: np.exp(-params[power] * unit[name]) for term, power, name in (("A", "alpha", "N"), ("B", "beta", "D"))
            }
            return {**params, **{term: params[term] * factor for term, factor in shift.items()}}
        if not self.k:
            return {**params, "A": params["A"] * np.exp(-params["alpha"] * unit["C"])}
        delta = params["delta"]
        shift = params["alpha"] * unit["C"] + params["beta"] * unit["k"] + delta * unit["C"] * unit["k"]
        return {
            "A": params["A"] * np.exp(-shift),
            "alpha": params["alpha"] + delta * unit["k"],
            "beta": params["beta"] + delta * unit["C"],
            "delta": delta,
        }

    def starts(self, points: Points, fixed: Mapping[str, Any]) -> dict[str, np.ndarray]:
        return scaled_starts(super().starts(points, fixed), points.y, self.chance)

    # rows of several k

    def fitted_rows(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return a row per run and k, with ``k`` and ``coverage``; without ``k``, the rows as they are."""
        if not self.k or {"k", "coverage"} <= set(frame):
            return frame
        names = {name: int(match[1]) for name in frame if (match := PASS_AT.fullmatch(str(name)))}
        if len(names) < 2:
            raise ConfigError(
                "runs.columns.k: law.k=true needs k and coverage, a row per k, or columns pass_at_1, pass_at_4, ... of each run"
            )
        return rows_per_k(frame, names)

    @property
    def independent(self) -> bool:
        """False for pass@k, whose values at several k are of the same answers."""
        return not self.k

    def observed(self, frame: pd.DataFrame) -> np.ndarray:
        return self.fitted_rows(frame)["coverage" if self.k else self.response].to_numpy(dtype=float)

    def inputs(self, frame: pd.DataFrame) -> dict[str, np.ndarray]:
        return super().inputs(frame if set(self.predictors) <= set(frame) else self.fitted_rows(frame))

    def points(self, frame: pd.DataFrame) -> Points:
        return super().points(self.fitted_rows(frame))

    def check_runs(self, frame: pd.DataFrame) -> None:
        points = self.fitted_rows(frame)
        super().check_runs(points)
        for name in self.predictors:
            if points[name].nunique() < 2:
                raise ConfigError(f"law: downstream needs runs of several values of {name}; all have {points[name].iloc[0]:g}")
        accuracy = self.observed(points)
        if not ((accuracy >= 0) & (accuracy <= 1)).all():
            raise ConfigError(
                f"runs.columns.pass_at_1: must be from 0 to 1; it ranges from {accuracy.min():g} to {accuracy.max():g}"
            )
        if accuracy.max() <= self.chance:
            raise ConfigError(f"law.chance: no run is more accurate than {self.chance:g}; the best has {accuracy.max():g}")
        if self.loss.logs and not (accuracy > 0).all():
            raise ConfigError(f"law.objective: {self.objective} takes logarithms; an accuracy of 0 needs mse")

    def resample(self, frame: pd.DataFrame, params: np.ndarray, weights: np.ndarray) -> np.ndarray:
        points = self.fitted_rows(frame)
        return super().resample(points, params, weights if ROW not in points else weights[:, points[ROW].to_numpy()])

    def jacobian(self, params: np.ndarray, frame: pd.DataFrame) -> np.ndarray:
        return super().jacobian(params, self.fitted_rows(frame))
