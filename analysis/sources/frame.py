"""A tidy frame of runs: a row per run (or point of a curve), a column per quantity, named by its symbol, all other
columns of the source, and the compute ``budget`` of the run.

Nothing is filled in. A row without a value that the laws need is left out, and listed with the reason.
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
TEN_FOLD = 10  # largest plausible factor between C and 6ND, for a law that needs all three
# the same for a law without C: C may include a large vocabulary, a teacher or idle experts; wrong units differ by 1000 or more
HUNDRED_FOLD = 100


@dataclass
class Columns:
    """Names of the columns that hold each quantity; null for the column of the same name, if there is one."""

    N: str | None = None  # parameters
    D: str | None = None  # training tokens
    C: str | None = None  # training FLOPs, or another unit of compute for a law of RL
    loss: str | None = None  # nats per token
    pass_at_1: str | None = None  # share of correct answers
    U: str | None = None  # unique training tokens
    error: str | None = None  # share, on downstream tasks; 1 - pass_at_1 if only that is known
    teacher_loss: str | None = None  # nats per token
    supervised_loss: str | None = None  # loss of the same student trained without a teacher
    lr: str | None = None  # peak learning rate
    batch: str | None = None  # tokens per step
    k: str | None = None  # samples per problem
    experts: str | None = None  # experts of a layer
    active_experts: str | None = None  # experts of a layer that a token uses; 1 if not given
    granularity: str | None = None  # how much finer experts are than a feed-forward block
    coverage: str | None = None  # share of problems with a correct answer among k
    samples: str | None = None  # samples of a problem
    correct: str | None = None  # correct samples of a problem
    weight: str | None = None  # weight of the row in a fit
    run: str | None = None  # training run of a row that is a point of a curve; its points stay together in a resample
    step: str | None = None  # training step of a point of a curve
    weight_decay: str | None = None  # decoupled weight decay of AdamW
    family: str | None = None  # family of a model that others trained
    benchmark: str | None = None  # benchmark of a score, in a table with a row per model and benchmark
    score: str | None = None  # share of its points


NONNEGATIVE = ("pass_at_1", "error", "coverage", "correct", "weight", "score")  # may be 0
SHARES = ("pass_at_1", "error", "coverage", "score")  # at most 1
LABELS = ("run", "family", "benchmark")  # not numbers
DEFAULT_NEEDS = ("N", "D", "C", "loss")  # default of the quantities that a usable row must have
# named by a source for all laws, though its runs may lack them: runs of RL have no loss
OPTIONAL = ("N", "D", "loss", "lr", "batch", "experts", "active_experts")


@dataclass
class Source:
    """Options of ``runs=``: where finished runs come from."""

    columns: Columns = field(default_factory=Columns)
    where: dict[str, Any] = field(default_factory=dict)  # column -> the value, or the list of values, to keep
    flops_6nd: bool = False  # take C = 6ND instead of a column
    units_known: ClassVar[bool] = False  # openr1 counted N, D and C itself, so that their units are known

    @property
    def study(self) -> str:
        """The name of the study."""
        raise NotImplementedError

    def table(self) -> pd.DataFrame:
        """Read the rows as the source has them."""
        raise NotImplementedError


@dataclass
class MlflowRuns(Source):
    """The finished runs of a study in MLflow, whose metrics, tags and params are columns."""

    uri: str = MISSING
    study: str = MISSING
    curve: bool = False  # a row per point of the training curves instead of per run
    units_known: ClassVar[bool] = True

    def table(self) -> pd.DataFrame:
        from analysis.sources import mlflow
        from openr1.tracking.mlflow import read_runs

        try:
            runs = read_runs(self.uri, self.study)
        except ConfigError as error:
            raise ConfigError(f"runs.uri: {str(error).removeprefix('tracking.uri: ')}") from error
        if not runs:
            raise ConfigError(f"runs.study: there are no finished runs of study {self.study!r} in {self.uri}")
        table = mlflow.build_table(runs, self.where, self.curve)
        return mlflow.read_curves(self.uri, select_rows(table, self.where), self.columns) if self.curve else table


@dataclass
class FileRuns(Source):
    """A file with a row per run."""

    path: str = MISSING

    @property
    def study(self) -> str:
        return Path(self.path).stem

    def _existing_path(self) -> Path:
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
            return pd.read_csv(self._existing_path())
        except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
            raise ConfigError(f"runs.path: {self.path} is not a CSV file: {str(error).splitlines()[0]}") from error


@dataclass
class ParquetRuns(FileRuns):
    """A Parquet file."""

    def table(self) -> pd.DataFrame:
        import pandas as pd
        import pyarrow

        try:
            return pd.read_parquet(self._existing_path())
        except pyarrow.ArrowInvalid as error:
            raise ConfigError(f"runs.path: {self.path} is not a Parquet file: {str(error).splitlines()[0]}") from error


SOURCES: dict[str, type[Source]] = {"mlflow": MlflowRuns, "csv": CsvRuns, "parquet": ParquetRuns}


@dataclass(frozen=True)
class Runs:
    """The usable rows, the others, and warnings."""

    frame: pd.DataFrame
    dropped: pd.DataFrame  # rows of the source, with a column ``reason``
    warnings: list[str] = field(default_factory=list)


def read(source: Source, needs: Sequence[str] = DEFAULT_NEEDS) -> Runs:
    """Read the tidy frame of a source.

    :param needs: the quantities that a usable row must have.
    :raises ConfigError: if the source does not exist, or its columns are not those of the config.
    """
    return tidy(source.table(), source.columns, source.flops_6nd, source.where, needs, source.units_known)


def tidy(
    table: pd.DataFrame,
    columns: Columns | None = None,
    flops_6nd: bool = False,
    where: dict[str, Any] | None = None,
    needs: Sequence[str] = DEFAULT_NEEDS,
    units_known: bool = False,
) -> Runs:
    """Turn any DataFrame into a tidy frame.

    :param columns: the names of the quantities in the table.
    :param flops_6nd: take C = 6ND (arXiv 2001.08361) instead of a column.
    :param where: column -> the value, or the list of values, to keep.
    :param needs: quantities that a usable row must have, if the table has them; a law reports a missing column itself.
    :param units_known: the units are parameters, tokens and FLOPs, however far C is from 6ND.
    :raises ConfigError: for a missing column, several stages, or quantities in other units.
    """
    import pandas as pd

    table = _require_one_stage(select_rows(table, where or {}))
    names = _map_columns(table, columns or Columns(), flops_6nd, needs)
    used = {
        key: table[name] if key in LABELS else pd.to_numeric(table[name], errors="coerce").astype(float)
        for key, name in names.items()
    }
    if flops_6nd:
        for key in ("N", "D"):
            if key not in used:
                raise ConfigError(f"runs.flops_6nd: needs runs.columns.{key}; there are {_join_columns(table)}")
        used["C"] = 6 * used["N"] * used["D"]
    taken = {*names.values(), *used, "budget"}
    if "error" in needs and "error" not in used and "pass_at_1" in used:
        used["error"] = 1 - used["pass_at_1"]
    others = table.drop(columns=[name for name in table if name in taken])
    frame = pd.concat([pd.DataFrame(used), others], axis=1)

    reason = _exclusion_reasons(frame, [key for key in used if key in (*needs, "weight", "run")])
    dropped = table.assign(reason=reason)[reason != ""]
    frame = frame[reason == ""].reset_index(drop=True)
    if frame.empty:
        why = f": {dropped['reason'].iloc[0]}" if len(dropped) else ""
        raise ConfigError(f"runs: none of {len(table)} rows can be used{why}")
    warnings = _check_units(frame, needs, units_known) if {"N", "D", "C"} <= set(frame) and _concern_training(needs) else []
    if "C" in frame:
        frame.insert(len(used), "budget", group_budgets(frame["C"].to_numpy()) if frame["C"].gt(0).all() else float("nan"))
    return Runs(frame, dropped.reset_index(drop=True), warnings)


def select_rows(table: pd.DataFrame, where: dict[str, Any]) -> pd.DataFrame:
    """Select the rows that meet all conditions, see :class:`Source`.

    :raises ConfigError: for a condition on a missing column.
    """
    for name, wanted in where.items():
        if name not in table:
            raise ConfigError(f"runs.where.{name}: there is no such column; there are {_join_columns(table)}")
        values = wanted if isinstance(wanted, (list, tuple)) else [wanted]
        table = table[table[name].astype(str).isin([str(value) for value in values])]
    return table


def _require_one_stage(table: pd.DataFrame) -> pd.DataFrame:
    """Refuse runs of several stages."""
    stages = sorted(table["stage"].dropna().astype(str).unique()) if "stage" in table else []
    if len(stages) > 1:
        choice = f"choose one, such as +runs.where.stage={stages[-1]}"
        raise ConfigError(f"runs.where.stage: the runs are of several stages ({', '.join(stages)}); {choice}")
    return table


def _map_columns(table: pd.DataFrame, columns: Columns, flops_6nd: bool, needs: Sequence[str]) -> dict[str, str]:
    """Return quantity -> column, for the quantities that the table has."""
    names = {}
    for key, name in vars(columns).items():
        absent = name is not None and name not in table
        if (flops_6nd and key == "C") or (absent and key in OPTIONAL and key not in needs):
            continue
        if absent:
            raise ConfigError(f"runs.columns.{key}: there is no column {name!r}; there are {_join_columns(table)}")
        if name is not None or key in table:
            names[key] = name or key
    return names


def _exclusion_reasons(frame: pd.DataFrame, needed: Sequence[str]) -> pd.Series:
    """Return the reason why each row cannot be used, or an empty string."""
    import pandas as pd

    reason = pd.Series("", index=frame.index)
    for key in needed:
        values = frame[key]
        reason = reason.mask((reason == "") & values.isna(), f"{key} is missing or not a number")
        if key in LABELS:
            continue
        least = "negative or infinite" if key in NONNEGATIVE else "not positive and finite"
        bad = ~(((values >= 0) if key in NONNEGATIVE else (values > 0)) & (values < float("inf")))
        reason = reason.mask((reason == "") & bad, f"{key} is {least}")
        if key in SHARES:
            reason = reason.mask((reason == "") & (values > 1), f"{key} is above 1")
    return reason.mask((reason == "") & _mark_duplicates(frame), "repeats an earlier row")


def _mark_duplicates(frame: pd.DataFrame) -> pd.Series:
    """Return a mask of the rows that repeat an earlier row: by fingerprint, else by run id, else by every column. Counts
    of answers may agree by chance.

    Points of a curve repeat each other if they have the same fingerprint and step.
    """
    if {"samples", "correct"} <= set(frame):
        return frame.index.to_series().lt(0)
    if {"run", "step", "fingerprint"} <= set(frame):
        return frame["fingerprint"].notna() & frame.duplicated(["fingerprint", "step"])
    for key in ("fingerprint", "run_id"):
        if key in frame and "run" not in frame:
            return frame[key].notna() & frame[key].duplicated()
    return frame.duplicated()


def _concern_training(needs: Sequence[str]) -> bool:
    """Return True for laws of a loss, or of N, D and C together. The C of a pass rate may be of reinforcement learning,
    in any unit.
    """
    return bool({"loss", "teacher_loss", "supervised_loss"} & set(needs)) or {"N", "D", "C"} <= set(needs)


def _check_units(frame: pd.DataFrame, needs: Sequence[str], units_known: bool) -> list[str]:
    """Return a warning about rows whose unit differs from that of the others.

    C is checked for laws of N and D alone too, since the advice of every law is computed from it.

    :raises ConfigError: if most rows have another unit.
    """
    ratio = frame["C"] / (6 * frame["N"] * frame["D"])
    ratio = ratio[(ratio > 0) & (ratio < float("inf"))]
    if ratio.empty:
        return []
    middle = float(ratio.median())
    limit = TEN_FOLD if {"N", "D", "C"} <= set(needs) else HUNDRED_FOLD
    if not units_known and not 1 / limit < middle < limit:
        units = "give N in parameters, D in tokens and C in FLOPs"
        raise ConfigError(f"runs.columns: C is {middle:.2g} times 6ND, so that a unit seems wrong; {units}")
    odd = ratio[(ratio > TEN_FOLD * middle) | (ratio < middle / TEN_FOLD)]
    if odd.empty:
        return []
    examples = ", ".join(f"row {index} ({value:.2g} times)" for index, value in odd.head(3).items())
    return [
        f"C differs from 6ND by more than a factor of ten in {len(odd)} of {len(frame)} rows, as if in another unit: {examples}"
    ]


def _join_columns(table: pd.DataFrame) -> str:
    """Join the names of the first columns of a table."""
    shown = [str(name) for name in table.columns[:20]]
    return ", ".join(shown) + (f" and {len(table.columns) - 20} more" if len(table.columns) > 20 else "")


def group_budgets(flops: np.ndarray, tolerance: float = BUDGET_TOLERANCE) -> np.ndarray:
    """Return the budget of each run: the geometric mean of the FLOPs that lie within a tolerance of one another.

    Runs of one budget differ by up to a training step. Sorted by FLOPs, a new budget begins at a run with more than
    ``1 + tolerance`` times the FLOPs of the smallest run of the budget, so that no group is wider than the tolerance.

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
