"""Names that users choose, as names of folders and as keys of the tracking store."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from openr1.system.errors import ConfigError

NAME_BYTES = 200  # file systems allow 255, of which the name of a temporary file needs some
TAG_LENGTH = 5000  # characters of a tag; longer ones are cut
KEY_LENGTH = 250  # most characters of a metric, param or tag of MLflow
DIGEST = 16  # hexadecimal digits that replace the end of a longer key
REFUSED = re.compile(r"[^/\w.\- :]")  # characters that MLflow refuses in a key
ESCAPED = re.compile(r":([0-9A-F]+):")
UNQUOTED = re.compile(r"[^\w .:/+-]")  # characters that MLflow's queries cannot hold, or read in another way
NOT_PATHS = ("", ".", "..")
# endings of the names of curves whose step is an amount, of which a step of MLflow can hold 9e18
BY_GFLOPS, BY_TOKENS = "_by_gflops", "_by_tokens"
AMOUNTS = {BY_GFLOPS: ("flops", 1e9), BY_TOKENS: ("tokens", 1.0)}  # ending -> name of the amount, and its unit
CURVES = ("eval_loss", "pass_at_1")  # results that have such curves
SYSTEM = "system/"  # beginning of the names of MLflow's system metrics


def check_name(name: str, key: str) -> None:
    """Refuse a name that no file, table or store can show.

    :raises ConfigError: for a name that is empty, long, or has characters that cannot be printed.
    """
    if not name.strip():
        raise ConfigError(f"{key}: a name has at least one character")
    if not name.isprintable():
        raise ConfigError(f"{key}: {name[:50]!r} has characters that cannot be printed")
    if len(name.encode()) > NAME_BYTES:
        raise ConfigError(f"{key}: {name[:20]}… has {len(name.encode())} bytes; a name has at most {NAME_BYTES}")


def check_folder(name: str, key: str, nested: bool = False) -> None:
    """Refuse a name that cannot be that of a folder.

    :param nested: accept a folder within a folder, such as ``a/b``.
    :raises ConfigError: for such a name, or one that leads out of its parent folder.
    """
    check_name(name, key)
    parts = name.split("/")
    if len(parts) > 1 and not nested:
        raise ConfigError(f"{key}: {name!r} is the name of a folder, without /")
    if any(part.strip() in NOT_PATHS for part in parts):
        raise ConfigError(
            f"{key}: {name!r} is the name of a folder, without the parts . and .., and no / at its beginning or end"
        )


def to_key(name: str) -> str:
    """Turn a name into a key of a metric, param or tag in MLflow, which may hold letters, digits, ``_ - . : /`` and spaces.

    Any other character becomes its hexadecimal code point between colons: ``c++`` becomes ``c:2B::2B:``. So does a colon that
    could be read as part of such a code, and a slash that MLflow would read as a path. Different names have different keys. A
    key that would be too long ends in a hash of the whole name.
    """
    escaped = REFUSED.search(name) or ESCAPED.search(name) or any(part in NOT_PATHS for part in name.split("/"))
    key = re.sub(r"[^\w.\- ]", lambda match: f":{ord(match[0]):X}:", name) if escaped else name
    return short(key, KEY_LENGTH, name)


def to_tags(tags: Mapping[str, Any]) -> dict[str, str]:
    """Return tags as MLflow takes them, long values cut."""
    return {to_key(key): str(value)[:TAG_LENGTH] for key, value in tags.items()}


def by_amounts(row: Mapping[str, float]) -> Iterator[tuple[str, float, int]]:
    """Yield the name, value and step of the points that a row of the curves has in curves whose step is an amount.

    The charts of MLflow draw a metric against its step on a logarithmic axis, but not against another metric.
    """
    for ending, (amount, unit) in AMOUNTS.items():
        if amount in row:
            yield from ((name + ending, row[name], round(row[amount] / unit)) for name in CURVES if name in row)


def is_for_the_ui(name: str) -> bool:
    """Return True for a metric that only the UI needs, which readers of runs do not get."""
    return name.endswith(tuple(AMOUNTS)) or name.startswith(SYSTEM)


def short(text: str, length: int, whole: str | None = None) -> str:
    """Return a text, or if it is too long its beginning and a hash of it, so that different texts stay different.

    :param whole: what the text stands for, which is hashed in its place.
    """
    if len(text) <= length:
        return text
    return f"{text[: length - DIGEST - 1]}-{hashlib.sha256((whole or text).encode()).hexdigest()[:DIGEST]}"


def from_key(key: str) -> str:
    """Return the name that :func:`to_key` turned into this key; only its beginning if it was too long."""
    return ESCAPED.sub(lambda match: chr(int(match[1], 16)), key)


def query_condition(column: str, value: str) -> str:
    """Write a condition of an MLflow query that holds for this value.

    MLflow cannot quote every text, so the condition may hold for other values too.
    """
    pattern = UNQUOTED.sub("_", value)  # any one character
    return f"{column} = '{value}'" if pattern == value else f"{column} LIKE '{pattern}'"
