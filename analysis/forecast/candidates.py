"""Candidates for a forecast: a law, its objective, and how much more the runs of most compute weigh."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from openr1.analysis.fit.undetermined import one_direction
from openr1.analysis.fit.weights import weighted
from openr1.analysis.laws import Chinchilla, DataConstrained, Law, Overtraining, PowerLaw
from openr1.analysis.laws.regression import CurveLaw
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

# objective -> powers of compute by which it weighs runs; least squares follow outliers unless large runs weigh more
LOG_OBJECTIVES: dict[str, tuple[float, ...]] = {"huber": (0.0, 0.25, 0.5), "log_mse": (0.0, 0.5)}
PLAIN_OBJECTIVES: dict[str, tuple[float, ...]] = {"mse": (0.0, 0.25, 0.5)}  # of rates, which may be 0
REPEATED = 1.01  # tokens per unique token from which a law of repeated data is a candidate


@dataclass(frozen=True)
class Candidate:
    """A law with an objective; runs weigh as their compute to a power."""

    law: CurveLaw
    power: float

    @property
    def name(self) -> str:
        """The law, the objective and the weights, such as ``chinchilla, huber, C^0.25``."""
        weights = f", C^{self.power:g}" if self.power else ""
        return f"{self.law.name}, {self.law.objective}{weights}"

    def weighted(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return runs with the weights of this candidate, which multiply those that they have."""
        if not self.power:
            return frame
        weights = frame["C"].to_numpy(dtype=float) ** self.power
        weights = weights * (frame["weight"].to_numpy(dtype=float) if "weight" in frame else 1.0)
        return weighted(frame, weights / weights.mean())

    def estimate(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the parameters (1, p) that the runs give; NaN if they do not determine the law."""
        try:
            return self.law.quick().estimate(self.weighted(frame)).params
        except ConfigError:
            return np.full((1, len(self.law.parameters)), np.nan)


def on_one_line(frame: pd.DataFrame) -> bool:
    """Return True if N and D of all runs lie on one line of their logarithms, as with D = 20 N or one model size."""
    return _has_sizes(frame) and bool(one_direction(frame))


def _has_sizes(frame: pd.DataFrame) -> bool:
    """Return True if N and D of all runs are known."""
    return {"N", "D"} <= set(frame) and bool(frame[["N", "D"]].gt(0).all(axis=None))


def candidate_laws(frame: pd.DataFrame) -> list[CurveLaw]:
    """Return the laws of the loss that the columns of the runs allow.

    :raises ConfigError: if the runs have no loss, or nothing to predict it from.
    """
    laws: list[CurveLaw] = []
    if on_one_line(frame) and {"loss", "C"} <= set(frame):
        laws = [PowerLaw()]  # the effects of N and D cannot be told apart, so that no law of both says where to go
    elif _has_sizes(frame) and {"loss", "C"} <= set(frame):
        laws = [Chinchilla(), Overtraining()]
        if "U" in frame and (frame["D"] > REPEATED * frame["U"]).any():
            laws.append(DataConstrained())
    elif {"loss", "C"} <= set(frame):
        laws = [PowerLaw()]
    if not laws:
        raise ConfigError(
            "forecast: needs the FLOPs (C) and the loss of the runs; for a pass rate choose a law, such as law=rl_sigmoid"
        )
    return laws


def candidates(frame: pd.DataFrame, laws: Sequence[Law] = ()) -> list[Candidate]:
    """Return the candidates of some laws, or of :func:`candidate_laws`.

    :raises ConfigError: if no law is one curve through all runs, or the runs have no FLOPs.
    """
    if "C" not in frame:
        raise ConfigError("forecast: needs the FLOPs of the runs; name runs.columns.C, or set runs.flops_6nd=true")
    curves: list[CurveLaw] = [law for law in laws if isinstance(law, CurveLaw)]
    if laws and not curves:
        names = ", ".join(law.name for law in laws)
        raise ConfigError(f"forecast: {names} predicts only the best run of a budget; choose another, such as chinchilla")
    return [candidate for law in curves or candidate_laws(frame) for candidate in _variants(law)]


def _variants(law: CurveLaw) -> Iterator[Candidate]:
    for objective, powers in (LOG_OBJECTIVES if law.response == "loss" else PLAIN_OBJECTIVES).items():
        options: Any = {"objective": objective}
        varied = replace(law, **options).constrained(law.constraints)
        yield from (Candidate(varied, power) for power in powers)
