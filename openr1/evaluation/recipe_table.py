"""What the stages of a recipe came to: the pass rate after each, as in the R1 report (arXiv 2501.12948) from Dev1 to Dev3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openr1.runs.stage_run import Result

FILE = "stages.md"
HEADS = ("after", "stage", "pass@1", "95 % interval", "format", "reasoned", "tokens", "FLOPs so far")


def recipe_rows(results: Mapping[str, Result]) -> list[tuple[str, ...]]:
    """A row for each evaluation of what an earlier step made, with the cells that :data:`HEADS` names."""
    makers, spent, rows = {}, 0.0, []
    for name, result in results.items():
        stage = result.config.stage
        if stage.makes != "scores":
            makers[result.artifact.name] = (name, stage.kind)
            spent += result.metrics.get("flops", 0.0)
        elif result.config.model.checkpoint in makers:
            scores = result.metrics
            cells = [f"{scores[key]:.3f}" if key in scores else "" for key in ("pass_at_1", "format_rate", "reasoned_rate")]
            interval = f"{scores['pass_at_1_low']:.3f} to {scores['pass_at_1_high']:.3f}" if cells[0] else ""
            tokens = f"{scores['response_tokens']:.1f}" if "response_tokens" in scores else ""
            rows.append((*makers[result.config.model.checkpoint], cells[0], interval, *cells[1:], tokens, f"{spent:.3g}"))
    return rows


def markdown(rows: list[tuple[str, ...]]) -> str:
    """The rows as a table for people and programs."""
    lines = [HEADS, ("---", "---", *["---:"] * (len(HEADS) - 2)), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
