"""Generation: a teacher answers problems. It is a model behind an engine, or the oracle of the tasks."""

from __future__ import annotations

import time
from pathlib import Path

from openr1.data import problems
from openr1.data.answers import answer_rows, write_answers
from openr1.engines.generate import answered, answerer, engine_for, oracle, together
from openr1.training.context import StageContext


def run(context: StageContext) -> dict[str, float]:
    """Fill ``data/answers.parquet``: a row a sample, in the order of the problems; a failed one has the reason.

    :raises RunError: if more problems fail than ``stage.max_failed`` allows.
    """
    return generate_answers(context, context.folder)


def generate_answers(context: StageContext, folder: Path) -> dict[str, float]:
    """Fill ``data/answers.parquet`` in a folder.

    :returns: the metrics of the answers.
    """
    config, start = context.config, time.perf_counter()
    questions = problems.read(config)
    samples = config.stage.samples
    by_oracle = getattr(config.stage, "teacher", "model") == "oracle"
    if by_oracle:
        journal, stats = answered(context, questions, oracle(config), whole=True)
    else:
        with engine_for(config) as engine:
            journal, stats = answered(context, questions, answerer(engine, config), together(config))
    seconds = time.perf_counter() - start
    write_answers(folder, (row for problem, answers in journal.asked() for row in answer_rows(problem, answers, samples)))
    metrics = {**stats.metrics(), "wall_seconds": seconds}
    if by_oracle or (context.estimate.shape and stats.counted):
        metrics |= {"flops": stats.flops, "flops_teacher": stats.flops}
    if stats.completion_tokens and not journal.found:
        metrics["tokens_per_second"] = stats.completion_tokens / seconds
    return metrics
