"""Values as text of Hydra's override grammar."""

from __future__ import annotations

from typing import Any

from hydra.core.override_parser.types import Override


def override(key: str, value: Any) -> str:
    """Return ``key=value`` for any value; a string is quoted where it must be."""
    return f"{key}={Override._get_value_element_as_str(value)}"
