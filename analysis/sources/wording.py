"""Wording of errors for users of Python, who know arguments such as ``columns={'N': 'params'}`` and no config key."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from openr1.system.errors import ConfigError

P = ParamSpec("P")
R = TypeVar("R")

KEY = r"(?<![\w./'-])\+?runs\."  # not part of a path
OPTIONS = (
    *("path", "format", "separator", "decimal", "thousands", "sheet", "layout", "uri", "study", "curve"),
    *("columns", "units", "where", "flops_6nd"),
)
VALUE = r"=(\[[^\]]*\]|[\w.:/+-]*\w)"
RULES: tuple[tuple[str, Callable[[re.Match[str]], str]], ...] = (
    (KEY + r"columns\.(\w+): (.* needs this column; name it)", lambda m: f"columns={{'{m[1]}': ...}}: {m[2]}{_in_tidy(m[1])}"),
    (KEY + r"(columns|where|units)\.([\w.]+)" + VALUE, lambda m: f"{m[1]}={{{m[2]!r}: {_literal(m[3])}}}"),
    (KEY + r"(columns|units)\.(\w+)", lambda m: f"{m[1]}={{{m[2]!r}: ...}}"),
    (KEY + r"flops_6nd=true", lambda m: "flops_6nd=True"),
    (KEY + rf"({'|'.join(OPTIONS)})\b", lambda m: m[1]),
    (r"(?<![\w./'-])(law\.\w+)" + VALUE, lambda m: f"{m[1]}={_literal(m[2])}"),
)


def in_python(message: str) -> str:
    """Return a message with arguments of Python in place of the keys of a config."""
    for pattern, write in RULES:
        message = re.sub(pattern, write, message)
    return message


def speaking_python(function: Callable[P, R]) -> Callable[P, R]:
    """Return a function whose errors name its arguments, though what it calls serves ``openr1-fit`` as well."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except ConfigError as error:
            message = in_python(str(error))
            if message == str(error):
                raise
            raise ConfigError(message) from error

    return call


def _in_tidy(key: str) -> str:
    return f" by tidy(frame, columns={{'{key}': NAME}})"


def _literal(text: str) -> str:
    """Return a value of a command line as Python writes it."""
    if text.startswith("["):
        return "[" + ", ".join(_literal(part.strip()) for part in text[1:-1].split(",")) + "]"
    if text in ("true", "false", "null"):
        return {"true": "True", "false": "False", "null": "None"}[text]
    try:
        float(text)
    except ValueError:
        return repr(text)
    return text
