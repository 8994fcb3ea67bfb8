"""The report of an ablation: a table on the terminal, in Markdown and as CSV, and a figure."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from openr1.analysis.charts.ablations import chart_ablation
from openr1.analysis.formatting import DASH, join_words, scientific
from openr1.system.files import replacing
from openr1.system.terminal import console as console_of
from openr1.system.terminal import print_table

if TYPE_CHECKING:
    from openr1.analysis.config import FitConfig
    from openr1.analysis.fit.ablation import AblationStudy, Variant

HEADS = ("variant", "runs", "mean", "difference", "interval", "p", "compute", "verdict")


def write(study: AblationStudy, config: FitConfig) -> Path:
    """Write ``ablation.md``, ``ablation.csv`` and the figure into the directory of the config; return the path of the table."""
    from openr1.analysis.charts.matplotlib import draw, to_bytes

    directory = config.directory
    (directory / "figures").mkdir(parents=True, exist_ok=True)
    with replacing(directory / "ablation.csv", shared=True) as temporary:
        study.to_frame().to_csv(temporary, index=False)
    figure = draw(chart_ablation(study), config.figures)
    for form in config.figures.formats:
        (directory / "figures" / f"ablation.{form}").write_bytes(to_bytes(figure, form, config.figures.style))
    path = directory / "ablation.md"
    with replacing(path, shared=True) as temporary:
        temporary.write_text(markdown(study, config.runs.study), encoding="utf-8")
    return path


def show(study: AblationStudy, config: FitConfig, path: Path) -> None:
    """Print the table, the sentences and the path of the table in Markdown."""
    console = console_of()
    table = Table(title=f"{config.runs.study}: {study.metric} against the base line", title_justify="left", header_style="bold")
    for name in _heads(study):
        table.add_column(name, justify="left" if name in ("variant", "verdict") else "right")
    for row in rows(study):
        table.add_row(*(escape(cell) for cell in row))
    print_table(table, console)
    console.print(escape(" ".join(sentences(study))))
    console.print(f"table: {path}", soft_wrap=True)


def rows(study: AblationStudy) -> list[list[str]]:
    """Return the cells of the table, the base line first."""
    return [_row(study.baseline, "base line"), *(_row(variant, variant.verdict) for variant in study.variants)]


def _row(variant: Variant, verdict: str) -> list[str]:
    known = not math.isnan(variant.low)
    base = verdict == "base line"
    return [
        variant.label,
        str(variant.runs),
        f"{variant.mean:.4f}",
        DASH if base else f"{variant.difference:+.4f}",
        f"{variant.low:+.4f} to {variant.high:+.4f}" if known else DASH,
        f"{variant.p:.2g}" if known else DASH,
        scientific(variant.compute),
        verdict,
    ]


def _heads(study: AblationStudy) -> list[str]:
    return [f"{study.level:.3g}".replace("0.", "") + " % interval" if name == "interval" else name for name in HEADS]


def markdown(study: AblationStudy, name: str) -> str:
    """Return the table and the sentences in Markdown."""
    heads = _heads(study)
    lines = [f"# {name}: {study.metric} against the base line", "", f"| {' | '.join(heads)} |"]
    lines.append("|" + "|".join("---" if head in ("variant", "verdict") else "---:" for head in heads) + "|")
    lines += [f"| {' | '.join(row)} |" for row in rows(study)]
    return "\n".join([*lines, "", *(f"{sentence}\n" for sentence in sentences(study))])


def sentences(study: AblationStudy) -> list[str]:
    """Return what the table shows, and how it was made."""
    known = [variant for variant in study.variants if variant.p == variant.p and variant.low != variant.high]
    shown = [variant for variant in known if variant.leaves_out_zero]
    holm = [variant for variant in known if variant.corrected]
    lines = list(study.notes)
    if known:
        chance = (1 - study.level) * len(known)
        lines.append(
            f"{len(shown)} of {len(known)} intervals leave out 0; by chance alone {chance:.2g} would. After Holm's correction"
            f" for {len(known)} comparison{'s' * (len(known) > 1)}, {len(holm)} differ{'s' if len(holm) == 1 else ''}"
            f"{': ' + ', '.join(variant.label for variant in holm) if holm else ''}."
        )
    paired = {variant.pairs for variant in study.variants if variant.pairs}
    if paired:
        least = min(paired)
        several, equal = f" to {max(paired)}" if max(paired) > least else "", join_words(study.pair)
        lines.append(f"Differences are of {least}{several} pairs of runs of equal {equal}, with intervals by Student's t.")
    if any(not variant.pairs and variant.low == variant.low for variant in study.variants):
        lines.append("Variants that share fewer than two pairs with the base line are compared by their means (Welch's t).")
    if any(math.isnan(variant.low) for variant in study.variants):
        lines.append("A variant of one run has no interval: add seeds.")
    spent = [variant.compute for variant in (study.baseline, *study.variants) if variant.compute == variant.compute]
    if spent and max(spent) > 1.1 * min(spent):
        lines.append(f"Compute is not equal: the most is {max(spent) / min(spent):.3g} times the least.")
    return lines
