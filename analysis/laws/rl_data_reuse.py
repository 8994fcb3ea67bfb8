"""Pass rate of reinforcement learning that goes over the same problems again (arXiv 2509.25300)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from annotated_types import Interval

from openr1.analysis.laws.base import Parameter, Solution
from openr1.analysis.laws.points import Inputs, Points
from openr1.analysis.laws.regression import CurveLaw
from openr1.analysis.numerics.optimise import OBJECTIVES
from openr1.analysis.warning import RankedWarning, Severity
from openr1.options.ranges import OneOf, ProperShare
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

RATE, GAIN = 0, 1  # places of R0 and A among the parameters


@dataclass
class RlDataReuse(CurveLaw):
    """Pass rate against the problems that a policy learned from, U of them in ``passes`` passes, by default fitted by squared
    residuals.

    D problems were drawn in all, so that ``passes = D/U``. A problem that comes again teaches less: D of them are worth D' new
    ones, in which the pass rate follows the sigmoid of :class:`openr1.analysis.laws.rl_sigmoid.RlSigmoid`. ``D'`` is that of
    :class:`openr1.analysis.laws.data_constrained.DataConstrained`: a pass after ``p`` others is worth ``exp(-(p - 1)/R_D)`` of
    a pass over new problems.

    The paper studies the question, not this formula: at a fixed number of steps, its pass rates hardly change up to 25
    passes, and overfit at 100 (its abstract, and the figure in the code of its authors, were read; its text was not). This
    law says from which pass on a problem is worth less than ``worth`` of a new one, with an interval. It knows of no pass
    that harms: residuals that trend with the passes tell of them.

    ``D`` counts problems, or answers if the table has ``rollouts``, the answers to a problem each time that it is drawn.
    """

    name: ClassVar[str] = "rl_data_reuse"
    title: ClassVar[str] = "Reuse of problems in reinforcement learning"
    source: ClassVar[str] = "Tan et al. 2025, arXiv 2509.25300 (the question); Muennighoff et al. 2023, arXiv 2305.16264 (D')"
    formula: ClassVar[str] = (
        "R(D') = R0 + (A - R0)/(1 + (D_mid/D')^B), D' = U + U R_D (1 - exp(-(D/U - 1)/R_D)), or D before the first repeat"
    )
    predictors: ClassVar[tuple[str, ...]] = ("D", "U")
    response: ClassVar[str] = "pass_at_1"
    zero_compute: ClassVar[bool] = True
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("R0", "pass rate before training", upper=1, linear=True),
        Parameter("A", "pass rate in the limit of endless new problems", upper=1, linear=True),
        Parameter("D_mid", "new problems at half of the gain", coefficient=True, starts=(0.02, 50)),
        Parameter("B", "exponent of the gain", lower=1e-2, upper=20, starts=(0.2, 8)),
        Parameter("R_D", "passes over new problems that endless repeats are worth", lower=0.05, upper=1e4, starts=(0.3, 1e3)),
    )

    objective: Annotated[str, OneOf(OBJECTIVES)] = "mse"
    R0: Annotated[float, Interval(ge=0, lt=1)] | None = None  # pass rate before training if it was measured; null to fit it
    worth: ProperShare = 0.5  # share of the worth of a new problem below which a repeat does not pay

    @property
    def uses(self) -> tuple[str, ...]:
        return ("rollouts",)

    def inputs(self, frame: pd.DataFrame) -> dict[str, np.ndarray]:
        """Return D and U in problems (n,), U no larger than D."""
        drawn = frame["D"].to_numpy(dtype=float)
        if "rollouts" in frame:
            drawn = drawn / frame["rollouts"].to_numpy(dtype=float)
        return {"D": drawn, "U": np.minimum(frame["U"].to_numpy(dtype=float), drawn)}

    def passes(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the passes (n,) over the problems of each row, below 1 before the end of the first."""
        return self.inputs(frame)["D"] / frame["U"].to_numpy(dtype=float)

    def points(self, frame: pd.DataFrame) -> Points:
        columns = self.inputs(frame)
        trained = columns["D"] > 0
        scale = float(np.exp(np.log(columns["D"][trained]).mean()))
        x = Inputs(**{name: values / scale for name, values in columns.items()})
        return replace(super().points(frame), x=x, scale={"D": scale, "U": scale})

    def curve(self, x: Inputs, R0, A, D_mid, B, R_D):
        return R0 + (A - R0) * _gained(_effective(x, R_D)[0], D_mid, B)

    def slopes(self, x: Inputs, R0, A, D_mid, B, R_D):
        worth, by_decay = _effective(x, R_D)
        gained = _gained(worth, D_mid, B)
        trained = worth > 0
        log_ratio = np.log(D_mid / np.where(trained, worth, 1.0))
        steep = np.where(trained, (A - R0) * gained * (1 - gained), 0.0)
        by_worth = steep * B / np.where(trained, worth, 1.0)
        slopes = [1 - gained, gained, -steep * B / D_mid, -steep * log_ratio, by_worth * by_decay]
        return R0 + (A - R0) * gained, slopes

    def rescaled(self, params, scale):
        return {**params, "D_mid": params["D_mid"] / scale["D"]}

    def fixed(self, frame: pd.DataFrame) -> dict[str, float]:
        return {} if self.R0 is None else {"R0": self.R0}

    def last_paying(self, params: np.ndarray) -> np.ndarray:
        """Return, for parameters (m, 5), the number of the pass (m,) after which another one is worth less than ``worth`` of a
        pass over new problems.
        """
        return 1 + params[:, -1] * np.log(1 / self.worth)

    def strata(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the unique problems (n,), since R_D needs several numbers of them."""
        return frame["U"].to_numpy()

    def check_runs(self, frame: pd.DataFrame) -> None:
        super().check_runs(frame)
        drawn, rate = self.inputs(frame)["D"], self.observed(frame)
        if drawn.max() <= 0:
            raise ConfigError("runs.columns.D: no row has learned from a problem; D is 0 in all")
        if frame["U"].nunique() < 2:
            raise ConfigError(
                f"law: {self.name} needs runs of several numbers of unique problems U; all have {frame['U'].iloc[0]:g}"
            )
        passes = self.passes(frame)
        if passes.max() <= 1:
            raise ConfigError(
                f"law: {self.name} needs runs that repeat problems; the most passes over them are {passes.max():.3g}"
            )
        if not ((rate >= 0) & (rate <= 1)).all():
            raise ConfigError(f"runs.columns.pass_at_1: must be from 0 to 1; it ranges from {rate.min():g} to {rate.max():g}")
        if self.loss.logs and not (rate > 0).all():
            raise ConfigError(f"law.objective: {self.objective} takes logarithms; pass rates of 0 need mse")

    def estimate(self, frame: pd.DataFrame) -> Solution:
        self.check_runs(frame)
        points, known = self.points(frame), self.known(frame)
        solution = self.solve(points, known)
        if solution.params[0, GAIN] > 1:
            solution = self.solve(points, {**known, "A": 1.0})
            solution.warnings.append(
                RankedWarning(
                    "A is set to its maximum of 1, since the pass rate does not level off within the runs", Severity.MISLEADING
                )
            )
        if not solution.params[0, GAIN] > solution.params[0, RATE]:
            raise ConfigError(f"law: {self.name} needs a pass rate that grows with training; over these runs it does not")
        most, last = float(self.passes(frame).max()), float(self.last_paying(solution.params)[0])
        if last > most:
            solution.warnings.append(
                RankedWarning(
                    f"a repeat is worth {self.worth:.0%} of a new problem up to pass {last:.3g}, beyond the {most:.3g} passes"
                    " of the runs, so that they do not show where reuse ceases to pay",
                    Severity.MISLEADING,
                )
            )
        return solution

    def resample(self, frame: pd.DataFrame, params: np.ndarray, weights: np.ndarray) -> np.ndarray:
        points, known = self.points(frame), self.known(frame)
        draws, _ = self.refine(points, known, params, weights)
        beyond = draws[:, GAIN] > 1
        if beyond.any():
            draws[beyond], _ = self.refine(points, {**known, "A": 1.0}, params, weights[beyond])
        draws[draws[:, GAIN] <= draws[:, RATE]] = np.nan
        return draws


def _effective(x: Inputs, decay: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what the problems are worth in new ones (m, n), and its derivative by the decay."""
    unique = np.where(x.U > 0, x.U, 1.0)
    share = np.maximum(x.D / unique - 1, 0) / decay
    lost = np.expm1(-share)
    # for a decay far above the repeats, the derivative is 0 up to rounding errors
    by_decay = np.where(np.real(share) > 1e-8, x.U * (-lost - share * (1 + lost)), 0)
    return x.U * (1 - decay * lost), by_decay


def _gained(worth: np.ndarray, middle: np.ndarray, exponent: np.ndarray) -> np.ndarray:
    """Return the share of the gain (m, n); none without a problem."""
    trained = worth > 0
    ratio = middle / np.where(trained, worth, 1.0)
    return np.where(trained, 1 / (1 + ratio**exponent), 0.0)
