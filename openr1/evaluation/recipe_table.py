"""Evaluation after each stage of a recipe, as the R1 report (arXiv 2501.12948) shows it from Dev1 to Dev3."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

FILE = "stages.md"
PASS_RATE = "pass_at_1"
ENDS = ("_low", "_high")  # of the interval of a pass rate
# head of a column -> the metric of its cells; a column without a value is left out
COLUMNS = {
    "format": "format_rate",
    "reasoned": "reasoned_rate",
    "readable": "readability",
    "mean score": "mean_score",
    "gold": "gold",
}


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


@dataclass(frozen=True)
class RecipeTable:
    """A row for each evaluation of what an earlier stage of the recipe made. Without rows there is no table."""

    heads: tuple[str, ...]
    rows: list[tuple[str, ...]]

    def markdown(self) -> str:
        """Return the table in Markdown."""
        lines = [self.heads, ("---", "---", *["---:"] * (len(self.heads) - 2)), *self.rows]
        return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def recipe_table(stages: Iterable[FinishedStage]) -> RecipeTable:
    """Return the table of a recipe: pass rates, with one for each task if there are several, and FLOPs."""
    makers: dict[str, tuple[str, str]] = {}
    flops, evaluated = 0.0, []
    for stage in stages:
        if stage.makes != "scores":
            makers[stage.artifact] = (stage.name, stage.kind)
            flops += stage.metrics.get("flops", 0.0)
        elif stage.checkpoint in makers:
            evaluated.append((makers[stage.checkpoint], stage.metrics, flops))
    of_tasks = _of_tasks([scores for _, scores, _ in evaluated])
    columns = {head: name for head, name in COLUMNS.items() if any(name in scores for _, scores, _ in evaluated)}
    rows = []
    for made, scores, spent in evaluated:
        interval = "{:.3f} to {:.3f}".format(*(scores[PASS_RATE + end] for end in ENDS)) if PASS_RATE in scores else ""
        rates = [_cell(scores, f"{PASS_RATE}_{task}") for task in of_tasks]
        tokens = f"{scores['response_tokens']:.1f}" if "response_tokens" in scores else ""
        cells = [_cell(scores, PASS_RATE), interval, *rates, *(_cell(scores, name) for name in columns.values())]
        rows.append((*made, *cells, tokens, f"{spent:.3g}"))
    heads = ("after", "stage", "pass@1", "95 % interval", *of_tasks, *columns, "tokens", "FLOPs so far")
    return RecipeTable(heads, rows)


def _of_tasks(scores: Sequence[Mapping[str, float]]) -> list[str]:
    """Return the tasks that have a pass rate of their own, in the order in which they appear."""
    first = f"{PASS_RATE}_"
    names = dict.fromkeys(name for one in scores for name in one if name.startswith(first) and not name.endswith(ENDS))
    return [name.removeprefix(first) for name in names]


def _cell(scores: Mapping[str, float], name: str) -> str:
    return f"{scores[name]:.3f}" if name in scores else ""
