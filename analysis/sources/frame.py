"""Runs as one tidy table: a row a run (or a point of one), a column a quantity by its symbol, whatever else is known of it, and
the compute ``budget`` that it belongs to.

Nothing is filled in. A row that misses a value that the laws need is left out, and listed with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from omegaconf import MISSING

from openr1.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

BUDGET_TOLERANCE = 0.05
TEN_FOLD = 10  # how far C may be from 6ND before a unit is wrong, for a law that needs all three
# and for one that needs no C, which may count what the law has nothing to do with: a large vocabulary, a teacher, idle experts.
# Units are wrong by a thousand or more
HUNDRED_FOLD = 100


@dataclass
class Columns:
    """Which column of the source holds which quantity; null for the column of the same name, if there is one."""

    N: str | None = None  # parameters
    D: str | None = None  # training tokens
    C: str | None = None  # training FLOPs, or another unit of compute for a law of RL
    loss: str | None = None  # nats a token
    pass_at_1: str | None = None  # share of answers that are right
    U: str | None = None  # unique training tokens
    error: str | None = None  # of a downstream task, a share; 1 - pass_at_1 where only that is there
    teacher_loss: str | None = None  # nats a token
    supervised_loss: str | None = None  # of the same student trained without a teacher
    lr: str | None = None  # peak learning rate
    batch: str | None = None  # tokens a step
    k: str | None = None  # answers a problem
    coverage: str | None = None  # share of problems with a right answer among k
    samples: str | None = None  # answers that a problem was given
    correct: str | None = None  # of those, right ones
    weight: str | None = None  # of the row in a fit
    run: str | None = None  # the training run that a row is a point of; those of one stay together in a resample


ZERO = ("pass_at_1", "error", "coverage", "correct", "weight")  # may be 0
SHARES = ("pass_at_1", "error", "coverage")  # at most 1
LABELS = ("run",)  # not numbers
USUAL = ("N", "D", "C", "loss")  # that a run is expected to have where nothing says what is needed
# that a source names for all laws, though its runs may have none, as those of RL have no loss
SPARED = ("N", "D", "loss", "lr", "batch")


@dataclass
class Source:
    """``runs=``: where finished runs come from."""

    columns: Columns = field(default_factory=Columns)
    where: dict[str, Any] = field(default_factory=dict)  # keep the rows whose column has this value, or one of a list
    flops_6nd: bool = False  # C = 6ND, in place of a column
    counted: ClassVar[bool] = False  # N, D and C are what openr1 counted itself, so that their units are known

    @property
    def study(self) -> str:
        raise NotImplementedError

    def table(self) -> pd.DataFrame:
        """The rows as the source has them."""
        raise NotImplementedError


@dataclass
class MlflowRuns(Source):
    """The finished runs of a study in MLflow: metrics, tags and params, each a column."""

    uri: str = MISSING
    study: str = MISSING
    curve: bool = False  # a row a point of the curve of each run, in place of a row a run
    counted: ClassVar[bool] = True

    def table(self) -> pd.DataFrame:
        from analysis.sources import mlflow
        from openr1.tracking.mlflow import read_runs

        try:
            runs = read_runs(self.uri, self.study)
        except ConfigError as error:
            raise ConfigError(f"runs.uri: {str(error).removeprefix('tracking.uri: ')}") from error
        if not runs:
            raise ConfigError(f"runs.study: there are no finished runs of study {self.study!r} in {self.uri}")
        table = mlflow.table(runs, self.where, self.curve)
        return mlflow.curves(self.uri, kept(table, self.where), self.columns) if self.curve else table


@dataclass
class FileRuns(Source):
    """A row a run in a file."""

    path: str = MISSING

    @property
    def study(self) -> str:
        return Path(self.path).stem

    def existing(self) -> Path:
        path = Path(self.path)
        if not path.is_file():
            raise ConfigError(f"runs.path: there is no file {path}")
        return path


@dataclass
class CsvRuns(FileRuns):
    """A CSV file with a header."""

    def table(self) -> pd.DataFrame:
        import pandas as pd

        try:
            return pd.read_csv(self.existing())
        except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
            raise ConfigError(f"runs.path: {self.path} is not a CSV file: {str(error).splitlines()[0]}") from error


@dataclass
class ParquetRuns(FileRuns):
    """A Parquet file."""

    def table(self) -> pd.DataFrame:
        import pandas as pd
        import pyarrow

        try:
            return pd.read_parquet(self.existing())
        except pyarrow.ArrowInvalid as error:
            raise ConfigError(f"runs.path: {self.path} is not a Parquet file: {str(error).splitlines()[0]}") from error


SOURCES: dict[str, type[Source]] = {"mlflow": MlflowRuns, "csv": CsvRuns, "parquet": ParquetRuns}


@dataclass(frozen=True)
class Runs:
    """The rows that can be used, and those that cannot."""

    frame: pd.DataFrame
    dropped: pd.DataFrame  # rows of the source, and the column ``reason``
    warnings: list[str] = field(default_factory=list)


def read(source: Source, needs: Sequence[str] = USUAL) -> Runs:
    """The tidy rows of a source.

    :param needs: the quantities without which a row is of no use.
    :raises ConfigError: where it is not there, or its columns are not what the config says.
    """
    return tidy(source.table(), source.columns, source.flops_6nd, source.where, needs, source.counted)


def tidy(
    table: pd.DataFrame,
    columns: Columns | None = None,
    flops_6nd: bool = False,
    where: dict[str, Any] | None = None,
    needs: Sequence[str] = USUAL,
    counted: bool = False,
) -> Runs:
    """Rows from any DataFrame.

    :param columns: the names of the quantities in the table.
    :param flops_6nd: take C = 6ND (arXiv 2001.08361) instead of a column.
    :param where: column -> the value, or the list of values, to keep.
    :param needs: quantities that a row must have, as far as the table has them; a law says itself what it misses.
    :param counted: the units are known to be parameters, tokens and FLOPs, however far C is from 6ND.
    :raises ConfigError: for a column that is not there, several stages, or quantities in other units.
    """
    import pandas as pd

    table = _of_one_stage(kept(table, where or {}))
    names = _names(table, columns or Columns(), flops_6nd, needs)
    used = {
        key: table[name] if key in LABELS else pd.to_numeric(table[name], errors="coerce").astype(float)
        for key, name in names.items()
    }
    if flops_6nd:
        for key in ("N", "D"):
            if key not in used:
                raise ConfigError(f"runs.flops_6nd: needs runs.columns.{key}; there are {_listed(table)}")
        used["C"] = 6 * used["N"] * used["D"]
    taken = {*names.values(), *used, "budget"}
    if "error" in needs and "error" not in used and "pass_at_1" in used:
        used["error"] = 1 - used["pass_at_1"]
    others = table.drop(columns=[name for name in table if name in taken])
    frame = pd.concat([pd.DataFrame(used), others], axis=1)

    reason = _reasons(frame, [key for key in used if key in (*needs, "weight", "run")])
    dropped = table.assign(reason=reason)[reason != ""]
    frame = frame[reason == ""].reset_index(drop=True)
    if frame.empty:
        why = f": {dropped['reason'].iloc[0]}" if len(dropped) else ""
        raise ConfigError(f"runs: none of {len(table)} rows can be used{why}")
    warnings = _units(frame, needs, counted) if {"N", "D", "C"} <= set(frame) and _of_training(needs) else []
    if "C" in frame:
        frame.insert(len(used), "budget", budgets(frame["C"].to_numpy()) if frame["C"].gt(0).all() else float("nan"))
    return Runs(frame, dropped.reset_index(drop=True), warnings)


def kept(table: pd.DataFrame, where: dict[str, Any]) -> pd.DataFrame:
    """The rows that meet all conditions, see :class:`Source`.

    :raises ConfigError: for a condition on a column that is not there.
    """
    for name, wanted in where.items():
        if name not in table:
            raise ConfigError(f"runs.where.{name}: there is no such column; there are {_listed(table)}")
        values = wanted if isinstance(wanted, (list, tuple)) else [wanted]
        table = table[table[name].astype(str).isin([str(value) for value in values])]
    return table


def _of_one_stage(table: pd.DataFrame) -> pd.DataFrame:
    stages = sorted(table["stage"].dropna().astype(str).unique()) if "stage" in table else []
    if len(stages) > 1:
        choice = f"choose one, such as +runs.where.stage={stages[-1]}"
        raise ConfigError(f"runs.where.stage: the runs are of several stages, {', '.join(stages)}; {choice}")
    return table


def _names(table: pd.DataFrame, columns: Columns, flops_6nd: bool, needs: Sequence[str]) -> dict[str, str]:
    """Quantity -> column, of those that the table has."""
    names = {}
    for key, name in vars(columns).items():
        absent = name is not None and name not in table
        if (flops_6nd and key == "C") or (absent and key in SPARED and key not in needs):
            continue
        if absent:
            raise ConfigError(f"runs.columns.{key}: there is no column {name!r}; there are {_listed(table)}")
        if name is not None or key in table:
            names[key] = name or key
    return names


def _reasons(frame: pd.DataFrame, needed: Sequence[str]) -> pd.Series:
    """Why each row cannot be used; empty for one that can."""
    import pandas as pd

    reason = pd.Series("", index=frame.index)
    for key in needed:
        values = frame[key]
        reason = reason.mask((reason == "") & values.isna(), f"{key} is missing or not a number")
        if key in LABELS:
            continue
        least = "negative or infinite" if key in ZERO else "not positive and finite"
        bad = ~(((values >= 0) if key in ZERO else (values > 0)) & (values < float("inf")))
        reason = reason.mask((reason == "") & bad, f"{key} is {least}")
        if key in SHARES:
            reason = reason.mask((reason == "") & (values > 1), f"{key} is above 1")
    return reason.mask((reason == "") & _repeated(frame), "the same run is listed before")


def _repeated(frame: pd.DataFrame) -> pd.Series:
    """Rows that repeat an earlier row: by fingerprint, else by run id, else by every column. Counts of answers may agree.

    Points of a curve are of one run: those at one step of one fingerprint repeat each other.
    """
    if {"samples", "correct"} <= set(frame):
        return frame.index.to_series().lt(0)
    if {"run", "step", "fingerprint"} <= set(frame):
        return frame["fingerprint"].notna() & frame.duplicated(["fingerprint", "step"])
    for key in ("fingerprint", "run_id"):
        if key in frame and "run" not in frame:
            return frame[key].notna() & frame[key].duplicated()
    return frame.duplicated()


def _of_training(needs: Sequence[str]) -> bool:
    """The laws are of a loss, or of N, D and C together; the C of a pass rate may be of reinforcement learning, in any unit."""
    return bool({"loss", "teacher_loss", "supervised_loss"} & set(needs)) or {"N", "D", "C"} <= set(needs)


def _units(frame: pd.DataFrame, needs: Sequence[str], counted: bool) -> list[str]:
    """A line for the rows in another unit than the rest.

    The advice of every law comes from C, of one that is fitted to N and D alone too, so that all are checked.

    :raises ConfigError: where most are.
    """
    ratio = frame["C"] / (6 * frame["N"] * frame["D"])
    ratio = ratio[(ratio > 0) & (ratio < float("inf"))]
    if ratio.empty:
        return []
    middle = float(ratio.median())
    limit = TEN_FOLD if {"N", "D", "C"} <= set(needs) else HUNDRED_FOLD
    if not counted and not 1 / limit < middle < limit:
        units = "give N in parameters, D in tokens and C in FLOPs"
        raise ConfigError(f"runs.columns: C is {middle:.2g} times 6ND, as if one of them were in another unit; {units}")
    odd = ratio[(ratio > TEN_FOLD * middle) | (ratio < middle / TEN_FOLD)]
    if odd.empty:
        return []
    some = ", ".join(f"row {index} ({value:.2g} times)" for index, value in odd.head(3).items())
    return [f"C differs ten-fold from 6ND in {len(odd)} of {len(frame)} rows, as if in another unit: {some}"]


def _listed(table: pd.DataFrame) -> str:
    shown = [str(name) for name in table.columns[:20]]
    return ", ".join(shown) + (f" and {len(table.columns) - 20} more" if len(table.columns) > 20 else "")


def budgets(flops: np.ndarray, tolerance: float = BUDGET_TOLERANCE) -> np.ndarray:
    """The budget of each run: the geometric mean of the FLOPs that lie within a tolerance of one another.

    Runs of one budget differ by up to a training step. Sorted by FLOPs, a new budget begins where a run has more than
    ``1 + tolerance`` times the FLOPs of the smallest of the budget, so a group is never wider than the tolerance.

    :param flops: (n,).
    :returns: (n,), in FLOPs.
    """
    import numpy as np

    logs = np.log(np.asarray(flops, dtype=float))
    labels = np.empty(len(logs))
    order = np.argsort(logs, kind="stable")
    start = 0
    for end in range(1, len(order) + 1):
        if end == len(order) or logs[order[end]] > logs[order[start]] + np.log1p(tolerance):
            labels[order[start:end]] = np.exp(logs[order[start:end]].mean())
            start = end
    return labels
