"""Private parts of accelerate that training replaces, each with the version that it was read from.

``tests/openr1/training/test_compat.py`` fails when one of them changes.
"""

from __future__ import annotations

import functools

from accelerate import optimizer


def look_for_lomo_once() -> None:
    """Have accelerate look for the package ``lomo_optim`` once, not twice in every step (accelerate 1.15).

    It is not installed, so that each look goes through all folders of the search path.
    """
    if not hasattr(optimizer.is_lomo_available, "cache_info"):
        optimizer.is_lomo_available = functools.cache(optimizer.is_lomo_available)
