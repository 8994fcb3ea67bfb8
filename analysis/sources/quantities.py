"""Quantities of a table: which column holds each, in which unit, and their numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from openr1.analysis.sources.columns import DISTINCT, LABELS, LOOK_ALIKES, OPTIONAL, SHARES, Columns, Keys
from openr1.analysis.sources.exports import is_chart_export
from openr1.analysis.sources.numbers import Notation, Numbers, in_words, read_numbers, shown_roles
from openr1.analysis.sources.rows import join_columns
from openr1.analysis.sources.units import LARGEST_LOGARITHM, Unit, has_unknown_base, parse_option, split_header
from openr1.options.near import did_you_mean
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

# values above these in units of the header, such as millions of millions of parameters, contradict the header
CONTRADICTING = {"N": 1e6, "D": 1e8, "U": 1e8, "C": 1e15, "batch": 1e8}


@dataclass(frozen=True)
class Quantities:
    """The quantities of a table.

    :ivar names: quantity -> its column.
    :ivar values: quantity -> its values (n,), in the unit of the quantity; text for a label.
    :ivar numbers: quantity -> its numbers as they were read.
    :ivar told: quantity -> the unit that the user gives.
    :ivar notes: lines about what was read otherwise than it stands there.
    """

    names: dict[str, str]
    values: dict[str, pd.Series]
    numbers: dict[str, Numbers]
    told: dict[str, Unit]
    notes: list[str]


def map_columns(table: pd.DataFrame, columns: Columns, flops_6nd: bool, needs: Sequence[str], keys: Keys) -> dict[str, str]:
    """Return quantity -> column, for the quantities that the table has: under the name that is given, under their own, or
    under their own with a unit, such as ``N (M)``. A weight counts only if its column is named.

    :raises ConfigError: for a column that is missing, or that two columns are called by; for an argument ``needs`` with a name
        that is neither a quantity nor a column.
    """
    names = {}
    known = [*vars(columns), *map(str, table)]
    if not keys.config and (unknown := [name for name in needs if name not in known]):
        raise ConfigError(f"needs: there is no quantity or column {unknown[0]!r}{did_you_mean(unknown[0], known)}")
    for key, name in vars(columns).items():
        absent = name is not None and name not in table
        if (flops_6nd and key == "C") or (absent and key in OPTIONAL and key not in needs):
            continue
        if absent:
            chart = f". A chart of W&B is read with {keys.setting('layout', 'wandb_chart')}" if is_chart_export(table) else ""
            raise ConfigError(f"{keys.column(key)}: there is no column {name!r}; there are {join_columns(table)}{chart}")
        if name is None and key != "weight":
            with_unit = [column for column in _texts(table) if (split_header(column, key) or ("",))[0] == key]
            name = key if key in table else with_unit[0] if len(with_unit) == 1 else None
        if name is not None:
            names[key] = name
    holders: dict[str, str] = {}
    for key in (key for key in names if key in DISTINCT):
        if (other := holders.setdefault(names[key], key)) != key:
            raise ConfigError(f"{keys.column(key)}: is {names[key]!r}, the column of {other}; name that of {key}")
    twice = table.columns[table.columns.duplicated()]
    for key, name in names.items():
        if name in twice:
            raise ConfigError(f"{keys.column(key)}: several columns are named {name!r}; rename all but one")
    return names


def look_alikes(table: pd.DataFrame, key: str) -> list[str]:
    """Return the columns that may well hold a quantity by their names, such as ``params`` and ``tokens (B)``."""
    known = LOOK_ALIKES.get(key, ())
    found = []
    for name in _texts(table):
        header = split_header(name, key)
        forms = {name, name.rpartition("/")[2]} | ({header[0], header[1]} if header else set())
        if {re.sub(r"\W+", "_", form.strip().lower()).strip("_") for form in forms} & set(known):
            found.append(name)
    return found


def suggest(table: pd.DataFrame, names: Mapping[str, str], missing: Sequence[str], keys: Keys) -> list[str]:
    """Return a line for each missing quantity that a column may well hold."""
    lines = []
    for key in missing:
        found = [name for name in look_alikes(table, key) if name not in names.values()]
        if found:
            looks = f"{found[0]} looks like it" if len(found) == 1 else f"{' or '.join(found[:4])} may be it"
            lines.append(f"{keys.column(key)}: name the column of {key}; {looks}")
    return lines


def read_quantities(
    table: pd.DataFrame, names: Mapping[str, str], units: Mapping[str, Any], notation: Notation, keys: Keys
) -> Quantities:
    """Read the numbers of each quantity.

    :param units: quantity -> the unit that the user gives, a factor or a name.
    :raises ConfigError: for numbers that may be read in two ways, or a unit that is not known or contradicts the values.
    """
    import pandas as pd

    told = {key: _parse_told(key, str(unit), keys) for key, unit in units.items()}
    if unused := [key for key in told if key not in names]:
        raise ConfigError(f"{keys.option(f'units.{unused[0]}')}: the table has no column of {unused[0]}; name it")
    values: dict[str, pd.Series] = {}
    numbers: dict[str, Numbers] = {}
    notes: list[str] = []
    for key, name in names.items():
        if key in LABELS:
            values[key] = table[name]
            continue
        read = numbers[key] = _read(table, name, key, notation)
        if read.undecided.any():
            raise _undecided(key, str(table[name].iloc[int(read.undecided.argmax())]), name, keys)
        unit, note = told.get(key), ""
        if unit is None and has_unknown_base(str(name), key):
            _refuse_unknown_base(key, name, read, keys)
        if unit is None and (header := split_header(str(name), key)):
            unit, note = header[2], _check_header(key, name, header[1], header[2], read, keys)
        scaled = _scale(read, unit)
        notes += [note] * bool(note) + _describe_reread(key, table[name], read, scaled)
        values[key] = pd.Series(scaled, index=table.index)
    return Quantities(dict(names), values, numbers, told, notes)


def _read(table: pd.DataFrame, name: str, key: str, notation: Notation) -> Numbers:
    """Read the numbers of a column; the other columns are looked at only if its own numbers leave their marks undecided."""
    read = read_numbers(table[name], key, notation)
    if not read.undecided.any():
        return read
    shown = notation.shown | shown_roles(column for _, column in table.items())
    return read_numbers(table[name], key, replace(notation, shown=shown))


def _texts(table: pd.DataFrame) -> list[str]:
    return [name for name in table.columns if isinstance(name, str)]


def _parse_told(key: str, text: str, keys: Keys) -> Unit:
    unit = parse_option(text, key)
    if unit is None:
        option = keys.option(f"units.{key}")
        raise ConfigError(f"{option}: {text!r} is no unit of {key}; write a factor, such as 1e6, or a name, {_examples(key)}")
    return unit


def _examples(key: str) -> str:
    """Name units of a quantity."""
    if key == "C":
        return "such as PF-days, EFLOPs or log10"
    if "loss" in key:
        return "nats, bits or perplexity"
    if key == "kl":
        return "nats or bits"
    return "percent" if key in SHARES else "such as k, M, B, T or log10"


def _undecided(key: str, text: str, name: str, keys: Keys) -> ConfigError:
    mark = "," if "," in text else "."
    decimal, whole = text.replace(mark, "."), text.replace(mark, "")
    choices = " or ".join(keys.setting("decimal", choice) for choice in ((",", ".") if mark == "," else (".", ",")))
    return ConfigError(f"{keys.column(key)}: {text!r} in the column {name!r} may be {decimal} or {whole}; write {choices}")


def _check_header(key: str, name: str, text: str, unit: Unit, read: Numbers, keys: Keys) -> str:
    """Return a line about the unit of a header; an empty one if it changes nothing.

    :raises ConfigError: for values that are too large for that unit, or too small for a perplexity.
    """
    if unit.keeps:
        return ""
    plain = read.values[~read.has_unit & np.isfinite(read.values)]
    contradicts = (unit.base is not None and (plain > LARGEST_LOGARITHM).any()) or (unit.perplexity and (plain < 1).any())
    if contradicts:
        worst = float(plain.min() if unit.perplexity else plain.max())
        raise ConfigError(
            f"{keys.column(key)}: the header {name!r} says {text}, and values such as {in_words(worst)} do not; write"
            f" {keys.unit(key, '1')} if they are in the unit of {key}"
        )
    if len(plain) and unit.factor > 1 and np.median(plain) > CONTRADICTING.get(key, np.inf):
        raise ConfigError(
            f"{keys.column(key)}: the header {name!r} says {text}, and values such as {in_words(float(np.median(plain)))} do"
            f" not; write {keys.unit(key, '1')} if they are in the unit of {key}, or else {keys.unit(key, f'{unit.factor:g}')}"
        )
    reason = "the unit in its header" if unit.base is None and not unit.perplexity else "as its header says"
    return f"{key}: the column {name!r} {unit.describe()}, {reason}" if len(plain) else ""


def _refuse_unknown_base(key: str, name: str, read: Numbers, keys: Keys) -> None:
    """Refuse logarithms of a base that nothing says; larger values are none, whatever the header says.

    :raises ConfigError: with the units to choose from.
    """
    values = read.values[np.isfinite(read.values)]
    if len(values) and (values <= LARGEST_LOGARITHM).all():
        raise ConfigError(
            f"{keys.column(key)}: the header {name!r} says logarithms, and not of which base; write {keys.unit(key, 'log10')}"
            f" or {keys.unit(key, 'ln')}"
        )


def _scale(read: Numbers, unit: Unit | None) -> np.ndarray:
    """Return the values in the unit of the quantity; a cell with a unit of its own keeps it."""
    if unit is None:
        return read.values
    return np.where(read.has_unit, read.values, unit.convert(read.values))


def _describe_reread(key: str, texts: pd.Series, read: Numbers, values: np.ndarray) -> list[str]:
    """Return a line about cells that are not plain numbers."""
    count = int(read.reread.sum())
    if not count:
        return []
    place = int((read.has_unit if read.has_unit.any() else read.reread).argmax())
    text = str(texts.iloc[place]).strip()
    subject = f"the value {text} is" if count == 1 else f"{count} values such as {text} are"
    return [f"{key}: {subject} read as {in_words(float(values[place]))}"]
