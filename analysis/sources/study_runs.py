"""The finished runs of a study, to be filtered, grouped and drawn in Python. A question about runs gives new ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from openr1.analysis.formatting import quantity
from openr1.analysis.sources import mlflow
from openr1.analysis.sources.columns import Columns
from openr1.analysis.sources.frame import Runs, tidy
from openr1.analysis.sources.rows import holds_any, join_values
from openr1.options import typed
from openr1.options.near import did_you_mean
from openr1.system.errors import ConfigError
from openr1.tracking.directions import best_of

if TYPE_CHECKING:
    import pandas as pd

    from openr1.tracking.mlflow import TrackedRun

RESULTS = ("eval_loss", "pass_at_1")
LABELS = ("recipe", "stage", "family", "scale", "data", "lr", "seed")  # shown where they differ
AMOUNTS = ("N", "D", "C")
SHOWN = 20  # rows of a table that is printed
DIRECTIONS: dict[str, Callable[..., float]] = {"min": min, "max": max}
# a number as Python writes it; hashes of digits alone are longer, and have no sign in the middle
NUMBER = r"[-+]?\d{1,15}(?:\.\d+)?(?:[eE][-+]\d+)?"


@dataclass(frozen=True, repr=False, eq=False)
class StudyRuns:
    """Finished runs of a study: all of them, or those that meet conditions.

    :ivar study: the name of the study.
    :ivar uri: of its store.
    :ivar tracked: the runs as the store has them, trials of recipes and their steps.
    :ivar names: quantity -> its column in the store.
    :ivar conditions: column -> what :meth:`filter` was given for it, in order.
    """

    study: str
    uri: str
    tracked: tuple[TrackedRun, ...]
    names: Columns
    conditions: tuple[tuple[str, Any], ...] = ()

    @property
    def frame(self) -> pd.DataFrame:
        """A row per run, those of least compute first: ``name``, N, D, C, results such as ``eval_loss``, and all else.

        N is in parameters without embeddings, D in tokens, C in FLOPs; ``lr`` and ``batch`` are those that were used. Other
        metrics, tags and params have their names in MLflow. The frame is a copy.
        """
        return self._frame.copy()

    def filter(self, **conditions: Any) -> StudyRuns:
        """Return the runs that meet all conditions.

        A value is met by an equal one, however a number is written; a list by each of its values; a function by the values
        for which it is true: ``filter(scale=["30k", "100k"], seed=0, C=lambda flops: flops > 1e12)``. A name with a dot is
        given as ``filter(**{"optim.lr": 0.01})``. In a study of recipes the runs are its trials, and ``stage="sft"`` selects
        the runs of that stage instead.

        :raises ConfigError: for a column that there is not, and for a condition that no run meets.
        """
        chosen = replace(self, conditions=(*self.conditions, *conditions.items()))
        chosen._frame  # noqa: B018  # so that a wrong condition is told here
        return chosen

    @typed()
    def group_by(self, *columns: str) -> GroupedRuns:
        """Return the runs in groups of equal values of some columns, in the order of their first runs.

        :raises ConfigError: for a column that there is not.
        """
        if not columns:
            raise ConfigError("group_by: name a column, such as 'scale'")
        for column in columns:
            self._require(column, "group_by")
        return GroupedRuns(self, columns)

    @typed()
    def best(self, metric: str, direction: str | None = None) -> StudyRuns:
        """Return the run with the best value of a metric.

        :param direction: ``"min"`` or ``"max"``; by default that in which the metric improves, if its name tells.
        :raises ConfigError: for a metric that no run has, or whose direction is not known.
        """
        return self._with_ids([self._best_id(self._frame, metric, direction)])

    @typed()
    def curves(self, metric: str, *columns: str) -> pd.DataFrame:
        """Return the curve of a metric during training: a row per run and step at which it was logged.

        The columns are ``run``, ``step``, ``tokens``, ``flops`` and the metric; ``run`` is the name, or the id if names repeat.
        The curves of a recipe's trial are those of its steps.

        :param columns: of the runs, which are set beside each point, such as ``"scale"``.
        :raises ConfigError: if no run has such a curve, or there is no such column.
        """
        import pandas as pd

        from openr1.tracking.mlflow import read_history

        for column in columns:
            self._require(column, "curves")
        rows = []
        by_id = {run.run_id: run for run in self.tracked}
        drawn = [(row, run) for row in self._frame.to_dict("records") for run in self._trained(row, by_id)]
        named = len({run.name for _, run in drawn}) == len(drawn)
        for row, run in drawn:
            if metric not in run.metrics:
                continue
            for point in read_history(self.uri, run.run_id, dict.fromkeys((metric, "tokens", "flops"))):
                if metric in point:
                    about = {"run": run.name if named else run.run_id, **{column: row[column] for column in columns}}
                    amounts = {name: point.get(name) for name in ("tokens", "flops")}
                    rows.append({**about, "step": int(point["step"]), **amounts, metric: point[metric]})
        if not rows:
            known = (name for _, run in drawn for name in run.metrics)
            raise ConfigError(f"curves: no run has a curve of {metric!r}{did_you_mean(metric, known)}")
        return pd.DataFrame(rows).astype({"tokens": float, "flops": float})

    @typed()
    def tidy(self, needs: Sequence[str] | None = None) -> Runs:
        """Return the runs as the tidy frame that a fit takes; :func:`openr1.analysis.fit` calls this where it is given runs.

        :param needs: quantities that a usable run must have; by default N, D, C and the loss.
        """
        held = {key: key for key in AMOUNTS if key in self._frame} | {"loss": self.names.loss or "eval_loss"}
        known = {key: name for key, name in held.items() if name in self._frame}
        return tidy(self._frame, known, needs=needs, units_known=True)

    def __len__(self) -> int:
        return len(self._frame)

    def __repr__(self) -> str:
        """Say how many runs there are, with a table of the first."""
        table = self._shown().to_string(index=False)
        return "\n".join([self._title(), table, *self._rest()])

    def _repr_html_(self) -> str:
        """Return the same as a table of a notebook."""
        from html import escape

        rest = "".join(f"<p>{line}</p>" for line in self._rest())
        return f"<p>{escape(self._title())}</p>{self._shown().to_html(index=False, border=0)}{rest}"

    @cached_property
    def _frame(self) -> pd.DataFrame:
        table = mlflow.build_table(self.tracked, dict(self.conditions))
        names = {name: key for key, name in vars(self.names).items() if name in table and name not in RESULTS}
        # the store's own metric of the name, such as the learning rate of the last step, makes room
        table = table.drop(columns=[key for key in names.values() if key in table]).rename(columns=names)
        table = table.apply(_as_numbers)
        first = [name for name in ("name", *AMOUNTS, *RESULTS, *LABELS) if name in table]
        table = table[[*first, *(name for name in table if name not in first)]]
        for column, wanted in self.conditions:
            table = _select(table, column, wanted)
        return table.reset_index(drop=True)

    def _require(self, column: str, asked: str) -> None:
        require_column(self._frame, column, asked)

    def _best_id(self, rows: pd.DataFrame, metric: str, direction: str | None) -> str:
        require_column(rows, metric, "best")
        if direction is not None and direction not in DIRECTIONS:
            raise ConfigError(f"best: direction is 'min' or 'max', not {direction!r}")
        choose = DIRECTIONS[direction] if direction else best_of(metric)
        if choose is None:
            raise ConfigError(f"best: the name of {metric!r} does not tell its direction; add direction='min' or 'max'")
        values = rows[metric].dropna()
        if values.dtype.kind not in "iuf":
            raise ConfigError(f"best: {metric!r} is no number")
        if values.empty:
            raise ConfigError(f"best: no run has {metric!r}")
        return str(rows.loc[values.idxmin() if choose is min else values.idxmax(), "run_id"])

    def _with_ids(self, ids: list[str]) -> StudyRuns:
        return self.filter(run_id=ids)

    @staticmethod
    def _trained(row: dict[str, Any], by_id: dict[str, TrackedRun]) -> list[TrackedRun]:
        """Return the runs that have the curves of a row: itself, or the steps of a trial."""
        run = by_id[row["run_id"]]
        if run.tags.get("role") != "trial":
            return [run]
        steps = (by_id.get(value) for key, value in run.tags.items() if key.startswith(mlflow.STEP))
        return [step for step in steps if step]

    def _title(self) -> str:
        count = len(self._frame)
        return f"study {self.study}: {count} finished run{'s' * (count != 1)}"

    def _shown(self) -> pd.DataFrame:
        """Return the table that is printed: what tells the runs apart, their amounts and results."""
        rows = self._frame
        varied = [name for name in LABELS if name in rows and rows[name].nunique(dropna=False) > 1]
        held = [name for name in (*AMOUNTS, *RESULTS) if name in rows and rows[name].notna().any()]
        shown = rows[["name", *varied, *held]].head(SHOWN).copy()
        for name in held:
            shown[name] = [quantity(name, value) if value == value else "" for value in shown[name]]
        return shown

    def _rest(self) -> list[str]:
        others = len(self._frame) - SHOWN
        return [f"… and {others} more; .frame has all of them, and all columns"] if others > 0 else []


@dataclass(frozen=True, eq=False)
class GroupedRuns:
    """Runs of a study in groups of equal values of some columns. Iterating gives the value, or values, and the runs of each."""

    runs: StudyRuns
    columns: tuple[str, ...]

    def __iter__(self) -> Iterator[tuple[Any, StudyRuns]]:
        for values, rows in self._groups():
            yield values if len(self.columns) > 1 else values[0], self.runs._with_ids(list(rows["run_id"]))

    def __len__(self) -> int:
        return len(list(self._groups()))

    @typed()
    def best(self, metric: str, direction: str | None = None) -> StudyRuns:
        """Return the best run of each group, as :meth:`StudyRuns.best` does; a group without the metric has none."""
        require_column(self.runs._frame, metric, "best")
        having = [rows for _, rows in self._groups() if rows[metric].notna().any()]
        if not having:
            raise ConfigError(f"best: no run has {metric!r}")
        return self.runs._with_ids([self.runs._best_id(rows, metric, direction) for rows in having])

    def __repr__(self) -> str:
        return "\n".join(
            f"{', '.join(f'{name}={value}' for name, value in zip(self.columns, values, strict=True))}: {len(rows)} runs"
            for values, rows in self._groups()
        )

    def _groups(self) -> Iterator[tuple[tuple[Any, ...], pd.DataFrame]]:
        yield from self.runs._frame.groupby(list(self.columns), sort=False, dropna=False)


def require_column(rows: pd.DataFrame, column: str, asked: str) -> None:
    """Refuse a column that there is not.

    :param asked: the method that was given it.
    :raises ConfigError: naming columns that are near it.
    """
    if column not in rows:
        raise ConfigError(f"{asked}: there is no column {column!r}{did_you_mean(column, map(str, rows))}")


def _select(rows: pd.DataFrame, column: str, wanted: Any) -> pd.DataFrame:
    """Return the rows that meet a condition.

    :raises ConfigError: if there is no such column, or no such row.
    """
    require_column(rows, column, "filter")
    cells = rows[column]
    if callable(wanted):
        met = cells.map(lambda value: bool(wanted(value)), na_action="ignore").fillna(False).astype(bool)
        asked = "meets the condition"
    else:
        values = [wanted] if isinstance(wanted, str) or not hasattr(wanted, "__iter__") else list(wanted)
        if not values:
            raise ConfigError(f"filter: {column}: the list of values is empty")
        met, asked = holds_any(cells, values), f"has {' or '.join(map(str, values))}"
    if not met.any():
        raise ConfigError(f"filter: {column}: no run {asked}; the runs have {join_values(cells)}")
    return rows[met]


def _as_numbers(column: pd.Series) -> pd.Series:
    """Return a column of text as numbers if all of it are numbers: params and tags are text in the store."""
    import pandas as pd

    if column.dtype.kind in "iufbM" or not column.dropna().map(lambda cell: isinstance(cell, str)).all():
        return column
    text = column.dropna()
    return pd.to_numeric(column) if len(text) and text.str.fullmatch(NUMBER).all() else column
