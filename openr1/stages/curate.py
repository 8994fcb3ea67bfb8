"""Curation: answers are verified, filtered and selected into a training set, with a card that says what was dropped and why."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from openr1.curation.options import Preferred, steps_of
from openr1.curation.pipeline import curate
from openr1.curation.preference import FLOPS
from openr1.curation.table import read_samples, write_examples
from openr1.evaluation.grading import Grader
from openr1.rewards.options import ScoringTerm
from openr1.rewards.rater import Rater
from openr1.system.files import write_json
from openr1.training.context import StageContext


def run(context: StageContext) -> dict[str, float]:
    """Fill ``data/examples.parquet`` with prompts and completions, and ``card.json`` and ``card.md``.

    :raises RunError: if a step drops all answers.
    """
    start = time.perf_counter()
    answers = [artifact for name, artifact in context.inputs.items() if name.startswith("answers.")]
    paths = [path for artifact in answers for path in sorted(artifact.data.glob("*.parquet"))]
    metrics = curate_answers(context, paths)
    if "flops_reward" in metrics:
        metrics["flops"] = metrics["flops_reward"]
    metrics["wall_seconds"] = time.perf_counter() - start
    if context.flops_teacher is not None:
        metrics["flops_teacher"] = context.flops_teacher
    return metrics


def curate_answers(context: StageContext, paths: Sequence[Path]) -> dict[str, float]:
    """Fill ``data/`` and write the cards.

    :param paths: tables of answers.
    :returns: the metrics of the card.
    """
    config, scratch = context.config, context.folder / "answers"
    steps = steps_of("stage.steps", config.stage.steps)

    def progress(name: str, done: int, rows: int) -> None:
        if steps[name].kind in ("verify", "preferred"):  # the others take seconds
            context.report(done, {}, of=rows)

    def open_rater(step: Preferred, key: str) -> Rater:
        return Rater(ScoringTerm(step.function, step.options), key, config.reward, Path(config.paths.cache))

    with Grader(config.reward) as grader:
        curated = curate(
            read_samples(paths, scratch),
            steps,
            verifier=grader,
            open_rater=open_rater,
            cache=Path(config.paths.cache),
            folder=context.folder / "verdicts",
            processes=config.compute.threads or os.cpu_count() or 1,
            progress=progress,
        )
    write_examples(curated.rows, context.folder / "data" / "examples.parquet")
    write_json(context.folder / "card.json", curated.card.to_dict())
    (context.folder / "card.md").write_text(curated.card.markdown())
    flops = sum(step.notes.get(FLOPS, 0.0) for step in curated.card.steps)
    return curated.card.metrics() | ({"flops_reward": flops} if flops else {})
