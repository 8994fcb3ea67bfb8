"""The overhead of a search for its trials.

    python tests/benchmarks/sweep_overhead.py [trials]

Prints the wall-clock time of a trial whose objective is a formula: in a plain ``study.optimize`` loop on the same kind of
storage, with ``sweep=search`` in one process, without start-up, and with a process for each trial.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import optuna

APP = str(Path(__file__).parents[1] / "helpers" / "sweep_app.py")


def time_optuna(folder: str, trials: int) -> float:
    """Return the seconds of a trial of Optuna alone."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(storage=f"sqlite:///{folder}/plain.db")
    start = time.perf_counter()
    study.optimize(lambda trial: (trial.suggest_float("x", 0.01, 1) - 0.3) ** 2, n_trials=trials)
    return (time.perf_counter() - start) / trials


def time_search(folder: str, trials: int) -> tuple[float, float]:
    """Return the seconds from trial to trial, and the part of them outside Hydra and the app's function."""
    command = [sys.executable, APP, "-m", "sweep=search", "hydra/launcher=basic", f"paths.outputs={folder}"]
    subprocess.run([*command, "optim.lr=interval(0.01,1)", f"sweep.n_trials={trials}", "sweep.name=bench"], check=True,
                   capture_output=True)  # fmt: skip
    study = optuna.load_study(storage=f"sqlite:///{folder}/optuna.db", study_name="bench")
    first, *_, last = study.trials
    whole = (last.datetime_complete - first.datetime_start).total_seconds() / trials
    within = sum((trial.datetime_complete - trial.datetime_start).total_seconds() for trial in study.trials) / trials
    return whole, whole - within


def time_process(folder: str) -> float:
    """Return the seconds of one trial in a process of its own."""
    start = time.perf_counter()
    subprocess.run([sys.executable, APP, f"paths.outputs={folder}", "optim.lr=0.1"], check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    with tempfile.TemporaryDirectory() as folder:
        base = time_optuna(folder, trials)
        whole, between = time_search(folder, trials)
        alone = time_process(folder)
    print(f"study.optimize           {base:.3f} s a trial")
    print(f"sweep=search             {whole:.3f} s a trial, {between:.3f} of them between trials, ratio {whole / base:.1f}")
    print(f"a process for each trial {alone:.3f} s a trial, ratio {alone / base:.1f}")
    print(f"overhead in one process  {whole - base:.3f} s a trial; wanted: at most 0.3")


if __name__ == "__main__":
    main()
