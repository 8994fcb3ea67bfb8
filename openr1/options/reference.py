"""The reference of options: a table of each dataclass, with the default, the range, the unit and the meaning of each field.

Everything in it is read from the code: ranges from the types, meanings from the comments beside the fields.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import MISSING as NO_DEFAULT
from dataclasses import Field, fields, is_dataclass
from typing import Any, cast, get_args, get_origin

from omegaconf import MISSING

from openr1.options.ranges import Unit, describe, split, typed_fields

WORDS = {int: "whole number", float: "number", str: "text", bool: "true or false", Any: "anything"}
FIELD = re.compile(r"    (\w+): .*?(?:  # (.*))?$")


def write_table(schema: type, prefix: str = "") -> str:
    """Write the table of a dataclass of options in Markdown, those of the dataclasses within it included.

    :param prefix: the key of the options in the config, with a dot at its end.
    """
    lines = ["| Option | Default | Allowed | Meaning |", "|---|---|---|---|"]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in _rows(schema, prefix)]
    return "\n".join(lines)


def meanings(schema: type) -> dict[str, str]:
    """Return name of a field -> the comment beside or above it, for the fields of a dataclass and its bases."""
    found: dict[str, str] = {}
    for owner in (base for base in reversed(schema.__mro__) if is_dataclass(base)):
        above: list[str] = []
        for line in textwrap.dedent(inspect.getsource(owner)).splitlines():
            if comment := re.fullmatch(r"    # (.*)", line):
                above.append(comment[1])
                continue
            if (field := FIELD.fullmatch(line)) and (field[2] or above or field[1] not in found):
                found[field[1]] = field[2] or " ".join(above)
            above = []
    return found


def _rows(schema: type, prefix: str) -> Iterator[tuple[str, str, str, str]]:
    about, hints = meanings(schema), typed_fields(schema)
    for field in fields(schema):
        if field.name == "kind":  # the choice of the group
            continue
        plain, declared = split(hints[field.name])
        if is_dataclass(plain) and not getattr(plain, "kinds", None):
            yield from _rows(cast(type, plain), f"{prefix}{field.name}.")
        else:
            yield f"`{prefix}{field.name}`", _default(field), _allowed(plain, declared), about.get(field.name, "")


def _default(field: Field[Any]) -> str:
    default = field.default_factory() if field.default_factory is not NO_DEFAULT else field.default
    if default is NO_DEFAULT or default == MISSING:
        return "required"
    if is_dataclass(default):
        return ""
    if default is None:
        return "null"
    text = str(default).lower() if isinstance(default, bool) else f"{default:g}" if isinstance(default, float) else str(default)
    return f"`{text}`" if text else "empty"


def _allowed(plain: Any, declared: Sequence[Any]) -> str:
    if get_origin(plain) is list:
        inner, more = split(get_args(plain)[0])
        return f"list of: {_allowed(inner, more)}" + (f"; {describe(declared)}" if describe(declared) else "")
    if get_origin(plain) is dict:
        return "mapping"
    unit = "".join(f", in {rule.name}" for rule in declared if isinstance(rule, Unit))
    limits = describe(declared)
    word = "" if plain is Any and limits else WORDS.get(plain, "")
    return (limits if limits.startswith("one of") else ", ".join(filter(None, (word, limits)))) + unit
