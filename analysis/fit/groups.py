"""One law fitted to each group of runs: those of one scale, family, recipe, or whatever else a column tells apart."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from analysis.fit.fit import fit, named
from analysis.fit.resampling import Bootstrap, Holdout
from analysis.fit.result import Fit, plain
from openr1.errors import ConfigError
from openr1.files import replacing

if TYPE_CHECKING:
    import pandas as pd

    from analysis.laws import Law

GROUPS_FILE, TABLE_FILE = "groups.json", "groups.csv"
UNITS = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}  # of a scale, such as 1.5b
LISTED = 20
OWN = (
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
)  # of a run or a point


@dataclass
class Groups:
    """The fits of one law, in the order of the groups, and the groups without one."""

    by: str
    fits: dict[str, Fit]
    failed: dict[str, str] = field(default_factory=dict)  # group -> why the law could not be fitted to it
    unlabelled: int = 0  # rows without a value of the column

    @property
    def law(self) -> Law:
        return next(iter(self.fits.values())).law

    def folder(self, group: str) -> str:
        """What the folder of a group is called: ``scale=1m``."""
        return f"{safe(self.by)}={safe(group)}"

    def table(self) -> pd.DataFrame:
        """A row a group: ``rows``, ``N`` where it is one, ``error`` on what was held out, each parameter with ``_low`` and
        ``_high``, and the ``reason`` why there is no fit."""
        import pandas as pd

        rows = []
        for group, found in self.fits.items():
            low, high = found.runs.get("N", (0, 1))
            row: dict[str, Any] = {self.by: group, "rows": found.n_points, **({"N": low} if low == high else {})}
            row["error"] = found.error
            for name, value in found.params.items():
                ends = found.ci95.get(name, (None, None))
                row |= {name: value, f"{name}_low": ends[0], f"{name}_high": ends[1]}
            rows.append({**row, "reason": ""})
        rows += [{self.by: group, "reason": reason} for group, reason in self.failed.items()]
        return pd.DataFrame(rows).astype({"rows": "Int64"})  # whole numbers, though some are missing

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        groups = [
            {
                "group": group,
                "folder": self.folder(group),
                "rows": found.n_points,
                "error": found.error,
                "params": found.params,
                "se": found.se,
                "ci95": found.ci95,
                "warnings": found.diagnostics["warnings"],
            }
            for group, found in self.fits.items()
        ]
        law = {"law": self.law.name, "formula": self.law.formula, "options": asdict(self.law)}
        return plain({"by": self.by, **law, "groups": groups, "failed": self.failed, "unlabelled": self.unlabelled})

    def save(self, directory: str | Path) -> Path:
        """Write ``groups.json`` and ``groups.csv``, and each fit in a folder of its own."""
        directory = Path(directory)
        for group, found in self.fits.items():
            found.save(directory / self.folder(group))
        with replacing(directory / GROUPS_FILE, shared=True) as temporary:
            temporary.write_text(json.dumps(self.to_dict(), indent=2, allow_nan=False) + "\n")
        self.table().to_csv(directory / TABLE_FILE, index=False)
        return directory / GROUPS_FILE

    @classmethod
    def load(cls, directory: str | Path) -> Groups:
        """What :meth:`save` wrote."""
        known = json.loads((Path(directory) / GROUPS_FILE).read_text())
        fits = {row["group"]: Fit.load(Path(directory) / row["folder"]) for row in known["groups"]}
        return cls(known["by"], fits, known["failed"], known["unlabelled"])


def fit_by(
    frame: pd.DataFrame,
    by: str,
    law: str | Law = "chinchilla",
    holdout: Holdout | None = None,
    bootstrap: Bootstrap | None = None,
) -> Groups:
    """Fit a law to the rows of each value of a column, as :func:`analysis.fit` does to all of them.

    What is held out is chosen within each group; a group in which it cannot be is fitted all the same, with a warning.

    :raises ConfigError: for a column that is not there, and where the law can be fitted to no group.
    """
    law = named(law)
    groups = divided(frame, by)
    unheld = _unheld(groups, holdout)
    found = Groups(by, {}, unlabelled=len(frame) - sum(map(len, groups.values())))
    for group, rows in groups.items():
        try:
            found.fits[group] = fit(rows, law, None if group in unheld else holdout, bootstrap)
        except ConfigError as error:
            found.failed[group] = str(error).removeprefix("law: ")
            continue
        if group in unheld:
            found.fits[group].diagnostics["warnings"].append(f"nothing could be held out: {unheld[group]}")
    if not found.fits:
        group, reason = next(iter(found.failed.items()))
        raise ConfigError(f"by: {law.name} can be fitted to none of the {len(groups)} groups by {by}; {group}: {reason}")
    return found


def _unheld(groups: dict[str, pd.DataFrame], holdout: Holdout | None) -> dict[str, str]:
    """Group -> why nothing can be held out in it."""
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


def divided(frame: pd.DataFrame, by: str) -> dict[str, pd.DataFrame]:
    """The rows of each value of a column: numbers and scales such as 1.5b in their order, other words by the alphabet.

    :raises ConfigError: for a column that is not there, or that has no values.
    """
    if by not in frame:
        columns = ", ".join(_dividing(frame)) or "no columns that tell groups apart"
        raise ConfigError(f"by: there is no column {by!r}; there are {columns}")
    labels = frame[by].map(written, na_action="ignore")
    if labels.isna().all():
        raise ConfigError(f"by: no row has a value of {by}")
    return {label: frame[labels == label].reset_index(drop=True) for label in sorted(labels.dropna().unique(), key=order)}


def written(value: Any) -> str:
    """A value of a column as text: 0 for 0.0, which is what pandas makes of a whole number among missing ones."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def order(label: str) -> tuple[float, str]:
    """The key to sort labels by."""
    return (size(label), label)


def size(label: str) -> float:
    """The number that a label is, infinite for none."""
    match = re.fullmatch(r"([+-]?[0-9.]+(?:e[+-]?[0-9]+)?)([kmbt]?)", label.lower())
    try:
        return float(match[1]) * UNITS[match[2]] if match else float("inf")
    except ValueError:
        return float("inf")


def _dividing(frame: pd.DataFrame) -> list[str]:
    """Columns of more than one value that several rows share, the plainest names first."""
    counts = {str(name): frame[name].astype(str).nunique() for name in frame}
    names = [name for name, count in counts.items() if 1 < count <= max(2, len(frame) // 2) and name not in OWN]
    names.sort(key=lambda name: ("." in name, counts[name]))
    return [*names[:LISTED], *([f"{len(names) - LISTED} more"] if len(names) > LISTED else [])]


def safe(text: str) -> str:
    """The text as part of the name of a folder."""
    return quote(text, safe="+")
