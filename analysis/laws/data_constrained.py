"""Loss where data is repeated: what the second and later epochs are worth (arXiv 2305.16264)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from analysis.laws.base import Parameter
from analysis.laws.chinchilla import Chinchilla
from analysis.laws.regression import CurveLaw, Inputs, Points
from openr1.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

INNER = ("joint", "single_epoch")
NUMBERS = ("E", "A", "alpha", "B", "beta")  # of the inner law
DECAYS = np.geomspace(0.5, 500, 8)  # of R_D and R_N, where all seven parameters are fitted
RESTARTS = ((5, 8), (100, 2), (1000, 0.5))  # R_D and R_N along the ridge: a resample may have its optimum anywhere on it


@dataclass
class DataConstrained(CurveLaw):
    """The parametric law of the effective model size and data, by the Huber loss of log loss.

    ``U`` are the tokens that are different. Repeating them R times, ``R = D / U - 1``, is worth ``R_D (1 - exp(-R / R_D))``
    times as many new ones, so never more than R_D. Parameters beyond ``U_N``, the size for which U is compute-optimal under
    the inner law at C = 6ND, lose their worth in the same way. A run that ends within its first epoch uses ``U = D``.

    The two decays compensate: in published runs the optimum is a flat ridge with several local optima, along which R_D
    changes a hundredfold while the sum changes by less than 1 %. A condition number does not show that, a profile does.

    ``inner`` says where E to beta come from, unless all five are given as options: ``joint`` fits them with the decays;
    ``single_epoch`` fits Chinchilla's law to the runs with D <= U, which takes every one of them to have no excess parameters.
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
        Parameter("R_D", "new epochs that endless repeats are worth", lower=0.1, upper=1e3, starts=(0.1, 1e3)),
        Parameter("R_N", "the same of excess parameters, in units of U_N", lower=0.1, upper=1e3, starts=(0.1, 1e3)),
        Parameter("E", "irreducible loss, nats a token", lower=1e-3, linear=True),
        # not linear: U_N depends on both coefficients
        Parameter("A", "coefficient of the model term", coefficient=True),
        Parameter("alpha", "exponent of the model term", lower=1e-2, upper=3),
        Parameter("B", "coefficient of the data term", coefficient=True),
        Parameter("beta", "exponent of the data term", lower=1e-2, upper=3),
    )

    inner: str = "joint"  # or single_epoch
    E: float | None = None  # all five of these, to fit R_D and R_N alone
    A: float | None = None
    alpha: float | None = None
    B: float | None = None
    beta: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.inner not in INNER:
            raise ConfigError(f"law.inner: {self.inner!r} is not one of {', '.join(INNER)}")
        given = {name: getattr(self, name) for name in NUMBERS}
        missing = [name for name, value in given.items() if value is None]
        if missing and len(missing) < len(NUMBERS):
            raise ConfigError(f"law.{missing[0]}: give all of {', '.join(NUMBERS)}, or none of them")
        if not missing and self.inner != "joint":
            raise ConfigError("law.inner: single_epoch fits E, A, alpha, B and beta; give no numbers for them")
        for name, value in given.items():
            if value is not None and value <= 0:
                raise ConfigError(f"law.{name}: must be above 0")

    def inputs(self, frame: pd.DataFrame) -> dict[str, np.ndarray]:
        if "U" not in frame:
            raise ConfigError(f"runs.columns.U: {self.name} needs the unique tokens of each run; there is no such column")
        n, d, u = (frame[name].to_numpy(dtype=float) for name in ("N", "D", "U"))
        return {"N": n, "D": d, "U": np.minimum(u, d)}

    def points(self, frame: pd.DataFrame) -> Points:
        points = super().points(frame)
        # one unit for D and U: their ratio is the number of epochs
        unique = points.x.U * (points.scale["U"] / points.scale["D"])
        x = Inputs(N=points.x.N, D=points.x.D, U=unique)
        return replace(points, x=x, scale={**points.scale, "U": points.scale["D"]})

    def check(self, frame: pd.DataFrame) -> None:
        columns = self.inputs(frame)
        if not (columns["D"] > columns["U"]).any():
            raise ConfigError(f"law: {self.name} needs runs that repeat data; no D is above U")
        super().check(frame)

    def fixed(self, frame: pd.DataFrame) -> dict[str, float]:
        if self.E is not None:
            return {name: float(getattr(self, name)) for name in NUMBERS}
        if self.inner == "joint":
            return {}
        return dict(zip(NUMBERS, self._single_epoch(frame)[0].tolist(), strict=True))

    def _single_epoch(self, frame: pd.DataFrame) -> np.ndarray:
        """The inner law (1, 5) of the runs without repeats."""
        runs = frame[_without_repeats(frame)]
        if len(runs) <= len(NUMBERS):
            least = len(NUMBERS) + 1
            raise ConfigError(f"law.inner: single_epoch needs at least {least} runs with D <= U; there are {len(runs)}")
        return self._inner.estimate(runs).params

    @property
    def _inner(self) -> Chinchilla:
        return Chinchilla(objective=self.objective, delta=self.delta)

    def resample(self, frame: pd.DataFrame, params: np.ndarray, weights: np.ndarray) -> np.ndarray:
        points = self.points(frame)
        if self.inner == "single_epoch":
            single = _without_repeats(frame)
            inner = self._inner.resample(frame[single], params[:, 2:], weights[:, single])
            fixed = dict(zip(NUMBERS, inner.T, strict=True))
        else:
            fixed = self.fixed(frame)
        ends = [self.follow(points, fixed, params, weights)]
        for decays in RESTARTS:
            other = params.copy()
            other[:, :2] = decays
            ends.append(self.follow(points, fixed, other, weights))
        best = np.argmin([value for _, value in ends], axis=0)
        found = np.stack([end for end, _ in ends])[best, np.arange(len(weights))]
        found[np.isnan(found).any(axis=1)] = np.nan
        return found

    def starts(self, points: Points, fixed: dict[str, float]) -> dict[str, np.ndarray]:
        """For the inner law: that of the effective data, for each R_D of a few, with every model size of full worth."""
        if fixed:
            return super().starts(points, fixed)
        rows = []
        for decay in DECAYS:
            x = Inputs(N=points.x.N, D=_worth(points.x.U, points.x.D, decay))
            laws = self._inner.solve(replace(points, x=x, scale={"N": 1.0, "D": 1.0}), {})
            rows += [(decay, other, *laws.params[0]) for other in DECAYS]
        return dict(zip(self.names, np.array(rows).T, strict=True))

    def curve(self, x: Inputs, R_D, R_N, E, A, alpha, B, beta):
        optimal = (alpha * A / (beta * B) * x.U**beta) ** (1 / alpha)  # where alpha A N^-alpha = beta B U^-beta
        used = np.where(np.real(optimal) < x.N, optimal, x.N)
        return E + A * _worth(used, x.N, R_N) ** -alpha + B * _worth(x.U, x.D, R_D) ** -beta

    def slopes(self, x: Inputs, R_D, R_N, E, A, alpha, B, beta):
        log_optimal = (np.log(alpha * A / (beta * B)) + beta * np.log(x.U)) / alpha
        excess = np.exp(log_optimal) < x.N
        used = np.where(excess, np.exp(log_optimal), x.N)
        n, n_by_decay, n_by_used = _worth_slopes(used, x.N, R_N)
        d, d_by_decay, _ = _worth_slopes(x.U, x.D, R_D)
        n_term, d_term = A * n**-alpha, B * d**-beta
        by_n, by_d = -alpha * n_term / n, -beta * d_term / d
        by_log_used = np.where(excess, by_n * n_by_used * used, 0)
        slopes = [
            by_d * d_by_decay,
            by_n * n_by_decay,
            np.ones_like(n_term),
            n_term / A + by_log_used / (alpha * A),
            -n_term * np.log(n) + by_log_used * (1 / alpha - log_optimal) / alpha,
            d_term / B - by_log_used / (alpha * B),
            -d_term * np.log(d) + by_log_used * (np.log(x.U) - 1 / beta) / alpha,
        ]
        return E + n_term + d_term, slopes

    def rescaled(self, params, scale):
        n_factor, d_factor = scale["N"] ** -params["alpha"], scale["D"] ** -params["beta"]
        return {**params, "A": params["A"] * n_factor, "B": params["B"] * d_factor}


def _worth(unique: np.ndarray, total: np.ndarray, decay: np.ndarray | float) -> np.ndarray:
    """What a total with repeats is worth, in the units of what is unique."""
    return unique * (1 - decay * np.expm1(-(total / unique - 1) / decay))


def _worth_slopes(unique: np.ndarray, total: np.ndarray, decay: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The worth, and its derivatives by the decay and by what is unique."""
    repeats = total / unique - 1
    share = repeats / decay
    left = np.exp(-share)
    worth = unique * (1 - decay * np.expm1(-share))
    # beyond 1e8 repeats the decay has no effect, and the difference is rounding
    by_decay = np.where(share > 1e-8, unique * (-np.expm1(-share) - share * left), 0)
    return worth, by_decay, worth / unique - (repeats + 1) * left


def _without_repeats(frame: pd.DataFrame) -> np.ndarray:
    return (frame["D"] <= frame["U"]).to_numpy()
