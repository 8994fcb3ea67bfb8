"""Loss of mixtures of experts against active parameters, tokens and the number of experts (arXiv 2502.05172)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from annotated_types import Ge, Le

from openr1.analysis.laws.base import Parameter, TrainingFlops
from openr1.analysis.laws.points import Inputs, Points
from openr1.analysis.laws.regression import CurveLaw
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class Moe(CurveLaw):
    """Loss against active parameters N, tokens D, and the experts x of a layer over those that a token uses; 1 is dense.

    At each number of experts, this is the parametric law, whose coefficients and exponents change with log x. Exponents
    have the opposite sign of those in the paper, as everywhere in this package: alpha, beta, gamma and zeta are its negated
    ones. The paper counts experts of a layer of which a token uses one; its x saturates (Clark et al. 2022, arXiv 2202.01169):

        1/x = 1/(E - 1 + 1/(1/E_start - 1/E_max)) + 1/E_max.

    By default, E_start is 1 and E_max is infinite, so that x is E. Both are given, not fitted.
    """

    name: ClassVar[str] = "moe"
    title: ClassVar[str] = "Law of mixtures of experts"
    source: ClassVar[str] = "Ludziejewski et al. 2025, arXiv 2502.05172; saturation: Clark et al. 2022, arXiv 2202.01169"
    formula: ClassVar[str] = "L(N, D, x) = E + A x^delta N^-(alpha + gamma log x) + B x^omega D^-(beta + zeta log x)"
    predictors: ClassVar[tuple[str, ...]] = ("N", "D", "x")
    needs: ClassVar[tuple[str, ...]] = ("N", "D", "experts", "loss")
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("E", "irreducible loss, nats per token", lower=1e-3, linear=True),
        Parameter("A", "coefficient of the model term of a dense model", coefficient=True, linear=True),
        Parameter("alpha", "exponent of the model term of a dense model", lower=1e-2, upper=3, starts=(0.05, 1.5)),
        Parameter(
            "delta", "exponent of x in the model term, at N = 1", -50, 50, coefficient=True, positive=False, starts=(-0.5, 0.5)
        ),
        Parameter("gamma", "rise of the exponent of the model term with log x", -3, 3, positive=False, starts=(-0.1, 0.1)),
        Parameter("B", "coefficient of the data term of a dense model", coefficient=True, linear=True),
        Parameter("beta", "exponent of the data term of a dense model", lower=1e-2, upper=3, starts=(0.05, 1.5)),
        Parameter(
            "omega", "exponent of x in the data term, at D = 1", -50, 50, coefficient=True, positive=False, starts=(-0.5, 0.5)
        ),
        Parameter("zeta", "rise of the exponent of the data term with log x", -3, 3, positive=False, starts=(-0.1, 0.1)),
    )

    E_start: Annotated[float, Ge(1), Le(1e6)] = 1.0  # x of a dense model
    E_max: Annotated[float, Ge(1), Le(1e6)] | None = None  # largest x, however many experts; null for no limit

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.E_max is not None and self.E_max <= self.E_start:
            raise ConfigError(f"law.E_max: must be above law.E_start, which is {self.E_start:g}")

    def saturate(self, experts: np.ndarray) -> np.ndarray:
        """Return x for numbers of experts over those that a token uses."""
        most = 0.0 if self.E_max is None else 1 / self.E_max
        return 1 / (1 / (experts - 1 + 1 / (1 / self.E_start - most)) + most)

    def inputs(self, frame: pd.DataFrame) -> dict[str, np.ndarray]:
        sizes = {name: frame[name].to_numpy(dtype=float) for name in ("N", "D")}
        return sizes | {"x": self.saturate(experts_per_active(frame))}

    def points(self, frame: pd.DataFrame) -> Points:
        points, x = super().points(frame), self.inputs(frame)["x"]
        return replace(points, x=Inputs(**vars(points.x) | {"x": x}), scale=points.scale | {"x": 1.0})  # 1 is a dense model

    def check_runs(self, frame: pd.DataFrame) -> None:
        super().check_runs(frame)
        kinds = len(np.unique(experts_per_active(frame)))
        if kinds < 2:
            raise ConfigError("law: moe needs runs of several numbers of experts over active ones; all runs have the same")

    def curve(self, x: Inputs, E, A, alpha, delta, gamma, B, beta, omega, zeta):
        log_x = np.log(x.x)
        n_term = A * np.exp(delta * log_x - (alpha + gamma * log_x) * np.log(x.N))
        return E + n_term + B * np.exp(omega * log_x - (beta + zeta * log_x) * np.log(x.D))

    def slopes(self, x: Inputs, E, A, alpha, delta, gamma, B, beta, omega, zeta):
        log_x, log_n, log_d = np.log(x.x), np.log(x.N), np.log(x.D)
        by_a = np.exp(delta * log_x - (alpha + gamma * log_x) * log_n)
        by_b = np.exp(omega * log_x - (beta + zeta * log_x) * log_d)
        n_term, d_term = A * by_a, B * by_b
        of_n = [by_a, -n_term * log_n, n_term * log_x, -n_term * log_x * log_n]
        of_d = [by_b, -d_term * log_d, d_term * log_x, -d_term * log_x * log_d]
        return E + n_term + d_term, [np.ones_like(by_a), *of_n, *of_d]

    def rescaled(self, params, scale):
        log_n, log_d = np.log(scale["N"]), np.log(scale["D"])
        return {
            **params,
            "A": params["A"] * np.exp(-params["alpha"] * log_n),
            "delta": params["delta"] - params["gamma"] * log_n,
            "B": params["B"] * np.exp(-params["beta"] * log_d),
            "omega": params["omega"] - params["zeta"] * log_d,
        }

    def optimum(self, params: np.ndarray, flops: float, experts: float, flops_of: TrainingFlops) -> np.ndarray:
        """Return N, D and the loss (m, 3) of the best division of a budget with a number of experts over active ones.

        It is the minimum of the parametric law with the coefficients and exponents of that number.
        """
        irreducible, a, alpha, delta, gamma, b, beta, omega, zeta = params.T
        log_x = np.log(self.saturate(np.asarray(experts, dtype=float)))
        with np.errstate(all="ignore"):  # a resample that does not determine an exponent has no optimum
            a, alpha = a * np.exp(delta * log_x), alpha + gamma * log_x
            b, beta = b * np.exp(omega * log_x), beta + zeta * log_x
            ratio = alpha * a / (flops_of.exponent * beta * b)
            n = (ratio * (flops / flops_of.coefficient) ** beta) ** (1 / (alpha + flops_of.exponent * beta))
            d = flops / (flops_of.coefficient * n**flops_of.exponent)
            return np.stack([n, d, irreducible + a * n**-alpha + b * d**-beta], axis=1)


def experts_per_active(frame: pd.DataFrame) -> np.ndarray:
    """Return the experts of a layer over those that a token uses (n,), from ``experts`` and, if given, ``active_experts``.

    :raises ConfigError: for fewer than one, or for experts of a model without idle parameters.
    """
    experts = frame["experts"].to_numpy(dtype=float)
    if "active_experts" in frame:
        experts = experts / frame["active_experts"].to_numpy(dtype=float)
    if not (experts >= 1).all():
        raise ConfigError("runs.columns.experts: must be at least the active experts, and 1 for a dense model, in every run")
    if {"params_total", "params_active"} <= set(frame):
        dense = (frame["params_total"].astype(float) == frame["params_active"].astype(float)).to_numpy()
        if (dense & (experts > 1)).any():
            row = int(np.argmax(dense & (experts > 1)))
            raise ConfigError(f"runs.columns.experts: row {row} has experts, but all of its parameters are active")
    return experts
