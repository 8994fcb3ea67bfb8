"""Laws of one curve against compute, fitted to the best run of each cell: of one budget and one kind of run."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from openr1.analysis.laws.points import Inputs, Points
from openr1.analysis.laws.regression import CurveLaw

if TYPE_CHECKING:
    import pandas as pd


class BestOfCells(CurveLaw):
    """A curve through the run of lowest loss of each cell; a resample has the best of the runs that it draws in each."""

    @abstractmethod
    def cells(self, frame: pd.DataFrame) -> list[str]:
        """Return the columns that tell cells apart; none to fit the curve to all runs."""

    def fitted_rows(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the best run of each cell."""
        names = self.cells(frame)
        return frame.loc[frame.groupby(names)[self.response].idxmin()] if names else frame

    def points(self, frame: pd.DataFrame) -> Points:
        return super().points(self.fitted_rows(frame))

    def resample(self, frame: pd.DataFrame, params: np.ndarray, weights: np.ndarray) -> np.ndarray:
        names = self.cells(frame)
        if not names:
            return super().resample(frame, params, weights)
        cells = np.unique(frame[names].to_numpy(dtype=float), axis=0, return_inverse=True)[1].ravel()
        loss = frame[self.response].to_numpy(dtype=float)
        drawn = np.where(weights > 0, loss, np.inf)
        best = np.stack([np.where(cells == i, drawn, np.inf).argmin(axis=1) for i in np.unique(cells)], axis=1)
        found = np.isfinite(np.take_along_axis(drawn, best, axis=1))  # a cell without a drawn run has no weight
        scale = self.points(frame).scale
        x = Inputs(**{name: (values / scale[name])[best] for name, values in self.inputs(frame).items()})
        own = frame["weight"].to_numpy(dtype=float) if "weight" in frame else np.ones(len(frame))
        return self.refine(Points(x, loss[best], own[best], scale), self.fixed(frame), params, found.astype(float))[0]

    def jacobian(self, params: np.ndarray, frame: pd.DataFrame) -> np.ndarray:
        return super().jacobian(params, self.fitted_rows(frame))

    def residuals(self, params: np.ndarray, frame: pd.DataFrame) -> np.ndarray:
        return super().residuals(params, self.fitted_rows(frame))
