"""A study whose runs are fitted group by group: ``openr1-fit by=scale``."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from analysis import frame
from analysis.config import FitConfig
from analysis.frame import Runs
from analysis.grouping import Groups, divided, fit_by, order, written
from analysis.study import Study, target_of, write_figures
from openr1.errors import ConfigError

if TYPE_CHECKING:
    from analysis.laws import Law


@dataclass(frozen=True)
class GroupedStudy:
    """The runs of all groups, the fits, and each group as a study of its own: of its rows and its one fit."""

    config: FitConfig
    runs: Runs
    groups: Groups
    parts: dict[str, Study]
    target_flops: float | None  # one budget, so that groups compare
    overrides: list[str]

    @property
    def law(self) -> Law:
        return self.config.law

    @property
    def command(self) -> str:
        """What makes this report again."""
        return shlex.join(["openr1-fit", *self.overrides])

    @property
    def report(self) -> Path:
        return self.config.directory / "report.html"

    def write(self) -> Path:
        """Write points, the fit of each group, their table, figures and the report; the path of the report."""
        from analysis.charts.groups import charts
        from analysis.report import render_groups

        directory = self.config.directory
        drawn = charts(self)
        html = render_groups(self, drawn)
        write_figures(drawn, directory)
        self.runs.frame.to_csv(directory / "points.csv", index=False)
        self.groups.save(directory)
        self.report.write_text(html, encoding="utf-8")
        return self.report

    def show(self) -> None:
        """Print what was found."""
        from analysis.show import show_groups

        show_groups(self)


def analyse_by(config: FitConfig, overrides: list[str] | None = None) -> GroupedStudy:
    """Read the runs and fit the law to each group of them. Nothing is written.

    :raises ConfigError: where there are no runs, no such column, or no group that the law can be fitted to.
    """
    if config.by is None:
        raise ConfigError("by: no column is given")
    runs = frame.read(config.runs, list(config.law.needs))
    # a column that holds a quantity is called after it
    by = next((key for key, name in vars(config.runs.columns).items() if name == config.by and key in runs.frame), config.by)
    groups = fit_by(runs.frame, by, config.law, config.holdout, config.bootstrap)
    _unusable(groups, runs, config.by)
    rows = divided(runs.frame, by)
    target = target_of(config, runs.frame, groups.fits.values())
    parts = {}
    for group, fit in groups.fits.items():
        of_group = Runs(rows[group], runs.dropped.iloc[:0])
        parts[group] = Study(config, of_group, {config.law.name: fit}, {}, target, overrides or [])
    return GroupedStudy(config, runs, groups, parts, target, overrides or [])


def _unusable(groups: Groups, runs: Runs, by: str) -> None:
    """Add the groups of which not a single row can be used."""
    if by not in runs.dropped:
        return
    known = {*groups.fits, *groups.failed}
    for group, rows in runs.dropped.dropna(subset=by).groupby(runs.dropped[by].map(written, na_action="ignore")):
        if group not in known:
            groups.failed[group] = f"none of its {len(rows)} rows can be used: {rows['reason'].iloc[0]}"
    groups.failed = dict(sorted(groups.failed.items(), key=lambda item: order(item[0])))
