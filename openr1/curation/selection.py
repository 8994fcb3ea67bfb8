"""Curation steps that choose among good rows: balanced groups, and the best samples of each problem."""

from __future__ import annotations

import numpy as np

from openr1.curation.filters import characters
from openr1.curation.options import Balance, Select
from openr1.curation.rows import Decision, Rows, group
from openr1.data.hashing import unit


def balance(rows: Rows, options: Balance, key: str) -> Decision:
    """Keep at most ``most`` problems of every group.

    The draw depends only on the problems' ids and the seed: a problem that is drawn among many is also drawn among few. The
    reason names the group. Problems without a value are a group too, but its size does not limit the others.
    """
    import pyarrow as pa

    rows.require(key, "problem_id", *options.by)
    columns = {name: rows.column(name) for name in options.by}
    if "difficulty" in columns:
        levels = rows.numbers("difficulty")
        binned = levels if options.bins is None else np.floor(levels / options.bins) * options.bins
        columns["difficulty"] = pa.array(binned, mask=np.isnan(levels))
    groups = group(list(columns.values()))[rows.firsts]
    ids = rows.column("problem_id").take(rows.firsts).to_pylist()
    draw = np.array([unit(f"balance {options.seed}", name) for name in ids])
    sizes = np.bincount(groups)
    known = np.all([column.take(rows.firsts).is_valid() for column in columns.values()], axis=0)
    comparable = sizes[np.unique(groups[known])] if known.any() else sizes
    most = comparable.min() if options.most is None else options.most
    over = ranks(groups, draw) >= most
    reasons = np.full(len(rows), None, dtype=object)
    for place in np.flatnonzero(over[rows.problems]).tolist():
        reasons[place] = ", ".join(_name(name, column[place].as_py()) for name, column in columns.items())
    return Decision(reasons, notes={"groups": len(sizes), "problems a group, at most": int(most)})


def _name(column: str, value: object) -> str:
    return f"{column} {value:g}" if isinstance(value, float) else f"{column} {value}"


def select(rows: Rows, options: Select, key: str) -> Decision:
    """Keep ``k`` samples of every problem; ties go to the first row.

    A row without a completion, such as a failed request, is not a sample.
    """
    rows.require(key, "problem_id", "completion")
    reasons = np.full(len(rows), None, dtype=object)
    if options.by == "all":
        return Decision(reasons)
    present = rows.column("completion").is_valid().to_numpy(zero_copy_only=False)
    if options.by == "random":
        rows.require(key, "sample")
        names = zip(rows.column("problem_id").to_pylist(), rows.column("sample").to_pylist(), strict=True)
        value = np.array([unit(f"select {options.seed}", name, str(sample)) for name, sample in names])
    else:
        value = lengths(rows, present) * (1 if options.by == "shortest" else -1)
    reasons[ranks(rows.problems, np.where(present, value, np.inf)) >= options.k] = f"not among the {options.k} {options.by}"
    reasons[~present] = "no completion"
    return Decision(reasons)


def lengths(rows: Rows, present: np.ndarray) -> np.ndarray:
    """Measure completions in one unit: in tokens, or in characters if one of those present has no token count."""
    tokens = rows.numbers("tokens") if rows.has("tokens") else np.full(len(rows), np.nan)
    return characters(rows, "completion") if np.isnan(tokens[present]).any() else tokens


def ranks(groups: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the rank of every entry in its group, by ascending value; ties in order."""
    order = np.lexsort((np.arange(len(groups)), values, groups))
    starts = np.flatnonzero(np.r_[True, np.diff(groups[order]) != 0])
    sizes = np.diff(np.r_[starts, len(groups)])
    ranked = np.empty(len(groups), dtype=np.int64)
    ranked[order] = np.arange(len(groups)) - np.repeat(starts, sizes)
    return ranked
