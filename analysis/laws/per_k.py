"""Rows of one run for each number of samples, from columns such as ``pass_at_1`` and ``pass_at_4``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

ROW = "row"  # column of melted rows: the position of the run


def rows_per_k(frame: pd.DataFrame, names: Mapping[str, int]) -> pd.DataFrame:
    """Return a row per run and k, with ``k``, ``coverage`` and the position of the run in ``row``.

    :param names: the columns of each k, which the rows lack.
    """
    import pandas as pd

    base = frame.drop(columns=list(names)).assign(**{ROW: np.arange(len(frame))})
    melted = pd.concat([base.assign(k=float(k), coverage=frame[name].astype(float)) for name, k in names.items()])
    return melted.dropna(subset="coverage").reset_index(drop=True)
