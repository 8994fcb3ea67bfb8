"""A tidy frame of runs: a row per run (or point of a curve), a column per quantity, named by its symbol, all other
columns of the source, and the compute ``budget`` of the run.

Nothing is filled in. A row without a value that the laws need is left out, and listed with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from openr1.analysis.sources.budgets import budgets_of, group_budgets
from openr1.analysis.sources.columns import CONFIG, DEFAULT_NEEDS, MARKS, TIDY, Columns, Keys, mapping
from openr1.analysis.sources.exports import add_names, is_chart_export, mark_unfinished
from openr1.analysis.sources.files import Table
from openr1.analysis.sources.numbers import Notation
from openr1.analysis.sources.options import SOURCES, FileRuns, MlflowRuns, Source
from openr1.analysis.sources.plausibility import check_loss_names, check_shares, check_units, concerns_training, find_odd_rows
from openr1.analysis.sources.quantities import Quantities, map_columns, read_quantities, suggest
from openr1.analysis.sources.rows import (
    check_names,
    check_sizes_of_runs,
    describe_unread,
    exclusion_reasons,
    join_columns,
    name_runs,
    parse_number,
    points_column,
    require_one_stage,
    select_rows,
    usable,
    without_name,
)
from openr1.analysis.sources.tidied import holds_budgets, mark_told
from openr1.analysis.warning import RankedWarning, Severity
from openr1.options import typed
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SOURCES", "Columns", "FileRuns", "MlflowRuns", "Runs", "Source", "group_budgets", "read", "select_rows", "tidy"]

# columns that the frame has itself, or that a fit would use -> the name of a table's own column of that name
RESERVED = {"budget": "budget_unused", "weight": "weight_unused"}


@dataclass(frozen=True, repr=False)
class Runs:
    """The usable rows, the others, and warnings."""

    frame: pd.DataFrame
    dropped: pd.DataFrame  # rows of the source, with a column ``reason``
    warnings: list[RankedWarning] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)  # quantity -> its column in the source

    def __repr__(self) -> str:
        """Say how many rows there are, the range of each quantity, how many rows are left out and why, and the warnings."""
        ranges = []
        for key in vars(Columns()):
            if key in self.frame and self.frame[key].dtype.kind == "f" and self.frame[key].notna().any():
                low, high = self.frame[key].min(), self.frame[key].max()
                ranges.append(f"{key} {low:.4g}" + (f" to {high:.4g}" if high > low else ""))
        lines = [f"Runs: {len(self.frame)} rows" + (f"; {', '.join(ranges)}" if ranges else "")]
        lines += [f"  {count} left out: {reason}" for reason, count in self.dropped["reason"].value_counts().items()]
        return "\n".join([*lines, *(f"  {warning}" for warning in self.warnings)])


@dataclass(frozen=True)
class _Request:
    """Choices of whoever reads a table, see :func:`tidy`."""

    columns: Columns
    flops_6nd: bool
    where: Mapping[str, Any]
    needs: Sequence[str]
    uses: Sequence[str]
    strict: bool  # refuse a table in which a needed quantity has another name, instead of a warning
    units_known: bool
    units: Mapping[str, Any]
    zero_compute: bool
    keys: Keys


def read(
    source: Source,
    needs: Sequence[str] | None = None,
    zero_compute: bool = False,
    keys: Keys = CONFIG,
    strict: bool | None = None,
    uses: Sequence[str] = (),
) -> Runs:
    """Read the tidy frame of a source.

    :param needs: the quantities that a usable row must have, if the source has them; by default N, D, C and the loss.
    :param zero_compute: keep rows before training, whose C and D are 0.
    :param keys: how messages call options.
    :param strict: refuse a table in which a needed quantity seems to have another name, instead of a warning; by default if
        ``needs`` are given.
    :param uses: the quantities that a usable row must have if the table has any numbers of them.
    :raises ConfigError: if the source does not exist, or its columns are not those of the config.
    """
    request = _Request(
        columns=source.columns,
        flops_6nd=source.flops_6nd,
        where=source.where,
        needs=DEFAULT_NEEDS if needs is None else needs,
        uses=uses,
        strict=(needs is not None if strict is None else strict) and not source.units_known,
        units_known=source.units_known,
        units={key: unit for key, unit in vars(source.units).items() if unit is not None},
        zero_compute=zero_compute,
        keys=keys,
    )
    return _tidy(source.load(keys), request)


@typed("where", "units")
def tidy(
    table: pd.DataFrame,
    columns: Columns | Mapping[str, str] | None = None,
    flops_6nd: bool = False,
    where: Mapping[str, Any] | None = None,
    needs: Sequence[str] | None = None,
    units_known: bool = False,
    *,
    units: Mapping[str, str | float] | None = None,
    zero_compute: bool = False,
    decimal: str | None = None,
    thousands: str | None = None,
) -> Runs:
    """Turn any DataFrame into a tidy frame.

    :param columns: the names of the quantities in the table, or a mapping of each quantity to its name.
    :param flops_6nd: take C = 6ND (arXiv 2001.08361) instead of a column.
    :param where: column -> the value, or the list of values, to keep.
    :param needs: quantities that a usable row must have, if the table has them; a law reports a missing column itself. By
        default N, D, C and the loss.
    :param units_known: the units are parameters, tokens and FLOPs, whatever the values are.
    :param units: quantity -> its unit in the table, a factor or a name such as ``"PF-days"`` or ``"perplexity"``.
    :param zero_compute: keep rows before training, whose C and D are 0.
    :param decimal: decimal mark of numbers in text; found by default, as is ``thousands``, the mark between thousands.
    :raises ConfigError: for a missing column, several stages, or quantities in other units.
    """
    import pandas as pd

    if not isinstance(table, pd.DataFrame):
        raise ConfigError(f"table: must be a DataFrame, such as pd.DataFrame(records), not a {type(table).__name__}")
    for name, mark in (("decimal", decimal), ("thousands", thousands)):
        if mark is not None and mark not in MARKS:
            raise ConfigError(f"{name}: must be a mark such as '.' or ',', not {mark!r}")
    request = _Request(
        columns=Columns.of(columns),
        flops_6nd=flops_6nd,
        where=mapping(where, "where", {"COLUMN": "value"}),
        needs=DEFAULT_NEEDS if needs is None else needs,
        uses=(),
        strict=False,
        units_known=units_known,
        units=mapping(units, "units", {"N": 1e6}),
        zero_compute=zero_compute,
        keys=TIDY,
    )
    return _tidy(Table(table, Notation(decimal, thousands)), request)


def _tidy(source: Table, request: _Request) -> Runs:
    import pandas as pd

    keys = request.keys
    _refuse_repeated_conditions(source.rows, request)
    check_names(source.rows)
    table = add_names(select_rows(source.rows, request.where, keys))
    require_one_stage(table, keys)
    try:
        names = map_columns(table, request.columns, request.flops_6nd, request.needs, keys)
    except ConfigError as error:
        if not source.other_sheets:
            raise
        others = ", ".join(source.other_sheets)
        raise ConfigError(f"{error}; {keys.option('sheet')} names another sheet: {others}") from error
    table, repeated = _without_repeated_columns(table)
    quantities = read_quantities(table, names, request.units, source.notation, keys)
    used = _derive(quantities.values, table, request)
    read = [*source.notes, *repeated, *quantities.notes, *_suggest(source, table, used, names, request)]
    others, said = _other_columns(table, names, used, keys, request.units_known)
    nameless = without_name(used["run"]) if "run" in used and "run" not in request.needs else None
    if nameless is not None and nameless.all():
        said.append(f"run: the column {str(used.pop('run').name)!r} is empty; each row is a run of its own")
    points = points_column(table.drop(columns="run", errors="ignore"), not request.units_known)
    if "run" not in used and points:
        used["run"] = table[points]
        said.append(f"rows with the same {points} are points of one run, which resamples keep together")
    for key in ("C", *request.uses):
        if key in used and key not in request.needs and not usable(key, used[key], request.zero_compute).any():
            said.append(
                f"the column {names.get(key, '6ND')!r} has no usable {'FLOPs' if key == 'C' else 'numbers'}, and is left out"
            )
            used.pop(key)
    frame = pd.concat([pd.DataFrame(used), others], axis=1)

    # whatever a law of training needs, its budgets, held-out runs and advice are about FLOPs
    training = ["C"] if concerns_training(frame, request.needs) else []
    needed = [key for key in used if key in (*request.needs, *request.uses, *training, "weight")]
    reason = mark_unfinished(table, list(request.where))
    texts = {key: table[name] for key, name in names.items()}
    unusable = exclusion_reasons(frame, needed, quantities.numbers, texts, request.zero_compute)
    reason = reason.mask(reason == "", unusable)
    dropped = table.assign(reason=reason)[reason != ""]
    frame = frame[reason == ""].reset_index(drop=True)
    if "run" in used and "run" not in request.needs:
        said += name_runs(frame)
    check_sizes_of_runs(frame, points or keys.column("run"))
    if frame.empty:
        check_shares(pd.DataFrame(used), request.needs, quantities.told, keys)
        if not len(table):
            raise ConfigError(f"{keys.runs}: the table has no rows below its header")
        why = f": {dropped['reason'].iloc[0]}" if len(dropped) else ""
        raise ConfigError(f"{keys.runs}: none of {len(table)} rows can be used{why}")
    if "weight" in frame and not frame["weight"].any():
        raise ConfigError(f"{keys.column('weight')}: the column {names['weight']!r} is 0 in every row, so that no row counts")
    unread = [key for key in needed if key in quantities.numbers and quantities.numbers[key].unread.any()]
    read += [describe_unread(key, quantities.numbers[key], texts[key]) for key in unread]
    checked = _check(frame, pd.DataFrame(used), quantities, request)
    if "C" in frame:
        frame = frame.copy()  # in one block, since its columns were added one by one
        frame.insert(len(used), "budget", budgets_of(frame["C"].to_numpy(), request.zero_compute))
    frame = mark_told(_without_own_budget(frame, [] if request.units_known else said), [*used, "budget"])
    as_read, as_called = ([RankedWarning(line, Severity.DATA) for line in lines] for lines in (read, said))
    return Runs(frame, dropped.reset_index(drop=True), [*as_read, *checked, *as_called], dict(names))


def _refuse_repeated_conditions(table: pd.DataFrame, request: _Request) -> None:
    for name in request.where:
        if list(table.columns).count(name) > 1:
            raise ConfigError(f"{request.keys.option('where')}.{name}: several columns are named {name!r}; rename all but one")


def _without_repeated_columns(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Leave out each column that is named as an earlier one, with a line that says so."""
    repeated = table.columns.duplicated()
    if not repeated.any():
        return table, []
    names = ", ".join(dict.fromkeys(str(name) for name in table.columns[repeated]))
    return table.loc[:, ~repeated], [f"several columns are named {names}; only the first of a name is kept"]


