"""Values as text of Hydra's override grammar."""

from __future__ import annotations

from typing import Any

from openr1.sweeps.compat import value_text


def override(key: str, value: Any) -> str:
    """Return ``key=value`` for any value; a string is quoted where it must be."""
    return f"{key}={value_text(value)}"
