"""The compute that a mixture of experts saves over a dense model (arXiv 2507.17702)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from openr1.analysis.laws.base import Parameter, Solution
from openr1.analysis.laws.cells import BestOfCells
from openr1.analysis.laws.moe import experts_per_active
from openr1.analysis.laws.points import Inputs, Points
from openr1.analysis.warning import RankedWarning, Severity
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class MoeLeverage(BestOfCells):
    """Loss of dense models and mixtures of experts against compute, where a mixture counts as EL times its compute.

    The efficiency leverage EL is the compute of a dense model over that of a mixture of the same loss. It is a power of the
    activation ratio r, the active share of the experts, whose exponent grows with log C and, with ``granularity``, is a
    parabola in log G. EL is above 1 where the exponent is negative. Logarithms are natural, and r does not saturate.

    The paper first reads EL off the loss curves of dense models and mixtures, and then fits the power law to it. Here both
    are one fit: a dense model follows ``L = E + A C^-alpha``, and a mixture has the loss of a dense model of EL times its
    compute. The law is fitted to the best run of each budget, activation ratio and granularity.
    """

    name: ClassVar[str] = "moe_leverage"
    title: ClassVar[str] = "Efficiency leverage of experts"
    source: ClassVar[str] = "Tian et al. 2025, arXiv 2507.17702; used for Ling 2.0, arXiv 2510.22115"

    granularity: bool = False  # let EL depend on the column granularity too

    @property
    def formula(self) -> str:
        fine = " + beta log G + gamma (log G)^2" if self.granularity else ""
        return f"L(C, r) = E + A (EL C)^-alpha, EL = r^(a + d log C{fine})"

    @property
    def predictors(self) -> tuple[str, ...]:
        return ("C", "r", *(("G",) if self.granularity else ()))

    @property
    def needs(self) -> tuple[str, ...]:
        return ("C", "experts", *(("granularity",) if self.granularity else ()), self.response)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        signed: dict[str, Any] = {"positive": False, "coefficient": True, "starts": (-1.0, 1.0)}
        fine = (
            Parameter("beta", "change of the exponent of the activation ratio with log G", -50, 50, **signed),
            Parameter("gamma", "change of the exponent with (log G)^2", -50, 50, **signed),
        )
        return (
            Parameter("E", "irreducible loss, nats per token", lower=1e-3, linear=True),
            Parameter("A", "coefficient of a dense model, in nats per token times C^alpha", coefficient=True, linear=True),
            Parameter("alpha", "exponent of compute", lower=1e-2, upper=3, starts=(0.01, 1.5)),
            Parameter("a", "exponent of the activation ratio at C = 1", -50, 50, **signed),
            Parameter("d", "change of that exponent with log C", -5, 5, positive=False, starts=(-0.2, 0.2)),
            *(fine if self.granularity else ()),
        )

    def cells(self, frame: pd.DataFrame) -> list[str]:
        return [name for name in ("budget", "experts", "active_experts", "granularity") if name in frame]

    def inputs(self, frame: pd.DataFrame) -> dict[str, np.ndarray]:
        fine = {"G": frame["granularity"].to_numpy(dtype=float)} if self.granularity else {}
        return {"C": frame["C"].to_numpy(dtype=float), "r": 1 / experts_per_active(frame), **fine}

    def points(self, frame: pd.DataFrame) -> Points:
        points, columns = super().points(frame), self.inputs(self.fitted_rows(frame))
        own = {name: columns[name] for name in self.predictors if name != "C"}  # their powers are relative to 1
        return replace(points, x=Inputs(**vars(points.x) | own), scale=points.scale | dict.fromkeys(own, 1.0))

    def check_runs(self, frame: pd.DataFrame) -> None:
        points = self.fitted_rows(frame)
        super().check_runs(points)
        columns = self.inputs(points)
        for name, words, least in (("r", "activation ratios", 2), ("G", "granularities", 3)):
            count = len(np.unique(columns[name])) if name in columns else least
            if count < least:
                raise ConfigError(
                    f"law: {self.name} needs runs of at least {least} {words}; there {'is' if count == 1 else 'are'} {count}"
                )

    def estimate(self, frame: pd.DataFrame) -> Solution:
        solution = super().estimate(frame)
        if (experts_per_active(frame) > 1).all():
            solution.warnings.append(
                RankedWarning(
                    "no run is dense, so that the leverage over a dense model is an extrapolation", Severity.MISLEADING
                )
            )
        return solution

    def _exponent(self, x: Inputs, a, d, *fine):
        """Return the exponent (m, n) of the activation ratio."""
        exponent = a + d * np.log(x.C)
        return exponent + fine[0] * np.log(x.G) + fine[1] * np.log(x.G) ** 2 if fine else exponent

    def curve(self, x: Inputs, E, A, alpha, a, d, *fine):
        return E + A * np.exp(-alpha * (np.log(x.C) + self._exponent(x, a, d, *fine) * np.log(x.r)))

    def slopes(self, x: Inputs, E, A, alpha, a, d, *fine):
        log_c, log_r = np.log(x.C), np.log(x.r)
        effective = log_c + self._exponent(x, a, d, *fine) * log_r
        by_a = np.exp(-alpha * effective)
        term = A * by_a
        pull = -alpha * term * log_r
        slopes = [np.ones_like(by_a), by_a, -term * effective, pull, pull * log_c]
        return E + term, [*slopes, *([pull * np.log(x.G), pull * np.log(x.G) ** 2] if fine else [])]

    def rescaled(self, params, scale):
        log_c = np.log(scale["C"])
        return {
            **params,
            "A": params["A"] * np.exp(-params["alpha"] * log_c),
            "a": params["a"] + params["d"] * log_c,
        }

    def leverage(self, params: np.ndarray, flops: float, experts: float, granularity: float = 1.0) -> np.ndarray:
        """Return EL (m,) of a mixture of so many experts over active ones, trained with a budget."""
        x = Inputs(C=flops, G=granularity)
        return np.exp(-self._exponent(x, *params[:, 3:].T) * np.log(experts))
