"""The parametric law of Chinchilla (arXiv 2203.15556, section 3.3, approach 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from analysis.laws.base import Cost, Law, Parameter, Solution
from analysis.laws.powers import SumOfPowers, evaluate
from openr1.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class Chinchilla(Law):
    """Loss against model size and data, by the Huber loss of log loss, summed over runs (eq. 3).

    The frontier minimises it at a cost ``C = k N^p D``: eq. 4, which is the case k = 6, p = 1.
    """

    name: ClassVar[str] = "chinchilla"
    title: ClassVar[str] = "Parametric law"
    source: ClassVar[str] = "Hoffmann et al. 2022, arXiv 2203.15556, eq. 2 to 4"
    objective: ClassVar[str] = "sum of Huber losses of log loss"
    allocates: ClassVar[bool] = True
    formula: ClassVar[str] = "L(N, D) = E + A N^-alpha + B D^-beta"
    needs: ClassVar[tuple[str, ...]] = ("N", "D", "loss")
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("E", "irreducible loss, nats a token", lower=1e-3),
        Parameter("A", "coefficient of the model term", coefficient=True),
        Parameter("alpha", "exponent of the model term", lower=1e-2, upper=3),
        Parameter("B", "coefficient of the data term", coefficient=True),
        Parameter("beta", "exponent of the data term", lower=1e-2, upper=3),
    )

    delta: float = 1e-3

    def _regression(self, frame: pd.DataFrame) -> SumOfPowers:
        return SumOfPowers(_log(frame), np.log(frame["loss"].to_numpy()), delta=self.delta)

    def estimate(self, frame: pd.DataFrame) -> Solution:
        if len(frame) <= len(self.parameters):
            raise ConfigError(f"law: chinchilla has 5 parameters and needs at least 6 runs; there are {len(frame)}")
        found = self._regression(frame).search()
        return Solution(found.params, found.value, found.basins, found.agreeing)

    def resample(self, frame: pd.DataFrame, params: np.ndarray, weights: np.ndarray) -> np.ndarray:
        regression = self._regression(frame)
        theta, _ = regression.fit(np.repeat(regression.fitted(params), len(weights), axis=0), weights)
        return regression.natural(theta)

    def predict(self, params: np.ndarray, frame: pd.DataFrame) -> np.ndarray:
        return evaluate(params, _log(frame))

    def frontier(self, params: np.ndarray, flops: np.ndarray, cost: Cost) -> dict[str, np.ndarray]:
        irreducible, a, alpha, b, beta = (column[:, None] for column in params.T)
        k, p = cost.coefficient, cost.exponent
        with np.errstate(all="ignore"):  # a resample that leaves an exponent free has no optimum
            ratio = alpha * a / (p * beta * b)
            n = (ratio * (flops / k) ** beta) ** (1 / (alpha + p * beta))
            d = flops / (k * n**p)
            return {"N": n, "D": d, "loss": irreducible + a * n**-alpha + b * d**-beta}

    def condition(self, params: np.ndarray, frame: pd.DataFrame) -> float:
        return self._regression(frame).condition(params)


def _log(frame: pd.DataFrame) -> np.ndarray:
    return np.log(frame[["N", "D"]].to_numpy().T)
