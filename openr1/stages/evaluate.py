"""Evaluation: a model answers held-out problems, and verified answers give pass@1 with its interval, pass@k and maj@k.

With ``stage.best_of``, a reward scores every answer, and the best of n stands beside pass@k.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openr1.data import problems
from openr1.data.answers import FILE, answer_rows, read_answers, write_answers
from openr1.engines.journal import Journal
from openr1.evaluation import metrics
from openr1.evaluation.best_of_n import FILE as CURVE
from openr1.evaluation.best_of_n import add_scores, curve_csv, curve_markdown
from openr1.evaluation.grading import Grader, row_sample
from openr1.evaluation.grouping import grouped
from openr1.rewards.base import VERDICTS as VERSION
from openr1.rewards.rater import Rater
from openr1.stages.model_answers import ask_model
from openr1.stages.scoring_models import comparing_terms
from openr1.system.errors import RunError
from openr1.system.files import write_json
from openr1.system.records import read_sealed, write_sealed
from openr1.training.context import StageContext

if TYPE_CHECKING:
    from openr1.config.schema import Config

RATED = {"best_of": "score", "gold": "gold"}  # option of the stage that is a reward -> the column of its scores
VERDICTS = "verdicts"  # folder of the verdicts on each shard, so that a resumed run does not run programs again
# metrics that an evaluation copies from the model's own run: with the pass rate they are a point of a scaling law
MODEL_METRICS: tuple[str, ...] = ("params_total", "params_active", "params_non_embedding", "tokens", "unique_tokens", "epochs")
MODEL_METRICS += ("flops", "flops_train", "flops_6nd", "flops_teacher", "eval_loss", "eval_bits_per_byte")


def run(context: StageContext) -> dict[str, float]:
    """Fill ``data/answers.parquet``, every answer with its verdict, and ``scores.json`` and ``scores.md``.

    :returns: the metrics; none in all processes but the first.
    :raises RunError: if a problem has fewer answers than ``stage.samples``.
    """
    if context.config.stage.answers:
        return verify_again(context)
    config, start = context.config, time.perf_counter()
    answers = ask_model(context, problems.read(config.data, config.paths, held_out=True, limit=config.stage.problems))
    if answers is None:
        return {}
    journal, stats = answers.journal, answers.stats
    seconds = time.perf_counter() - start
    scores = grade_and_score(context, answer_shards(journal, config.stage.samples), config.stage.samples)
    of_model = context.inputs["model"].metrics if "model" in context.inputs else {}
    results = {name: of_model[name] for name in MODEL_METRICS if name in of_model}
    results |= {**scores, **stats.metrics(), "wall_seconds": seconds}
    if context.estimate.shape and stats.counted:
        results["flops_eval"] = stats.flops + scores.get("flops_reward", 0.0)
    return results | answers.speed_metrics(seconds)


def verify_again(context: StageContext) -> dict[str, float]:
    """Verify and score the answers of an earlier artifact again. No model is asked.

    :raises RunError: if the artifact holds no answers.
    """
    start, source = time.perf_counter(), context.inputs["answers"]
    if not (source.data / FILE).exists():
        raise RunError(f"stage.answers: {source.name} holds no answers")
    sizes = Counter(row["problem_id"] for row in read_answers(source.path))
    rows = groupby(read_answers(source.path), key=lambda row: row["problem_id"])
    by_problem = ([row | {"error": None if row["completion"] else row["error"]} for row in group] for _, group in rows)
    shards = iter(lambda: [row for answers in islice(by_problem, context.config.stage.shard) for row in answers], [])
    scores = grade_and_score(context, shards, max(sizes.values()))
    of_model = {name: source.metrics[name] for name in MODEL_METRICS if name in source.metrics}
    if "flops_reward" in scores:
        scores["flops_eval"] = scores["flops_reward"]
    return {**of_model, **scores, "answers": sizes.total(), "wall_seconds": time.perf_counter() - start}


def answer_shards(journal: Journal, samples: int) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of all answers, a shard at a time."""
    for number, shard in enumerate(journal.shards):
        pairs = zip(shard, journal.read(number), strict=True)
        yield [row for problem, answers in pairs for row in answer_rows(problem, answers, samples)]


