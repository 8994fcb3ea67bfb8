"""From a config to a report: the runs of a study, the laws fitted to them, and the files that say what was found."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.config import FitConfig
from analysis.fit.fit import fit
from analysis.fit.result import Fit
from analysis.sources import frame
from analysis.sources.frame import Runs
from openr1.errors import ConfigError
from openr1.files import replacing

if TYPE_CHECKING:
    import pandas as pd

    from analysis.charts import Chart

EXTRAPOLATION = 10  # the budget that advice is for where the config names none, over the largest in the runs


@dataclass(frozen=True, kw_only=True)
class Reported:
    """Runs to which laws are fitted, and where it is said what was found."""

    config: FitConfig
    runs: Runs
    target_flops: float | None  # null where the runs have no FLOPs, or no law is one of compute
    overrides: list[str]

    @property
    def command(self) -> str:
        """What makes this report again."""
        return shlex.join(["openr1-fit", *self.overrides])

    @property
    def report(self) -> Path:
        return self.config.directory / "report.html"

    def write_report(self, html: str, charts: dict[str, Chart]) -> Path:
        """Write points, figures and the report; the path of the report."""
        from analysis.charts.matplotlib import draw, png, svg

        directory = self.config.directory
        (directory / "figures").mkdir(parents=True, exist_ok=True)
        for name, chart in charts.items():
            figure = draw(chart)
            (directory / "figures" / f"{name}.svg").write_bytes(svg(figure))
            (directory / "figures" / f"{name}.png").write_bytes(png(figure))
        self.runs.frame.to_csv(directory / "points.csv", index=False)
        with replacing(self.report, shared=True) as temporary:
            temporary.write_text(html, encoding="utf-8")
        return self.report


@dataclass(frozen=True, kw_only=True)
class Study(Reported):
    """Runs and fits; the first law of ``fits`` that is the config's ``law`` answers, the others are for comparison."""

    fits: dict[str, Fit]
    failed: dict[str, str]  # law -> why it could not be fitted

    @property
    def main(self) -> Fit:
        return self.fits.get(self.config.law.name, next(iter(self.fits.values())))

    @property
    def ranked(self) -> list[Fit]:
        """The fits by their error on what was held out, best first; those without one last."""
        return sorted(self.fits.values(), key=lambda fit: (fit.error is None, fit.error))

    def write(self) -> Path:
        """Write points, fits, figures and the report; the path of the report. ``fit.json`` is that of the law that answers."""
        from analysis.charts import charts
        from analysis.report.html import render

        drawn = charts(self)
        html = render(self, drawn)
        for name, fitted in self.fits.items():
            written = fitted.save(self.config.directory / name)
            if fitted is self.main:
                shutil.copyfile(written, self.config.directory / written.name)
        return self.write_report(html, drawn)

    def show(self) -> None:
        """Print what was found."""
        from analysis.report.terminal import show

        show(self)


def analyse(config: FitConfig, overrides: list[str] | None = None) -> Study:
    """Read the runs and fit the laws to all of them. Nothing is written.

    A law that the runs are too few for is listed in ``failed``, as long as another one can be fitted.

    :raises ConfigError: where there are no runs, or no law can be fitted to them.
    """
    runs = frame.read(config.runs, sorted({name for law in config.laws for name in law.needs}))
    fits, failed = {}, {}
    for law in config.laws:
        try:
            fits[law.name] = fit(runs.frame, law, config.holdout, config.bootstrap)
        except ConfigError as error:
            failed[law.name] = str(error)
    if not fits:
        raise ConfigError(next(iter(failed.values())))
    target = target_of(config, runs.frame, fits.values())
    return Study(config=config, runs=runs, target_flops=target, overrides=overrides or [], fits=fits, failed=failed)


def target_of(config: FitConfig, frame: pd.DataFrame, fits: Iterable[Fit]) -> float | None:
    """The budget that advice is for; null where the runs have no FLOPs, or no law is one of compute."""
    if "C" in frame and any(not fit.frontier(1.0).empty for fit in fits):
        return config.target_flops or EXTRAPOLATION * float(frame["C"].max())
    return None
