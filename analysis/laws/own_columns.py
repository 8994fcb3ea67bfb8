"""Columns that a law names itself, beside the quantities of a table: pass rates at each k, shares of a mix, scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd


def own_numbers(frame: pd.DataFrame, name: str) -> pd.Series:
    """Return a column as numbers, NaN where a value is missing.

    :raises ConfigError: for a value that is infinite or no number.
    """
    import pandas as pd

    values = pd.to_numeric(frame[name], errors="coerce").astype(float)
    wrong = (values.isna() & frame[name].notna()) | np.isinf(values)
    if wrong.any():
        kind = "an infinite number" if np.isinf(values[wrong].iloc[0]) else f"{str(frame[name][wrong].iloc[0])!r}, no number"
        raise ConfigError(f"the column {name!r} holds {kind}, in row {frame.index[wrong][0]}; mend it, or leave the row out")
    return values
