"""The accuracy of the expected time of a study.

    python tests/benchmarks/price_accuracy.py [overrides of openr1 -m ...]

Prices a study in a fresh folder with ``openr1-plan``, runs it with ``openr1 -m``, and prints expected and actual seconds of
each run, of their sum, and of the whole study; wanted: within 25 %. Then it prices another seed of the study, whose times come
from the runs that have just ended. The default is a part of ``experiment=demo``. The data are prepared before. Other work on
the machine distorts the comparison.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from openr1.tracking import mlflow as tracking

BIN = Path(sys.executable).parent
DEFAULT = ["experiment=demo", "scale=50k,100k,200k", "budget.flops=6e11,3e11"]


def time_command(name: str, *words: str, cwd: str) -> float:
    """Run a command and return the seconds that it took."""
    start = time.perf_counter()
    subprocess.run([str(BIN / name), *words], cwd=cwd, check=True, env={**os.environ, "COLUMNS": "160"})
    return time.perf_counter() - start


def main() -> None:
    words = sys.argv[1:] or DEFAULT
    with tempfile.TemporaryDirectory() as folder:
        time_command("openr1-plan", *words, "sweep.calibrate=false", cwd=folder)  # prepares the data
        planned = time_command("openr1-plan", *words, cwd=folder)
        plan = json.loads(next(Path(folder).glob("outputs/studies/*/plan.json")).read_text())
        whole = time_command("openr1", "-m", *words, cwd=folder)
        uri = f"sqlite:///{folder}/outputs/mlflow.db"
        runs = {run.tags["fingerprint"]: run for run in tracking.read_runs(uri, plan["study"])}
        expected, actual = [], []
        print(f"{'run':40} {'expected':>9} {'actual':>9} {'ratio':>6}")
        for run in plan["runs"]:
            tracked = [runs[stage["fingerprint"]] for stage in run["stages"] if not stage["shared"]]
            seconds = sum((stage.end_time - stage.start_time).total_seconds() for stage in tracked)
            expected.append(run["seconds"])
            actual.append(seconds)
            print(f"{run['name']:40} {run['seconds']:9.1f} {seconds:9.1f} {run['seconds'] / seconds:6.2f}")
        print(f"{'sum of runs':40} {sum(expected):9.1f} {sum(actual):9.1f} {sum(expected) / sum(actual):6.2f}")
        study = plan["sum"]["seconds"]
        print(f"{'study, with the start of processes':40} {study:9.1f} {whole:9.1f} {study / whole:6.2f}")
        print(f"openr1-plan took {planned:.1f} s with its calibration")
        time_command("openr1-plan", *words, "seed=1", cwd=folder)


if __name__ == "__main__":
    main()
