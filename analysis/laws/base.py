"""Laws: formulas with parameters, which are estimated from runs and then predict others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from openr1.analysis.numerics.optimise import Objective
from openr1.analysis.warning import RankedWarning
from openr1.options import check_ranges

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Parameter:
    """A parameter of a law. An estimate at or beyond ``lower`` or ``upper`` is reported as not determined by the runs."""

    name: str
    meaning: str
    lower: float = 0.0
    upper: float = np.inf
    coefficient: bool = False  # depends on units and means little by itself; short tables leave it out
    linear: bool = False  # the curve is linear in it, so that it is solved in closed form
    positive: bool = True  # fitted as a logarithm
    starts: tuple[float, float] = (0.05, 2.0)  # range of the starts, in the units of the points


@dataclass(frozen=True)
class TrainingFlops:
    """Training FLOPs as ``C = coefficient * N^exponent * D``, for which a frontier in C has a closed form.

    6ND is (6, 1). If N leaves out embeddings, as it should at small scale (arXiv 2406.19146), the FLOPs of the
    vocabulary and of attention make the exponent smaller than 1.
    """

    coefficient: float = 6.0
    exponent: float = 1.0

    def __call__(self, n: np.ndarray | float, d: np.ndarray | float) -> np.ndarray | float:
        """Return the FLOPs of ``n`` parameters trained on ``d`` tokens."""
        return self.coefficient * n**self.exponent * d

    @classmethod
    def of(cls, frame: pd.DataFrame) -> TrainingFlops:
        """Fit the coefficient and the exponent to the FLOPs of runs, by least squares of logarithms; 6ND without a column C."""
        if "C" not in frame:
            return cls()
        frame = frame[(frame["C"] != 0) & (frame["D"] != 0)]  # before training there are no FLOPs
        log_n, per_token = np.log(frame["N"].to_numpy()), np.log((frame["C"] / frame["D"]).to_numpy())
        spread = np.sum((log_n - log_n.mean()) ** 2)
        exponent = np.sum((log_n - log_n.mean()) * (per_token - per_token.mean())) / spread if spread > 1e-12 else 1.0
        return cls(float(np.exp(per_token.mean() - exponent * log_n.mean())), float(exponent))


@dataclass
class Solution:
    """Estimates of a batch of problems: one for the runs themselves, or one per resample."""

    params: np.ndarray  # (m, p), natural units; NaN if a resample does not determine them
    value: np.ndarray  # (m,), the objective
    basins: int = 1  # number of local optima that the starts reached
    agreeing: float = 1.0  # share of the starts that reached the best of them
    tables: dict[str, list[dict]] = field(default_factory=dict)  # intermediate results, such as the minima of budgets
    warnings: list[RankedWarning] = field(default_factory=list)


@dataclass
class Law(ABC):
    """A law: a dataclass whose fields are its options, set by ``law=NAME law.option=value``.

    Arrays of parameters are (m, p), in the order of ``parameters``: m is 1 for the estimate, or the number of resamples.
    """

    def __post_init__(self) -> None:
        check_ranges(self, "law")

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]
    response: ClassVar[str] = "loss"  # column that the law predicts
    allocates: ClassVar[bool] = False  # its frontier divides compute between N and D
    regression: ClassVar[bool] = False  # one curve through all points, a CurveLaw
    zero_compute: ClassVar[bool] = False  # takes points before training, whose C and D are 0

    @property
    @abstractmethod
    def formula(self) -> str:
        """The formula, in plain text."""

    @property
    @abstractmethod
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters, in the order of arrays."""

    @property
    @abstractmethod
    def needs(self) -> tuple[str, ...]:
        """The columns of a frame that the law is fitted to."""

    @property
    def uses(self) -> tuple[str, ...]:
        """The quantities that count where a table has them; a row without a usable one is then left out."""
        return ()

    @property
    def predictors(self) -> tuple[str, ...]:
        """The variables of the curve; empty for a law that is not one curve."""
        return ()

    @property
    def independent(self) -> bool:
        """True if the points have independent noise, so that they have a likelihood."""
        return True

    @property
    def best_runs_only(self) -> bool:
        """True for a law of the frontier, which predicts the best run of a budget and no other run."""
        return False

    @property
    @abstractmethod
    def loss(self) -> Objective:
        """The objective that the estimate minimises."""

    def prepare(self, frame: pd.DataFrame) -> tuple[Law, pd.DataFrame]:
        """Return the law and the rows that a fit works on: those given, unless options or names of parameters come from the
        rows, or a row needs what other rows know even if these are held out.

        :raises ConfigError: if the rows lack what the law needs.
        """
        return self, frame

    @abstractmethod
    def estimate(self, frame: pd.DataFrame) -> Solution:
        """Estimate the parameters from the runs of a frame; return the best of many starts.

        :raises ConfigError: if the runs cannot determine the parameters.
        """

    @abstractmethod
    def resample(self, frame: pd.DataFrame, params: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Estimate the parameters (m, p) for each row of counts (m, n), starting from the estimate ``params`` (1, p)."""

    @abstractmethod
    def predict(self, params: np.ndarray, frame: pd.DataFrame) -> np.ndarray:
        """Predict the responses (m, n) of the rows of a frame."""

    def frontier(self, params: np.ndarray, flops: np.ndarray, flops_of: TrainingFlops) -> dict[str, np.ndarray]:
        """Return the best allocation of (k,) budgets: those of ``N``, ``D`` and the response, (m, k) each, that the law
        predicts.
        """
        return {}

    def select_groups(self, rows: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
        """Return the rows that the law is fitted to for each group, given those of each group: by default, the same."""
        return rows

    def observed(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the measured responses (n,)."""
        return frame[self.response].to_numpy(dtype=float)

    def fitted_rows(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the rows that the law is fitted to, and whose response it predicts."""
        return frame

    def clusters(self, frame: pd.DataFrame) -> np.ndarray | None:
        """Return labels (n,) of rows that the bootstrap draws together though they are of several runs, such as budgets
        whose runs leave no variance; null to draw runs.
        """
        return None

    def scattered(self, frame: pd.DataFrame, params: np.ndarray, draws: np.ndarray, seed: int) -> np.ndarray:
        """Return the estimates of resamples (m, p) with the scatter that drawing runs does not show, such as that of budgets
        about a law; by default, as they are.

        :param params: the estimate (1, p).
        """
        return draws

    def strata(self, frame: pd.DataFrame) -> np.ndarray | None:
        """Return labels (n,) of strata for the bootstrap, if the law needs runs of each; null to draw from all runs."""
        return None


def best_runs(frame: pd.DataFrame) -> pd.DataFrame:
    """Select the compute-efficient frontier: the run of lowest loss per budget, unless a smaller budget has a loss as low."""
    best = frame.loc[frame.groupby("budget")["loss"].idxmin()].sort_values("C")
    return best[best["loss"] < best["loss"].cummin().shift(fill_value=np.inf)]
