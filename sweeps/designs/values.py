"""Values as words of Hydra's override grammar."""

from __future__ import annotations

from typing import Any

from sweeps.compat import value_text


def override(key: str, value: Any) -> str:
    """``key=value``, whatever the value is; a string is quoted where it must be."""
    return f"{key}={value_text(value)}"
