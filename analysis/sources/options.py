"""Options of ``runs=``: the sources of finished runs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from omegaconf import MISSING

from openr1.analysis.sources.columns import CONFIG, MARKS, Columns, Keys, Units
from openr1.analysis.sources.exports import LAYOUTS, melt_chart
from openr1.analysis.sources.files import FORMATS, FileOptions, Table, read_table, study_name
from openr1.analysis.sources.numbers import Notation
from openr1.analysis.sources.rows import select_rows
from openr1.options.near import did_you_mean
from openr1.options.ranges import OneOf
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from openr1.tracking.mlflow import TrackedRun

WORDS = {word: mark for mark, word in MARKS.items()}  # a comma is hard to write on a command line
SEPARATORS = ("comma", "semicolon", "tab", "pipe", "space", ",", ";", "|")
DECIMALS = ("point", "comma", ".", ",")
THOUSANDS = ("comma", "point", "space", "apostrophe", ",", ".", "'")


@dataclass
class Source:
    """Options of ``runs=``: where finished runs come from."""

    columns: Columns = field(default_factory=Columns)
    units: Units = field(default_factory=Units)
    where: dict[str, Any] = field(default_factory=dict)  # column -> the value, or the list of values, to keep
    flops_6nd: bool = False  # take C = 6ND instead of a column
    units_known: ClassVar[bool] = False  # openr1 counted N, D and C itself, so that their units are known

    @property
    def study(self) -> str:
        """The name of the study."""
        raise NotImplementedError

    def load(self, keys: Keys = CONFIG) -> Table:
        """Read the rows as the source has them, and how they were read.

        :param keys: how messages call options.
        :raises ConfigError: if the source does not exist, or is not what the options say.
        """
        raise NotImplementedError

    def table(self) -> pd.DataFrame:
        """Read the rows as the source has them."""
        return self.load().rows


@dataclass
class MlflowRuns(Source):
    """The finished runs of a study in MLflow, whose metrics, tags and params are columns."""

    uri: str = MISSING
    study: str = MISSING
    curve: bool = False  # a row per point of the training curves instead of per run
    units_known: ClassVar[bool] = True

    def tracked_runs(self, keys: Keys = CONFIG) -> list[TrackedRun]:
        """Read the finished runs as the store has them, trials of recipes and their steps, oldest first.

        :raises ConfigError: if the store does not exist, or has no finished run of the study.
        """
        from openr1.tracking.mlflow import read_runs
        from openr1.tracking.reading import study_names

        try:
            runs = read_runs(self.uri, self.study)
            names = [] if runs else study_names(self.uri)
        except ConfigError as error:
            raise ConfigError(f"{keys.option('uri')}: {str(error).removeprefix('tracking.uri: ')}") from error
        if not runs:
            near = did_you_mean(self.study, (name for name in names if name != self.study))
            raise ConfigError(f"{keys.option('study')}: there are no finished runs of study {self.study!r} in {self.uri}{near}")
        return runs

    def load(self, keys: Keys = CONFIG) -> Table:
        from openr1.analysis.sources import mlflow

        runs = self.tracked_runs(keys)
        table = mlflow.build_table(runs, self.where, self.curve)
        if self.curve:
            table = mlflow.read_curves(self.uri, select_rows(table, self.where, keys), self.columns)
        return Table(table)


@dataclass
class FileRuns(Source):
    """A file with a row per run, or per point of a training curve: CSV, JSON, Excel, Parquet or Feather, or compressed."""

    path: str = MISSING
    format: Annotated[str | None, OneOf(FORMATS)] = None  # null for what the content of the file says
    separator: Annotated[str | None, OneOf(SEPARATORS)] = None  # between the columns of a text file; null to find it
    decimal: Annotated[str | None, OneOf(DECIMALS)] = None  # decimal mark; null to find it
    thousands: Annotated[str | None, OneOf(THOUSANDS)] = None  # mark between thousands; null to find it
    sheet: str | None = None  # sheet of an Excel file; null for the first
    layout: Annotated[str | None, OneOf(LAYOUTS)] = None  # wandb_chart for a chart of W&B, with a column per run

    def __post_init__(self) -> None:
        if self.decimal is not None and self._mark(self.decimal) == self._mark(self.thousands):
            raise ConfigError("runs.thousands: must differ from runs.decimal")

    @property
    def study(self) -> str:
        return study_name(self.path)

    def load(self, keys: Keys = CONFIG) -> Table:
        notation = Notation(self._mark(self.decimal), self._mark(self.thousands))
        options = FileOptions(self.format, self._mark(self.separator), notation, self.sheet)
        table = read_table(Path(self.path), options, keys)
        return replace(table, rows=melt_chart(table.rows, keys)) if self.layout else table

    @staticmethod
    def _mark(word: str | None) -> str | None:
        """Return a mark that is given as itself or by its name."""
        return WORDS.get(word, word) if word else None


SOURCES: dict[str, type[Source]] = {"mlflow": MlflowRuns, "file": FileRuns}
