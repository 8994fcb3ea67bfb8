"""Loss of a student that is distilled from a teacher (arXiv 2502.08606)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from annotated_types import Gt, Le

from openr1.analysis.laws.base import Parameter
from openr1.analysis.laws.broken_power_law import softplus
from openr1.analysis.laws.points import Inputs, Points
from openr1.analysis.laws.regression import GRID, CurveLaw
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

SUPERVISED = ("E", "A", "alpha", "B", "beta")


@dataclass
class Distillation(CurveLaw):
    """Loss against the student's size N, its distillation tokens D, and the loss L_T of its teacher.

    ``L_sup`` is the loss of the same student trained on D tokens without a teacher: the column ``supervised_loss``, or, in
    rows without a value, the prediction of a supervised law ``L_sup = E + (A N^-alpha + B D^-beta)^gamma`` fitted before,
    whose parameters are the options E to gamma. Parameters of the distillation term are named with ``_d`` (A', alpha', ... in
    the paper).

    A student approaches the loss of its teacher from above as it grows. The broken power of ``L_T / L_sup`` is the capacity
    gap: too strong a teacher makes a student worse. The runs determine c1, d1 and f1 only together, if at all, and likewise
    the powers of N and D: trust the predictions rather than the parameters. Intervals of predictions are too narrow: nominal
    ones of 95 % hold the truth of about three in four generated students.
    """

    name: ClassVar[str] = "distillation"
    title: ClassVar[str] = "Distillation law"
    source: ClassVar[str] = "Busbridge et al. 2025, arXiv 2502.08606, eq. 8"
    formula: ClassVar[str] = (
        "L(N, D, L_T) = L_T + L_T^-c0 (1 + (L_T/(L_sup d1))^(1/f1))^(-c1 f1) (A_d N^-alpha_d + B_d D^-beta_d)^gamma_d"
    )
    predictors: ClassVar[tuple[str, ...]] = ("N", "D", "teacher_loss", "supervised_loss")
    needs: ClassVar[tuple[str, ...]] = ("N", "D", "teacher_loss", "loss")
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("c0", "exponent of the teacher's loss", lower=1e-2, upper=20, starts=(0.5, 8)),
        Parameter("c1", "exponent of the capacity gap beyond the break", lower=1e-2, upper=1e4, starts=(0.5, 1000)),
        Parameter("d1", "L_T / L_sup at the break", lower=0.2, upper=5, starts=(0.7, 2)),
        Parameter("f1", "width of the break", lower=1e-2, upper=10, starts=(0.05, 1)),
        Parameter("A_d", "coefficient of the model term", coefficient=True),
        Parameter("alpha_d", "exponent of the model term", lower=1e-2, upper=3, starts=(0.1, 1.5)),
        Parameter("B_d", "coefficient of the data term", coefficient=True),
        Parameter("beta_d", "exponent of the data term", lower=1e-2, upper=3, starts=(0.1, 1.5)),
        Parameter("gamma_d", "exponent of both together", lower=1e-2, upper=5, starts=(0.3, 2)),
    )

    E: Annotated[float, Gt(0), Le(1e29)] | None = None  # parameters of the supervised law: give all five, or none
    A: Annotated[float, Gt(0), Le(1e29)] | None = None
    alpha: Annotated[float, Gt(0), Le(1e3)] | None = None
    B: Annotated[float, Gt(0), Le(1e29)] | None = None
    beta: Annotated[float, Gt(0), Le(1e3)] | None = None
    gamma: Annotated[float, Gt(0), Le(1e3)] = 1.0  # 1 is the Chinchilla law

    def __post_init__(self) -> None:
        super().__post_init__()
        missing = [name for name in SUPERVISED if getattr(self, name) is None]
        if missing and len(missing) < len(SUPERVISED):
            raise ConfigError(f"law.{missing[0]}: give all of {', '.join(SUPERVISED)}, or none of them")

    def inputs(self, frame: pd.DataFrame) -> dict[str, np.ndarray]:
        known = {name: frame[name].to_numpy(dtype=float) for name in ("N", "D", "teacher_loss")}
        return {**known, "supervised_loss": self._supervised(frame)}

    def _supervised(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the supervised loss (n,) of each student, measured or else predicted."""
        given = "supervised_loss" in frame
        loss = frame["supervised_loss"].to_numpy(dtype=float) if given else np.full(len(frame), np.nan)
        if self.E is not None:
            e, a, alpha, b, beta = (getattr(self, name) for name in SUPERVISED)
            n, d = frame["N"].to_numpy(dtype=float), frame["D"].to_numpy(dtype=float)
            law = e + (a * n**-alpha + b * d**-beta) ** self.gamma
            return np.where(np.isnan(loss), law, loss)
        if np.isnan(loss).any():
            raise ConfigError(
                "runs.columns.supervised_loss: distillation needs the loss of every student without a teacher, or"
                f" {', '.join(f'law.{name}' for name in SUPERVISED)} and law.gamma to predict it"
            )
        return loss

    def points(self, frame: pd.DataFrame) -> Points:
        points = super().points(frame)
        columns = self.inputs(frame)
        losses = {name: columns[name] for name in ("teacher_loss", "supervised_loss")}  # in nats per token, as the response
        return replace(points, x=Inputs(**(vars(points.x) | losses)), scale=points.scale | dict.fromkeys(losses, 1.0))

    def starts(self, points: Points, fixed: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Draw starts at random from a fixed seed; A_d and B_d give the median gap between students and teachers."""
        rng = np.random.default_rng(0)
        drawn = {
            p.name: np.exp(rng.uniform(np.log(p.starts[0]), np.log(p.starts[1]), GRID))
            for p in self.parameters
            if not p.coefficient
        }
        share = rng.uniform(0.02, 0.98, GRID)  # share of the model term at the centre of the runs
        gap = np.median(np.abs(points.y - points.x.teacher_loss))
        c0, c1, d1, f1 = (drawn[name][:, None] for name in ("c0", "c1", "d1", "f1"))
        with np.errstate(divide="ignore", over="ignore"):  # draws far from the runs are screened out
            factor = np.median(np.exp(_log_factor(points.x, c0, c1, d1, f1)), axis=1)
            total = (gap / factor) ** (1 / drawn["gamma_d"])
        return {**drawn, "A_d": share * total, "B_d": (1 - share) * total}

    def curve(self, x: Inputs, c0, c1, d1, f1, A_d, alpha_d, B_d, beta_d, gamma_d):
        # exponentials of logarithms are faster than powers
        total = A_d * np.exp(-alpha_d * np.log(x.N)) + B_d * np.exp(-beta_d * np.log(x.D))
        return x.teacher_loss + np.exp(_log_factor(x, c0, c1, d1, f1) + gamma_d * np.log(total))

    def slopes(self, x: Inputs, c0, c1, d1, f1, A_d, alpha_d, B_d, beta_d, gamma_d):
        distance = (np.log(x.teacher_loss / x.supervised_loss) - np.log(d1)) / f1
        bend = softplus(distance)
        beyond = np.exp(distance - bend)
        log_n, log_d = np.log(x.N), np.log(x.D)
        n_term, d_term = A_d * np.exp(-alpha_d * log_n), B_d * np.exp(-beta_d * log_d)
        total = n_term + d_term
        log_total = np.log(total)
        gap = np.exp(-c0 * np.log(x.teacher_loss) - c1 * f1 * bend + gamma_d * log_total)
        by_total = gap * gamma_d / total
        slopes = [
            -gap * np.log(x.teacher_loss),
            -gap * f1 * bend,
            gap * c1 * beyond / d1,
            gap * c1 * (distance * beyond - bend),
            by_total * n_term / A_d,
            -by_total * n_term * log_n,
            by_total * d_term / B_d,
            -by_total * d_term * log_d,
            gap * log_total,
        ]
        return x.teacher_loss + gap, slopes

    def rescaled(self, params, scale):
        n_factor, d_factor = scale["N"] ** -params["alpha_d"], scale["D"] ** -params["beta_d"]
        return {**params, "A_d": params["A_d"] * n_factor, "B_d": params["B_d"] * d_factor}


def _log_factor(x: Inputs, c0: np.ndarray, c1: np.ndarray, d1: np.ndarray, f1: np.ndarray) -> np.ndarray:
    """Return the logarithm of the factor by which the teacher scales the gap between student and teacher."""
    distance = (np.log(x.teacher_loss / x.supervised_loss) - np.log(d1)) / f1
    return -c0 * np.log(x.teacher_loss) - c1 * f1 * softplus(distance)
