"""A teacher answers problems: a model behind an engine, or the tasks' own oracle."""

from __future__ import annotations

import time
from pathlib import Path

from openr1.data import problems
from openr1.data.answers import answer_rows, write_answers
from openr1.engines.generate import answered, answerer, engine_for, oracle, together
from openr1.training.context import StageContext


def run(context: StageContext) -> dict[str, float]:
    """Fill ``data/answers.parquet``: a row a sample, sorted as the problems are, failed ones with the reason."""
    return write(context, context.folder)


def write(context: StageContext, folder: Path) -> dict[str, float]:
    """Fill ``folder/data/answers.parquet``.

    :returns: the figures of the answers.
    """
    config, start = context.config, time.perf_counter()
    asked = problems.read(config.data, config.paths, limit=config.stage.problems)
    samples = config.stage.samples
    oracles = getattr(config.stage, "teacher", "model") == "oracle"
    if oracles:
        journal, stats = answered(context, asked, oracle(config), whole=True)
    else:
        with engine_for(config) as engine:
            journal, stats = answered(context, asked, answerer(engine, config), together(config))
    seconds = time.perf_counter() - start
    write_answers(folder, (row for problem, one in journal.asked() for row in answer_rows(problem, one, samples)))
    metrics = {**stats.metrics(), "wall_seconds": seconds}
    if oracles or (context.estimate.shape and stats.counted):
        metrics |= {"flops": stats.flops, "flops_teacher": stats.flops}
    if stats.completion_tokens and not journal.found:
        metrics["tokens_per_second"] = stats.completion_tokens / seconds
    return metrics
