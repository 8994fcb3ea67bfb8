"""Types of values that come from Python, or whose option may be of several types: checked by the hints that declare them.

A hint that names another class than those of plain values is left to whoever uses the value.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin

from openr1.system.errors import ConfigError

P = ParamSpec("P")
R = TypeVar("R")

LONGEST = 40  # characters of a value that a message shows
# type of a plain value -> the class of its values, and the words for one and for several
PLAIN: dict[Any, tuple[type, tuple[str, str]]] = {
    str: (str, ("a text", "texts")),
    int: (Integral, ("a whole number", "whole numbers")),
    float: (Real, ("a finite number", "finite numbers")),
    bool: (bool, ("true or false", "true or false")),
    Path: (PathLike, ("a path", "paths")),
    NoneType: (NoneType, ("null", "null")),
}
LISTS, MAPPINGS = (list, Sequence), (dict, Mapping)


def check_type(value: Any, hint: Any, key: str, limits: str = "") -> None:
    """Refuse a value of another type than a hint declares, however deep in it.

    :param limits: what is allowed besides, in words.
    :raises ConfigError: naming the place below ``key``, and what is allowed there.
    """
    if _fits(value, hint):
        return
    within = [option for option in _options(hint) if _fits(value, _emptied(option))]
    if len(within) == 1:  # the container is right, and an entry is not
        *_, inner = get_args(within[0])
        entries = value.items() if isinstance(value, Mapping) else enumerate(value)
        for name, entry in entries:
            check_type(entry, inner, f"{key}.{name}" if isinstance(value, Mapping) else f"{key}[{name}]")
    allowed = ", ".join(filter(None, (in_words(hint), limits)))
    raise ConfigError(f"{key}: must be {allowed}, not {shown(value)}")


def in_words(hint: Any, several: bool = False) -> str:
    """Return what a hint allows besides null, such as "a text or a list of texts"."""
    options = [option for option in _options(hint) if option is not NoneType]
    return " or ".join(dict.fromkeys(_option_in_words(option, several) for option in options))


def shown(value: Any) -> str:
    """Return a value as a message shows it: a short one as it is, else its type."""
    text = repr(value)
    return text if len(text) <= LONGEST and "\n" not in text else f"a {type(value).__name__}"


def typed(*own: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator of a function that refuses arguments of other types than its annotations declare.

    :param own: arguments that the function checks itself.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                given = signature.bind(*args, **kwargs).arguments
            except TypeError:  # which Python words better
                return function(*args, **kwargs)
            for name, hint in hints_of(function).items():
                if name not in given or name in own:
                    continue
                kind = signature.parameters[name].kind
                if kind is inspect.Parameter.VAR_KEYWORD:
                    for key, value in given[name].items():
                        check_type(value, hint, key)
                else:
                    values = given[name] if kind is inspect.Parameter.VAR_POSITIONAL else [given[name]]
                    for value in values:
                        check_type(value, hint, name)
            return function(*args, **kwargs)

        return call

    return decorate


@functools.cache
def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Return argument of a function or a class -> its hint, but for those whose types are imported for annotations alone."""
    hints, function = {}, inspect.unwrap(vars(function).get("__init__", function) if isinstance(function, type) else function)
    for name, text in getattr(function, "__annotations__", {}).items():
        try:
            hints[name] = eval(text, function.__globals__) if isinstance(text, str) else text
        except (NameError, AttributeError):
            continue
    return hints


def _options(hint: Any) -> tuple[Any, ...]:
    """Return the alternatives of a hint, without declarations."""
    if get_origin(hint) is Annotated:
        return _options(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        return tuple(option for part in get_args(hint) for option in _options(part))
    return (hint,)


def _emptied(hint: Any) -> Any:
    """Return the hint of a container with any entries; for another one, a type that no value has."""
    origin = get_origin(hint)
    if origin in LISTS:
        return list[Any]
    return dict[Any, Any] if origin in MAPPINGS else Literal[()]


def _fits(value: Any, hint: Any) -> bool:
    options = _options(hint)
    if len(options) > 1:
        return any(_fits(value, option) for option in options)
    (hint,) = options
    origin, inner = get_origin(hint), get_args(hint)
    if hint in PLAIN:
        return isinstance(value, PLAIN[hint][0]) and (hint is bool or not isinstance(value, bool))
    if origin is Literal:
        return value in inner
    if origin is tuple:
        return isinstance(value, tuple | list) and len(value) == len(inner) and all(map(_fits, value, inner))
    if origin in LISTS:
        listed = isinstance(value, Collection) and not isinstance(value, str | bytes | Mapping)
        return listed and all(_fits(entry, inner[0]) for entry in value)
    if origin in MAPPINGS:
        return isinstance(value, Mapping) and all(_fits(k, inner[0]) and _fits(v, inner[1]) for k, v in value.items())
    return True


def _option_in_words(hint: Any, several: bool) -> str:
    origin, inner = get_origin(hint), get_args(hint)
    if hint in PLAIN:
        return PLAIN[hint][1][several]
    if origin is Literal:
        return f"one of {', '.join(map(str, inner))}"
    if origin is tuple:
        return f"{'tuples' if several else 'a tuple'} of {len(inner)} {in_words(inner[0], True)}"
    if origin in LISTS:
        return ("lists" if several else "a list") + (f" of {in_words(inner[0], True)}" if inner[0] is not Any else "")
    if origin in MAPPINGS:
        of = "" if set(inner) == {Any} else f" of {in_words(inner[0], True)}"
        return (
            ("mappings" if several else "a mapping") + of + (f" to {in_words(inner[1], True)}" if inner[1] is not Any else "")
        )
    return "anything" if hint is Any else str(getattr(hint, "__name__", hint))
