"""Figure of an ablation: the difference of each variant from the base line."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from openr1.analysis.charts.marks import BLUE, GREY, ORANGE, Axis, Chart, Mark, Panel, Rule, Scatter, span

if TYPE_CHECKING:
    from openr1.analysis.fit.ablation import AblationStudy

LONG = 60  # characters of a label


def chart_ablation(study: AblationStudy) -> Chart:
    """Chart the differences with their intervals, a row per variant; grey where none is shown."""
    marks: list[Mark | Rule] = [Rule(0.0)]
    ends = [0.0]
    for place, variant in enumerate(study.variants):
        shown = variant.leaves_out_zero
        hue = (BLUE if variant.difference > 0 else ORANGE) if shown else GREY
        known = np.isfinite([variant.low, variant.high]).all()
        text = f"<b>{escape(variant.label)}</b><br>difference {variant.difference:+.4f}<br>{variant.verdict}"
        marks.append(
            Scatter(
                x=np.array([variant.difference]),
                y=np.array([float(place)]),
                ends=np.array([[variant.low], [variant.high]]) if known else None,
                along="x",
                colour=hue,
                size=6.0,
                hover=(text,),
            )
        )
        ends += [variant.difference, *([variant.low, variant.high] if known else [])]
    labels = tuple(_shortened(variant.label) for variant in study.variants)
    x = Axis(f"Difference of {study.metric} from the base line", limits=span(np.array(ends), 0.06))
    y = Axis("", names=labels, limits=(len(labels) - 0.4, -0.6))
    caption = (
        f"Mean difference of each variant from the base line, with {study.level:.0%} intervals over seeds; grey where the"
        " interval holds 0 or there is none."
    )
    panel = Panel(x, y, tuple(marks), legend="", title=f"Base line: {study.baseline.mean:.4f}")
    return Chart("Ablation", caption, (panel,), size=(7.2, 1.4 + 0.34 * len(labels)))


def _shortened(label: str) -> str:
    return label if len(label) <= LONG else f"{label[: LONG - 1]}…"
