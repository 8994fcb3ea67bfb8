"""Loss for repeated data: the value of the second and later epochs (arXiv 2305.16264)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from annotated_types import Gt, Le

from openr1.analysis.laws.base import Parameter
from openr1.analysis.laws.chinchilla import Chinchilla
from openr1.analysis.laws.points import Inputs, Points
from openr1.analysis.laws.regression import CurveLaw
from openr1.options.ranges import OneOf
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

INNER = ("joint", "single_epoch")
NUMBERS = ("E", "A", "alpha", "B", "beta")  # parameters of the inner law
# starts of R_D and R_N if all seven parameters are fitted; at the last one, repeated data are as good as new
DECAYS = np.append(np.geomspace(0.5, 500, 8), 1e6)
RACE = 20  # steps after which only the best restart of a resample goes on, and others whose sums are above its sum by
SAME, MARGIN = 1e-5, 0.03  # a share between these: below the first one, they have reached the same optimum
RESTARTS = ((5, 8), (100, 2), (1000, 0.5))  # R_D and R_N along the ridge, anywhere on which a resample may have its optimum


@dataclass
class DataConstrained(CurveLaw):
    """The parametric law in effective model size and effective data, fitted with the Huber loss of log loss.

    ``U`` is the number of unique tokens. Repeating them R times, ``R = D / U - 1``, is worth ``R_D (1 - exp(-R / R_D))``
    times as many new tokens, never more than R_D. Parameters beyond ``U_N``, the compute-optimal size for U tokens under the
    inner law at C = 6ND, lose value in the same way. A run that ends within its first epoch has ``U = D``.

    The two decays compensate each other: for published runs the optimum is a flat ridge with several local optima, along
    which R_D changes a hundredfold while the sum changes by less than 1 %. A condition number does not show this; a profile
    does.

    ``inner`` names the source of E to beta, unless all five are given as options: ``joint`` fits them together with the
    decays; ``single_epoch`` fits the Chinchilla law to the runs with D <= U, under the assumption that they have no excess
    parameters.
    """

    name: ClassVar[str] = "data_constrained"
    title: ClassVar[str] = "Data-constrained law"
    source: ClassVar[str] = "Muennighoff et al. 2023, arXiv 2305.16264"
    formula: ClassVar[str] = (
        "L(N, D, U) = E + A N'^-alpha + B D'^-beta, D' = U + U R_D (1 - exp(-(D/U - 1)/R_D)),"
        " N' = U_N + U_N R_N (1 - exp(-(N/U_N - 1)/R_N)), U_N = min(N, N_opt(U))"
    )
    predictors: ClassVar[tuple[str, ...]] = ("N", "D", "U")
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("R_D", "epochs of new data that infinitely many repeats are worth", lower=0.1, upper=1e3, starts=(0.1, 1e3)),
        Parameter("R_N", "decay of excess parameters, in units of U_N", lower=0.1, upper=1e3, starts=(0.1, 1e3)),
        Parameter("E", "irreducible loss, nats per token", lower=1e-3, linear=True),
        # not linear, since U_N depends on both coefficients
        Parameter("A", "coefficient of the model term", coefficient=True),
        Parameter("alpha", "exponent of the model term", lower=1e-2, upper=3),
        Parameter("B", "coefficient of the data term", coefficient=True),
        Parameter("beta", "exponent of the data term", lower=1e-2, upper=3),
    )

    inner: Annotated[str, OneOf(INNER)] = "joint"  # joint or single_epoch
    E: Annotated[float, Gt(0), Le(1e29)] | None = None  # give all five of these to fit R_D and R_N alone
    A: Annotated[float, Gt(0), Le(1e29)] | None = None
    alpha: Annotated[float, Gt(0), Le(1e3)] | None = None
    B: Annotated[float, Gt(0), Le(1e29)] | None = None
    beta: Annotated[float, Gt(0), Le(1e3)] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        given = {name: getattr(self, name) for name in NUMBERS}
        missing = [name for name, value in given.items() if value is None]
        if missing and len(missing) < len(NUMBERS):
            raise ConfigError(f"law.{missing[0]}: give all of {', '.join(NUMBERS)}, or none of them")
        if not missing and self.inner != "joint":
            raise ConfigError("law.inner: single_epoch fits E, A, alpha, B and beta; give no numbers for them")

    def inputs(self, frame: pd.DataFrame) -> dict[str, np.ndarray]:
        if "U" not in frame:
            raise ConfigError(f"runs.columns.U: {self.name} needs a column of unique tokens; name it")
        n, d, u = (frame[name].to_numpy(dtype=float) for name in ("N", "D", "U"))
        return {"N": n, "D": d, "U": np.minimum(u, d)}

    def points(self, frame: pd.DataFrame) -> Points:
        points = super().points(frame)
        # D and U have one unit, since their ratio is the number of epochs
        unique = points.x.U * (points.scale["U"] / points.scale["D"])
        x = Inputs(N=points.x.N, D=points.x.D, U=unique)
        return replace(points, x=x, scale={**points.scale, "U": points.scale["D"]})

    def check_runs(self, frame: pd.DataFrame) -> None:
        columns = self.inputs(frame)
        if not (columns["D"] > columns["U"]).any():
            raise ConfigError(f"law: {self.name} needs runs that repeat data; no D is above U")
        super().check_runs(frame)

    def fixed(self, frame: pd.DataFrame) -> dict[str, float]:
        if self.E is not None:
            return {name: float(getattr(self, name)) for name in NUMBERS}
        if self.inner == "joint":
            return {}
        return dict(zip(NUMBERS, self._single_epoch(frame)[0].tolist(), strict=True))

    def _single_epoch(self, frame: pd.DataFrame) -> np.ndarray:
        """Fit the inner law (1, 5) to the runs without repeats."""
        runs = frame[_without_repeats(frame)]
        if len(runs) <= len(NUMBERS):
            least = len(NUMBERS) + 1
            raise ConfigError(f"law.inner: single_epoch needs at least {least} runs with D <= U; there are {len(runs)}")
        return self._inner.estimate(runs).params

    @property
    def _inner(self) -> Chinchilla:
        """The inner law."""
        return Chinchilla(objective=self.objective, delta=self.delta)

    def resample(self, frame: pd.DataFrame, params: np.ndarray, weights: np.ndarray) -> np.ndarray:
        points = self.points(frame)
        if self.inner == "single_epoch":
            single = _without_repeats(frame)
            inner = self._inner.resample(frame[single], params[:, 2:], weights[:, single])
            fixed = dict(zip(NUMBERS, inner.T, strict=True))
        else:
            fixed = self.known(frame)
        starts = [params, *(np.concatenate([[decays], params[:1, 2:]], axis=1) for decays in RESTARTS)]
        ends, values = map(
            np.stack, zip(*(self.refine(points, fixed, start, weights, params[:1], RACE) for start in starts), strict=True)
        )
        with np.errstate(invalid="ignore"):  # a resample of too few points has no end
            excess = values / values.min(axis=0) - 1
        near = ((excess > SAME) & (excess < MARGIN)) | (np.arange(len(values))[:, None] == values.argmin(axis=0))
        for end, value, rows in zip(ends, values, near, strict=True):
            known = {name: each[rows] if np.ndim(each) else each for name, each in fixed.items()}
            end[rows], value[rows] = self.refine(points, known, end[rows], weights[rows], params[:1])
        draws = ends[np.where(near, values, np.inf).argmin(axis=0), np.arange(len(weights))]
        draws[np.isnan(draws).any(axis=1)] = np.nan
        return draws

    def starts(self, points: Points, fixed: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Fit the inner law to the effective data for a few R_D, with no excess parameters, and combine it with a few R_N."""
        if fixed:
            return super().starts(points, fixed)
        rows = []
        for decays in (DECAYS, DECAYS[::-1]):  # each chain may be caught in a poor optimum that the other one avoids
            ends = None
            for decay in decays:
                x = Inputs(N=points.x.N, D=_effective(points.x.U, points.x.D, decay))
                effective = replace(points, x=x, scale={"N": 1.0, "D": 1.0})
                # the next decay changes little, so that only the first needs a grid of starts
                ends = (
                    self._inner.solve(effective, {}).params
                    if ends is None
                    else self._inner.refine(effective, {}, ends, np.ones((1, len(points.y))))[0]
                )
                rows += [(decay, other, *ends[0]) for other in DECAYS]
        return dict(zip(self.names, np.array(rows).T, strict=True))

    def curve(self, x: Inputs, R_D, R_N, E, A, alpha, B, beta):
        # N_opt solves alpha A N^-alpha = beta B U^-beta; exponentials of logarithms are faster than powers
        log_optimal = (np.log(alpha * A / (beta * B)) + beta * np.log(x.U)) / alpha
        used = np.exp(np.where(np.real(log_optimal) < np.log(x.N), log_optimal, np.log(x.N)))
        n, d = _effective(used, x.N, R_N), _effective(x.U, x.D, R_D)
        return E + A * np.exp(-alpha * np.log(n)) + B * np.exp(-beta * np.log(d))

    def slopes(self, x: Inputs, R_D, R_N, E, A, alpha, B, beta):
        log_optimal = (np.log(alpha * A / (beta * B)) + beta * np.log(x.U)) / alpha
        excess = log_optimal < np.log(x.N)
        used = np.exp(np.where(excess, log_optimal, np.log(x.N)))
        n, n_by_decay, n_by_used = _effective_slopes(used, x.N, R_N)
        d, d_by_decay, _ = _effective_slopes(x.U, x.D, R_D)
        log_n, log_d = np.log(n), np.log(d)
        n_term, d_term = A * np.exp(-alpha * log_n), B * np.exp(-beta * log_d)
        by_n, by_d = -alpha * n_term / n, -beta * d_term / d
        by_log_used = np.where(excess, by_n * n_by_used * used, 0)
        slopes = [
            by_d * d_by_decay,
            by_n * n_by_decay,
            np.ones_like(n_term),
            n_term / A + by_log_used / (alpha * A),
            -n_term * log_n + by_log_used * (1 / alpha - log_optimal) / alpha,
            d_term / B - by_log_used / (alpha * B),
            -d_term * log_d + by_log_used * (np.log(x.U) - 1 / beta) / alpha,
        ]
        return E + n_term + d_term, slopes

    def rescaled(self, params, scale):
        n_factor, d_factor = scale["N"] ** -params["alpha"], scale["D"] ** -params["beta"]
        return {**params, "A": params["A"] * n_factor, "B": params["B"] * d_factor}


def _effective(unique: np.ndarray, total: np.ndarray, decay: np.ndarray | float) -> np.ndarray:
    """Return the effective amount of a total with repeats, in the units of the unique amount."""
    return unique * (1 - decay * np.expm1(-(total / unique - 1) / decay))


def _effective_slopes(unique: np.ndarray, total: np.ndarray, decay: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the effective amount, and its derivatives with respect to the decay and to the unique amount."""
    repeats = total / unique - 1
    share = repeats / decay
    lost = np.expm1(-share)
    worth = unique * (1 - decay * lost)
    # for a decay above 1e8 times the repeats, the derivative is 0 up to rounding errors
    by_decay = np.where(share > 1e-8, unique * (-lost - share * (1 + lost)), 0)
    return worth, by_decay, worth / unique - (repeats + 1) * (1 + lost)


def _without_repeats(frame: pd.DataFrame) -> np.ndarray:
    """Return a mask (n,) of the runs that repeat no data."""
    return (frame["D"] <= frame["U"]).to_numpy()
