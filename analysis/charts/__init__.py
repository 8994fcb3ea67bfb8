"""Figures of a study as data: what is drawn, in which colours, with which labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openr1.analysis.charts import (
    compute,
    curves,
    families,
    fits,
    isoflop,
    mixing,
    optimisers,
    reasoning,
    rl_compute,
    schedules,
)
from openr1.analysis.charts.marks import Chart

if TYPE_CHECKING:
    from openr1.analysis.study import Study

__all__ = ["FIGURES", "Chart", "chart_study"]


def chart_summary(study: Study) -> Chart | None:
    """Chart IsoFLOP curves beside the frontier."""
    left, right = isoflop.chart_isoflop(study), compute.chart_frontier(study)
    if left is None or right is None:
        return None
    return Chart("Summary", f"{left.caption} {right.caption}", (*left.panels, *right.panels), size=(5.2, 4.1), reported=False)


FIGURES = {
    "summary": chart_summary,
    "isoflop": isoflop.chart_isoflop,
    "envelope": compute.chart_envelope,
    "rl": reasoning.chart_rl,
    "isocompute": rl_compute.chart_isocompute,
    "data_reuse": rl_compute.chart_data_reuse,
    "test_time": rl_compute.chart_test_time,
    "pass_at_k": reasoning.chart_pass_at_k,
    "distillation": reasoning.chart_distillation,
    "hyperparameter": curves.chart_hyperparameter,
    "schedule": schedules.chart_schedules,
    "batch_size": optimisers.chart_batch_size,
    "weight_decay": optimisers.chart_weight_decay,
    "observational": families.chart_observational,
    "mixing": mixing.chart_mixing,
    "curve": curves.chart_curve,
    "frontier": compute.chart_frontier,
    "allocation": compute.chart_allocation,
    "surface": fits.chart_surface,
    "parameters": fits.chart_parameters,
    "residuals": fits.chart_residuals,
}


def chart_study(study: Study) -> dict[str, Chart]:
    """Chart what the fits of a study allow, by name, in reading order."""
    charts = {name: draw(study) for name, draw in FIGURES.items()}
    return {name: chart.relabelled(study.words.axis_labels) for name, chart in charts.items() if chart is not None}
