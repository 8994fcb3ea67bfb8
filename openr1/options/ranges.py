"""Ranges of options: the values that a field of a dataclass of options may have, declared with its type.

``lr: Annotated[float, Gt(0), Le(1e3)]`` declares a learning rate above 0 and up to a thousand; the names below are for what
is declared often. Two rules need no declaration: a number is finite, wherever it stands, and a text is not empty, unless the
option may be anything. :func:`check_ranges` refuses everything else before anything is done with it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from numbers import Real
from types import UnionType
from typing import Annotated, Any, Union, cast, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Interval, Le, Lt, MinLen, MultipleOf
from omegaconf import MISSING, DictConfig, ListConfig, OmegaConf

from openr1.options.types import check_type, in_words
from openr1.system.errors import ConfigError


@dataclass(frozen=True)
class OneOf:
    """One of several values, such as the names in a registry."""

    choices: Collection[Any]


@dataclass(frozen=True)
class Or:
    """A value that is allowed beside the range, with a meaning of its own, such as -1 for all."""

    value: float


@dataclass(frozen=True)
class Unit:
    """The unit of a number, for the reference of options."""

    name: str


@dataclass(frozen=True)
class MayBeEmpty:
    """A text that may have no characters."""


@dataclass(frozen=True)
class Typed:
    """A type that OmegaConf cannot declare, such as a text or a list of texts, for an option that is declared as anything."""

    hint: Any


# a limit beyond every use keeps a slip of the keyboard, such as 1e30 tokens, from being waited for
Count = Annotated[int, Ge(1), Le(10**9)]
CountOrZero = Annotated[int, Ge(0), Le(10**9)]
Positive = Annotated[float, Gt(0), Le(1e12)]
NotNegative = Annotated[float, Ge(0), Le(1e12)]
Share = Annotated[float, Interval(ge=0, le=1)]
PositiveShare = Annotated[float, Interval(gt=0, le=1)]
ProperShare = Annotated[float, Interval(gt=0, lt=1)]
Seed = Annotated[int, Interval(ge=0, lt=2**32)]
Parameters = Annotated[float, Ge(1), Le(1e15), Unit("parameters")]
Tokens = Annotated[float, Ge(1), Le(1e17), Unit("tokens")]
Flops = Annotated[float, Ge(1), Le(1e29), Unit("FLOPs")]
Seconds = Annotated[float, Gt(0), Le(1e8), Unit("seconds")]
Minutes = Annotated[float, Gt(0), Le(1e7), Unit("minutes")]
FreeText = Annotated[str, MayBeEmpty()]


def check_ranges(options: Any, key: str = "") -> None:
    """Refuse options that are outside of their declared ranges.

    :param options: an instance of a dataclass of options, whose types are checked too, or a node of OmegaConf that is typed by
        one; those within are checked too.
    :param key: where the options stand in the config; empty for the whole config.
    :raises ConfigError: for the first value that is not allowed, in a line that names its key and what is allowed.
    """
    schema: Any = OmegaConf.get_type(options) if isinstance(options, DictConfig) else type(options)
    for name, hint in typed_fields(schema).items():
        place, of_config = f"{key}.{name}".lstrip("."), isinstance(options, DictConfig)
        if of_config and OmegaConf.is_missing(options, name):
            continue
        value = options[name] if of_config else getattr(options, name)
        if not of_config and not (isinstance(value, str) and value == MISSING):
            check_type(value, hint, place, describe(split(hint)[1]))
        _check(value, hint, place)


def one_of(value: str, key: str, choices: Collection[str]) -> None:
    """Refuse a name that is not in a registry, for an option whose registry is too heavy to declare with its type.

    :raises ConfigError: naming the choices.
    """
    _check_text(value, (OneOf(choices),), key)


@cache
def typed_fields(schema: Any) -> dict[str, Any]:
    """Return name of each field of a dataclass -> its type with the declared range."""
    hints = get_type_hints(schema, include_extras=True)
    return {field.name: hints[field.name] for field in fields(schema)}


def split(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return the plain type of a hint, without null, and its declarations."""
    if get_origin(hint) in (Union, UnionType):
        (hint,) = (option for option in get_args(hint) if option is not type(None))
        return split(hint)
    if get_origin(hint) is Annotated:
        plain, *declared = get_args(hint)
        inner, more = split(plain)
        return inner, (*more, *declared)
    return hint, ()


def describe(declared: Sequence[Any]) -> str:
    """Say in words what the declarations of a field allow, such as "above 0, at most 100"; empty if they allow anything."""
    limits = ", ".join(filter(None, (_limit(rule) for rule in declared)))
    special = [f"{rule.value:g}" for rule in declared if isinstance(rule, Or)]
    return ", or ".join(filter(None, (limits, *special)))


