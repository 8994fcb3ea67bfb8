"""Loss of models that are trained past the compute optimum, and the task error that follows from it (arXiv 2403.08540)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np

from openr1.analysis.laws.base import Parameter, TrainingFlops
from openr1.analysis.laws.points import Inputs
from openr1.analysis.laws.regression import CurveLaw
from openr1.analysis.numerics.optimise import OBJECTIVES
from openr1.options.ranges import OneOf
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class Overtraining(CurveLaw):
    """Loss against compute and tokens per parameter, ``M = D / N``.

    This is the parametric law with ``N = sqrt(C / 6M)``, ``D = sqrt(CM / 6)``, and one exponent, ``2 eta``, for both terms:
    at each M, the loss above E is a power law of compute with the same slope. As few as five small runs determine it, four at
    one M and one at a much larger M, if fitted by squared residuals as in the paper.
    """

    name: ClassVar[str] = "overtraining"
    title: ClassVar[str] = "Over-training law"
    source: ClassVar[str] = "Gadre et al. 2024, arXiv 2403.08540"
    formula: ClassVar[str] = "L(C, M) = E + (a M^eta + b M^-eta) C^-eta, M = D / N"
    predictors: ClassVar[tuple[str, ...]] = ("C", "M")
    needs: ClassVar[tuple[str, ...]] = ("C", "N", "D", "loss")
    allocates: ClassVar[bool] = True
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("E", "irreducible loss, nats per token", lower=1e-3, linear=True),
        Parameter("a", "coefficient of the model term, which grows with tokens per parameter", coefficient=True, linear=True),
        Parameter("b", "coefficient of the data term, which falls with tokens per parameter", coefficient=True, linear=True),
        Parameter("eta", "exponent of compute", lower=5e-3, upper=1.5, starts=(0.01, 1)),
    )

    objective: Annotated[str, OneOf(OBJECTIVES)] = "mse"

    def inputs(self, frame: pd.DataFrame) -> dict[str, np.ndarray]:
        return {"C": frame["C"].to_numpy(dtype=float), "M": (frame["D"] / frame["N"]).to_numpy(dtype=float)}

    def check_runs(self, frame: pd.DataFrame) -> None:
        super().check_runs(frame)
        if np.ptp(np.log(self.inputs(frame)["M"])) < 0.01:
            raise ConfigError(f"law: {self.name} needs runs at more than one number of tokens per parameter, D/N")

    def curve(self, x: Inputs, E, a, b, eta):
        return E + a * (x.M / x.C) ** eta + b * (x.M * x.C) ** -eta

    def slopes(self, x: Inputs, E, a, b, eta):
        by_model, by_data = (x.M / x.C) ** eta, (x.M * x.C) ** -eta
        n_term, d_term = a * by_model, b * by_data
        exponent = n_term * np.log(x.M / x.C) - d_term * np.log(x.M * x.C)
        return E + n_term + d_term, [np.ones_like(by_model), by_model, by_data, exponent]

    def rescaled(self, params, scale):
        by_model, by_data = (scale["M"] / scale["C"]) ** params["eta"], (scale["M"] * scale["C"]) ** -params["eta"]
        return {**params, "a": params["a"] * by_model, "b": params["b"] * by_data}

    def frontier(self, params: np.ndarray, flops: np.ndarray, flops_of: TrainingFlops) -> dict[str, np.ndarray]:
        """Return the best allocation, which has the same M at every budget: ``a M^eta = b M^-eta``."""
        irreducible, a, b, eta = (column[:, None] for column in params.T)
        with np.errstate(all="ignore"):  # a resample in which a term vanishes has no optimum
            m = (b / a) ** (1 / (2 * eta))
            n = (flops / (flops_of.coefficient * m)) ** (1 / (1 + flops_of.exponent))
            return {"N": n, "D": m * n, "loss": irreducible + 2 * np.sqrt(a * b) * flops**-eta}


@dataclass
class TaskError(CurveLaw):
    """Mean error on downstream tasks against loss: chance at high loss, falling exponentially as the loss falls.

    The loss may be on any data, in nats per token; the error is a share, 0 to 1.
    """

    name: ClassVar[str] = "task_error"
    title: ClassVar[str] = "Task error law"
    source: ClassVar[str] = "Gadre et al. 2024, arXiv 2403.08540"
    formula: ClassVar[str] = "error = epsilon - k exp(-gamma L)"
    predictors: ClassVar[tuple[str, ...]] = ("loss",)
    response: ClassVar[str] = "error"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("k", "coefficient of the fall below chance", coefficient=True, linear=True),
        Parameter("gamma", "rate in loss, tokens a nat", lower=1e-2, upper=300, starts=(0.03, 300)),
        Parameter("epsilon", "error at high loss, by chance", lower=1e-3, upper=1, linear=True),
    )

    objective: Annotated[str, OneOf(OBJECTIVES)] = "mse"

    def curve(self, x: Inputs, k, gamma, epsilon):
        return epsilon - k * np.exp(-gamma * x.loss)

    def slopes(self, x: Inputs, k, gamma, epsilon):
        fall = np.exp(-gamma * x.loss)
        return epsilon - k * fall, [-fall, k * fall * x.loss, np.ones_like(fall)]

    def rescaled(self, params, scale):
        return {**params, "gamma": params["gamma"] * scale["loss"]}

    def predict_from_law(
        self, params: np.ndarray, loss_law: CurveLaw, loss_params: np.ndarray, frame: pd.DataFrame
    ) -> np.ndarray:
        """Predict the errors (m, n) of runs whose loss is itself predicted by a law.

        :param params: (m, 3) of this law, from the bootstrap; or (1, 3).
        :param loss_law: the law that predicts the loss, such as :class:`Overtraining`.
        :param loss_params: (m, p) of that law, resample by resample; or (1, p).
        :param frame: n rows with the columns that the law of the loss needs.
        """
        loss = loss_law.predict(loss_params, frame)
        with np.errstate(all="ignore"):
            return self.curve(Inputs(loss=loss), *(column[:, None] for column in params.T))
