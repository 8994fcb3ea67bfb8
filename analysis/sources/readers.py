"""Tables of runs in Python: a file, or a study in MLflow, as the tidy frame that a fit takes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openr1.analysis.sources.columns import ARGUMENTS, DEFAULT_NEEDS, MARKS, Columns, Units, mapping
from openr1.analysis.sources.frame import Runs, read
from openr1.analysis.sources.options import FileRuns, MlflowRuns, Source
from openr1.analysis.sources.study_runs import StudyRuns
from openr1.analysis.sources.wording import speaking_python
from openr1.options import check_ranges, typed
from openr1.system.errors import ConfigError
from openr1.system.records import DamagedFile, read_json
from openr1.tracking.names import check_folder

if TYPE_CHECKING:
    import pandas as pd

# the names that runs of openr1 have for the quantities, as conf/analysis/runs/mlflow.yaml
TRACKED = Columns(
    N="params_non_embedding",
    D="tokens",
    C="flops",
    loss="eval_loss",
    lr="budget.resolved.lr",
    batch="budget.resolved.batch_tokens",
    experts="model.options.n_routed_experts",
    active_experts="model.options.num_experts_per_tok",
)


@speaking_python
@typed("where", "units", "columns")
def read_file(
    path: str | Path,
    *,
    format: str | None = None,
    separator: str | None = None,
    decimal: str | None = None,
    thousands: str | None = None,
    sheet: str | None = None,
    layout: str | None = None,
    units: Mapping[str, str | float] | None = None,
    where: Mapping[str, Any] | None = None,
    flops_6nd: bool = False,
    needs: Sequence[str] | None = None,
    zero_compute: bool = False,
    columns: Columns | Mapping[str, str] | None = None,
    **names: str,
) -> Runs:
    """Read a table of runs from a CSV, JSON, Excel, Parquet or Feather file, plain or compressed.

    >>> runs = read_file("points.csv", N="params", D="tokens")  # doctest: +SKIP
    >>> fit(runs.frame, "chinchilla")  # doctest: +SKIP

    :param format: csv, json, jsonl, excel, parquet or feather; by default what the content says.
    :param separator: what stands between the columns of a text file; found by default, as are the marks of numbers.
    :param decimal: decimal mark of the numbers.
    :param thousands: mark between thousands.
    :param sheet: sheet of an Excel file; the first by default.
    :param layout: ``"wandb_chart"`` for a chart that W&B exports, with a column per run.
    :param units: quantity -> its unit in the table, a factor or a name such as ``"PF-days"`` or ``"perplexity"``.
    :param where: column -> the value, or the list of values, to keep.
    :param flops_6nd: take C = 6ND instead of a column.
    :param needs: quantities that a usable row must have; by default N, D, C, the loss and those whose column is named, as far
        as the table has them.
    :param zero_compute: keep rows before training, whose C and D are 0, for ``rl_sigmoid``.
    :param columns: quantity -> its column, if that has another name, such as ``{"N": "params"}``.
    :param names: the same, quantity by quantity: ``N="params"``.
    :raises ConfigError: for a table that cannot be read with certainty; the message names the argument to give.
    """
    source = FileRuns(
        path=str(path),
        format=format,
        separator=MARKS.get(separator or "", separator),
        decimal=decimal,
        thousands=MARKS.get(thousands or "", thousands),
        sheet=sheet,
        layout=layout,
        where=dict(mapping(where, "where", {"COLUMN": "value"})),
        flops_6nd=flops_6nd,
    )
    return _read(source, _merge(columns, names), units, needs, zero_compute)


def read_csv(path: str | Path, **options: Any) -> Runs:
    """Read a table of runs from a CSV file, as :func:`read_file` does."""
    return read_file(path, **{"format": "csv", **options})


@speaking_python
@typed("where", "columns")
def read_mlflow(
    uri: str,
    study: str,
    *,
    curve: bool = False,
    where: Mapping[str, Any] | None = None,
    flops_6nd: bool = False,
    needs: Sequence[str] | None = None,
    zero_compute: bool = False,
    columns: Columns | Mapping[str, str] | None = None,
    **names: str,
) -> Runs:
    """Read the finished runs of a study of openr1 in MLflow.

    :param uri: of the store, such as ``sqlite:///outputs/mlflow.db``.
    :param curve: a row per point of the training curves instead of per run.
    :param columns: quantity -> its metric, tag or param, if it is another than openr1 logs.
    :param names: the same, quantity by quantity: ``pass_at_1="reward"``.
    :raises ConfigError: for a store or study that does not exist.
    """
    source = MlflowRuns(columns=TRACKED, uri=uri, study=study, curve=curve, flops_6nd=flops_6nd)
    source.where = dict(mapping(where, "where", {"COLUMN": "value"}))
    return _read(source, _merge(columns, names), {}, needs, zero_compute)


@speaking_python
@typed("study")
def read_study(study: str, outputs: str | Path | None = None, *, uri: str | None = None) -> StudyRuns:
    """Read the finished runs of a study of openr1, to be filtered, grouped and drawn.

    >>> runs = read_study("demo")  # doctest: +SKIP
    >>> runs.filter(scale="100k").group_by("seed").best("eval_loss").frame  # doctest: +SKIP

    :param outputs: the folder of outputs; by default ``OPENR1_OUTPUTS``, or ``outputs``.
    :param uri: of a store elsewhere; by default that of ``outputs`` if it is given, else ``MLFLOW_TRACKING_URI`` if it is set.
    :raises ConfigError: for a store or study that does not exist.
    """
    check_name(study)
    if uri is None and outputs is None:
        uri = os.environ.get("MLFLOW_TRACKING_URI")
    store = f"sqlite:///{outputs_folder(outputs).absolute()}/mlflow.db" if uri is None else uri
    source = MlflowRuns(columns=TRACKED, uri=store, study=study)
    check_ranges(source)
    return StudyRuns(study, source.uri, tuple(source.tracked_runs(ARGUMENTS)), TRACKED)


@speaking_python
@typed("study")
def read_plan(study: str, outputs: str | Path | None = None) -> pd.DataFrame:
    """Read the runs that ``openr1-plan`` priced for a study, a row per run.

    The columns are ``name``, ``overrides``, ``fingerprint`` of the last stage, ``state``, N, D, C, ``seconds`` of the work that
    is left, ``memory_bytes`` and the rest of ``plan.json``; what is not known is missing.

    :param outputs: the folder of outputs; by default ``OPENR1_OUTPUTS``, or ``outputs``.
    :raises ConfigError: for a study that has no plan, or a damaged one.
    """
    import pandas as pd

    check_name(study)
    path = outputs_folder(outputs) / "studies" / study / "plan.json"
    if not path.exists():
        raise ConfigError(f"study: there is no plan of {study!r} at {path}; openr1-plan OVERRIDES study={study} writes it")
    try:
        runs = read_json(path)["runs"]
    except DamagedFile as error:
        raise ConfigError(f"study: {error}; openr1-plan OVERRIDES study={study} writes it anew") from error
    rows = [{**run, "fingerprint": run["stages"][-1]["fingerprint"]} for run in runs]
    return pd.DataFrame(rows).rename(columns={"params": "N", "tokens": "D", "flops": "C"})


def check_name(study: Any) -> None:
    """Refuse what is not the name of a study.

    :raises ConfigError: for anything else, or a name that no folder can have.
    """
    if not isinstance(study, str) or not study:
        raise ConfigError(f"study: {study!r} is not the name of a study")
    check_folder(study, "study", nested=True)


def outputs_folder(outputs: str | Path | None) -> Path:
    """Return the folder of outputs: the one that is given, ``OPENR1_OUTPUTS``, or ``outputs``."""
    return Path(outputs if outputs is not None else os.environ.get("OPENR1_OUTPUTS", "outputs"))


def _merge(columns: Columns | Mapping[str, str] | None, names: Mapping[str, str]) -> dict[str, str]:
    """Return quantity -> column, of both ways to name them."""
    named = vars(columns) if isinstance(columns, Columns) else mapping(columns, "columns", {"N": "params"})
    return {**{key: name for key, name in named.items() if name is not None}, **names}


def _read(
    source: Source,
    columns: Mapping[str, str],
    units: Mapping[str, Any] | None,
    needs: Sequence[str] | None,
    zero_compute: bool,
) -> Runs:
    units = mapping(units, "units", {"N": 1e6})
    for given, known, what in ((columns, vars(Columns()), "argument or quantity"), (units, vars(Units()), "unit")):
        if unknown := [name for name in given if name not in known]:
            raise ConfigError(f"{unknown[0]}: there is no such {what}; the quantities are {', '.join(known)}")
    source.columns = replace(source.columns, **columns)
    source.units = Units(**{key: str(unit) for key, unit in units.items()})
    check_ranges(source)
    needed = (*DEFAULT_NEEDS, *columns) if needs is None else needs
    return read(source, list(dict.fromkeys(needed)), zero_compute, ARGUMENTS, strict=needs is not None)
