"""Hydra's grammar of overrides as sweeps use it: each value is drawn once, and its text reads back as the same value."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser, create_functions
from hydra.core.override_parser.types import ChoiceSweep, Override, Quote, QuotedString, RangeSweep, Sweep
from hydra.errors import HydraException

from openr1.sweeps.compat import value_text
from openr1.system.errors import ConfigError


def parse_overrides(arguments: Iterable[str], loader: ConfigLoader) -> list[Override]:
    """Parse the overrides and sweeps of a command line.

    :raises ConfigError: for a shuffled list, which would have another order in every process.
    """
    functions = create_functions()
    shuffle = functions.functions["shuffle"]

    def shuffle_sweep(*args: Any, sweep: Any = None, list: Any = None) -> Any:
        only = args[0] if len(args) == 1 else list
        if isinstance(only, type([])):
            raise ConfigError("shuffle gives a list another order in every process; write the list in its order")
        return shuffle(*args, sweep=sweep)

    functions.functions["shuffle"] = shuffle_sweep
    parser = OverridesParser(functions=functions, config_loader=loader)
    return [_parse(parser, argument) for argument in arguments]


def _parse(parser: OverridesParser, argument: str) -> Override:
    try:
        (override,) = parser.parse_overrides([argument])
    except HydraException as error:
        if not isinstance(error.__cause__, ConfigError):
            raise
        raise ConfigError(f"{argument.partition('=')[0]}: {error.__cause__}") from error
    return override


def without_shuffle(override: Override) -> Override:
    """Return a sweep without its ``shuffle``, which draws a new order whenever it is read."""
    sweep = override.value()
    return replace(override, _value=replace(sweep, shuffle=False)) if isinstance(sweep, ChoiceSweep | RangeSweep) else override


def range_length(key: str, override: Override) -> int:
    """Return the number of values of a range.

    :raises ConfigError: for a range without values or without an end.
    """
    sweep: Any = override.value()
    start, stop, step = (Decimal(value or 0) for value in (sweep.start, sweep.stop, sweep.step))
    text = override.get_value_string()
    if not all(value.is_finite() for value in (start, stop, step)) or step == 0:
        raise ConfigError(f"{key}: {text} has no end")
    count = math.ceil((stop - start) / step)
    if count <= 0:
        raise ConfigError(f"{key}: {text} is empty")
    return count


def is_nested(override: Override) -> bool:
    """Return whether a sweep has another sweep among its choices."""
    sweep = override.value()
    return isinstance(sweep, ChoiceSweep) and any(isinstance(choice, Sweep) for choice in sweep.list)


def format_value(value: Any) -> str:
    """Return text that an override reads back as the same value: quoted where bare text would be read as a number."""
    if isinstance(value, list):
        return f"[{','.join(map(format_value, value))}]"
    if isinstance(value, dict):
        pairs = (f"{value_text(key)}:{format_value(item)}" for key, item in value.items())
        return f"{{{','.join(pairs)}}}"
    text = value_text(value)
    return QuotedString(value, Quote.single).with_quotes() if isinstance(value, str) and not _reads_back(text, value) else text


def _reads_back(text: str, value: str) -> bool:
    try:
        return OverridesParser.create().parse_override(f"key=[{text}]").value() == [value]
    except HydraException:
        return False
