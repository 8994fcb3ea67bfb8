"""Bundles: finished runs in a ZIP file, to be reproduced on another machine, or a study to be tracked there.

A bundle is laid out as a folder of outputs: ``studies/STUDY/runs/FINGERPRINT.json`` with the configs, figures, environment and
commit of each run, ``studies/STUDY/plan.json``, and weights under ``artifacts`` if they were asked for. ``bundle.json`` says
what is to be reproduced, and ``points.csv`` has a line for each stage. If the runs are a study of a tracking store,
``tracked.jsonl`` has a line for each of its runs as the store has it, with curves (:mod:`openr1.tracking.study_transfer`).
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from openr1.runs.record import FOLDER, RunRecord, artifact_inputs
from openr1.runs.reproduction.origins import PLAN, Origin
from openr1.system.artifacts import Store
from openr1.system.errors import ConfigError
from openr1.system.files import replacing

CONTENTS, POINTS, TRACKED = "bundle.json", "points.csv", "tracked.jsonl"
VERSION = 1
SUFFIX = ".zip"


def write_bundle(
    path: Path, runs: Sequence[RunRecord], study: str | None, origins: Sequence[Origin], weights: bool
) -> list[str]:
    """Write a bundle of runs, with the records of the runs that made what they take.

    :param study: the study that the runs are, if they are one.
    :param weights: put in the artifacts too.
    :returns: the artifacts that were to be put in and are gone.
    """
    complete = with_makers(runs, origins)
    contents = {"version": VERSION, "study": study, "runs": [run.fingerprint for run in runs]}
    gone = []
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr(CONTENTS, json.dumps(contents, indent=1))
        bundle.writestr(POINTS, points(runs))
        for run in complete:
            bundle.writestr(f"studies/{run.study}/{FOLDER}/{run.fingerprint}.json", json.dumps(asdict(run), indent=1))
        for name in dict.fromkeys(run.study for run in runs):
            if plan := next((found for origin in origins if (found := origin.plan(name))), None):
                bundle.write(plan, f"studies/{name}/{PLAN}")
        if tracked := _tracked(study, origins):
            bundle.writestr(TRACKED, "".join(f"{json.dumps(run)}\n" for run in tracked))
        made = dict.fromkeys(stage.artifact_name for run in complete for stage in run.stages)
        for name in made if weights else ():
            folder = find_artifact(name, origins)
            if folder is None:
                gone.append(name)
                continue
            for file in sorted(each for each in folder.rglob("*") if each.is_file()):
                bundle.write(file, f"artifacts/{name}/{file.relative_to(folder).as_posix()}")
    return gone


def _tracked(study: str | None, origins: Sequence[Origin]) -> list[dict[str, Any]]:
    """Return the runs of a study as MLflow has them; none of single runs."""
    return next((found for origin in origins if study and (found := origin.tracked(study))), [])


def unpack_bundle(path: Path, folder: Path) -> tuple[list[str], str | None]:
    """Unpack a bundle as a folder of outputs.

    :returns: the fingerprints of the runs to be reproduced, and the study that they are.
    :raises ConfigError: for a file that is no bundle.
    """
    if not path.is_file():
        raise ConfigError(f"there is no file {path}")
    try:
        with zipfile.ZipFile(path) as bundle:
            if CONTENTS not in bundle.namelist():
                raise ValueError(f"it has no {CONTENTS}")
            contents = json.loads(bundle.read(CONTENTS))
            if contents["version"] != VERSION:
                raise ConfigError(f"{path}: is a bundle of version {contents['version']}; this version reads {VERSION}")
            bundle.extractall(folder)
            return contents["runs"], contents["study"]
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, EOFError, zlib.error) as error:
        if isinstance(error, ConfigError):
            raise
        made = "openr1-plan studies export and openr1-reproduce --export write"
        raise ConfigError(f"{path}: is no whole bundle, as {made}: {error}") from error


def with_makers(runs: Sequence[RunRecord], origins: Sequence[Origin]) -> list[RunRecord]:
    """Return some runs and all that made what they take, as far as it is known."""
    complete = list(runs)
    made = {stage.artifact_name for run in complete for stage in run.stages}
    for run in complete:  # grows
        for name in (name for stage in run.stages for _, name in artifact_inputs(stage)):
            if name not in made and (maker := next((found for origin in origins if (found := origin.maker(name))), None)):
                made.add(name)
                complete.append(maker)
    return complete


def find_artifact(name: str, origins: Iterable[Origin]) -> Path | None:
    """Return the folder of an artifact, if it is still there."""
    stores = (Store(folder) for origin in origins for folder in origin.stores())
    return next((artifact.path for store in stores if (artifact := store.get(name))), None)


def points(runs: Sequence[RunRecord]) -> str:
    """Return a table of the figures of all stages as CSV, which ``openr1-fit runs=csv`` reads."""
    rows = [
        {
            "study": run.study,
            "run": run.name,
            "trial": run.trial,
            "step": stage.name,
            "stage": stage.kind,
            "fingerprint": stage.fingerprint,
            "family": stage.config["model"]["family"],
            "scale": stage.config["scale"]["name"],
            "data": stage.config["data"]["name"],
            "seed": stage.config["seed"],
            **stage.metrics,
        }
        for run in runs
        for stage in run.stages
    ]
    text = io.StringIO()
    table = csv.DictWriter(text, list(dict.fromkeys(key for row in rows for key in row)), restval="")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()
