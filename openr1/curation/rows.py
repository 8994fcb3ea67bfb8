"""The rows of a curation while it runs: a memory-mapped table that is never copied, and which of its rows are left."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from openr1.errors import ConfigError

if TYPE_CHECKING:
    import datasets
    import pyarrow as pa

BATCH = 1000  # rows that a process works on at once
WORTH = 2**26  # bytes of text for which one more process pays: it takes a fifth of a second to start, and does 100 MB in one


@dataclass
class Decision:
    """What a step decides about the rows there are.

    :ivar reasons: shape ``(rows,)``, objects: None for a row that stays, else in a few words why it is dropped.
    :ivar detail: of a dropped row, by its place: what shows the reason to be right.
    :ivar notes: figures of the step, for the card.
    :ivar columns: columns that the step fills in, one value a row.
    """

    reasons: np.ndarray
    detail: Callable[[int], str] | None = None
    notes: dict[str, Any] = field(default_factory=dict)
    columns: dict[str, pa.Array] = field(default_factory=dict)


class Rows:
    """Rows of a table, in its order.

    Steps read single columns of it and decide by arrays; the texts are read by :meth:`map`, in several processes and only
    where a step needs them.

    :param table: columns as :func:`openr1.curation.table.schema` names them, without an indices mapping.
    :param index: the rows of the table that are left, ascending, shape ``(rows,)``.
    :param added: columns filled in on the way, one value a row of the table.
    :param processes: at most so many work on the texts. They change no result.
    """

    def __init__(
        self, table: datasets.Dataset, index: np.ndarray, added: Mapping[str, pa.Array] | None = None, processes: int = 1
    ) -> None:
        self.table, self.index, self.added, self.processes = table, index, dict(added or {}), processes

    def __len__(self) -> int:
        return len(self.index)

    def has(self, column: str) -> bool:
        return column in self.added or column in self.table.column_names

    def require(self, key: str, *columns: str) -> None:
        """:raises ConfigError: where a column is missing; ``key`` is the step that needs it."""
        for column in columns:
            if not self.has(column):
                raise ConfigError(f"{key}: needs a column {column!r}; the rows have {', '.join(self.table.column_names)}")

    def column(self, name: str) -> pa.Array:
        """The values of a column."""
        if name in self.added:
            return self.added[name].take(self.index)
        values = self.table.data.column(name)
        return (values if len(self) == len(self.table) else values.take(self.index)).combine_chunks()

    def numbers(self, name: str) -> np.ndarray:
        """A column of numbers or truth values as float64, nan for null. Shape ``(rows,)``."""
        import pyarrow as pa

        values = self.column(name)
        if pa.types.is_boolean(values.type):
            values = values.cast(pa.int8())
        return values.cast(pa.float64()).to_numpy(zero_copy_only=False)

    @cached_property
    def problems(self) -> np.ndarray:
        """The problem of every row, numbered from 0 in the order of first appearance. Shape ``(rows,)``."""
        return group([self.column("problem_id")])

    @cached_property
    def firsts(self) -> np.ndarray:
        """The first row of every problem. Shape ``(problems,)``."""
        return np.unique(self.problems, return_index=True)[1]

    def map(self, function: Callable[[pa.Table], pa.Table], column: str, at: np.ndarray | None = None) -> pa.Table:
        """``function`` over one column, in processes.

        :param function: from a table of that one column to a table of as many rows; it must be picklable.
        :param at: places of the rows that are asked for; all where it is not given.
        """
        import pyarrow.compute as pc

        places = self.index if at is None else self.index[at]
        part = self.table.select_columns([column]).select(places).with_format("arrow")
        size = pc.sum(pc.binary_length(self.table.data.column(column)).take(places)).as_py() or 0
        processes = min(self.processes, size // WORTH)
        result = part.map(
            function,
            batched=True,
            batch_size=BATCH,
            remove_columns=[column],
            num_proc=processes if processes > 1 else None,
            keep_in_memory=True,  # results are small, and the folder of the table is not ours to write to
            new_fingerprint="curation",  # or the function would be pickled and hashed, with all that it holds
        )
        return result.data.table.combine_chunks()

    def batches(self, columns: Sequence[str], at: np.ndarray, size: int) -> Iterator[pa.Table]:
        """Some columns of the rows at these places, ``size`` rows at a time."""
        yield from self.table.select_columns(list(columns)).select(self.index[at]).with_format("arrow").iter(size)

    def row(self, place: int) -> dict[str, Any]:
        return self.table[int(self.index[place])]

    def keep(self, mask: np.ndarray, columns: Mapping[str, pa.Array]) -> Rows:
        """The rows where ``mask`` is true, with ``columns`` filled in; the table's other rows have null there."""
        import pyarrow as pa

        added = dict(self.added)
        whole = np.full(len(self.table), -1)
        whole[self.index] = np.arange(len(self))
        for name, values in columns.items():
            added[name] = values.take(pa.array(whole, mask=whole < 0))
        return Rows(self.table, self.index[mask], added, self.processes)

    def dataset(self) -> datasets.Dataset:
        """The rows as a data set: an index into the table, with the columns that were filled in."""
        import datasets
        import pyarrow as pa

        table = self.table
        if self.added:
            rest = [name for name in table.column_names if name not in self.added]
            filled = datasets.Dataset(pa.table(self.added))
            table = datasets.concatenate_datasets([table.select_columns(rest), filled], axis=1)
        return table.select(self.index)


def group(columns: Sequence[pa.Array]) -> np.ndarray:
    """One number for every combination of values, in the order of first appearance; null is a value. Int64."""
    import pandas as pd

    codes = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        encoded = column.dictionary_encode(null_encoding="encode")
        codes = codes * len(encoded.dictionary) + encoded.indices.to_numpy()
    return pd.factorize(codes)[0]


def tuples(table: pa.Table) -> list[tuple[Any, ...]]:
    """The rows of a table, by its columns in order."""
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))