def _check(value: Any, hint: Any, key: str) -> None:
    plain, declared = split(hint)
    for rule in declared:
        if isinstance(rule, Typed):
            container = isinstance(value, DictConfig | ListConfig)
            check_type(OmegaConf.to_container(value) if container else value, rule.hint, key)
    if value is None:
        return
    if is_dataclass(value) or (isinstance(value, DictConfig) and is_dataclass(OmegaConf.get_type(value))):
        check_ranges(value, key)
    elif isinstance(value, Mapping | DictConfig):
        inner = get_args(plain)[1] if get_origin(plain) is dict else Any
        _check_length(value, declared, key)
        for name, entry in value.items():
            _check(entry, inner, f"{key}.{name}")
    elif isinstance(value, list | tuple | ListConfig):
        inner = get_args(plain)[0] if get_origin(plain) is list else Any
        _check_length(value, declared, key)
        for place, entry in enumerate(value):
            _check(entry, inner, f"{key}[{place}]")
    elif isinstance(value, str) and plain is not Any:
        _check_text(value, declared, key)
    elif isinstance(value, Real) and not isinstance(value, bool):
        _check_number(value, declared, key)


def _check_length(value: Any, declared: Sequence[Any], key: str) -> None:
    for rule in declared:
        if isinstance(rule, MinLen) and len(value) < rule.min_length:
            raise ConfigError(f"{key}: needs at least {rule.min_length} value{'s' * (rule.min_length > 1)}, not {len(value)}")


def _check_text(value: str, declared: Sequence[Any], key: str) -> None:
    for rule in declared:
        if isinstance(rule, OneOf) and value not in rule.choices:
            raise ConfigError(f"{key}: {value!r} is not one of {', '.join(map(str, rule.choices))}")
        if isinstance(rule, MinLen) and len(value) < rule.min_length:
            raise ConfigError(f"{key}: needs at least {rule.min_length} character{'s' * (rule.min_length > 1)}")
    if not value.strip() and not any(isinstance(rule, MayBeEmpty | OneOf) for rule in declared):
        raise ConfigError(f"{key}: must not be empty")


def _check_number(value: Any, declared: Sequence[Any], key: str) -> None:
    if any(isinstance(rule, Or) and value == rule.value for rule in declared):
        return
    if not math.isfinite(value):
        allowed = describe(declared)
        raise ConfigError(f"{key}: must be a finite number{', ' * bool(allowed)}{allowed}, not {value:g}")
    for rule in declared:
        if isinstance(rule, OneOf) and value not in rule.choices:
            raise ConfigError(f"{key}: {value:g} is not one of {', '.join(map(str, rule.choices))}")
        if not _holds(value, rule):
            allowed = describe([rule, *(other for other in declared if isinstance(other, Or))])
            raise ConfigError(f"{key}: must be {allowed}, not {value:g}")


def _holds(value: Any, rule: Any) -> bool:
    if isinstance(rule, MultipleOf):
        return value % float(cast(float, rule.multiple_of)) == 0
    return all(
        holds(value, getattr(rule, name)) for name, (holds, _) in LIMITS.items() if getattr(rule, name, None) is not None
    )


LIMITS: dict[str, tuple[Any, str]] = {
    "gt": (lambda value, limit: value > limit, "above"),
    "ge": (lambda value, limit: value >= limit, "at least"),
    "lt": (lambda value, limit: value < limit, "below"),
    "le": (lambda value, limit: value <= limit, "at most"),
}


def _limit(rule: Any) -> str:
    if isinstance(rule, MultipleOf):
        return "a whole number" if rule.multiple_of == 1 else f"a multiple of {rule.multiple_of:g}"
    if isinstance(rule, OneOf):
        return f"one of {', '.join(map(str, rule.choices))}"
    if isinstance(rule, MinLen):
        return f"at least {rule.min_length} values"
    if isinstance(rule, Typed):
        return in_words(rule.hint)
    if not isinstance(rule, Gt | Ge | Lt | Le | Interval):
        return ""
    given = {name: getattr(rule, name) for name in LIMITS if getattr(rule, name, None) is not None}
    if set(given) == {"ge", "le"}:
        return f"from {_exact(given['ge'])} to {_exact(given['le'])}"
    return " and ".join(f"{LIMITS[name][1]} {_exact(limit)}" for name, limit in given.items())


def _exact(limit: float) -> str:
    short = f"{limit:g}"
    return short if float(short) == limit else str(limit)
