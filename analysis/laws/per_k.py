"""Parts of laws of accuracy: rows for each number of samples, from columns such as ``pass_at_4``, and scales of starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from openr1.analysis.laws.own_columns import own_numbers

if TYPE_CHECKING:
    import pandas as pd

ROW = "row"  # column of melted rows: the position of the run


def rows_per_k(frame: pd.DataFrame, names: Mapping[str, int]) -> pd.DataFrame:
    """Return a row per run and k, with ``k``, ``coverage`` and the position of the run in ``row``.

    :param names: the columns of each k, which the rows lack.
    :raises ConfigError: for a value of them that is no number.
    """
    import pandas as pd

    base = frame.drop(columns=list(names)).copy()  # in one piece, where the columns of a study came one by one
    base[ROW] = np.arange(len(frame))
    melted = pd.concat([base.assign(k=float(k), coverage=own_numbers(frame, name)) for name, k in names.items()])
    return melted.dropna(subset="coverage").reset_index(drop=True)


def scaled_starts(grid: Mapping[str, np.ndarray], accuracy: np.ndarray, chance: float) -> dict[str, np.ndarray]:
    """Return a grid of starts with A and B in units of the median of the negative logarithm of accuracy.

    :param accuracy: of the rows, (n,).
    :param chance: accuracy of a guess.
    """
    share = np.clip((accuracy - chance) / (1 - chance), 0.01, 0.99)
    typical = float(np.median(-np.log(share)))
    return {name: values * typical if name in ("A", "B") else values for name, values in grid.items()}