def grade_and_score(context: StageContext, shards: Iterable[list[dict[str, Any]]], samples: int) -> dict[str, float]:
    """Write all answers with their verdicts, and the scores.

    :param shards: rows of :mod:`openr1.data.answers`, in the order of the problems.
    :param samples: most answers to a problem.
    :returns: the scores.
    """
    spent: list[float] = []
    columns = {RATED[key]: key for key in comparing_terms(context.config.stage)}
    with ExitStack() as stack:
        for column, key in columns.items():
            rater = stack.enter_context(_open_rater(context, key))
            shards = add_scores(shards, column, rater, context.folder / VERDICTS, spent)
        write_answers(context.folder, add_verdicts(context, shards), tuple(columns))
    answers = list(grouped(read_answers(context.folder)))
    scores = metrics.score(answers, samples)
    parts = metrics.breakdown(answers, samples)
    write_scores(context, scores, parts, samples)
    return scores | metrics.task_rates(parts) | ({"flops_reward": sum(spent)} if any(spent) else {})


def _open_rater(context: StageContext, key: str) -> Rater:
    config = context.config
    return Rater(getattr(config.stage, key), f"stage.{key}", config.reward, Path(config.paths.cache))


def add_verdicts(context: StageContext, shards: Iterable[list[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    """Yield the rows with their verdicts, which are saved shard by shard."""
    folder = context.folder / VERDICTS
    folder.mkdir(exist_ok=True)
    with Grader(context.config.reward) as grader:
        for number, rows in enumerate(shards):
            file = folder / f"{number:06}.json"
            answered_rows = [row for row in rows if row["completion"] is not None]
            if (verdicts := read_sealed(file)) is None:
                write_sealed(file, verdicts := grader([row_sample(row) for row in answered_rows]))
            for row, verdict in zip(answered_rows, verdicts, strict=True):
                row["verified"] = verdict if isinstance(verdict, bool) else None
                row["error"] = None if isinstance(verdict, bool) else verdict
            yield from rows


def write_scores(
    context: StageContext, scores: dict[str, float], parts: dict[str, dict[str, dict[str, float]]], samples: int
) -> None:
    """Write ``scores.json`` and ``scores.md``."""
    config = context.config
    sampling = {**vars(config.stage.sampling), "n": samples}
    if config.stage.answers:
        source = context.inputs["answers"].path / "scores.json"
        sampling = json.loads(source.read_text())["sampling"] if source.exists() else {}
    content = {"data": config.data.name, "all": scores, "tasks": parts, "sampling": sampling, "seed": config.seed}
    content["verdicts"] = VERSION
    write_json(context.folder / "scores.json", content)
    (context.folder / "scores.md").write_text(scores_markdown(config, scores, parts, samples))
    if config.stage.best_of.function:
        (context.folder / CURVE).write_text(curve_csv(scores, metrics.ks(samples)))


def scores_markdown(
    config: Config, scores: dict[str, float], parts: dict[str, dict[str, dict[str, float]]], samples: int
) -> str:
    """Return a table of the scores by task and difficulty, in Markdown."""
    last = metrics.ks(samples)[-1]
    names = [name for name in (f"pass_at_{last}", f"maj_at_{last}", f"best_of_{last}") if name in scores and last > 1]
    titles = [name.replace("_at_", "@").replace("best_of_", "best of ") for name in names]
    for name in ("mean_score", "gold"):
        if name in scores:
            names, titles = [*names, name], [*titles, name.replace("_", " ")]
    heads = ["problems", "pass@1", "95 % interval", *titles]
    heads += ["format", "reasoned", "readable", "tokens"]
    again = f", verified again from {config.stage.answers}" if config.stage.answers else ""
    lines = [f"# Evaluation on {config.data.name}: {samples} answers a problem{again}", ""]
    lines += ["| | " + " | ".join(heads) + " |", "|---|" + "---:|" * len(heads)]
    rows = {"all": scores}
    for task, levels in parts.items():
        rows |= {task if level == "all" else f"{task}, difficulty {level}": row for level, row in levels.items()}
    for name, row in rows.items():
        interval = f"{row['pass_at_1_low']:.3f} to {row['pass_at_1_high']:.3f}" if "pass_at_1" in row else ""
        cells = [f"{row['problems']:,.0f}", _cell(row, "pass_at_1"), interval, *(_cell(row, name) for name in names)]
        cells += [_cell(row, name) for name in ("format_rate", "reasoned_rate", "readability")]
        cells += [f"{row['response_tokens']:.0f}" if "response_tokens" in row else ""]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    if scores["unjudged"]:
        lines += ["", f"{scores['unjudged']:,.0f} problems have no verdict and count neither as right nor as wrong."]
    if config.stage.best_of.function:
        lines += ["", f"## Best of n by {config.stage.best_of.function}", "", *curve_markdown(scores, metrics.ks(samples))]
    return "\n".join(lines) + "\n"


def _cell(row: dict[str, float], name: str) -> str:
    return f"{row[name]:.3f}" if name in row else ""
