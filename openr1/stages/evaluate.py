"""A model answers held-out problems, and its answers are verified: pass@1 with its interval, pass@k, maj@k."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from openr1 import answers, metrics
from openr1.answers import Journal
from openr1.asking import answered, answerer, engine_for, together
from openr1.config import Config
from openr1.data import problems
from openr1.files import write_json
from openr1.job import Job
from openr1.rewards import Sample
from openr1.rewards.format import TagOptions, format_
from openr1.rewards.parts import reasoned
from openr1.verdicts import Judge, vote

VERDICTS = "verdicts"  # folder of what was said of each shard, so that a killed run does not run programs again
# of the model, as its own run has them: with the pass rate they are a point of a scaling law
CARRIED = ("params_total", "params_active", "params_non_embedding", "tokens", "unique_tokens", "epochs", "flops", "flops_train")
CARRIED += ("flops_6nd", "flops_teacher", "eval_loss", "eval_bits_per_byte")


def run(job: Job) -> dict[str, float]:
    """Fill ``data/answers.parquet``, every answer with its verdict, and ``scores.json`` and ``scores.md``.

    :raises RunError: where a problem has fewer answers than ``stage.samples``.
    """
    config, start = job.config, time.perf_counter()
    asked = problems.read(config)
    with engine_for(config) as engine:
        journal, tally = answered(job, asked, answerer(engine, config), together(config))
    seconds = time.perf_counter() - start
    answers.write(job.folder, judged(job, journal))
    found = list(grouped(answers.read(job.folder)))
    scores = metrics.score(found, config.stage.samples)
    write_scores(job, scores, metrics.breakdown(found, config.stage.samples))
    model = job.inputs["model"].metrics if "model" in job.inputs else {}
    figures = {name: model[name] for name in CARRIED if name in model}
    figures |= {**scores, **tally.metrics(), "wall_seconds": seconds}
    if job.work.shape and tally.counted:
        figures["flops_eval"] = tally.flops
    if tally.completion_tokens and not journal.found:
        figures["tokens_per_second"] = tally.completion_tokens / seconds
    return figures


def formatted(completion: str, opened: bool = False) -> bool:
    """Whether a completion keeps to R1-Zero's template.

    :param opened: its prompt ended with ``<think>``; the completions that this project keeps have the tag already.
    """
    return format_.function([Sample(None, completion)], TagOptions(opened))[0] == 1


def grouped(rows: Iterable[Mapping[str, Any]]) -> Iterator[metrics.Answers]:
    """The answers by problem, from rows with verdicts."""
    return metrics.grouped(rows, vote, formatted, reasoned)


def judged(job: Job, journal: Journal) -> Iterator[dict[str, Any]]:
    """The rows of all answers with their verdicts."""
    folder = job.folder / VERDICTS
    folder.mkdir(exist_ok=True)
    with Judge(job.config.reward) as judge:
        for shard, problems_ in enumerate(journal.shards):
            file = folder / f"{shard:06}.json"
            pairs = list(zip(problems_, journal.read(shard), strict=True))
            if not file.exists():
                samples = [Sample(p, a.text, a.tokens, a.finished) for p, one in pairs for a in one.answers]
                write_json(file, judge(samples))
            verdicts = iter(json.loads(file.read_text()))
            for problem, one in pairs:
                for row in answers.rows(problem, one, job.config.stage.samples):
                    if row["completion"] is not None:
                        verdict = next(verdicts)
                        row |= {"verified": verdict} if isinstance(verdict, bool) else {"error": verdict}
                    yield row


def write_scores(job: Job, scores: dict[str, float], parts: dict[str, dict[str, dict[str, float]]]) -> None:
    """The scores for programs and for people."""
    config = job.config
    sampling = {**vars(config.stage.sampling), "n": config.stage.samples}
    write_json(job.folder / "scores.json", {"all": scores, "tasks": parts, "sampling": sampling, "seed": config.seed})
    (job.folder / "scores.md").write_text(page(config, scores, parts))


def page(config: Config, scores: dict[str, float], parts: dict[str, dict[str, dict[str, float]]]) -> str:
    """A table of the scores, by task and difficulty."""
    last = metrics.ks(config.stage.samples)[-1]
    names = [name for name in (f"pass_at_{last}", f"maj_at_{last}") if name in scores and last > 1]
    heads = ["problems", "pass@1", "95 % interval", *(name.replace("_at_", "@") for name in names)]
    heads += ["format", "reasoned", "tokens"]
    lines = [f"# Evaluation on {config.data.name}: {config.stage.samples} answers a problem", ""]
    lines += ["| | " + " | ".join(heads) + " |", "|---|" + "---:|" * len(heads)]
    rows = {"all": scores}
    for task, levels in parts.items():
        rows |= {task if level == "all" else f"{task}, difficulty {level}": figures for level, figures in levels.items()}
    for name, row in rows.items():
        interval = f"{row['pass_at_1_low']:.3f} to {row['pass_at_1_high']:.3f}" if "pass_at_1" in row else ""
        cells = [f"{row['problems']:,.0f}", _cell(row, "pass_at_1"), interval, *(_cell(row, name) for name in names)]
        cells += [_cell(row, "format_rate"), _cell(row, "reasoned_rate")]
        cells += [f"{row['response_tokens']:.0f}" if "response_tokens" in row else ""]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(row: dict[str, float], name: str) -> str:
    return f"{row[name]:.3f}" if name in row else ""
