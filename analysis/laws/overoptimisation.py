"""Gold reward of a policy that is optimised against an imperfect reward (arXiv 2210.10760)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np

from openr1.analysis.laws.base import Parameter, Solution
from openr1.analysis.laws.points import Inputs
from openr1.analysis.laws.regression import CurveLaw
from openr1.analysis.numerics.optimise import OBJECTIVES
from openr1.analysis.warning import RankedWarning, Severity
from openr1.options.ranges import OneOf
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

METHODS = ("rl", "best_of_n")


@dataclass
class Overoptimisation(CurveLaw):
    """Gold reward, which is what is wanted, against the distance from the policy at the start, by default fitted by squared
    residuals.

    A policy that is trained, or whose best of n answers is chosen, by a learned reward first becomes better by the gold reward
    as well, and then worse. The distance is ``d = sqrt(KL)``, with KL(policy || policy at the start) of an answer in nats; of
    the best of n answers it is ``log n - (n - 1)/n``. R0 is the gold reward at the start, where d = 0; the paper shifts all
    rewards so that it is 0, which ``fix={R0: 0}`` says.
    """

    name: ClassVar[str] = "overoptimisation"
    title: ClassVar[str] = "Law of over-optimisation"
    source: ClassVar[str] = "Gao et al. 2022, arXiv 2210.10760, section 3.1"
    predictors: ClassVar[tuple[str, ...]] = ("kl",)
    response: ClassVar[str] = "gold"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("R0", "gold reward of the policy at the start", lower=-np.inf, positive=False, linear=True),
        Parameter("alpha", "gold reward gained per sqrt(nat) at the start", lower=-np.inf, positive=False, linear=True),
        Parameter("beta", "loss of that gain as the policy moves away", lower=-np.inf, positive=False, linear=True),
    )

    objective: Annotated[str, OneOf(OBJECTIVES)] = "mse"
    method: Annotated[str, OneOf(METHODS)] = "rl"  # rl, or best_of_n

    @property
    def formula(self) -> str:
        return f"R(d) = R0 + d (alpha - beta {'log d' if self.method == 'rl' else 'd'}), d = sqrt(KL)"

    def curve(self, x: Inputs, R0, alpha, beta):
        d = np.sqrt(x.kl)
        return R0 + d * alpha - beta * self._bend(d)

    def slopes(self, x: Inputs, R0, alpha, beta):
        d = np.sqrt(x.kl)
        bend = self._bend(d)
        return R0 + d * alpha - beta * bend, [np.ones_like(d), d, -bend]

    def _bend(self, d):
        """Return d log d, or d^2: what the gain falls short by."""
        return d * np.log(np.maximum(d, 1e-300)) if self.method == "rl" else d**2

    def optimum(self, params: np.ndarray) -> np.ndarray:
        """Return, for parameters (m, 3), the KL at which the gold reward is highest, and that reward, (m, 2); both are infinite
        if it rises without end.

        ``d = exp(alpha/beta - 1)`` and ``alpha/(2 beta)`` are the zeros of the slope, where the reward is ``R0 + beta d`` and
        ``R0 + alpha d/2``.
        """
        start, alpha, beta = params.T
        rl = self.method == "rl"
        with np.errstate(all="ignore"):
            d = np.exp(alpha / beta - 1) if rl else np.maximum(alpha, 0) / (2 * beta)
            best = start + (beta if rl else alpha / 2) * d
        return np.where((beta > 0)[:, None], np.stack([d**2, best], axis=1), np.inf)

    def check_runs(self, frame: pd.DataFrame) -> None:
        super().check_runs(frame)
        distances, free = frame["kl"].nunique(), len(self.parameters) - len(self.known(frame))
        if distances < free:
            raise ConfigError(
                f"law: {self.name} has {free} parameters and needs as many different values of kl; there are {distances}"
            )
        if self.loss.logs and not (self.observed(frame) > 0).all():
            raise ConfigError(f"law.objective: {self.objective} takes logarithms; a gold reward of 0 or below needs mse")

    def estimate(self, frame: pd.DataFrame) -> Solution:
        solution = super().estimate(frame)
        [[distance, _]], farthest = self.optimum(solution.params), float(frame["kl"].max())
        if not distance <= farthest:
            solution.warnings.append(
                RankedWarning(
                    f"the gold reward does not turn within the points, up to a KL of {farthest:.3g} nats, so that they do not"
                    " show over-optimisation",
                    Severity.NO_ANSWER,
                )
            )
        return solution
