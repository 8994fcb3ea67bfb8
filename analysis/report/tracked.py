"""The report of a study in the study's own run in MLflow: fitted values as metrics, the page and its figures as files."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from openr1.analysis.sources.frame import MlflowRuns
from openr1.analysis.study import GroupedStudy, Study
from openr1.system.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from openr1.analysis.fit.result import Fit


def log(study: Study | GroupedStudy) -> None:
    """Log a report that was written to the run of its study, if its runs come from MLflow.

    The report is whole without it, so that a store that refuses it is a warning.
    """
    source = study.config.runs
    if not isinstance(source, MlflowRuns):
        return
    from openr1.tracking.study_run import Law, log_report

    fits = dict(_fits(study))
    metrics = {name: value for label, fit in fits.items() for name, value in _metrics(label, fit).items()} | _forecast(study)
    laws = [Law(label, _values(fit), "" if fit.error is None else f"{fit.error:.3g}") for label, fit in fits.items()]
    try:
        log_report(source.uri, source.study, _files(study), metrics, laws)
    except (StoreError, ConfigError) as error:
        print(f"warning: {error}; the report is not in MLflow", file=sys.stderr)


def _fits(study: Study | GroupedStudy) -> Iterator[tuple[str, Fit]]:
    if isinstance(study, GroupedStudy):
        for label, part in study.parts.items():
            yield f"{part.main.law.name} {label}", part.main
    else:
        for fit in study.ranked:
            yield fit.law.name, fit


def _metrics(label: str, fit: Fit) -> dict[str, float]:
    """Return the parameters and the held-out error of a fit by the names of metrics."""
    values = {f"fit.{label}.{name}": value for name, value in fit.params.items()}
    if fit.error is not None:
        values[f"fit.{label}.held_out_error"] = fit.error
    return {name: float(value) for name, value in values.items() if math.isfinite(value)}


def _forecast(study: Study | GroupedStudy) -> dict[str, float]:
    if not isinstance(study, Study) or study.forecast is None:
        return {}
    row, response = study.forecast.table.iloc[0], study.forecast.response
    names = {"predicted": "", "run_low_95": "_low_95", "run_high_95": "_high_95"}
    return {f"forecast.{response}{ending}": float(row[name]) for name, ending in names.items()}


def _values(fit: Fit) -> str:
    """Return the parameters of a fit with their intervals in one line."""
    words = []
    for name, value in fit.params.items():
        low, high = fit.ends(name)
        interval = "" if low is None or high is None else f" ({low:.3g} to {high:.3g})"
        words.append(f"{name} {value:.4g}{interval}")
    return ", ".join(words)


def _files(study: Study | GroupedStudy) -> list[Path]:
    """Return the page, the fits and the figures; of a figure in several formats, the one that a browser shows best."""
    figures: dict[str, Path] = {}
    for form in ("pdf", "png", "svg"):  # the last that there is
        figures |= {path.stem: path for path in sorted((study.config.directory / "figures").glob(f"*.{form}"))}
    fit = study.config.directory / "fit.json"
    return [study.report, *([fit] if fit.exists() else []), *figures.values()]
