"""Tables as trackers export them: charts with a column per run, and runs that have not finished."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

from openr1.analysis.sources.columns import Keys
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

LAYOUTS = ("wandb_chart",)
BOUNDS = ("__MIN", "__MAX")  # ends of the names of further columns of each run
BETWEEN = " - "  # between the name of a run and that of its metric
# column that says how a run ended -> the values that W&B and MLflow write
ENDINGS = {
    "state": {"finished", "crashed", "failed", "running", "killed", "pending", "preempted", "preempting"},
    "status": {"finished", "failed", "running", "killed", "scheduled"},
}


def is_chart_export(names: Iterable[Any]) -> bool:
    """Return True for the columns of a chart that W&B exports: each run has its metric, and that metric's bounds."""
    known = {str(name) for name in names}
    return any(BETWEEN in name and all(f"{name}{bound}" in known for bound in BOUNDS) for name in known)


def melt_chart(table: pd.DataFrame, keys: Keys) -> pd.DataFrame:
    """Turn a chart that W&B exports, with a column per run, into a row per run and step: ``run``, the column of the
    horizontal axis, and a column per metric.

    :raises ConfigError: if no column is named ``RUN - METRIC``.
    """
    import pandas as pd

    names = [str(name) for name in table]
    curves = [name for name in names if BETWEEN in name and not name.endswith(BOUNDS)]
    if not curves:
        raise ConfigError(f"{keys.option('layout')}: no column is named 'RUN{BETWEEN}METRIC', as W&B names those of a chart")
    axis = [name for name in names if BETWEEN not in name]
    runs: dict[str, dict[str, str]] = {}
    for name in curves:
        run, metric = name.rsplit(BETWEEN, 1)
        runs.setdefault(run, {})[metric] = name
    parts = []
    for run, metrics in runs.items():
        part = table[[*axis, *metrics.values()]].set_axis([*axis, *metrics], axis=1)
        parts.append(part.dropna(subset=list(metrics), how="all").assign(run=run))
    return pd.concat(parts, ignore_index=True)


def mark_unfinished(table: pd.DataFrame, chosen: Collection[str]) -> pd.Series:
    """Return the reason why a run of an export is left out: its state, or an empty string for a finished run.

    :param chosen: columns by which the user selects rows; a state among them is the user's choice.
    """
    import pandas as pd

    reason = pd.Series("", index=table.index)
    for place, name in enumerate(table.columns):
        known = ENDINGS.get(str(name).lower())
        if known is None or name in chosen:
            continue
        states = table.iloc[:, place]
        words = states.astype(str).str.lower()
        if states.notna().all() and words.isin(known).all():
            return reason.mask(words != "finished", f"{name} is " + states.astype(str))
    return reason


def add_names(table: pd.DataFrame) -> pd.DataFrame:
    """Give the runs of an export their names, by which reports call them."""
    ended = any(str(name).lower() in ENDINGS for name in table)
    return table.assign(name=table["Name"]) if ended and "Name" in table and "name" not in table else table
