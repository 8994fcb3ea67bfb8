"""Frames that are tidy already: which of their quantities somebody knows about, and what a fit requires of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from openr1.analysis.sources.budgets import BUDGET_TOLERANCE, budgets_of
from openr1.analysis.sources.columns import DEFAULT_NEEDS, LABELS, Columns
from openr1.analysis.sources.plausibility import concerns_training
from openr1.analysis.sources.rows import least, usable
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

TOLD = "told"  # attribute of a frame: the quantities whose units are checked, and of whose use somebody knows


def told(frame: pd.DataFrame) -> list[str]:
    """Return the quantities of a frame that :func:`mark_told` marked; none of a frame that is not from here."""
    return list(frame.attrs.get(TOLD, ()))


def mark_told(frame: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Return a frame, not a copy of its values, with more quantities of which a fit need not tell again."""
    frame = frame.copy(deep=False)
    frame.attrs[TOLD] = [*told(frame), *names]
    return frame


def holds_budgets(frame: pd.DataFrame) -> bool:
    """Return True if the column ``budget`` is the compute that runs share."""
    if "C" not in frame or not {frame["C"].dtype.kind, frame["budget"].dtype.kind} <= {*"fiu"}:
        return False
    budgets = budgets_of(frame["C"].to_numpy(dtype=float), zero_compute=True)
    return np.allclose(frame["budget"], budgets, rtol=BUDGET_TOLERANCE, equal_nan=True)


def require_tidy(frame: pd.DataFrame, needs: Sequence[str], zero_compute: bool = False) -> pd.DataFrame:
    """Return rows with the compute budget of each, of a frame whose needed quantities are all usable numbers.

    :raises ConfigError: for the first quantity with other values, which :func:`openr1.analysis.tidy` reads or leaves out.
    """
    training = ["C"] if concerns_training(frame, needs) else []
    tidied = "tidy(frame)" if {*needs} <= {*DEFAULT_NEEDS} else f"tidy(frame, needs={[*needs]})"
    for key in {*needs, *training} & set(frame) & set(vars(Columns())) - set(LABELS):
        values = frame[key]
        if values.dtype.kind not in "fiu":
            raise ConfigError(f"{key}: holds text or objects rather than numbers; fit {tidied}.frame, which reads them")
        bad = ~usable(key, values, zero_compute)
        if bad.any():
            kind = {"signed": "missing or infinite", "zero": "missing, negative or infinite"}.get(
                least(key, zero_compute), "missing, not positive or infinite"
            )
            raise ConfigError(
                f"{key}: {bad.sum()} of {len(frame)} values are {kind}, the first in row {frame.index[bad][0]}; fit"
                f" {tidied}.frame, which leaves those rows out and says so"
            )
    if "C" in frame and "budget" not in frame:
        return frame.assign(budget=budgets_of(frame["C"].to_numpy(dtype=float), zero_compute))
    return frame
