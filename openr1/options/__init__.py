"""Typed options: dataclasses that declare them, their ranges, and how a composed config becomes them.

Nothing heavy is imported here.
"""

from openr1.options.compat import refuse_numbers_as_booleans
from openr1.options.loading import RENAMED_KEYS, RENAMED_STEPS, flatten, load_config, load_options, one_line
from openr1.options.ranges import check_ranges, one_of
from openr1.options.types import check_type, typed

refuse_numbers_as_booleans()

__all__ = [
    "RENAMED_KEYS",
    "RENAMED_STEPS",
    "check_ranges",
    "check_type",
    "flatten",
    "load_config",
    "load_options",
    "one_line",
    "one_of",
    "typed",
]
