"""The compute that one recipe saves over another, from their loss curves with a shared asymptote."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np

from openr1.analysis.laws.base import Law, Parameter, Solution
from openr1.analysis.laws.cells import BestOfCells
from openr1.analysis.laws.points import Inputs, Points
from openr1.analysis.numerics.optimise import OBJECTIVES
from openr1.analysis.warning import RankedWarning, Severity
from openr1.options.ranges import Flops, OneOf
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

LEAST = 3  # least number of points of each recipe
TREATED = "is_treatment"  # column: 1 for rows of the recipe that is compared, 0 for those of the reference


@dataclass
class EffectiveSpeedup(BestOfCells):
    """Loss of two recipes against compute, or against tokens, where one recipe counts as ``speedup`` times the compute.

    The reference follows ``L = E + A C^-alpha`` (arXiv 2010.14701, eq. 1.1). The other recipe has the same loss as the
    reference with s times its compute. With one exponent for both, s is ``(A_reference / A)^(1/alpha)`` at every loss;
    with ``shared_exponent=false`` it is ``speedup (C/at)^speedup_exponent``, so that the exponent of the other recipe is
    ``alpha (1 + speedup_exponent)``. E is that of both, since otherwise no amount of compute of one recipe might reach the
    loss of the other. A speed-up of this kind, called effective compute, measures algorithmic progress in arXiv 2403.05812.

    Against C, the law is fitted to the best run of each budget of each recipe; against D, to all runs, of one model size.
    The default objective has intervals that are widened for the few points of such a comparison.
    ``by`` names the column of the recipes; each of them is compared with the reference.
    """

    name: ClassVar[str] = "effective_speedup"
    title: ClassVar[str] = "Effective speed-up"
    source: ClassVar[str] = (
        "Henighan et al. 2020, arXiv 2010.14701, eq. 1.1; effective compute: Ho et al. 2024, arXiv 2403.05812"
    )

    objective: Annotated[str, OneOf(OBJECTIVES)] = "log_mse"
    x: Annotated[str, OneOf(("C", "D"))] = "C"  # C or D
    reference: str | None = None  # label of the recipe that the others are compared with; null for the first one
    shared_exponent: bool = True  # one exponent for both recipes, so that the speed-up is the same at every loss
    at: Flops | None = None  # C or D at which speedup is given if exponents differ; null for the largest of the runs

    @property
    def formula(self) -> str:
        gain = "s" if self.shared_exponent else f"s ({self.x}/at)^g"
        return f"L({self.x}) = E + A {self.x}^-alpha; of the other recipe, E + A ({gain} {self.x})^-alpha, s = speedup" + (
            "" if self.shared_exponent else ", g = speedup_exponent"
        )

    @property
    def predictors(self) -> tuple[str, ...]:
        return (self.x, TREATED)

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.x, self.response)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        what = "compute" if self.x == "C" else "tokens"
        growth = Parameter(
            "speedup_exponent", f"exponent of the speed-up in {self.x}", lower=-3, upper=3, positive=False, starts=(-0.5, 0.5)
        )
        return (
            Parameter("E", "irreducible loss of both recipes, nats per token", lower=1e-3, linear=True),
            Parameter(
                "A", f"coefficient of the reference, in nats per token times {self.x}^alpha", coefficient=True, linear=True
            ),
            Parameter("alpha", "exponent of the reference", lower=1e-2, upper=3, starts=(0.01, 2)),
            Parameter("speedup", f"{what} of the reference over {what} at the same loss", 1e-3, 1e3, starts=(0.05, 20)),
            *(() if self.shared_exponent else (growth,)),
        )

    def curve(self, x: Inputs, E, A, alpha, speedup, *growth):
        return E + A * self._effective(x, speedup, *growth) ** -alpha

    def slopes(self, x: Inputs, E, A, alpha, speedup, *growth):
        effective = self._effective(x, speedup, *growth)
        by_a = effective**-alpha
        term, treated = A * by_a, getattr(x, TREATED) > 0
        slopes = [np.ones_like(by_a), by_a, -term * np.log(effective), np.where(treated, -alpha * term / speedup, 0)]
        if growth:
            slopes.append(np.where(treated, -alpha * term * np.log(getattr(x, self.x) / self.at), 0))
        return E + term, slopes

    def _effective(self, x: Inputs, speedup, *growth):
        """Return the compute (m, n) of the reference that has the same loss."""
        spent = getattr(x, self.x)
        gain = speedup * (spent / self.at) ** growth[0] if growth else speedup
        return np.where(getattr(x, TREATED) > 0, gain * spent, spent)

    def rescaled(self, params, scale):
        unit = scale[self.x]
        values = {**params, "A": params["A"] * unit ** -params["alpha"]}
        return values if self.shared_exponent else values | {"speedup": params["speedup"] * unit ** params["speedup_exponent"]}

    def speedup_at(self, params: np.ndarray, x: float) -> np.ndarray:
        """Return the speed-ups (m,) at a compute, or number of tokens, of the recipe that is compared."""
        if self.shared_exponent:
            return params[:, 3]
        assert self.at is not None
        return params[:, 3] * (x / self.at) ** params[:, 4]

    # the runs of two recipes

    def select_groups(self, rows: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
        """Return, for each recipe but the reference, its rows and those of the reference."""
        import pandas as pd

        if self.reference is not None and self.reference not in rows:
            raise ConfigError(f"law.reference: {self.reference!r} is not one of the recipes {', '.join(rows)}")
        if len(rows) < 2:
            raise ConfigError(f"by: {self.name} compares two recipes or more; there is only {', '.join(rows)}")
        reference = self.reference or next(iter(rows))
        base = rows[reference].assign(**{TREATED: 0.0})
        pairs = {label: [base, frame.assign(**{TREATED: 1.0})] for label, frame in rows.items() if label != reference}
        return {
            label: pd.concat(pair, ignore_index=True).assign(treatment=label, reference=reference)
            for label, pair in pairs.items()
        }

    def prepare(self, frame: pd.DataFrame) -> tuple[Law, pd.DataFrame]:
        if TREATED not in frame:
            raise ConfigError(f"by: {self.name} compares groups of runs; name the column of their labels, such as by=recipe")
        return self if self.shared_exponent or self.at else replace(self, at=float(frame[self.x].max())), frame

    def cells(self, frame: pd.DataFrame) -> list[str]:
        return [] if self.x == "D" else [TREATED, "budget"]

    def strata(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the recipes (n,), since the speed-up needs both."""
        return frame[TREATED].to_numpy()

    def points(self, frame: pd.DataFrame) -> Points:
        points = super().points(frame)
        treated = getattr(points.x, TREATED) * points.scale[TREATED]  # a label has no unit, even if all are 1
        return replace(points, x=Inputs(**vars(points.x) | {TREATED: treated}), scale=points.scale | {TREATED: 1.0})

    def check_runs(self, frame: pd.DataFrame) -> None:
        points = self.fitted_rows(frame)
        super().check_runs(points)
        for treated, words in ((0, "the reference"), (1, "the recipe that is compared with it")):
            count = points.loc[points[TREATED] == treated, self.x].nunique()
            if count < LEAST:
                raise ConfigError(f"law: {self.name} needs {LEAST} different values of {self.x} of {words}; there are {count}")
        if self.x == "D" and "N" in frame and frame["N"].nunique() > 1:
            sizes = frame["N"].nunique()
            raise ConfigError(
                f"law.x: D compares runs of one model size; there are {sizes}: choose one by runs.where, or law.x=C"
            )

    def estimate(self, frame: pd.DataFrame) -> Solution:
        solution = super().estimate(frame)
        points = self.fitted_rows(frame)
        one, other = (points.loc[points[TREATED] == treated, "loss"] for treated in (0, 1))
        if one.min() > other.max() or other.min() > one.max():
            solution.warnings.append(
                RankedWarning(
                    "no loss was reached by both recipes, so that the speed-up is an extrapolation", Severity.MISLEADING
                )
            )
        return solution
