"""Every figure of a study, decided once as data: what is drawn, in which colours, with which words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.charts import compute, curves, fits, isoflop, reasoning
from analysis.charts.marks import Chart

if TYPE_CHECKING:
    from analysis.report.study import Study

__all__ = ["FIGURES", "Chart", "charts"]


def summary(study: Study) -> Chart | None:
    """IsoFLOP curves beside the frontier."""
    left, right = isoflop.isoflop(study), compute.frontier(study)
    if left is None or right is None:
        return None
    return Chart("Summary", f"{left.caption} {right.caption}", (*left.panels, *right.panels), size=(5.2, 4.1), reported=False)


FIGURES = {
    "summary": summary,
    "isoflop": isoflop.isoflop,
    "envelope": compute.envelope,
    "rl": reasoning.rl,
    "pass_at_k": reasoning.pass_at_k,
    "distillation": reasoning.distillation,
    "hyperparameter": curves.hyperparameter,
    "curve": curves.curve,
    "frontier": compute.frontier,
    "allocation": compute.allocation,
    "surface": fits.surface,
    "parameters": fits.parameters,
    "residuals": fits.residuals,
}


def charts(study: Study) -> dict[str, Chart]:
    """The figures that the fits of a study allow, by name, in the order in which one reads them."""
    made = {name: make(study) for name, make in FIGURES.items()}
    return {name: chart for name, chart in made.items() if chart is not None}
