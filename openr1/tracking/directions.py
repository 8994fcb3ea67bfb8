"""The direction in which a metric improves, as its name tells."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

LOWER = re.compile(r"(?:^|_)(?:loss|error|perplexity|bits_per_byte|seconds)(?:_|$)")
HIGHER = re.compile(
    r"(?:^|_)(?:pass_at_\d+|maj_at_\d+|best_of_\d+|coverage|accuracy|reward|score|agreement|mfu)(?:_|$)"
    r"|(?:^|_)(?:pass|reasoned|format|win)_rate$|tokens_per_second$"
)


def best_of(metric: str) -> Callable[[Iterable[float]], float] | None:
    """Return ``min`` or ``max``, whichever chooses the best value of a metric; None for a metric such as ``flops``.

    :param metric: the name; of a recipe's run with the name of a step before it, such as ``base.eval_loss``.
    """
    name = metric.rpartition(".")[2]
    if HIGHER.search(name):
        return max
    return min if LOWER.search(name) else None