def _derive(values: Mapping[str, pd.Series], table: pd.DataFrame, request: _Request) -> dict[str, pd.Series]:
    """Return the quantities with those that follow from others: C = 6ND, and the error from the pass rate."""
    used, keys = dict(values), request.keys
    if request.flops_6nd:
        for key in ("N", "D"):
            if key not in used:
                raise ConfigError(f"{keys.option('flops_6nd')}: needs {keys.column(key)}; there are {join_columns(table)}")
        used["C"] = 6 * used["N"] * used["D"]
    if "error" in request.needs and "error" not in used and "pass_at_1" in used:
        used["error"] = 1 - used["pass_at_1"]
    return used


def _suggest(
    source: Table, table: pd.DataFrame, used: Mapping[str, Any], names: Mapping[str, str], request: _Request
) -> list[str]:
    """Return lines about columns that may hold what is missing.

    :raises ConfigError: with the first of them, if a law needs it.
    """
    missing = [key for key in request.needs if key not in used]
    lines = suggest(table, names, missing, request.keys)
    if missing and _is_headless(table):
        first = ", ".join(str(name) for name in table.columns[:4])
        lines = [
            f"{request.keys.column(missing[0])}: the table has no header row, since its first row is of numbers ({first});"
            " put the names of the columns there, such as N,D,C,loss"
        ]
    if source.other_sheets and len(missing) == len(request.needs) and not lines:
        others = ", ".join(source.other_sheets)
        lines = [f"{request.keys.option('sheet')}: the sheet has no column of {', '.join(missing)}; there are also {others}"]
    if missing and is_chart_export(table):
        option = request.keys.setting("layout", "wandb_chart")
        lines = [
            f"{request.keys.column(missing[0])}: the table is a chart of W&B, with a column per run; write {option}, which"
            " makes a row per run and step"
        ]
    if lines and request.strict:
        raise ConfigError(lines[0])
    return lines


