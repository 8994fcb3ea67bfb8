"""Generation: a teacher answers problems. It is a model behind an engine, or the oracle of the tasks."""

from __future__ import annotations

import time
from pathlib import Path
from typing import cast

from openr1.data import problems
from openr1.data.answers import answer_rows, write_answers
from openr1.data.options import TaskSource
from openr1.engines.generate import answer_problems, depends_on_batch, engine_answerer, open_run_engine, oracle_answerer
from openr1.engines.journal import Journal
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
    asked = problems.read(config.data, config.paths, limit=config.stage.problems)
    stage, samples = config.stage, config.stage.samples
    journal = Journal(context.folder, asked, stage.shard)
    options = {"samples": samples, "max_failed": stage.max_failed, "report": context.report, "shape": context.estimate.shape}
    oracles = not stage.needs_model
    measured: dict[str, float] = {}
    if oracles:
        sources = cast(dict[str, TaskSource], config.data.sources)
        answer = oracle_answerer(problems.by_source(config.data, config.paths, limit=stage.problems), sources)
        stats = answer_problems(journal, answer, whole_shards=True, **options)
    else:
        with open_run_engine(config.engine, config.model, config.scale, stage.sampling) as engine:
            answer = engine_answerer(engine, config.data, samples, config.seed)
            stats = answer_problems(journal, answer, whole_shards=depends_on_batch(config.engine), **options)
            measured = engine.metrics()
    seconds = time.perf_counter() - start
    write_answers(folder, (row for problem, answers in journal.asked() for row in answer_rows(problem, answers, samples)))
    metrics = {**stats.metrics(), "wall_seconds": seconds}
    if oracles or (context.estimate.shape and stats.counted):
        metrics |= {"flops": stats.flops, "flops_teacher": stats.flops}
    if stats.completion_tokens and not journal.resumed:
        metrics["tokens_per_second"] = stats.completion_tokens / seconds
        metrics |= measured
    return metrics
