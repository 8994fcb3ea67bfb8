"""Rows of a table: which are selected, which belong to one run, and why the others cannot be used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from openr1.analysis.sources.columns import CONFIG, LABELS, NONNEGATIVE, SHARES, SIGNED, Keys
from openr1.options.near import near_names
from openr1.options.types import shown
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from openr1.analysis.sources.numbers import Numbers

VALUES = 8  # values of a column that a message names
SAME_SIZE = 0.01  # relative difference of numbers of parameters of one model, as it may be counted
SHOWN = 3  # rows that a message names

RUN_NAMES = ("name", "run_name", "run name", "experiment", "experiment_name")  # columns of trackers, in lower case
# columns whose equal values tell which rows belong together
NAMING = (*LABELS, "run_id", "name", "fingerprint", "seed", "step")
NO_NAMES = (list, dict, set, np.ndarray)
STEPS = ("step", "_step", "steps", "iteration", "iter")


def join_columns(table: pd.DataFrame) -> str:
    """Join the names of the first columns of a table."""
    shown = [str(name) for name in table.columns[:20]]
    return ", ".join(shown) + (f" and {len(table.columns) - 20} more" if len(table.columns) > 20 else "")


def select_rows(table: pd.DataFrame, where: Mapping[str, Any], keys: Keys = CONFIG) -> pd.DataFrame:
    """Select the rows that meet all conditions: column -> the value, or the list of values, to keep.

    :raises ConfigError: for a condition on a missing column, or that no row meets.
    """
    for name, wanted in where.items():
        if name not in table:
            near = near_names(name, map(str, table))
            there = f"did you mean {' or '.join(near)}?" if near else f"there are {join_columns(table)}"
            raise ConfigError(f"{keys.option('where')}.{name}: there is no such column; {there}")
        values = wanted if isinstance(wanted, (list, tuple)) else [wanted]
        if not values:
            raise ConfigError(f"{keys.option('where')}.{name}: the list of values is empty; name one that rows have")
        met = holds_any(table[name], values)
        if len(table) and not met.any():
            raise ConfigError(
                f"{keys.option('where')}.{name}: no row has {' or '.join(map(str, values))}; the column has"
                f" {join_values(table[name])}"
            )
        table = table[met]
    return table


def holds_any(column: pd.Series, values: Sequence[Any]) -> pd.Series:
    """Return a mask of the cells that are one of the values: the same text, or the same number however it is written."""
    import pandas as pd

    met = column.astype(str).isin([str(value) for value in values])
    if column.dtype == bool:
        return met
    numbers = pd.to_numeric(column, errors="coerce")
    for value in values:
        number = parse_number(value)
        if number is not None:
            met |= (numbers == number).fillna(False).astype(bool)
    return met


def parse_number(value: Any) -> float | None:
    """Return the number that a value is, or that a text writes; else null."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, int):
        return value  # exactly, however large it is
    try:
        return float(value)
    except ValueError:
        return None


def join_values(column: pd.Series) -> str:
    """Join some of the values of a column, for a message."""
    values = column.dropna().drop_duplicates() if column.dtype != object else column.dropna().astype(str).drop_duplicates()
    shown = [f"{value:.15g}" if isinstance(value, float) else str(value)[:40] for value in values.sort_values().iloc[:VALUES]]
    more = f" and {len(values) - VALUES} more" if len(values) > VALUES else ""
    return ", ".join(shown) + more if shown else "no values"


def require_one_stage(table: pd.DataFrame, keys: Keys) -> None:
    """Refuse runs of several stages.

    :raises ConfigError: naming the stages.
    """
    stages = sorted(table["stage"].dropna().astype(str).unique()) if "stage" in table else []
    if len(stages) > 1:
        choice = f"choose one, such as {keys.where('stage', stages[-1])}"
        raise ConfigError(f"{keys.option('where.stage')}: the runs are of several stages ({', '.join(stages)}); {choice}")


def points_column(frame: pd.DataFrame, exported: bool) -> str | None:
    """Return the column whose equal values mark the points of one run: ``run_id``, or in the history that a tracker exports a
    name beside a step; null if each row is a run.

    :param exported: the table is not of openr1 itself, whose runs may share a name.
    """
    if has_points(frame):
        return "run_id"
    columns = {str(name).strip().lower(): str(name) for name in frame}
    if not exported or "run" in columns or not columns.keys() & set(STEPS):
        return None
    for name in (columns[key] for key in RUN_NAMES if key in columns):
        if frame[name].notna().all() and 1 < frame[name].nunique() < len(frame):
            return name
    return None


def check_names(frame: pd.DataFrame) -> None:
    """Refuse columns that have several names each, and names of runs that are lists or the like.

    :raises ConfigError: for the first such column.
    """
    if frame.columns.nlevels > 1:
        raise ConfigError(
            f"columns: the names of the columns have {frame.columns.nlevels} levels; give each one name, as"
            " frame.set_axis([...], axis=1) does"
        )
    for name in (name for name in NAMING if name in frame):
        cells = np.asarray(frame[name])
        if cells.dtype == object and (wrong := [cell for cell in cells.flat if isinstance(cell, NO_NAMES)]):
            raise ConfigError(f"{name}: must hold texts or numbers, not {shown(wrong[0])}")


def has_points(frame: pd.DataFrame) -> bool:
    """Return True if the rows of one ``run_id`` are points of a run: they repeat it, and differ otherwise."""
    if "run" in frame or "run_id" not in frame:
        return False
    repeated = frame["run_id"].notna() & frame["run_id"].duplicated(keep=False)
    rows = frame[repeated]
    return len(rows) > 0 and int((~_comparable(rows).duplicated()).sum()) > rows["run_id"].nunique()


