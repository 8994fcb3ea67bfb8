"""The parametric law of Chinchilla (arXiv 2203.15556, section 3.3, approach 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from openr1.analysis.laws.base import Parameter, TrainingFlops
from openr1.analysis.laws.points import Inputs
from openr1.analysis.laws.regression import CurveLaw


@dataclass
class Chinchilla(CurveLaw):
    """Loss against model size and data, by default fitted with the Huber loss of log loss, summed over runs (eq. 3).

    The frontier minimises the loss at FLOPs ``C = k N^p D``; eq. 4 is the case k = 6, p = 1.
    """

    name: ClassVar[str] = "chinchilla"
    title: ClassVar[str] = "Parametric law"
    source: ClassVar[str] = "Hoffmann et al. 2022, arXiv 2203.15556, eq. 2 to 4"
    formula: ClassVar[str] = "L(N, D) = E + A N^-alpha + B D^-beta"
    predictors: ClassVar[tuple[str, ...]] = ("N", "D")
    allocates: ClassVar[bool] = True
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("E", "irreducible loss, nats per token", lower=1e-3, linear=True),
        Parameter("A", "coefficient of the model term", coefficient=True, linear=True),
        Parameter("alpha", "exponent of the model term", lower=1e-2, upper=3, starts=(0.02, 2)),
        Parameter("B", "coefficient of the data term", coefficient=True, linear=True),
        Parameter("beta", "exponent of the data term", lower=1e-2, upper=3, starts=(0.02, 2)),
    )

    def curve(self, x: Inputs, E, A, alpha, B, beta):
        # exponentials of logarithms are faster than powers
        return E + A * np.exp(-alpha * np.log(x.N)) + B * np.exp(-beta * np.log(x.D))

    def slopes(self, x: Inputs, E, A, alpha, B, beta):
        log_n, log_d = np.log(x.N), np.log(x.D)
        by_n, by_d = np.exp(-alpha * log_n), np.exp(-beta * log_d)
        n_term, d_term = A * by_n, B * by_d
        slopes = [np.ones_like(by_n), by_n, -n_term * log_n, by_d, -d_term * log_d]
        return E + n_term + d_term, slopes

    def rescaled(self, params, scale):
        n_factor, d_factor = scale["N"] ** -params["alpha"], scale["D"] ** -params["beta"]
        return {**params, "A": params["A"] * n_factor, "B": params["B"] * d_factor}

    def frontier(self, params: np.ndarray, flops: np.ndarray, flops_of: TrainingFlops) -> dict[str, np.ndarray]:
        irreducible, a, alpha, b, beta = (column[:, None] for column in params.T)
        k, p = flops_of.coefficient, flops_of.exponent
        with np.errstate(all="ignore"):  # a resample that does not determine an exponent has no optimum
            ratio = alpha * a / (p * beta * b)
            n = (ratio * (flops / k) ** beta) ** (1 / (alpha + p * beta))
            d = flops / (k * n**p)
            return {"N": n, "D": d, "loss": irreducible + a * n**-alpha + b * d**-beta}
