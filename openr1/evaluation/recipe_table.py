"""Evaluation after each stage of a recipe, as the R1 report (arXiv 2501.12948) shows it from Dev1 to Dev3."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

FILE = "stages.md"
HEADS = ("after", "stage", "pass@1", "95 % interval", "format", "reasoned", "readable", "tokens", "FLOPs so far")
SCORED_HEADS = (*HEADS[:7], "mean score", *HEADS[7:])  # of evaluations with stage.best_of
CELLS = ("pass_at_1", "format_rate", "reasoned_rate", "readability")


@dataclass(frozen=True)
class FinishedStage:
    """One finished stage of a recipe.

    :ivar makes: content of its artifact, as :class:`openr1.stages.options.StageConfig` names it.
    :ivar artifact: name of its artifact.
    :ivar checkpoint: name of the model that it started from or evaluated.
    """

    name: str
    kind: str
    makes: str
    artifact: str
    checkpoint: str | None
    metrics: Mapping[str, float]


def recipe_rows(stages: Iterable[FinishedStage]) -> list[tuple[str, ...]]:
    """Return a row for each evaluation of an earlier stage's artifact, with the cells that :func:`heads_of` names."""
    stages = list(stages)
    scored = any("mean_score" in stage.metrics for stage in stages)
    makers: dict[str, tuple[str, str]] = {}
    flops, rows = 0.0, []
    for stage in stages:
        if stage.makes != "scores":
            makers[stage.artifact] = (stage.name, stage.kind)
            flops += stage.metrics.get("flops", 0.0)
        elif stage.checkpoint in makers:
            scores = stage.metrics
            cells = [f"{scores[key]:.3f}" if key in scores else "" for key in CELLS]
            interval = f"{scores['pass_at_1_low']:.3f} to {scores['pass_at_1_high']:.3f}" if cells[0] else ""
            tokens = f"{scores['response_tokens']:.1f}" if "response_tokens" in scores else ""
            score = ([f"{scores['mean_score']:.3f}"] if "mean_score" in scores else [""]) if scored else []
            rows.append((*makers[stage.checkpoint], cells[0], interval, *cells[1:], *score, tokens, f"{flops:.3g}"))
    return rows


def heads_of(rows: list[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the heads of the columns of :func:`recipe_rows`."""
    return SCORED_HEADS if rows and len(rows[0]) == len(SCORED_HEADS) else HEADS


def markdown(rows: list[tuple[str, ...]]) -> str:
    """Format the rows as a Markdown table."""
    heads = heads_of(rows)
    lines = [heads, ("---", "---", *["---:"] * (len(heads) - 2)), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
