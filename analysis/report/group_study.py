"""A study whose runs are fitted group by group: ``openr1-fit by=scale``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.config import FitConfig
from analysis.fit.groups import Groups, divided, fit_by, order, written
from analysis.report.study import Reported, Study, target_of
from analysis.sources import frame
from analysis.sources.frame import Runs
from openr1.errors import ConfigError

if TYPE_CHECKING:
    from analysis.laws import Law


@dataclass(frozen=True, kw_only=True)
class GroupedStudy(Reported):
    """The runs of all groups, the fits, and each group as a study of its own: of its rows and its one fit.

    ``target_flops`` is one budget for all, so that groups compare.
    """

    groups: Groups
    parts: dict[str, Study]

    @property
    def law(self) -> Law:
        return self.config.law

    def write(self) -> Path:
        """Write points, the fit of each group, their table, figures and the report; the path of the report."""
        from analysis.charts.groups import charts
        from analysis.report.html import render_groups

        drawn = charts(self)
        html = render_groups(self, drawn)
        self.groups.save(self.config.directory)
        return self.write_report(html, drawn)

    def show(self) -> None:
        """Print what was found."""
        from analysis.report.terminal import show_groups

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
    shared = {"config": config, "target_flops": target, "overrides": overrides or []}
    parts = {}
    for group, fit in groups.fits.items():
        of_group = Runs(rows[group], runs.dropped.iloc[:0])
        parts[group] = Study(**shared, runs=of_group, fits={config.law.name: fit}, failed={})
    return GroupedStudy(**shared, runs=runs, groups=groups, parts=parts)


def _unusable(groups: Groups, runs: Runs, by: str) -> None:
    """Add the groups of which not a single row can be used."""
    if by not in runs.dropped:
        return
    known = {*groups.fits, *groups.failed}
    for group, rows in runs.dropped.dropna(subset=by).groupby(runs.dropped[by].map(written, na_action="ignore")):
        if group not in known:
            groups.failed[group] = f"none of its {len(rows)} rows can be used: {rows['reason'].iloc[0]}"
    groups.failed = dict(sorted(groups.failed.items(), key=lambda item: order(item[0])))
