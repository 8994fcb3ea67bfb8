"""The pool of active choice: a law, the runs that are finished or may be made, their cost, and the targets."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from openr1.analysis.laws.curve_regression import CurveRegression
from openr1.analysis.laws.points import Inputs, Points
from openr1.analysis.laws.regression import CurveLaw
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from openr1.analysis.laws import Law


@dataclass(frozen=True)
class Pool:
    """Runs and targets in the same columns and one order: the runs that are finished or may be made, then the targets.

    :ivar runs: (n,) rows with the predictors of the law and, for finished runs, its response.
    :ivar targets: (t,) rows with the predictors of the law.
    :ivar costs: (n,) FLOPs of each run.
    """

    law: CurveLaw
    runs: pd.DataFrame
    targets: pd.DataFrame
    costs: np.ndarray

    @cached_property
    def points(self) -> Points:
        """Runs and targets, in units that do not change as runs finish. Responses are left out, so that none can be seen."""
        import pandas as pd

        rows = pd.concat([self.runs, self.targets], ignore_index=True).assign(**{self.law.response: 1.0})
        return self.law.points(rows)

    def problem(self, chosen: np.ndarray | None = None) -> CurveRegression:
        """Return the fit of some of the runs (their indices), or of all rows, in those units."""
        points = self.points
        if chosen is not None:
            x = Inputs(**{name: values[chosen] for name, values in vars(points.x).items()})
            points = Points(x, self.observed(chosen), points.weights[chosen], points.scale)
        return CurveRegression(self.law, points, self.law.fixed(self.runs), 1)

    def observed(self, chosen: np.ndarray) -> np.ndarray:
        """Return the responses of finished runs."""
        return self.law.observed(self.runs.iloc[chosen])

    def frame(self, chosen: np.ndarray) -> pd.DataFrame:
        """Return the rows of these runs, as a fit takes them."""
        return self.runs.iloc[np.sort(chosen)].reset_index(drop=True)


def least_runs(law: CurveLaw, runs: pd.DataFrame) -> int:
    """Return how many runs a fit needs: one more than it has parameters."""
    return len(law.free(runs)) + 1


def curve_law(law: Law) -> CurveLaw:
    """Return the law itself.

    :raises ConfigError: for one that is not a curve through all points.
    """
    if not (isinstance(law, CurveLaw) and law.independent):
        raise ConfigError(f"law: {law.name} is not one curve through independent runs; choose one that is, such as chinchilla")
    return law
