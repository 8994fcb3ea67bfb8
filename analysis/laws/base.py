"""What a law is: a formula with parameters, how they are estimated from runs, and what it then says."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from analysis.numerics.optimise import Objective

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Parameter:
    """A parameter of a law; an estimate outside of ``lower`` to ``upper`` is reported as not determined by the runs."""

    name: str
    meaning: str
    lower: float = 0.0
    upper: float = np.inf
    coefficient: bool = False  # its value depends on units and says little alone; short tables leave it out
    linear: bool = False  # the curve is linear in it: solved for, not searched
    positive: bool = True  # fitted as a logarithm
    starts: tuple[float, float] = (0.05, 2.0)  # the range that is searched, in the units of the points


@dataclass(frozen=True)
class Cost:
    """Training FLOPs as ``C = coefficient * N^exponent * D``, so that a frontier in C has a closed form.

    6ND is (6, 1). Where N leaves out embeddings, as it should at small scale (arXiv 2406.19146), the FLOPs of the
    vocabulary and of attention make the exponent less than 1.
    """

    coefficient: float = 6.0
    exponent: float = 1.0

    def __call__(self, n: np.ndarray | float, d: np.ndarray | float) -> np.ndarray | float:
        return self.coefficient * n**self.exponent * d

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Cost:
        """Least squares in logarithms on the FLOPs that were counted; 6ND for runs without."""
        if "C" not in frame:
            return cls()
        log_n, per_token = np.log(frame["N"].to_numpy()), np.log((frame["C"] / frame["D"]).to_numpy())
        spread = np.sum((log_n - log_n.mean()) ** 2)
        exponent = np.sum((log_n - log_n.mean()) * (per_token - per_token.mean())) / spread if spread > 1e-12 else 1.0
        return cls(float(np.exp(per_token.mean() - exponent * log_n.mean())), float(exponent))


@dataclass
class Solution:
    """Estimates of a batch of problems: one for the runs themselves, or one a resample."""

    params: np.ndarray  # (m, p), natural units; NaN where a resample does not determine them
    value: np.ndarray  # (m,), the objective
    basins: int = 1  # local optima that the starts ended in
    agreeing: float = 1.0  # share of the starts that ended in the best of them
    tables: dict[str, list[dict]] = field(default_factory=dict)  # what the estimate was made of
    warnings: list[str] = field(default_factory=list)


@dataclass
class Law(ABC):
    """A law is a dataclass whose fields are its options, so that ``law=NAME law.option=value`` makes one.

    Arrays of parameters are (m, p), in the order of ``parameters``: m is 1 for the estimate, or the number of resamples.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]
    formula: ClassVar[str]
    parameters: ClassVar[Sequence[Parameter]]
    needs: ClassVar[Sequence[str]]  # columns of the frame
    response: ClassVar[str] = "loss"  # the column that it predicts
    allocates: ClassVar[bool] = False  # its frontier says how to divide compute between N and D
    regression: ClassVar[bool] = False  # one curve through all points, see analysis.laws.regression
    independent: ClassVar[bool] = True  # its points have noise of their own, so that a likelihood is their product

    @property
    @abstractmethod
    def loss(self) -> Objective:
        """What was minimised."""

    @abstractmethod
    def estimate(self, frame: pd.DataFrame) -> Solution:
        """The best of many starts on the runs of the frame.

        :raises ConfigError: where they cannot determine the parameters.
        """

    @abstractmethod
    def resample(self, frame: pd.DataFrame, params: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Estimates (m, p) for each row of counts (m, n), from the estimate ``params`` (1, p) on."""

    @abstractmethod
    def predict(self, params: np.ndarray, frame: pd.DataFrame) -> np.ndarray:
        """Responses (m, n) of the rows of the frame."""

    def frontier(self, params: np.ndarray, flops: np.ndarray, cost: Cost) -> dict[str, np.ndarray]:
        """What is best for each of (k,) budgets: those of ``N``, ``D`` and the response, each (m, k), that the law knows."""
        return {}

    def observed(self, frame: pd.DataFrame) -> np.ndarray:
        """The responses (n,) that were measured."""
        return frame[self.response].to_numpy(dtype=float)

    def predicted(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Those rows whose response the law claims to predict."""
        return frame

    def strata(self, frame: pd.DataFrame) -> np.ndarray | None:
        """Labels (n,) within which the bootstrap draws runs, for a law that needs every group; null to draw from all."""
        return None


def best_runs(frame: pd.DataFrame) -> pd.DataFrame:
    """The compute-efficient frontier: the run of lowest loss of each budget, unless a smaller budget reached as low."""
    best = frame.loc[frame.groupby("budget")["loss"].idxmin()].sort_values("C")
    return best[best["loss"] < best["loss"].cummin().shift(fill_value=np.inf)]
