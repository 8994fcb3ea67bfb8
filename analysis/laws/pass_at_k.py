"""pass@k, and coverage as a law of the samples per problem (arXiv 2107.03374; arXiv 2407.21787)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np

from openr1.analysis.laws.base import Parameter
from openr1.analysis.laws.points import Inputs, Points
from openr1.analysis.laws.regression import CurveLaw
from openr1.analysis.numerics.optimise import OBJECTIVES
from openr1.options.ranges import OneOf
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd


def pass_at_k(samples: np.ndarray | int, correct: np.ndarray | int, k: np.ndarray | int) -> np.ndarray:
    """Return the unbiased estimate of the probability that one of k samples is correct: ``1 - C(n - c, k) / C(n, k)``.

    It is computed as a product (Chen et al. 2021, arXiv 2107.03374, figure 3), since binomial coefficients overflow.

    :param samples: n, the samples of a problem; arrays are broadcast.
    :param correct: c, the correct samples of them.
    :raises ConfigError: if k is not from 1 to n, or c not from 0 to n.
    """
    n, c, k = np.broadcast_arrays(samples, correct, k)
    if not ((c >= 0) & (c <= n)).all():
        raise ConfigError("runs.columns.correct: must be from 0 to the number of samples")
    if not ((k >= 1) & (k <= n)).all():
        raise ConfigError(f"runs.columns.samples: pass@k needs 1 <= k <= samples; k is {k.max()}, samples is {n.min()}")
    # k factors of 1 - c/i equal c factors of 1 - k/i: use whichever are fewer
    factors, drawn = np.minimum(c, k), np.maximum(c, k)
    failed = np.ones(n.shape)
    for i in range(int(factors.max(initial=0))):
        failed *= np.where(i < factors, 1 - drawn / np.maximum(n - i, 1), 1)
    return 1 - failed


@dataclass
class PassAtK(CurveLaw):
    """Coverage, the share of problems that one of k samples solves, by default fitted by squared residuals.

    Either the runs have a row per problem, with ``samples`` and ``correct``. Coverage at k = 1, 2, 4, ... up to the smallest
    number of samples is then the mean of :func:`pass_at_k`, and a resample draws problems, since the coverages of one set of
    problems rise and fall together. Or they have a row per k, with ``k`` and ``coverage``.

    Both parameters are negative (later versions of the paper write ``a k^-b``).
    """

    name: ClassVar[str] = "pass_at_k"
    title: ClassVar[str] = "Coverage of repeated sampling"
    source: ClassVar[str] = "Brown et al. 2024, arXiv 2407.21787, eq. 2 and 3"
    formula: ClassVar[str] = "log coverage(k) = a k^b"
    predictors: ClassVar[tuple[str, ...]] = ("k",)
    response: ClassVar[str] = "coverage"
    needs: ClassVar[tuple[str, ...]] = ()  # either of two pairs of columns
    independent: ClassVar[bool] = False  # all coverages share the same problems
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("a", "logarithm of the coverage of one sample", lower=-np.inf, upper=0, positive=False, starts=(0.01, 30)),
        Parameter("b", "exponent of the logarithm", lower=-np.inf, upper=0, positive=False, starts=(0.01, 3)),
    )

    objective: Annotated[str, OneOf(OBJECTIVES)] = "mse"

    def curve(self, x: Inputs, a, b):
        return np.exp(a * x.k**b)

    def slopes(self, x: Inputs, a, b):
        power = x.k**b
        value = np.exp(a * power)
        return value, [value * power, value * a * power * np.log(x.k)]

    def rescaled(self, params, scale):
        return {**params, "a": params["a"] * scale["k"] ** params["b"]}

    def starts(self, points: Points, fixed: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Return a grid over the magnitudes of both parameters, negated."""
        a, b = np.meshgrid(*(-np.geomspace(*p.starts, 60) for p in self.parameters))
        return {"a": a.ravel(), "b": b.ravel()}

    def inputs(self, frame: pd.DataFrame) -> dict[str, np.ndarray]:
        return {"k": (frame if "k" in frame else self.fitted_rows(frame))["k"].to_numpy(dtype=float)}

    def fitted_rows(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return a row per k, with ``k`` and ``coverage``."""
        if {"k", "coverage"} <= set(frame):
            return frame
        import pandas as pd

        k, solved = self._solved(frame)
        return pd.DataFrame({"k": k, "coverage": np.average(solved, axis=0, weights=self._weight(frame))})

    def observed(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the coverage (k,) at each k."""
        return self.fitted_rows(frame)["coverage"].to_numpy(dtype=float)

    def points(self, frame: pd.DataFrame) -> Points:
        return super().points(self.fitted_rows(frame))

    def check_runs(self, frame: pd.DataFrame) -> None:
        coverage = self.fitted_rows(frame)
        super().check_runs(coverage)
        k, share = coverage["k"].to_numpy(dtype=float), self.observed(coverage)
        if not (k > 0).all():
            raise ConfigError(f"runs.columns.k: must be above 0; the smallest is {k.min():g}")
        if not ((share >= 0) & (share <= 1)).all():
            raise ConfigError(f"runs.columns.coverage: must be from 0 to 1; it ranges from {share.min():g} to {share.max():g}")
        if not _determined(share[None])[0]:
            raise ConfigError(f"law: pass_at_k needs a coverage between 0 and 1; it is {share.max():g} at every k")
        if self.loss.logs and not (share > 0).all():
            raise ConfigError(f"law.objective: {self.objective} takes logarithms; a coverage of 0 needs mse")

    def resample(self, frame: pd.DataFrame, params: np.ndarray, weights: np.ndarray) -> np.ndarray:
        if {"k", "coverage"} <= set(frame):
            return super().resample(frame, params, weights)
        _, solved = self._solved(frame)
        drawn = weights * self._weight(frame)
        coverage = drawn @ solved / drawn.sum(axis=1, keepdims=True)
        points = replace(self.points(frame), y=coverage)
        draws, _ = self.refine(points, self.known(frame), params, np.ones_like(coverage))
        draws[~_determined(coverage)] = np.nan
        return draws

    def jacobian(self, params: np.ndarray, frame: pd.DataFrame) -> np.ndarray:
        return super().jacobian(params, self.fitted_rows(frame))

    def _solved(self, frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Return the values of k (k,), and pass@k of each problem at them (n, k)."""
        if not {"samples", "correct"} <= set(frame):
            raise ConfigError(
                "runs.columns.samples: pass_at_k needs samples and correct, a row per problem, or k and coverage, a row per k"
            )
        samples, correct = frame["samples"].to_numpy(), frame["correct"].to_numpy()
        if not (samples >= 1).all():
            raise ConfigError("runs.columns.samples: must be at least 1 in every row")
        k = 2 ** np.arange(int(samples.min()).bit_length())
        return k, pass_at_k(samples[:, None], correct[:, None], k)

    def _weight(self, frame: pd.DataFrame) -> np.ndarray:
        return frame["weight"].to_numpy(dtype=float) if "weight" in frame else np.ones(len(frame))


def _determined(coverage: np.ndarray) -> np.ndarray:
    """Return a mask (m,) of the coverages (m, k) that are neither 0 at every k nor 1 at every k."""
    return (coverage.max(axis=1) > 0) & (coverage.min(axis=1) < 1)
