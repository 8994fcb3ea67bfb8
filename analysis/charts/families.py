"""Figure of benchmark scores of model families."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from openr1.analysis.charts.marks import AMBER, BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, Chart, Mark, Panel, span
from openr1.analysis.charts.parts import UNLIMITED, axis, holdout_note, law_marks, run_points, train_fit
from openr1.analysis.laws import Observational

if TYPE_CHECKING:
    from openr1.analysis.study import Study

HUES = (BLUE, ORANGE, GREEN, PURPLE, SKY, AMBER, BLACK)  # of the families with the most models; others are grey, without a line
PANELS = 6  # benchmarks that are drawn
STEPS = 60  # points of a line


def chart_observational(study: Study) -> Chart | None:
    """Chart scores against model size, a panel a benchmark, with a line a family at the tokens of its largest model."""
    fit = study.fits.get("observational")
    if fit is None or not isinstance(fit.law, Observational):
        return None
    rows, known = fit.law.fitted_rows(study.runs.frame), train_fit(fit)
    counts = rows[["family", "run"]].drop_duplicates()["family"].value_counts()
    assert isinstance(known.law, Observational)
    hues = dict(zip([name for name in counts.index if str(name) in known.law.families], HUES, strict=False))
    limits = span(rows["N"], 0.08, log=True)
    n = np.geomspace(*limits, STEPS)
    panels = []
    for name in fit.law.benchmarks[:PANELS]:
        scores = rows[rows["benchmark"] == name]
        marks: list[Mark] = []
        others = scores[~scores["family"].isin(list(hues))]
        if len(others):
            marks.append(run_points(others, "N", others["score"].to_numpy(), name="other families", colour=GREY))
        for family, hue in hues.items():
            models = scores[scores["family"] == family]
            if models.empty:
                continue
            look: dict[str, Any] = {"name": str(family), "colour": hue}
            marks.append(run_points(models, "N", models["score"].to_numpy(), **look))
            tokens = float(models.loc[models["N"].idxmax(), "D"])
            line = models.iloc[[0] * STEPS].assign(N=n, D=tokens)
            marks += law_marks(known, "N", n, known.predict(line), None, UNLIMITED, look)
        y = axis("score", span(scores["score"], 0.08))
        panels.append(Panel(axis("N", limits, log=True), y, tuple(marks), title=name, legend="shared"))
    left = len(fit.law.benchmarks) - len(panels)
    more = f" {left} more benchmarks are not drawn." if left else ""
    caption = f"Scores of models, and the law at the tokens of the largest model of each family.{more}{holdout_note(study)}"
    return Chart(fit.law.title, caption, tuple(panels), columns=min(3, len(panels)), size=(3.9, 3.4))
