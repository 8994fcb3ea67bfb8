"""Generation: a teacher answers problems. It is a model behind an engine, or the oracle of the tasks."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from openr1.data import problems
from openr1.data.answers import answer_rows, write_answers
from openr1.data.options import TaskSource
from openr1.data.tasks import Problem
from openr1.engines.generate import answer_problems, oracle_answerer
from openr1.engines.journal import Journal
from openr1.stages.model_answers import RunAnswers, ask_model
from openr1.training.context import StageContext


def run(context: StageContext) -> dict[str, float]:
    """Fill ``data/answers.parquet``: a row a sample, in the order of the problems; a failed one has the reason.

    :raises RunError: if more problems fail than ``stage.max_failed`` allows.
    """
    return generate_answers(context, context.folder)


def generate_answers(context: StageContext, folder: Path) -> dict[str, float]:
    """Fill ``data/answers.parquet`` in a folder.

    :returns: the metrics of the answers; none in all processes but the first, which write nothing.
    """
    config, start = context.config, time.perf_counter()
    asked = problems.read(config.data, config.paths, limit=config.stage.problems)
    answers = ask_model(context, asked) if config.stage.needs_model else ask_oracles(context, asked)
    if answers is None:
        return {}
    seconds, samples = time.perf_counter() - start, config.stage.samples
    rows = (row for problem, of_one in answers.journal.asked() for row in answer_rows(problem, of_one, samples))
    write_answers(folder, rows)
    stats = answers.stats
    metrics = {**stats.metrics(), "wall_seconds": seconds}
    if not config.stage.needs_model or (context.estimate.shape and stats.counted):
        metrics |= {"flops": stats.flops, "flops_teacher": stats.flops}
    return metrics | answers.speed_metrics(seconds)


def ask_oracles(context: StageContext, asked: Sequence[Problem]) -> RunAnswers:
    """Have the oracles of the tasks answer problems, which takes no time worth sharing."""
    config, stage = context.config, context.config.stage
    journal = Journal(context.folder, asked, stage.shard)
    sources = cast(dict[str, TaskSource], config.data.sources)
    answer = oracle_answerer(problems.by_source(config.data, config.paths, limit=stage.problems), sources)
    stats = answer_problems(
        journal,
        answer,
        whole_shards=True,
        samples=stage.samples,
        max_failed=stage.max_failed,
        report=context.report,
        shape=context.estimate.shape,
    )
    return RunAnswers(journal, stats, {})