def _is_headless(table: pd.DataFrame) -> bool:
    """Return True if most names of columns are numbers."""
    names = [str(name) for name in table if isinstance(name, str)]  # those of a data frame may be numbered
    return sum(parse_number(name) is not None for name in names) > len(names) / 2


def _other_columns(
    table: pd.DataFrame, names: Mapping[str, str], used: Mapping[str, Any], keys: Keys, known: bool
) -> tuple[pd.DataFrame, list[str]]:
    """Return the columns that hold no quantity, and lines about those that are renamed or left out.

    :param known: openr1 wrote the table, so that it is no news which of its columns is taken.
    """
    said = []
    if "weight" in names:
        said.append(f"rows are weighted by the column {names['weight']!r}")
    others = table.drop(columns=[name for name in table if name in names.values()])
    replaced = [name for name in others if name in used]
    if not known:
        said += [f"the column {name!r} is left out, since {name} is taken from {names.get(name, '6ND')!r}" for name in replaced]
    others = others.drop(columns=replaced)
    if "weight" in others:
        said.append(
            f"the column 'weight' is not used, and is called {RESERVED['weight']}; {keys.naming('weight', 'weight')} weights"
            " the rows by it"
        )
    return others.rename(columns=RESERVED), said


def _check(frame: pd.DataFrame, rows: pd.DataFrame, quantities: Quantities, request: _Request) -> list[RankedWarning]:
    """Return warnings about values that are unusual.

    :param frame: the usable rows.
    :param rows: the quantities of all rows.
    :raises ConfigError: for values in another unit.
    """
    needs, warnings = request.needs, list[RankedWarning]()
    if not request.units_known:
        check_shares(rows, needs, quantities.told, request.keys)
        # 6ND agrees with N and D in any unit
        given = frame.drop(columns="C", errors="ignore") if request.flops_6nd else frame
        warnings += check_units(given, needs, quantities.told, request.keys)
        warnings += check_loss_names(quantities.names, quantities.told, request.keys)
    if concerns_training(frame, needs) and {"N", "D", "C"} <= set(frame):
        warnings += find_odd_rows(frame)
    return warnings


def _without_own_budget(frame: pd.DataFrame, said: list[str]) -> pd.DataFrame:
    """Leave out the table's own column of budgets if it is that of the frame, as in the points of a report."""
    own = RESERVED["budget"]
    if own not in frame:
        return frame
    if "budget" in frame and holds_budgets(frame.assign(budget=frame[own])):
        return frame.drop(columns=own)
    said.append(f"the column 'budget' is called {own}, since budget is the compute that runs share")
    return frame