def check_sizes_of_runs(frame: pd.DataFrame, key: str) -> None:
    """Refuse rows of one run with several N: a training run has one model. One name of all rows tells no runs apart.

    :param key: the name of the runs in a message.
    :raises ConfigError: naming the first such run.
    """
    if not {"run", "N"} <= set(frame) or frame["N"].dtype.kind not in "fiu":
        return
    sizes = frame.groupby("run")["N"].agg(["min", "max"])
    several = sizes[sizes["max"] > (1 + SAME_SIZE) * sizes["min"]]
    if len(several) and len(sizes) > 1:
        run, (low, high) = several.index[0], several.iloc[0]
        raise ConfigError(
            f"{key}: rows of one run are points of one training, but {run!r} has rows of N from {low:.4g} to {high:.4g}; give"
            " each model a run of its own"
        )


def exclusion_reasons(
    frame: pd.DataFrame,
    needed: Sequence[str],
    numbers: Mapping[str, Numbers],
    texts: Mapping[str, pd.Series],
    zero_compute: bool,
) -> pd.Series:
    """Return the reason why each row cannot be used, or an empty string.

    :param numbers: the numbers of each quantity as they were read from ``texts``.
    :param zero_compute: C and D may be 0.
    """
    import pandas as pd

    reason = pd.Series("", index=frame.index)
    for key in needed:
        values = frame[key]
        if key in numbers and numbers[key].unread.any():
            unread = numbers[key].unread
            shown = texts[key][unread].astype(str).str.slice(0, 40)
            told = pd.Series("", index=frame.index)
            told[unread] = f"{key} is not a number: '" + shown + "'"
            reason = reason.mask((reason == "") & unread, told)
        reason = reason.mask((reason == "") & values.isna(), f"{key} is missing or not a number")
        if key in LABELS:
            continue
        fault = {"signed": "infinite", "zero": "negative or infinite"}.get(least(key, zero_compute), "not positive and finite")
        reason = reason.mask((reason == "") & ~usable(key, values, zero_compute), f"{key} is {fault}")
        if key in SHARES:
            reason = reason.mask((reason == "") & (values > 1), f"{key} is above 1")
    return reason.mask((reason == "") & _mark_duplicates(frame), "repeats an earlier row")


def least(key: str, zero_compute: bool) -> str:
    """Return which numbers a quantity may have: ``signed`` for any, ``zero`` for 0 and more, ``positive``."""
    if key in SIGNED:
        return "signed"
    return "zero" if key in NONNEGATIVE or (zero_compute and key in ("C", "D")) else "positive"


def usable(key: str, values: pd.Series, zero_compute: bool) -> pd.Series:
    """Return a mask of the values that are finite numbers that the quantity may have."""
    bound = {"signed": values == values, "zero": values >= 0}.get(least(key, zero_compute), values > 0)
    return bound & (values.abs() < float("inf"))


def _mark_duplicates(frame: pd.DataFrame) -> pd.Series:
    """Return a mask of the rows that repeat an earlier row: by fingerprint, else by run id, else by every column. Counts
    of answers may agree by chance.

    Points of a curve repeat each other if they have the same fingerprint and step.
    """
    if {"samples", "correct"} <= set(frame):
        return frame.index.to_series().lt(0)
    if {"run", "step", "fingerprint"} <= set(frame):
        return frame["fingerprint"].notna() & frame.duplicated(["fingerprint", "step"])
    if {"run", "fingerprint"} <= set(frame):
        first = frame.groupby("fingerprint")["run"].transform("first")
        return _comparable(frame).duplicated() | (frame["fingerprint"].notna() & (frame["run"].fillna("") != first.fillna("")))
    for key in ("fingerprint", "run_id"):
        if key in frame and "run" not in frame:
            return frame[key].notna() & frame.duplicated([key, *(["seed"] if "seed" in frame else [])])
    return _comparable(frame).duplicated()


def _comparable(frame: pd.DataFrame) -> pd.DataFrame:
    """Return rows that can be compared: lists and the like, of files with nested values, as text."""
    return frame.assign(**{name: frame[name].astype(str) for name in frame.select_dtypes("object")})


def describe_unread(key: str, numbers: Numbers, texts: pd.Series) -> str:
    """Return a line about cells that are not numbers, whose rows are left out."""
    places = np.flatnonzero(numbers.unread)
    named = [f"{str(texts.iloc[place])[:40]!r} (row {texts.index[place]})" for place in places[:SHOWN]]
    more = f" and {len(places) - SHOWN} more" if len(places) > SHOWN else ""
    rows = "1 row is left out, since" if len(places) == 1 else f"{len(places)} rows are left out, since"
    return f"{key}: {rows} {', '.join(named)}{more} {'is not a number' if len(places) == 1 else 'are not numbers'}"


def without_name(runs: pd.Series) -> pd.Series:
    """Return a mask of the rows that name no run."""
    return runs.isna() | (runs.astype(str).str.strip() == "")


def name_runs(frame: pd.DataFrame) -> list[str]:
    """Make each row without a run a run of its own, with a line that says so."""
    nameless = without_name(frame["run"])
    if not nameless.any():
        return []
    # whole numbers are floats beside missing ones
    known = frame["run"].map(lambda run: f"{run:.15g}" if isinstance(run, float) else str(run))
    frame["run"] = known.mask(nameless, "row " + frame.index.astype(str).to_series(index=frame.index))
    count = int(nameless.sum())
    return [f"run: {count} row{'s have' if count > 1 else ' has'} no run; each is a run of its own"]
