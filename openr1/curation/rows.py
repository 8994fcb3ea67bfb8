"""Rows of a curation while it runs: a memory-mapped table that is never copied, and the index of the rows that are left."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import datasets
    import pyarrow as pa

BATCH = 1000  # rows per call of a function
# bytes of text that justify one more process, which takes 0.2 s to start and handles 100 MB per second
BYTES_PER_PROCESS = 2**26


@dataclass
class Decision:
    """Decision of a step about the rows.

    :ivar reasons: shape ``(rows,)``, objects: None for a row that is kept, else the reason to drop it, in a few words.
    :ivar detail: evidence for the reason, by the place of a dropped row.
    :ivar notes: figures of the step, for the card.
    :ivar columns: columns that the step fills in, one value per row.
    """

    reasons: np.ndarray
    detail: Callable[[int], str] | None = None
    notes: dict[str, Any] = field(default_factory=dict)
    columns: dict[str, pa.Array] = field(default_factory=dict)

    @property
    def kept(self) -> np.ndarray:
        """The rows that are kept. Shape ``(rows,)``, bool."""
        return np.equal(self.reasons, np.array(None))


class Rows:
    """Rows of a table, in its order.

    Steps read single columns and decide by arrays; texts are read by :meth:`map`, in several processes and only if a step needs
    them.

    :param table: columns as :func:`openr1.data.answers.answer_schema` names them, without an indices mapping.
    :param index: the rows of the table that are left, ascending, shape ``(rows,)``.
    :param added: columns that steps have filled in, one value per row of the table.
    :param processes: maximum number of processes that read texts. It changes no result.
    """

    def __init__(
        self, table: datasets.Dataset, index: np.ndarray, added: Mapping[str, pa.Array] | None = None, processes: int = 1
    ) -> None:
        self.table, self.index, self.added, self.processes = table, index, dict(added or {}), processes

    def __len__(self) -> int:
        return len(self.index)

    def has(self, column: str) -> bool:
        """Tell whether the rows have a column."""
        return column in self.added or column in self.table.column_names

    def require(self, key: str, *columns: str) -> None:
        """Require columns.

        :param key: where the step that needs them stands in the config.
        :raises ConfigError: if one is missing.
        """
        for column in columns:
            if not self.has(column):
                raise ConfigError(f"{key}: needs a column {column!r}; the rows have {', '.join(self.table.column_names)}")

    def column(self, name: str) -> pa.Array:
        """Return the values of a column."""
        if name in self.added:
            return self.added[name].take(self.index)
        values = self.table.data.column(name)
        return (values if len(self) == len(self.table) else values.take(self.index)).combine_chunks()

    def numbers(self, name: str) -> np.ndarray:
        """Return a column of numbers or truth values as float64, nan for null. Shape ``(rows,)``."""
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
        """Apply ``function`` to one column, in several processes.

        :param function: picklable function from a table of that one column to a table of as many rows.
        :param at: places of the rows to include; None for all.
        """
        import pyarrow.compute as pc

        places = self.index if at is None else self.index[at]
        part = self.table.select_columns([column]).select(places).with_format("arrow")
        size = pc.sum(pc.binary_length(self.table.data.column(column)).take(places)).as_py() or 0
        processes = min(self.processes, size // BYTES_PER_PROCESS)
        result = part.map(
            function,
            batched=True,
            batch_size=BATCH,
            remove_columns=[column],
            num_proc=processes if processes > 1 else None,
            keep_in_memory=True,  # results are small, and the folder of the table may be read-only
            new_fingerprint="curation",  # avoids pickling and hashing the function with all of its data
        )
        return result.data.table.combine_chunks()

    def batches(self, columns: Sequence[str], at: np.ndarray, size: int) -> Iterator[pa.Table]:
        """Yield some columns of the rows at these places, ``size`` rows at a time."""
        yield from self.table.select_columns(list(columns)).select(self.index[at]).with_format("arrow").iter(size)

    def row(self, place: int) -> dict[str, Any]:
        """Return one row of the table."""
        return self.table[int(self.index[place])]

    def keep(self, mask: np.ndarray, columns: Mapping[str, pa.Array]) -> Rows:
        """Return the rows at which ``mask`` is true, with ``columns`` filled in; other rows of the table have null there."""
        import pyarrow as pa

        added = dict(self.added)
        places = np.full(len(self.table), -1)
        places[self.index] = np.arange(len(self))
        for name, values in columns.items():
            added[name] = values.take(pa.array(places, mask=places < 0))
        return Rows(self.table, self.index[mask], added, self.processes)

    def dataset(self) -> datasets.Dataset:
        """Return the rows as a data set: an index into the table, with the columns that were filled in."""
        import datasets
        import pyarrow as pa

        table = self.table
        if self.added:
            unchanged = [name for name in table.column_names if name not in self.added]
            filled = datasets.Dataset(pa.table(self.added))
            table = datasets.concatenate_datasets([table.select_columns(unchanged), filled], axis=1)
        return table.select(self.index)


def group(columns: Sequence[pa.Array]) -> np.ndarray:
    """Number the combinations of values in the order of first appearance; null is a value. Int64."""
    import pandas as pd

    codes = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        encoded = column.dictionary_encode(null_encoding="encode")
        codes = codes * len(encoded.dictionary) + encoded.indices.to_numpy()
    return pd.factorize(codes)[0]


def tuples(table: pa.Table) -> list[tuple[Any, ...]]:
    """Return the rows of a table as tuples, in the order of its columns."""
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))
