"""JSON text of any content: whole numbers of any length, and characters that are whole."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def any_digits() -> Iterator[None]:
    """Allow whole numbers of any length, since Python otherwise limits the digits of numbers that it reads from text."""
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        yield
    finally:
        sys.set_int_max_str_digits(limit)


def is_whole(value: Any) -> bool:
    """Tell whether all texts in a value of JSON are whole: none has half of a surrogate pair."""
    try:
        json.dumps(value, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        return False
    return True
