"""Registered forecasts: written before the runs exist, and compared with them once they do.

A forecast is a file ``forecasts/FINGERPRINT.json`` in the folder of the study of its run, written once and never changed:
``study``, ``written`` (ISO 8601, UTC), ``commit``, ``run`` (name, fingerprint, N, D, C), ``response``, ``predicted``,
``intervals`` (level -> ends), ``fitted`` (the study, the number and the SHA-256 of the runs that the law was fitted to),
``chosen``, ``scores``, ``origins`` and ``noise``. Its outcome stands beside it, in ``FINGERPRINT.outcome.json``, written by the
first report that has the run. Either file has the SHA-256 of its content, so that a later change is noticed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openr1.analysis.fit.result import to_json_values
from openr1.analysis.forecast.noise import LEVELS
from openr1.system.errors import ConfigError
from openr1.system.files import write_json
from openr1.system.records import SEAL, DamagedFile, read_json

if TYPE_CHECKING:
    import pandas as pd

    from openr1.analysis.forecast.forecast import Forecast

FOLDER, OUTCOME = "forecasts", ".outcome.json"
INPUTS = ("N", "D", "C")  # of the runs of a fit, whose values are hashed with their responses


@dataclass(frozen=True)
class Outcome:
    """A registered forecast, and the measured value once the run exists."""

    forecast: dict[str, Any]
    measured: float | None

    @property
    def error(self) -> float | None:
        """The relative error of the prediction."""
        return None if self.measured is None else self.forecast["predicted"] / self.measured - 1

    def is_within(self, level: float) -> bool | None:
        """Return True if the run is within its interval of a level such as 0.95; null before the run exists."""
        if self.measured is None:
            return None
        low, high = self.forecast["intervals"][f"{level * 100:.0f}"]
        return bool(low <= self.measured <= high)


def register(
    folder: Path, forecast: Forecast, runs: list[dict[str, Any]], fitted: tuple[str, pd.DataFrame], study: str, commit: str
) -> list[Path]:
    """Write the forecasts of planned runs into the folder of their study; return the paths.

    :param runs: ``name`` and ``fingerprint`` of each row of the forecast's table.
    :param fitted: the name of the study, and the frame of runs, that the law was fitted to.
    :raises ConfigError: if a forecast of one of the runs is registered already.
    """
    paths = [folder / FOLDER / f"{run['fingerprint']}.json" for run in runs]
    for path, run in zip(paths, runs, strict=True):
        if path.exists():
            raise ConfigError(f"forecast: {run['name']} has a registered forecast, which does not change: {path}")
    about = forecast.to_dict()
    columns = [name for name in (*INPUTS, forecast.response) if name in fitted[1]]
    digest = hashlib.sha256(fitted[1][columns].sort_values(columns).to_csv(index=False).encode()).hexdigest()
    for path, run, row in zip(paths, runs, about["runs"], strict=True):
        document = {
            "study": study,
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
            "commit": commit,
            "run": {**run, **{name: row[name] for name in INPUTS if name in row}},
            "response": forecast.response,
            "predicted": row["predicted"],
            "curve": [row["curve_low"], row["curve_high"]],
            "intervals": {
                f"{level * 100:.0f}": [row[f"run_{end}_{level * 100:.0f}"] for end in ("low", "high")] for level in LEVELS
            },
            "fitted": {"study": fitted[0], "runs": about["n_points"], "largest": about["largest"], "sha256": digest},
            **{key: about[key] for key in ("rule", "chosen", "params", "scores", "origins", "noise")},
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_sealed(path, to_json_values(document))
    return paths


def read_outcomes(folder: Path) -> list[Outcome]:
    """Return the registered forecasts of the folder of a study that are as they were written, in the order of their compute.

    :func:`list_faults` says which others there are.
    """
    outcomes = []
    for path in _forecast_files(folder):
        forecast, _ = _read_sealed(path)
        if forecast is None or forecast["run"]["fingerprint"] != path.stem:
            continue
        known, _ = _read_sealed(_outcome_file(path))
        outcomes.append(Outcome(forecast, None if known is None else known["measured"]))
    return sorted(outcomes, key=lambda outcome: outcome.forecast["run"].get("C") or 0)


def list_faults(folder: Path) -> list[str]:
    """Return a line about each file of the registered forecasts of a study that is damaged, or was changed later."""
    lines = []
    for path in _forecast_files(folder):
        forecast, fault = _read_sealed(path)
        if forecast is not None and forecast["run"]["fingerprint"] != path.stem:
            fault = "is of another run than its name says"
        if fault:
            lines.append(f"the registered forecast {path} {fault}; it is left out")
            continue
        beside = _outcome_file(path)
        _, fault = _read_sealed(beside) if beside.exists() else (None, "")
        if fault:
            lines.append(f"the outcome {beside} {fault}; the run is measured again")
    return lines


def _forecast_files(folder: Path) -> list[Path]:
    return [path for path in sorted((folder / FOLDER).glob("*.json")) if not path.name.endswith(OUTCOME)]


def _outcome_file(path: Path) -> Path:
    return path.with_name(path.stem + OUTCOME)


def _write_sealed(path: Path, content: dict[str, Any]) -> None:
    """Write a file with the hash of its content."""
    write_json(path, {**content, SEAL: _hash(content)}, shared=True)


def _read_sealed(path: Path) -> tuple[dict[str, Any] | None, str]:
    """Return what :func:`_write_sealed` wrote, or null and what is wrong with the file."""
    try:
        content = read_json(path)
    except DamagedFile as error:
        return None, str(error).removeprefix(f"{path} ")
    if not isinstance(content, dict):
        return None, "is no record"
    seal = content.pop(SEAL, None)
    if seal is None:
        return None, "has no hash, which would show that it is as it was written"
    if seal != _hash(content):
        return None, "was changed after it was written"
    return content, ""


def _hash(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def verify(folder: Path, frame: pd.DataFrame) -> list[Outcome]:
    """Compare the registered forecasts of a study with its runs, and write the outcome of those that exist by now.

    :param frame: runs with the column ``fingerprint``.
    """
    outcomes = read_outcomes(folder)
    if "fingerprint" not in frame:
        return outcomes
    for place, outcome in enumerate(outcomes):
        run, response = outcome.forecast["run"], outcome.forecast["response"]
        rows = frame[frame["fingerprint"] == run["fingerprint"]]
        if "step" in rows:  # points of a curve, of which the last is the run's result
            rows = rows.sort_values("step", ascending=False)
        if outcome.measured is not None or rows.empty or response not in rows:
            continue
        measured = float(rows[response].iloc[0])
        _write_sealed(folder / FOLDER / f"{run['fingerprint']}{OUTCOME}", {"measured": measured})
        outcomes[place] = Outcome(outcome.forecast, measured)
    return outcomes


def all_outcomes(studies: Path) -> list[Outcome]:
    """Return the registered forecasts of all studies under a folder."""
    return [outcome for folder in sorted(studies.glob(f"*/{FOLDER}")) for outcome in read_outcomes(folder.parent)]


def all_faults(studies: Path) -> list[str]:
    """Return the lines of :func:`list_faults` for all studies under a folder."""
    return [line for folder in sorted(studies.glob(f"*/{FOLDER}")) for line in list_faults(folder.parent)]


def calibration(outcomes: Iterable[Outcome]) -> dict[float, tuple[int, int]]:
    """Return level -> the number of runs within their intervals, and the number of runs that exist."""
    made = [outcome for outcome in outcomes if outcome.measured is not None]
    return {level: (sum(bool(outcome.is_within(level)) for outcome in made), len(made)) for level in LEVELS}
