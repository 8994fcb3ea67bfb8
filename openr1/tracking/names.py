"""Names that people give, as folders and as keys of the tracking store."""

from __future__ import annotations

import hashlib
import re

from openr1.errors import ConfigError

NAME_BYTES = 200  # a file system has 255, of which a temporary file beside it needs some
KEY_LENGTH = 250  # of a metric, param or tag of MLflow
DIGEST = 16  # hexadecimal digits in the place of what is beyond
REFUSED = re.compile(r"[^/\w.\- :]")  # by MLflow, in a key
ESCAPED = re.compile(r":([0-9A-F]+):")
UNQUOTED = re.compile(r"[^\w .:/+-]")  # has no place, or another meaning, in a query of MLflow
NOT_PATHS = ("", ".", "..")


def check_name(name: str, key: str) -> None:
    """Refuse what no file, no list and no store can show.

    :raises ConfigError: for a name that is empty, long, or has characters that cannot be printed.
    """
    if not name.strip():
        raise ConfigError(f"{key}: a name has at least one character")
    if not name.isprintable():
        raise ConfigError(f"{key}: {name[:50]!r} has characters that cannot be printed")
    if len(name.encode()) > NAME_BYTES:
        raise ConfigError(f"{key}: {name[:20]}… has {len(name.encode())} bytes; a name has at most {NAME_BYTES}")


def check_folder(name: str, key: str, nested: bool = False) -> None:
    """Refuse what is not the name of a folder.

    :param nested: a folder in a folder will do, such as ``a/b``.
    :raises ConfigError: for a name that leads out of the folder that it is made in.
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
    """The key of a metric, param or tag in MLflow, which has letters, digits and ``_ - . : /`` and spaces.

    Another character stands as its hexadecimal code point between colons, ``c++`` as ``c:2B::2B:``; so does a colon wherever
    one is read as such a code, and a slash where MLflow would read a path. Different names have different keys. One that is
    too long ends in a hash of the whole.
    """
    escaped = REFUSED.search(name) or ESCAPED.search(name) or any(part in NOT_PATHS for part in name.split("/"))
    key = re.sub(r"[^\w.\- ]", lambda match: f":{ord(match[0]):X}:", name) if escaped else name
    if len(key) <= KEY_LENGTH:
        return key
    return f"{key[: KEY_LENGTH - DIGEST - 1]}-{hashlib.sha256(name.encode()).hexdigest()[:DIGEST]}"


def from_key(key: str) -> str:
    """The name that :func:`to_key` made a key of; where it was too long, its beginning."""
    return ESCAPED.sub(lambda match: chr(int(match[1], 16)), key)


def condition(column: str, value: str) -> str:
    """A condition of a query of MLflow, which holds for the value; its grammar cannot quote every text, so that it may hold for
    others too."""
    pattern = UNQUOTED.sub("_", value)  # any one character
    return f"{column} = '{value}'" if pattern == value else f"{column} LIKE '{pattern}'"
