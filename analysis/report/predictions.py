"""Predictions of a fit in words: a value with its interval."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from openr1.analysis.fit.undetermined import too_wide
from openr1.analysis.formatting import quantity, with_interval

if TYPE_CHECKING:
    import pandas as pd

    from openr1.analysis.fit.result import Fit

BEYOND = 10  # prediction of a law of one variable, over the largest value of the runs


def format_optimum(row: pd.Series, name: str) -> str:
    """Format a quantity of a row of :meth:`Fit.frontier` with its interval."""
    return with_interval(row[name], row[f"{name}_low"], row[f"{name}_high"], lambda value: quantity(name, float(value)))


def format_best(what: str, value: float, low: float, high: float, write: Callable[[float], str], unit: str = "") -> str:
    """Format the best amount with its interval, or the reason why it is not determined, after "the best amount is"."""
    reason = too_wide(f"the {what}", value, low, high)
    return f"not determined ({reason})" if reason else with_interval(value, low, high, write) + unit


def format_prediction(fit: Fit, row: dict[str, Any], write: Callable[[float], str], flip: bool = False) -> str:
    """Format the response at one place with its interval; ``1 - response`` if ``flip``."""
    import pandas as pd

    frame = pd.DataFrame([row])
    values = np.array([fit.predict(frame)[0], *fit.interval(frame)[:, 0]])
    value, low, high = 1 - values[[0, 2, 1]] if flip else values
    return with_interval(value, low, high, write)
