"""A study as data: finished runs and the laws fitted to them, all together or group by group.

:mod:`openr1.analysis.charts` draws a study; :mod:`openr1.analysis.report` writes and prints it.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openr1.analysis.config import FitConfig
from openr1.analysis.fit.ablation import AblationStudy, compare
from openr1.analysis.fit.comparison import Comparison, compare_nested
from openr1.analysis.fit.fit import fit
from openr1.analysis.fit.groups import Groups, fit_by, split_by
from openr1.analysis.fit.labels import format_label, sort_key
from openr1.analysis.fit.resampling import Bootstrap
from openr1.analysis.fit.result import Fit
from openr1.analysis.fit.transfer import Transfer, transfer_of
from openr1.analysis.fit.weights import run_weights
from openr1.analysis.forecast.forecast import Forecast, forecast
from openr1.analysis.forecast.registry import Outcome, list_faults, verify
from openr1.analysis.formatting import Words, compute, compute_unit
from openr1.analysis.laws import Hyperparameter
from openr1.analysis.sources import frame
from openr1.analysis.sources.frame import Runs
from openr1.analysis.warning import RankedWarning, Severity
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from openr1.analysis.laws import Law

EXTRAPOLATION = 10  # default of the target budget, over the largest budget of the runs


@dataclass(frozen=True, kw_only=True)
class BaseStudy:
    """Runs, and the config that says which laws are fitted to them and where the report goes."""

    config: FitConfig
    runs: Runs
    target_flops: float | None  # null where the runs have no FLOPs, or no law has a frontier
    overrides: list[str]

    @property
    def command(self) -> str:
        """The command line that repeats this study."""
        return shlex.join(["openr1-fit", *self.overrides])

    @property
    def report(self) -> Path:
        """The path of the report."""
        return self.config.directory / "report.html"

    def compute_unit(self) -> str:
        """Return the unit of C: FLOPs, or the name of its column if the largest C of the runs is too small for FLOPs."""
        return compute_unit(self.config.runs.columns.C, float(self.runs.frame["C"].max()))

    def amount_of_compute(self, value: float) -> str:
        """Return compute with its unit."""
        return f"{compute(value)} {self.compute_unit()}"

    @property
    def words(self) -> Words:
        """The words for N, D and the loss, which are those of their columns."""
        columns = self.config.runs.columns
        units = self.config.runs.units
        # a unit that is given says what the numbers become
        return Words.of(None if units.N else columns.N, None if units.D else columns.D, columns.loss)


@dataclass(frozen=True, kw_only=True)
class Study(BaseStudy):
    """Runs and the fits of one or more laws to all of them. One of them answers; the others are for comparison."""

    fits: dict[str, Fit]
    failed: dict[str, str]  # law -> why it could not be fitted
    forecast: Forecast | None = None  # of ``forecast=FLOPs``
    outcomes: list[Outcome] = field(default_factory=list)  # registered forecasts of the study, compared with its runs
    comparison: Comparison | None = None  # of the law with ``fix`` or ``tie`` and the law without
    transfer: Transfer | None = None  # of the best learning rate from the smallest size to the largest, for law=hyperparameter
    no_transfer: str = ""  # why that is not known

    @cached_property
    def main(self) -> Fit:
        """The fit that answers: of the config's law, or of the first law that could be fitted. If it divides compute, and runs
        were held out, the one of all laws that divide compute for the target budget which predicts the held-out runs best.
        """
        asked = self.fits.get(self.config.law.name, next(iter(self.fits.values())))
        if not (asked.law.allocates and self.target_flops):
            return asked
        return next((fit for fit in self.ranked if self.held_out_error(fit) is not None and self.divides(fit)), asked)

    def divides(self, fit: Fit) -> bool:
        """Return True if a fit tells how to divide the target budget into parameters and tokens."""
        return bool(fit.law.allocates and self.target_flops and not fit.unknown_at(self.target_flops))

    @property
    def ranked(self) -> list[Fit]:
        """The fits in the order of their held-out error, smallest first; fits without one last."""
        return sorted(self.fits.values(), key=lambda fit: ((error := self.held_out_error(fit)) is None, error))

    def held_out_error(self, fit: Fit) -> float | None:
        """Return the held-out error by which a fit is ranked: on the best runs of budgets if laws of the frontier, which
        predict no other runs, are compared with laws of any run; null if nothing was held out.
        """
        if fit.holdout is None:
            return None
        return fit.holdout["best_runs_error"] if self.on_best_runs(fit) else fit.error

    def on_best_runs(self, fit: Fit) -> bool:
        """Return True if the held-out error of a fit is over the best run of each held-out budget."""
        if fit.holdout is None:
            return False
        mixed = any(other.law.best_runs_only for other in self.fits.values() if other.holdout)
        return fit.law.best_runs_only or (mixed and bool(fit.holdout["best_runs"]))


@dataclass(frozen=True, kw_only=True)
class GroupedStudy(BaseStudy):
    """Runs and the fits of one law to each group of them; each group is a :class:`Study` of its own rows too.

    ``target_flops`` is the same for all groups, so that they compare.
    """

    groups: Groups
    parts: dict[str, Study]

    @property
    def law(self) -> Law:
        """The law that is fitted to each group."""
        return self.groups.law

    @property
    def transfers(self) -> dict[str, Transfer]:
        """The transfer of the learning rate in each group in which it is known."""
        return {label: part.transfer for label, part in self.parts.items() if part.transfer}


def analyse(config: FitConfig, overrides: list[str] | None = None) -> Study:
    """Read the runs and fit the laws to all of them. Nothing is written.

    A law that cannot be fitted is listed in ``failed``, as long as another one can be fitted.

    :param overrides: the command line, for :attr:`BaseStudy.command`.
    :raises ConfigError: if there are no runs, or no law can be fitted to them.
    """
    needs = {name for law in config.laws for name in law.needs} | ({"C"} if config.forecast else set())
    uses = sorted({name for law in config.laws for name in law.uses})
    runs = frame.read(config.runs, sorted(needs), all(law.zero_compute for law in config.laws), uses=uses)
    fits, failed = {}, {}
    errors = []
    for law in config.laws:
        try:
            fits[law.name] = fit(runs.frame, law, config.holdout, config.bootstrap, **config.constraints)
        except ConfigError as error:
            errors.append(error)
            failed[law.name] = str(error).removeprefix("law: ")
    if not fits:
        raise errors[0]
    target = _target_flops(config, runs.frame, fits.values())
    # before outcomes are written again
    faults = [RankedWarning(line, Severity.DATA) for line in list_faults(config.study_folder)]
    return Study(
        config=config,
        runs=replace(runs, warnings=[*runs.warnings, *faults]),
        target_flops=target,
        overrides=overrides or [],
        fits=fits,
        failed=failed,
        forecast=_forecast(config, runs.frame),
        outcomes=verify(config.study_folder, runs.frame),
        comparison=_compare_with_free(config, fits),
        **_transfer(config, fits.get("hyperparameter")),
    )


def _transfer(config: FitConfig, fitted: Fit | None) -> dict[str, Any]:
    """Return the transfer of the learning rate of a study, or why it is not known, as fields of :class:`Study`."""
    if fitted is None or fitted.frame is None or not isinstance(fitted.law, Hyperparameter):
        return {}
    response = getattr(config.law, "objective", "loss")
    try:
        return {"transfer": transfer_of(fitted.frame, fitted.law, config.bootstrap, response)}
    except ConfigError as error:
        return {"no_transfer": str(error)}


def _compare_with_free(config: FitConfig, fits: dict[str, Fit]) -> Comparison | None:
    """Compare the law under the constraints of the config with the law without them; null if no parameter is fixed or tied."""
    fitted = fits.get(config.law.name)
    if fitted is None or fitted.frame is None or not (config.fix or config.tie):
        return None
    free = fit(fitted.frame, config.law, bootstrap=Bootstrap(resamples=0), priors=config.priors)
    return compare_nested(fitted, free, fitted.frame)


def _forecast(config: FitConfig, frame: pd.DataFrame) -> Forecast | None:
    """Return the forecast of the config, by the laws that it compares, or by those of the loss that the columns allow."""
    if config.forecast is None:
        return None
    if config.weights:
        frame = frame.assign(weight=run_weights(frame, config.weights))
    laws = config.laws if config.compare or config.law.response != "loss" else ()
    return forecast(frame, config.forecast, laws=laws, stack=config.stack, bootstrap=config.bootstrap)


def analyse_groups(config: FitConfig, overrides: list[str] | None = None) -> GroupedStudy:
    """Read the runs and fit the law to each group of them. Nothing is written.

    :raises ConfigError: if there are no runs, the column of the groups is missing, or the law can be fitted to no group.
    """
    if config.by is None:
        raise ConfigError("by: no column is given")
    runs = frame.read(config.runs, list(config.law.needs), config.law.zero_compute, uses=config.law.uses)
    # a column that holds a quantity is called after it
    by = next((key for key, name in runs.names.items() if name == config.by and key in runs.frame), config.by)
    groups = fit_by(runs.frame, by, config.law, config.holdout, config.bootstrap, config.share, **config.constraints)
    labelled = split_by(runs.frame, by)
    _add_unusable_groups(groups, runs, config.by, {*labelled})
    rows = config.law.select_groups(labelled)
    target = _target_flops(config, runs.frame, groups.fits.values())
    overrides = overrides or []
    parts = {
        group: Study(
            config=config,
            runs=Runs(rows[group], runs.dropped.iloc[:0]),
            target_flops=target,
            overrides=overrides,
            fits={config.law.name: fit},
            failed={},
            **_transfer(config, fit),
        )
        for group, fit in groups.fits.items()
    }
    return GroupedStudy(config=config, runs=runs, target_flops=target, overrides=overrides, groups=groups, parts=parts)


def compare_variants(config: FitConfig) -> AblationStudy:
    """Read the runs and compare the variants that ``config.ablation`` is about with their base line. Nothing is written.

    :raises ConfigError: if there are no runs, or no base line.
    """
    runs, options = frame.read(config.runs, []).frame, config.ablation
    named = {column: quantity for quantity, column in vars(config.runs.columns).items() if column}

    def column(name: str) -> str:  # a metric may stand under the name of its quantity, such as eval_loss under loss
        return name if name in runs else named.get(name, name)

    return compare(runs, replace(options, metric=column(str(options.metric)), compute=column(options.compute)))


def _add_unusable_groups(groups: Groups, runs: Runs, by: str, known: set[str]) -> None:
    """Add to ``groups.failed`` the groups without a usable row, which are not ``known``."""
    if by not in runs.dropped:
        return
    for group, rows in runs.dropped.dropna(subset=by).groupby(runs.dropped[by].map(format_label, na_action="ignore")):
        if group not in known:
            groups.failed[group] = f"none of its {len(rows)} rows can be used: {rows['reason'].iloc[0]}"
    groups.failed = dict(sorted(groups.failed.items(), key=lambda item: sort_key(item[0])))


def _target_flops(config: FitConfig, frame: pd.DataFrame, fits: Iterable[Fit]) -> float | None:
    """Return the budget that the advice is for; null if the runs have no FLOPs, or no law has a frontier.

    :raises ConfigError: if a budget is asked for, and the runs have no FLOPs.
    """
    if config.target_flops and "C" not in frame:
        raise ConfigError("target_flops: the runs have no FLOPs; name runs.columns.C, or set runs.flops_6nd=true")
    if "C" in frame and any(not fit.frontier(1.0).empty for fit in fits):
        return config.target_flops or EXTRAPOLATION * float(frame["C"].max())
    return None
