"""One IsoFLOP profile: the runs of a compute budget, and the parabola of their loss in log N."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Minimum:
    """Where parabolas have their minimum: arrays (m,), NaN for a parabola that has none between its sizes."""

    log_n: np.ndarray
    log_d: np.ndarray
    loss: np.ndarray
    curvature: np.ndarray  # half the second derivative of loss in log N


class Profile:
    """The runs of one budget.

    Tokens at the minimum come from a parabola of log D in log N, so that nothing assumes C = 6ND.
    """

    def __init__(self, runs: pd.DataFrame) -> None:
        self.flops = float(runs["budget"].iloc[0])
        self.log_n, log_d = np.log(runs["N"].to_numpy()), np.log(runs["D"].to_numpy())
        self.loss = runs["loss"].to_numpy()
        self.sizes, self.size_of = np.unique(self.log_n, return_inverse=True)
        self.centre = self.sizes.mean()
        self.design = np.stack([(self.log_n - self.centre) ** power for power in range(3)], axis=1)
        self.targets = np.stack([self.loss, log_d], axis=1)

    def minimum(self, weights: np.ndarray) -> Minimum:
        """Least squares for each row of weights (m, runs).

        There is no minimum where fewer than three sizes have weight, the parabola opens downward, or its vertex or the
        lowest loss is not between the smallest and the largest model. What lies between is a property of the study: a
        resample is held against all sizes of the budget.
        """
        drawn = np.stack([weights[:, self.size_of == size].sum(axis=1) > 0 for size in range(len(self.sizes))], axis=1)
        solvable = drawn.sum(axis=1) >= 3
        normal = np.einsum("mn,ni,nj->mij", weights, self.design, self.design)
        right = np.einsum("mn,ni,nt->mit", weights, self.design, self.targets)
        parabolas = np.linalg.solve(np.where(solvable[:, None, None], normal, np.eye(3)), right)
        curvature = np.where(solvable, parabolas[:, 2, 0], np.nan)
        offset = -parabolas[:, 1, 0] / (2 * np.where(curvature > 0, curvature, np.nan))
        loss, log_d = np.einsum("mi,mit->tm", offset[:, None] ** np.arange(3), parabolas)
        lowest = self.log_n[self.loss.argmin()]
        between = (self.sizes[0] < self.centre + offset) & (self.centre + offset < self.sizes[-1])
        between &= self.sizes[0] < lowest < self.sizes[-1]
        log_n, log_d, loss = (np.where(between, value, np.nan) for value in (self.centre + offset, log_d, loss))
        return Minimum(log_n, log_d, loss, curvature)

    def row(self) -> dict[str, Any]:
        """The minimum of the runs as they are, for a table; ``excluded`` says why there is none."""
        found = self.minimum(np.ones((1, len(self.loss))))
        known = {"C": self.flops, "runs": len(self.loss)}
        if np.isnan(found.loss[0]):
            return {**known, "excluded": self._reason(found.curvature[0])}
        residuals = self.loss - found.loss - found.curvature * (self.log_n - found.log_n) ** 2
        return {
            **known,
            "N": float(np.exp(found.log_n[0])),
            "D": float(np.exp(found.log_d[0])),
            "loss": float(found.loss[0]),
            "curvature": float(found.curvature[0]),
            "squared_error": float(np.sum(residuals**2)),
            "excluded": "",
        }

    def _reason(self, curvature: float) -> str:
        if len(self.sizes) < 3:
            return "fewer than three model sizes"
        if curvature <= 0:
            return "its parabola opens downward"
        # the side on which the mean loss of the sizes falls towards the edge
        slope = np.polyfit(self.log_n, self.loss, 1)[0]
        return f"its minimum is at or beyond the {'smallest' if slope > 0 else 'largest'} model"
