"""Fits of one law to groups of runs: those of one scale, family, recipe, or any other value of a column."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from openr1.analysis.fit.arguments import check_option, read_rows, reading_json
from openr1.analysis.fit.fit import fit, resolve_law
from openr1.analysis.fit.labels import format_label, shorten_trials, sort_key
from openr1.analysis.fit.resampling import Bootstrap, Holdout
from openr1.analysis.fit.result import Fit, to_json_values
from openr1.analysis.fit.shared import fit_shared
from openr1.analysis.laws.regression import CurveLaw
from openr1.analysis.progress import tell_step
from openr1.analysis.warning import RankedWarning, Severity
from openr1.options import typed
from openr1.system.errors import ConfigError
from openr1.system.files import replacing

if TYPE_CHECKING:
    import pandas as pd

    from openr1.analysis.laws import Law
    from openr1.analysis.sources.frame import Runs

GROUPS_FILE, TABLE_FILE = "groups.json", "groups.csv"
LISTED = 20
TRIAL = "trial"  # column of the overrides of a trial
IDENTIFYING = (
    "run",
    "run_id",
    "name",
    "url",
    "fingerprint",
    "config_hash",
    "start_time",
    "step",
    "budget",
    "artifact",
)  # columns that identify a run or a point


@dataclass
class Groups:
    """The fits of one law, in the order of the groups, and the groups without a fit."""

    by: str
    fits: dict[str, Fit]
    failed: dict[str, str] = field(default_factory=dict)  # group -> the reason why it has no fit
    unlabelled: int = 0  # rows without a value of the column

    @property
    def law(self) -> Law:
        """The law that is fitted to each group."""
        return next(iter(self.fits.values())).law

    @property
    def parameters(self) -> list[str]:
        """The names of the parameters of all groups; those of some laws are named by the runs."""
        return list(dict.fromkeys(name for result in self.fits.values() for name in result.params))

    def folder(self, group: str) -> str:
        """Return the name of the folder of a group, such as ``scale=1m``."""
        return f"{_quote_name(self.by)}={_quote_name(group)}"

    def table(self) -> pd.DataFrame:
        """Return a row per group: ``rows``, ``N`` if it is the same in all of them, the held-out ``error``, each
        parameter with ``_low`` and ``_high``, and the ``reason`` if there is no fit.
        """
        import pandas as pd

        rows = []
        for group, result in self.fits.items():
            low, high = result.runs.get("N", (0, 1))
            row: dict[str, Any] = {self.by: group, "rows": result.n_points, **({"N": low} if low == high else {})}
            row["error"] = result.error
            for name, value in result.params.items():
                ends = result.ci95.get(name, (None, None))
                row |= {name: value, f"{name}_low": ends[0], f"{name}_high": ends[1]}
            rows.append({**row, "reason": ""})
        rows += [{self.by: group, "reason": reason} for group, reason in self.failed.items()]
        return pd.DataFrame(rows).astype({"rows": "Int64"})  # integers, though some are missing

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        groups = [
            {
                "group": group,
                "folder": self.folder(group),
                "rows": result.n_points,
                "error": result.error,
                "params": result.params,
                "se": result.se,
                "ci95": result.ci95,
                "warnings": [warning.to_dict() for warning in result.diagnostics["warnings"]],
            }
            for group, result in self.fits.items()
        ]
        law = {"law": self.law.name, "formula": self.law.formula, "options": asdict(self.law)}
        return to_json_values({"by": self.by, **law, "groups": groups, "failed": self.failed, "unlabelled": self.unlabelled})

    @typed()
    def save(self, directory: str | Path) -> Path:
        """Write ``groups.json`` and ``groups.csv``, and each fit into a folder of its own."""
        directory = Path(directory)
        for group, result in self.fits.items():
            result.save(directory / self.folder(group))
        with replacing(directory / GROUPS_FILE, shared=True) as temporary:
            temporary.write_text(json.dumps(self.to_dict(), indent=2, allow_nan=False) + "\n")
        self.table().to_csv(directory / TABLE_FILE, index=False)
        return directory / GROUPS_FILE

    @classmethod
    @typed()
    def load(cls, directory: str | Path) -> Groups:
        """Read what :meth:`save` wrote.

        :raises ConfigError: naming the file, if it is missing or of another version.
        """
        with reading_json(Path(directory) / GROUPS_FILE) as known:
            fits = {row["group"]: Fit.load(Path(directory) / row["folder"]) for row in known["groups"]}
            return cls(known["by"], fits, known["failed"], known["unlabelled"])


@typed("by")
def fit_by(
    frame: pd.DataFrame | Runs,
    by: str,
    law: str | Law | type[Law] = "chinchilla",
    holdout: Holdout | None = None,
    bootstrap: Bootstrap | None = None,
    share: Sequence[str] = (),
    **options: Any,
) -> Groups:
    """Fit a law to the rows of each value of a column, as :func:`openr1.analysis.fit` does to all rows with the same options.

    Rows are held out within each group; a group in which this is not possible is fitted with a warning. With shared parameters
    nothing is held out.

    :param share: parameters that have one value in all groups, which are then fitted at once.

    :raises ConfigError: for a missing column, or if the law can be fitted to no group.
    """
    frame, law = read_rows(frame), resolve_law(law)
    check_option(holdout, "holdout", Holdout, "Holdout(fraction=0.2)")
    check_option(bootstrap, "bootstrap", Bootstrap, "Bootstrap(resamples=100)")
    labelled = split_by(frame, by)
    groups = law.select_groups(labelled)
    unlabelled = len(frame) - sum(map(len, labelled.values()))
    if len(share):
        if not isinstance(law, CurveLaw):
            raise ConfigError(f"share: is for laws that are one curve; {law.name} is not")
        return Groups(by, fit_shared(groups, law, share, bootstrap, **options), unlabelled=unlabelled)
    holdout_failures = _holdout_failures(groups, holdout)
    result = Groups(by, {}, unlabelled=unlabelled)
    for group, rows in groups.items():
        try:
            tell_step(f"group {group}")
            result.fits[group] = fit(rows, law, None if group in holdout_failures else holdout, bootstrap, **options)
        except ConfigError as error:
            result.failed[group] = str(error).removeprefix("law: ")
            continue
        if group in holdout_failures:
            result.fits[group].diagnostics["warnings"].append(
                RankedWarning(f"nothing was held out: {holdout_failures[group]}", Severity.HELD_OUT)
            )
    if not result.fits:
        group, reason = next(iter(result.failed.items()))
        raise ConfigError(f"by: {law.name} can be fitted to none of the {len(groups)} groups by {by}; {group}: {reason}")
    return result


def _holdout_failures(groups: dict[str, pd.DataFrame], holdout: Holdout | None) -> dict[str, str]:
    """Return group -> the reason why nothing can be held out in it.

    :raises ConfigError: if that holds for all groups.
    """
    reasons = {}
    for group, rows in groups.items():
        try:
            if holdout:
                holdout.mask(rows)
        except ConfigError as error:
            reasons[group] = str(error)
    if reasons and len(reasons) == len(groups):
        raise ConfigError(next(iter(reasons.values())))
    return reasons


def split_by(frame: pd.DataFrame, by: str) -> dict[str, pd.DataFrame]:
    """Split rows by the values of a column: numbers and scales such as 1.5b in ascending order, then other labels
    alphabetically.

    :raises ConfigError: for a column that is missing or has no values.
    """
    if not isinstance(by, str):
        raise ConfigError(f"by: must be the name of one column, not {by!r}; for several, make a column of their values")
    if by not in frame:
        columns = ", ".join(_grouping_columns(frame)) or "no columns to group by"
        raise ConfigError(f"by: there is no column {by!r}; there are {columns}")
    labels = frame[by].map(format_label, na_action="ignore")
    if labels.isna().all():
        raise ConfigError(f"by: no row has a value of {by}")
    if by == TRIAL:
        labels = labels.map(shorten_trials(labels.dropna().unique()))
    return {label: frame[labels == label].reset_index(drop=True) for label in sorted(labels.dropna().unique(), key=sort_key)}


def _grouping_columns(frame: pd.DataFrame) -> list[str]:
    """Return the columns whose values several rows share, shortest names first."""
    counts = {str(name): frame[name].astype(str).nunique() for name in frame}
    names = [name for name, count in counts.items() if 1 < count <= max(2, len(frame) // 2) and name not in IDENTIFYING]
    names.sort(key=lambda name: ("." in name, counts[name]))
    return [*names[:LISTED], *([f"{len(names) - LISTED} more"] if len(names) > LISTED else [])]


def _quote_name(text: str) -> str:
    """Quote text for the name of a folder."""
    return quote(text, safe="+")
