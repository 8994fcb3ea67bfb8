"""A power law whose exponent changes smoothly at breaks (arXiv 2210.14891)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from annotated_types import Interval

from openr1.analysis.formatting import scientific
from openr1.analysis.laws.base import Parameter, Solution, TrainingFlops
from openr1.analysis.laws.points import Inputs, Points
from openr1.analysis.laws.regression import GRID, CurveLaw
from openr1.analysis.warning import RankedWarning, Severity
from openr1.options.ranges import OneOf

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class BrokenPowerLaw(CurveLaw):
    """Loss against one variable, on every run. To fit the frontier (x = C), keep only the best run of each budget.

    The exponent is c0 below the first break and ``c0 + c1 + ... + ci`` beyond break i, at ``x = d_i``. A negative c_i flattens
    the curve; if the sum is below 0, the loss rises. f_i is the width of break i in log x. Breaks are numbered from left to
    right.
    """

    name: ClassVar[str] = "broken_power_law"
    title: ClassVar[str] = "Broken power law"
    source: ClassVar[str] = "Caballero et al. 2022, arXiv 2210.14891, eq. 1"

    x: Annotated[str, OneOf(("C", "N", "D"))] = "C"  # C, N or D
    breaks: Annotated[int, Interval(ge=1, le=3)] = 1  # 1 to 3, each with three parameters

    @property
    def formula(self) -> str:
        factors = "".join(f" (1 + ({self.x}/d{i})^(1/f{i}))^(-c{i} f{i})" for i in range(1, self.breaks + 1))
        return f"L({self.x}) = a + b {self.x}^-c0{factors}"

    @property
    def predictors(self) -> tuple[str, ...]:
        return (self.x,)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        parameters = [
            Parameter("a", "irreducible loss, nats per token", lower=1e-3, linear=True),
            Parameter("b", f"coefficient, in nats per token times {self.x}^c0", coefficient=True, linear=True),
            Parameter("c0", "exponent before the first break", lower=-3, upper=3, positive=False, starts=(0, 1.5)),
        ]
        for i in range(1, self.breaks + 1):
            parameters += [
                Parameter(f"c{i}", f"change of the exponent at break {i}", -20, 20, positive=False, starts=(-1, 1.5)),
                Parameter(f"d{i}", f"{self.x} at break {i}"),
                Parameter(f"f{i}", f"width of break {i} in log {self.x}", lower=1e-2, upper=10, starts=(0.05, 2)),
            ]
        return tuple(parameters)

    def curve(self, x: Inputs, a, b, c0, *breaks):
        log_x = np.log(getattr(x, self.x))
        exponent = -c0 * log_x
        for c, d, f in _triples(breaks):
            exponent = exponent - c * f * softplus((log_x - np.log(d)) / f)
        return a + b * np.exp(exponent)

    def slopes(self, x: Inputs, a, b, c0, *breaks):
        log_x = np.log(getattr(x, self.x))
        exponent, of_exponent = -c0 * log_x, []
        for c, d, f in _triples(breaks):
            distance = (log_x - np.log(d)) / f
            bend = softplus(distance)
            beyond = np.exp(distance - bend)  # 0 well before the break, 1 well beyond it
            exponent = exponent - c * f * bend
            of_exponent += [-f * bend, c * beyond / d, c * (distance * beyond - bend)]
        power = np.exp(exponent)
        slopes = [np.ones_like(power), power, -b * power * log_x]
        return a + b * power, [*slopes, *(b * power * slope for slope in of_exponent)]

    def rescaled(self, params, scale):
        unit = scale[self.x]
        breaks = {f"d{i}": params[f"d{i}"] / unit for i in range(1, self.breaks + 1)}
        return {**params, "b": params["b"] * unit ** -params["c0"], **breaks}

    def starts(self, points: Points, fixed: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Draw starts at random from a fixed seed, with breaks within the runs; a grid in so many parameters would be too
        coarse.
        """
        log_x = np.log(getattr(points.x, self.x))
        draw, count = np.random.default_rng(0).uniform, GRID * self.breaks
        starts = {"c0": draw(*self.parameters[2].starts, count)}
        places = np.sort(draw(log_x.min(), log_x.max(), (self.breaks, count)), axis=0)
        for i, place in enumerate(places, start=1):
            change, _, width = self.parameters[3 * i : 3 * i + 3]
            starts |= {f"c{i}": draw(*change.starts, count), f"d{i}": np.exp(place)}
            starts[f"f{i}"] = np.exp(draw(np.log(width.starts[0]), np.log(width.starts[1]), count))
        return starts

    def estimate(self, frame: pd.DataFrame) -> Solution:
        solution = super().estimate(frame)
        solution.params = self._sort_breaks(solution.params)
        values = frame[self.x]
        outside = solution.params[0, 4::3]
        outside = outside[(outside <= values.min()) | (outside >= values.max())]
        if len(outside):
            places = ", ".join(scientific(place) for place in outside)
            solution.warnings.append(
                RankedWarning(f"the break at {self.x} = {places} is outside of the range of the runs", Severity.PARAMETER)
            )
        return solution

    def resample(self, frame: pd.DataFrame, params: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return self._sort_breaks(super().resample(frame, params, weights))

    def _sort_breaks(self, params: np.ndarray) -> np.ndarray:
        """Sort the breaks of curves (m, p) from left to right."""
        breaks = params[:, 3:].reshape(len(params), self.breaks, 3)
        order = np.argsort(breaks[:, :, 1], axis=1)
        return np.hstack([params[:, :3], np.take_along_axis(breaks, order[:, :, None], axis=1).reshape(len(params), -1)])

    def frontier(self, params: np.ndarray, flops: np.ndarray, flops_of: TrainingFlops) -> dict[str, np.ndarray]:
        if self.x != "C":
            return {}
        with np.errstate(all="ignore"):  # a resample may leave a break undetermined
            return {"loss": self.curve(Inputs(C=flops), *(column[:, None] for column in params.T))}


def _triples(breaks: tuple[np.ndarray, ...]) -> list[tuple[np.ndarray, ...]]:
    """Return c, d and f of each break."""
    return list(zip(breaks[::3], breaks[1::3], breaks[2::3], strict=True))


def softplus(z: np.ndarray) -> np.ndarray:
    """Return ``log(1 + exp(z))`` of real or complex z, without overflow."""
    if not np.iscomplexobj(z):  # four times as fast; the sum is exact to 1e-16
        return np.maximum(z, 0) + np.log(1 + np.exp(-np.abs(z)))
    positive = np.real(z) > 0
    return np.where(positive, z, 0) + np.log1p(np.exp(np.where(positive, -z, z)))
