"""Rejection sampling: a policy answers problems, and its answers become examples to train on, those that pass curation."""

from __future__ import annotations

import time

from openr1.data.answers import FILE
from openr1.stages import curate, generate
from openr1.training.context import StageContext

SAMPLED = "sampled"  # every answer, those that were rejected too


def run(context: StageContext) -> dict[str, float]:
    """Fill ``sampled/data`` as ``stage=generate`` fills ``data``, then ``data`` and the cards as ``stage=curate`` does.

    :raises RunError: where too many problems have no answers, and where curation leaves nothing.
    """
    start, folder = time.perf_counter(), context.folder / SAMPLED
    figures = generate.write(context, folder)
    figures |= curate.examples(context, [folder / "data" / FILE])
    return {**figures, "wall_seconds": time.perf_counter() - start}
