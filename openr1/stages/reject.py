"""Rejection sampling: a policy answers problems, and the answers that pass curation become training examples."""

from __future__ import annotations

import time

from openr1.data.answers import FILE
from openr1.stages import curate, generate
from openr1.training.context import StageContext

SAMPLED = "sampled"  # folder of all answers, including rejected ones


def run(context: StageContext) -> dict[str, float]:
    """Fill ``sampled/data`` as ``stage=generate`` fills ``data``, then ``data`` and the cards as ``stage=curate`` does.

    :returns: the metrics; none in all processes but the first.
    :raises RunError: if too many problems have no answers, or curation drops all answers.
    """
    start, folder = time.perf_counter(), context.folder / SAMPLED
    metrics = generate.generate_answers(context, folder)
    if not metrics:  # another process has the answers
        return {}
    metrics |= curate.curate_answers(context, [folder / "data" / FILE])
    if "flops" in metrics:
        metrics["flops"] += metrics.get("flops_reward", 0.0)
    return {**metrics, "wall_seconds": time.perf_counter() - start}
