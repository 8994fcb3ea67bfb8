"""Laws that are one formula fitted to every point. Such a law is little more than its formula."""

from __future__ import annotations

import itertools
from abc import abstractmethod
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

import numpy as np
from annotated_types import Gt, Le

from openr1.analysis.laws.base import Law, Solution, TrainingFlops
from openr1.analysis.laws.constraints import Constraints
from openr1.analysis.laws.curve_regression import STEP, CurveRegression
from openr1.analysis.laws.numeric_frontier import search_frontier
from openr1.analysis.laws.points import Inputs, Points
from openr1.analysis.numerics.optimise import OBJECTIVES, STEPS, Objective
from openr1.options.ranges import OneOf
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

GRID = 4500  # approximate number of starts that are screened
REFINED = 24  # number of the best of them that are refined
QUICK = (600, 8)  # the same for one of many fits
SAMPLED = 20_000  # rows that starts are screened and refined on; the best ends are refined on all rows
SETTLING = 50  # largest number of fits under priors until the noise that they are weighed by is their own
SAME = 1e-4  # relative difference of the sums of two ends that count as one optimum


@dataclass
class CurveLaw(Law):
    """``y = curve(x; params)``, fitted by minimising the sum over the points that ``objective`` names.

    A law gives its ``parameters``, ``predictors`` and ``curve``. Positive parameters are fitted as logarithms. ``linear``
    parameters, in which the curve is linear, are solved in closed form for each start of the others (variable projection: Golub
    and Pereyra 1973), so that a grid of thousands of starts takes one pass; the best starts are refined to their optima.

    Predictors are fitted in units of their geometric mean, in which a coefficient and its exponent are nearly uncorrelated.
    """

    objective: Annotated[str, OneOf(OBJECTIVES)] = "huber"  # huber, lad, log_mse or mse
    delta: Annotated[float, Gt(0), Le(1e3)] = 1e-3  # delta of the Huber loss of log residuals
    overprediction: Annotated[float, Gt(0), Le(1e3)] = 1.0  # factor of the loss of points that the curve is above

    regression: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self.constraints = Constraints()
        self.grid, self.refined = GRID, REFINED

    @property
    @abstractmethod
    def predictors(self) -> tuple[str, ...]:
        """The variables of the curve: columns of a frame, unless ``inputs`` derives them."""

    @property
    def needs(self) -> tuple[str, ...]:
        return (*self.predictors, self.response)

    @property
    def allocates(self) -> bool:  # type: ignore[override]
        """True for a loss of N and D, with or without C, whose best division of compute can be searched for."""
        plain = type(self).inputs is CurveLaw.inputs and self.response == "loss"
        return plain and {"N", "D"} <= {*self.predictors} <= {"N", "D", "C"}

    @property
    def loss(self) -> Objective:
        return Objective(self.objective, self.delta if self.objective == "huber" else None, self.overprediction)

    def constrained(self, constraints: Constraints) -> Self:
        """Return this law with constraints on its parameters.

        :raises ConfigError: for a constraint on a parameter that the law does not have.
        """
        constraints.check(self.name, self.parameters)
        law = copy(self)
        law.constraints = constraints
        return law

    def quick(self) -> Self:
        """Return this law with fewer starts, for one of many fits of the same runs."""
        law = copy(self)
        law.grid, law.refined = QUICK
        return law

    # the formula of a law

    @abstractmethod
    def curve(self, x: Inputs, *params: Any, **_: Any) -> np.ndarray:
        """Return the values (m, n) at the predictors, for parameters (m, 1) each, real or complex, given by position."""

    def slopes(self, x: Inputs, *params: Any, **_: Any) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return the values (m, n) and, for each parameter, their derivatives (m, n).

        The complex step is exact to rounding (Squire and Trapp 1998); a law overrides it if the closed form is short.
        """
        slopes = []
        for j, value in enumerate(params):
            stepped = [*params]
            stepped[j] = value + 1j * STEP
            slopes.append(self.curve(x, *stepped).imag / STEP)
        return self.curve(x, *params), slopes

    def rescaled(self, params: dict[str, np.ndarray], scale: Mapping[str, float]) -> dict[str, np.ndarray]:
        """Return the parameters of the same curve after each predictor x is divided by ``scale[x]``.

        Without this method a law is fitted in the units of its columns, in which it converges more slowly.
        """
        return params

    def fixed(self, frame: pd.DataFrame) -> dict[str, float]:
        """Return the parameters that the law itself fixes for these runs, in natural units."""
        return {}

    def known(self, frame: pd.DataFrame) -> dict[str, float]:
        """Return the parameters that are given rather than fitted: by the law or by the constraints."""
        return {**self.fixed(frame), **self.constraints.fix}

    def inputs(self, frame: pd.DataFrame) -> dict[str, np.ndarray]:
        """Return the predictors (n,) by name: columns of the frame, unless a law derives them."""
        return {name: frame[name].to_numpy(dtype=float) for name in self.predictors}

    def points(self, frame: pd.DataFrame) -> Points:
        """Return the points of a frame.

        :raises ConfigError: if the frame lacks what the law needs.
        """
        columns = self.inputs(frame)
        scale = {name: self._scale(values) for name, values in columns.items()}
        weights = frame["weight"].to_numpy(dtype=float) if "weight" in frame else np.ones(len(frame))
        x = Inputs(**{name: values / scale[name] for name, values in columns.items()})
        return Points(x, self.observed(frame), weights, scale)

    def _scale(self, values: np.ndarray) -> float:
        """Return the unit of a predictor in the fit: its geometric mean, if the law says what that does to its parameters."""
        known = type(self).rescaled is not CurveLaw.rescaled
        return float(np.exp(np.log(values).mean())) if known and (values > 0).all() else 1.0

    def starts(self, points: Points, fixed: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Return starts (m,) of each parameter that is neither fixed nor linear, in units of the points: a grid over their
        ranges.
        """
        free = [p for p in self.parameters if p.name not in {*fixed, *self.constraints.tied} and not p.linear]
        if not free:
            return {}
        each = max(3, round(self.grid ** (1 / len(free))))
        axes = [np.geomspace(*p.starts, each) if p.positive else np.linspace(*p.starts, each) for p in free]
        grid = np.array(list(itertools.product(*axes))).T
        return {p.name: values for p, values in zip(free, grid, strict=True)}

    # what follows from the formula

    @property
    def names(self) -> list[str]:
        """The names of the parameters."""
        return [p.name for p in self.parameters]

    def free(self, frame: pd.DataFrame) -> list[str]:
        """Return the names of the fitted parameters; of tied ones, the first."""
        given = {*self.known(frame), *self.constraints.tied}
        return [name for name in self.names if name not in given]

    def check_runs(self, frame: pd.DataFrame) -> None:
        """Refuse runs that cannot determine the law, such as fewer points than one more than its parameters.

        :raises ConfigError: with what the law needs.
        """
        free = len(self.free(frame))
        if len(frame) <= free:
            raise ConfigError(
                f"law: {self.name} has {free} parameters and needs at least {free + 1} points; there are {len(frame)}"
            )

    def estimate(self, frame: pd.DataFrame) -> Solution:
        self.check_runs(frame)
        self._check_weights(frame)
        solution = self.solve(self.points(frame), self.known(frame))
        if not np.isfinite(solution.value).all():
            wanted = "a number above 0" if self.loss.logs else "a finite number"
            given = ", with the values of fix," if self.constraints.fix else ""
            raise ConfigError(
                f"law: {self._reference}, {self.formula},{given} is not {wanted} at every run, whatever was tried"
            )
        return solution

    def _check_weights(self, frame: pd.DataFrame) -> None:
        """Refuse runs too few of which count."""
        free = len(self.free(frame))
        used = int((frame["weight"] > 0).sum()) if "weight" in frame else len(frame)
        if free >= used < len(frame):
            raise ConfigError(
                f"law: {self.name} has {free} parameters and needs at least {free + 1} points of a weight above 0; there are"
                f" {used}; runs.columns.weight, or weights, names the column of weights"
            )

    @property
    def _reference(self) -> str:
        """The name of the law in a message; module and class of a law that comes from elsewhere."""
        kind = type(self)
        return self.name if kind.__module__.startswith(f"{__package__}.") else f"{kind.__module__}:{kind.__qualname__}"

    def solve(self, points: Points, fixed: dict[str, float], weights: np.ndarray | None = None) -> Solution:
        """Return the best of many starts for points (n,) that all problems share."""
        if weights is not None:
            points = replace(points, weights=weights)
        few = points.sample(SAMPLED)
        problem = CurveRegression(self, few, fixed, 1)
        starts = problem.screen_starts(self.starts(few, problem.fixed), few.weights, self.refined)
        theta, values = problem.minimise(starts, few.weights[None])
        order = np.argsort(values)
        same = SAME * values[order[0]] + 1e-9 * (self.loss.delta or 1e-3) ** 2
        distinct = 1 + int(np.sum(np.diff(values[order][np.isfinite(values[order])]) > same))
        agreeing = float(np.mean(values <= values[order[0]] + same))
        best, value = problem.to_params(theta[order[:1]]), values[order[:1]]
        others = [self._solve_at_priors(points, fixed)] if self.constraints.priors else []
        if few is not points or self.constraints.priors:
            ends = [self.refine(points, fixed, start, np.ones((1, len(points.weights))), best) for start in (best, *others)]
            best, value = min(ends, key=lambda end: end[1][0])
        if self.constraints.priors:
            best, value = self._settle_priors(points, fixed, best)
        return Solution(best, value, distinct, agreeing)

    def _settle_priors(self, points: Points, fixed: dict[str, float], params: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the optimum (1, p) at which priors weigh by its own residuals, as they do in resamples, and its sum.

        The noise that says how much the runs weigh is estimated with the parameters. It rises from that without priors.
        """
        everything = np.ones((1, len(points.weights)))
        for _ in range(SETTLING):
            before = params
            params, value = self.refine(points, fixed, before, everything)
            if np.allclose(params, before, rtol=1e-7, atol=0):
                break
        return params, value

    def _solve_at_priors(self, points: Points, fixed: dict[str, float]) -> np.ndarray:
        """Return the optimum (1, p) with the parameters that have priors at the centres of these: from the optimum without
        priors, a descent may move them there and leave the others behind.
        """
        free = copy(self)
        free.constraints = replace(self.constraints, priors={})
        positive = {p.name for p in self.parameters if p.positive}
        centres = {name: prior.value for name, prior in self.constraints.priors.items()}
        return free.solve(points, fixed | {k: v for k, v in centres.items() if v > 0 or k not in positive}).params

    def resample(self, frame: pd.DataFrame, params: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return self.refine(self.points(frame), self.known(frame), params, weights)[0]

    def refine(
        self,
        points: Points,
        fixed: dict[str, float],
        params: np.ndarray,
        weights: np.ndarray,
        scale_at: np.ndarray | None = None,
        steps: int = STEPS,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Refine a start to its optimum for each row of counts (m, n); return optima (m, p) and sums (m,).

        :param params: one start (1, p), or a start per problem (m, p).
        :param scale_at: parameters (1, p) whose residuals say how much a prior weighs; by default the first start.
        :param steps: largest number of steps of the search.
        :returns: NaN for a row that draws fewer points than there are parameters.
        """
        problem = CurveRegression(self, points, fixed, len(weights))
        start = np.broadcast_to(problem.to_theta(params), (len(weights), problem.size))
        weights = weights * points.weights
        problem.add_priors(start[:1] if scale_at is None else problem.to_theta(scale_at))
        theta, values = problem.minimise(start, weights, steps)
        theta[np.sum(weights > 0, axis=1) < problem.size] = np.nan
        return problem.to_params(theta), values

    def frontier(self, params: np.ndarray, flops: np.ndarray, flops_of: TrainingFlops) -> dict[str, np.ndarray]:
        return search_frontier(self, params, flops, flops_of) if self.allocates else {}

    def predict(self, params: np.ndarray, frame: pd.DataFrame) -> np.ndarray:
        x = Inputs(**self.inputs(frame))
        with np.errstate(all="ignore"):
            return self.curve(x, *(column[:, None] for column in params.T))

    def residuals(self, params: np.ndarray, frame: pd.DataFrame) -> np.ndarray:
        """Return the residuals (n,) of the measured responses: of logarithms, unless the objective is ``mse``."""
        measured, predicted = self.observed(frame), self.predict(params, frame)[0]
        return np.log(measured / predicted) if self.loss.logs else measured - predicted

    def jacobian(self, params: np.ndarray, frame: pd.DataFrame) -> np.ndarray:
        """Return the derivatives (n, p) of the residuals by the fitted coordinates of the free parameters, at the estimate
        (1, p).
        """
        problem = CurveRegression(self, self.points(frame), self.known(frame), 1)
        _, jacobian, _ = problem.model(problem.to_theta(params), np.ones((1, len(frame))), np.zeros(1, dtype=int))
        return jacobian[0]
