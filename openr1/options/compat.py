"""Private parts of OmegaConf that options replace, with the version that they were read from.

``tests/openr1/options/test_compat.py`` fails when one of them changes.
"""

from __future__ import annotations

from typing import Any

from omegaconf import BooleanNode
from omegaconf.errors import ValidationError

convert = BooleanNode._validate_and_convert_impl


def refuse_numbers_as_booleans() -> None:
    """Have an option that is true or false refuse every number but 0 and 1.

    OmegaConf 2.3.1 takes any other number for true.
    """
    BooleanNode._validate_and_convert_impl = _convert  # type: ignore[method-assign]


def _convert(self: BooleanNode, value: Any) -> bool:
    if isinstance(value, str):
        try:
            value = int(value)
        except ValueError:
            return convert(self, value)
    if isinstance(value, int) and value not in (0, 1):
        raise ValidationError("must be true or false, not $VALUE")
    return convert(self, value)
