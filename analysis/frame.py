"""Runs as one tidy table: a row a run, with columns ``N`` (parameters), ``D`` (training tokens), ``C`` (training FLOPs) and
``loss`` (nats a token), whatever else is known of the run, and the compute ``budget`` that it belongs to.

Nothing is filled in. A run that misses a value is left out, and listed with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import MISSING

from openr1.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

BUDGET_TOLERANCE = 0.05


@dataclass
class Columns:
    """Which column of the source holds which quantity. A null one is not there; a law that needs it says so."""

    N: str = "N"
    D: str | None = "D"
    C: str | None = "C"
    loss: str = "loss"


@dataclass
class Source:
    """``runs=``: where finished runs come from."""

    columns: Columns = field(default_factory=Columns)
    where: dict[str, Any] = field(default_factory=dict)  # keep the rows whose column has this value, or one of a list
    flops_6nd: bool = False  # C = 6ND, in place of a column

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

    def table(self) -> pd.DataFrame:
        import pandas as pd

        from openr1.tracking import read_runs

        try:
            runs = read_runs(self.uri, self.study)
        except ConfigError as error:
            raise ConfigError(f"runs.uri: {str(error).removeprefix('tracking.uri: ')}") from error
        if not runs:
            raise ConfigError(f"runs.study: there are no finished runs of study {self.study!r} in {self.uri}")
        rows = []
        for run in runs:
            tags = {key: value for key, value in run.tags.items() if not key.startswith("mlflow.")}
            known = {"run_id": run.run_id, "name": run.name, "url": run.url, "start_time": run.start_time}
            rows.append({**run.params, **tags, **run.metrics, **known})
        return pd.DataFrame(rows)


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
    """The runs that can be used, and those that cannot."""

    frame: pd.DataFrame
    dropped: pd.DataFrame  # rows of the source, and the column ``reason``


def read(source: Source) -> Runs:
    """The tidy runs of a source.

    :raises ConfigError: where it is not there, or its columns are not what the config says.
    """
    return tidy(source.table(), source.columns, source.flops_6nd, source.where)


def tidy(
    table: pd.DataFrame, columns: Columns | None = None, flops_6nd: bool = False, where: dict[str, Any] | None = None
) -> Runs:
    """Runs from any DataFrame with a row a run.

    :param columns: the names of N, D, C and loss in the table.
    :param flops_6nd: take C = 6ND (arXiv 2001.08361) instead of a column.
    :param where: column -> the value, or the list of values, to keep.
    :raises ConfigError: for a column that is not there, several stages, or quantities in other units.
    """
    import pandas as pd

    columns = columns or Columns()
    for name, wanted in (where or {}).items():
        if name not in table:
            raise ConfigError(f"runs.where.{name}: there is no such column; there are {_listed(table)}")
        values = wanted if isinstance(wanted, (list, tuple)) else [wanted]
        table = table[table[name].astype(str).isin([str(value) for value in values])]
    stages = sorted(table["stage"].dropna().astype(str).unique()) if "stage" in table else []
    if len(stages) > 1:
        raise ConfigError(f"runs.where.stage: the runs are of several stages, {', '.join(stages)}; choose one")
    names = {key: getattr(columns, key) for key in ("N", "D", "C", "loss")}
    if flops_6nd:
        names["C"] = None
    for key, name in names.items():
        if name is not None and name not in table:
            raise ConfigError(f"runs.columns.{key}: there is no column {name!r}; there are {_listed(table)}")
    used = {key: pd.to_numeric(table[name], errors="coerce").astype(float) for key, name in names.items() if name is not None}
    if flops_6nd:
        if "D" not in used:
            raise ConfigError("runs.flops_6nd: needs runs.columns.D")
        used["C"] = 6 * used["N"] * used["D"]
    taken = {*names.values(), *names, "budget"}
    others = table.drop(columns=[name for name in table if name in taken])
    frame = pd.concat([pd.DataFrame(used), others], axis=1)

    reason = pd.Series("", index=frame.index)
    for key, values in used.items():
        reason = reason.mask((reason == "") & values.isna(), f"{key} is missing or not a number")
        reason = reason.mask((reason == "") & ~((values > 0) & (values < float("inf"))), f"{key} is not positive and finite")
    reason = reason.mask((reason == "") & _repeated(frame), "the same run is listed before")
    dropped = table.assign(reason=reason)[reason != ""]
    frame = frame[reason == ""].reset_index(drop=True)
    if frame.empty:
        raise ConfigError(
            f"runs: none of {len(table)} rows can be used{': ' + dropped['reason'].iloc[0] if len(dropped) else ''}"
        )
    _check_units(frame)
    if "C" in frame:
        frame.insert(4, "budget", budgets(frame["C"].to_numpy()))
    return Runs(frame, dropped.reset_index(drop=True))


def _repeated(frame: pd.DataFrame) -> pd.Series:
    """Rows that an earlier row already is: by fingerprint, else by run id, else by every column."""
    for key in ("fingerprint", "run_id"):
        if key in frame:
            return frame[key].notna() & frame[key].duplicated()
    return frame.duplicated()


def _check_units(frame: pd.DataFrame) -> None:
    if not {"C", "D"} <= set(frame):
        return
    ratio = float((frame["C"] / (6 * frame["N"] * frame["D"])).median())
    if not 0.01 < ratio < 100:
        raise ConfigError(f"runs.columns: C is {ratio:.2g} times 6ND; N is in parameters, D in tokens, C in FLOPs")


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
