"""Writes docs/tracked.md, the reference of metrics, tags and files, from the code: ``python docs/tracked.py``."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

from openr1.stages.figures import FIGURES
from openr1.tracking import catalogue
from openr1.tracking.catalogue import Table

PAGE = Path(__file__).with_suffix(".md")
INTRODUCTION = """# Metrics, tags and files

Everything that a run leaves, by name. In a name, `*` stands for what a run fills in: the number of samples, a task, a reward, a
step. The run of a recipe has the figures of each stage under the name of its step, such as `base.eval_loss`. This page is
written by `python docs/tracked.py`.

## Metrics

The last column names the stages whose results have the metric; a metric without one is a point of a curve, or stands in a run
of another kind. Training logs `tokens` and `flops` at each point of a curve.
"""


def stages_of(name: str) -> list[str]:
    """Return the stages whose results have a metric."""
    return [kind for kind, names in FIGURES.items() if any(fnmatchcase(name, pattern) for pattern in names)]


def write_table(table: Table, title: str) -> str:
    """Write a table of names and meanings in Markdown."""
    return "\n".join([f"| {title} | meaning |", "|---|---|", *(f"| `{name}` | {text} |" for name, text in table.items())])


def page() -> str:
    """Write the page."""
    parts = [INTRODUCTION]
    for title, table in catalogue.METRICS.items():
        rows = [f"| `{name}` | {text} | {', '.join(stages_of(name))} |" for name, text in table.items()]
        parts.append("\n".join([f"### {title}\n", "| metric | meaning | stages |", "|---|---|---|", *rows, ""]))
    parts.append("## Tags\n\n" + write_table(catalogue.TAGS, "tag") + "\n")
    parts.append(f"## Files of a run in MLflow\n\n{write_table(catalogue.FILES, 'file')}\n")
    parts.append("## Files of an artifact\n\nIn `outputs/artifacts/STAGE-FINGERPRINT`.\n")
    parts.append(write_table(catalogue.ARTIFACT, "file") + "\n")
    parts.append("## Files of a study\n\nIn `outputs/studies/NAME`.\n\n" + write_table(catalogue.STUDY_FOLDER, "file") + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page())
