"""Speed of fits, each beside its baseline, on one thread.

    python tests/benchmarks/fit_speed.py [--sample 90]

The baseline is the customary fit: SciPy's L-BFGS-B with numerical gradients, one call per start and per resample, on the same
points, objective and starts. With ``--sample`` only this many of its calls are made, spread evenly, and its time is scaled up.
"""

import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import minimize

sys.path.insert(0, str(Path(__file__).parents[1]))

from helpers.law_runs import LAW_STUDIES, training_curves

from openr1.analysis import Bootstrap, fit
from openr1.analysis.laws import LAWS, Chinchilla
from openr1.analysis.laws.curve_regression import CurveRegression
from openr1.analysis.numerics.optimise import Objective
from openr1.analysis.sources.frame import FileRuns, read, tidy

DELTA = 1e-3
TRUTH = {"E": 1.8, "A": 480.0, "alpha": 0.35, "B": 2000.0, "beta": 0.37}


def points(n: int = 240, noise: float = 0.005) -> pd.DataFrame:
    """Draw runs near the compute-optimal line of a known law, with log-normal noise of heavy tails."""
    rng = np.random.default_rng(0)
    size, ratio = np.exp(rng.uniform(np.log(5e7), np.log(1.6e10), n)), np.exp(rng.uniform(np.log(2), np.log(300), n))
    frame = pd.DataFrame({"N": size, "D": size * ratio, "C": 6 * size**2 * ratio})
    law = TRUTH["E"] + TRUTH["A"] * frame["N"] ** -TRUTH["alpha"] + TRUTH["B"] * frame["D"] ** -TRUTH["beta"]
    return tidy(frame.assign(loss=law * np.exp(noise * rng.standard_t(4, n)))).frame


def baseline(frame: pd.DataFrame, start: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, float]:
    """Fit by SciPy in the customary coordinates log A, log B, log E, alpha, beta (arXiv 2203.15556, appendix D.3).

    The sum is in units of delta; unscaled, at 1e-3, SciPy's tolerances stop it at least 0.4 % short of the optimum.
    """
    log_n, log_d, log_loss = (np.log(frame[name].to_numpy()) for name in ("N", "D", "loss"))

    def objective(theta: np.ndarray) -> float:
        a, b, e, alpha, beta = theta
        predicted = np.logaddexp(np.logaddexp(a - alpha * log_n, b - beta * log_d), e)
        return float(np.sum(weights * Objective("huber", DELTA).losses(predicted - log_loss))) / DELTA

    optimum = minimize(objective, start, method="L-BFGS-B")
    return optimum.x, float(optimum.fun) * DELTA


def print_line(what: str, ours: float, theirs: float | None = None, note: str = "") -> None:
    beside = f"{theirs:10.1f} s   {theirs / ours:7.0f} times" if theirs is not None else ""
    print(f"{what:58s} {ours:8.3f} s   {beside}  {note}", flush=True)


def estimate(sample: int | None) -> None:
    frame, law = points(), Chinchilla(delta=DELTA)
    start = time.perf_counter()
    solution = law.estimate(frame)
    ours = time.perf_counter() - start

    problem = CurveRegression(law, law.points(frame), {}, 1)
    grid = law.starts(problem.points, {})
    count = len(grid["alpha"])
    theta = problem.screen_starts(grid, np.ones(len(frame)), keep=count)
    natural = dict(zip(law.names, problem.to_params(theta).T, strict=True))
    starts = np.stack([*(np.log(natural[name]) for name in ("A", "B", "E")), natural["alpha"], natural["beta"]], axis=1)
    chosen = np.arange(count) if sample is None else np.linspace(0, count - 1, sample).astype(int)
    begun = time.perf_counter()
    values = [baseline(frame, starts[i], np.ones(len(frame)))[1] for i in chosen]
    theirs = (time.perf_counter() - begun) * count / len(chosen)
    best = f"objective {solution.value[0]:.9g}; best of the baseline {min(values):.9g}"
    print_line(f"estimate, {len(frame)} points, {count} starts", ours, theirs, best)


def resamples(sample: int, count: int = 4000) -> None:
    frame, law = points(), Chinchilla(delta=DELTA)
    params = law.estimate(frame).params
    weights = Bootstrap(resamples=count).counts(np.arange(len(frame)), None)
    start = time.perf_counter()
    draws = law.resample(frame, params, weights)
    ours = time.perf_counter() - start
    e, a, alpha, b, beta = params[0]
    begun = time.perf_counter()
    ends = [baseline(frame, np.array([np.log(a), np.log(b), np.log(e), alpha, beta]), row)[1] for row in weights[:sample]]
    theirs = (time.perf_counter() - begun) * count / sample
    sums = [_sum(law, frame, draws[i : i + 1], weights[i]) for i in range(sample)]
    worse = np.mean(np.array(sums) > np.array(ends) * (1 + 1e-6))
    print_line(f"{count} resamples of that fit", ours, theirs, f"{worse:.1%} of {sample} end above the baseline")


def _sum(law: Chinchilla, frame: pd.DataFrame, params: np.ndarray, weights: np.ndarray) -> float:
    return float(np.sum(weights * law.loss.losses(law.residuals(params, frame))))


def laws() -> None:
    for name, study in LAW_STUDIES.items():
        frame, law = study()
        start = time.perf_counter()
        result = fit(frame, law, bootstrap=Bootstrap(resamples=1000))
        print_line(f"{name}: {result.n_points} rows, 1000 resamples", time.perf_counter() - start)
    missing = set(LAWS) - {name.split(",")[0] for name in LAW_STUDIES}
    if missing:
        print("not timed:", ", ".join(sorted(missing)))


def million() -> None:
    table = training_curves(runs=1000, rows=1000)
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("csv", "parquet"):
            path = Path(folder) / f"curves.{kind}"
            table.to_csv(path, index=False) if kind == "csv" else table.to_parquet(path)
            start = time.perf_counter()
            frame = read(FileRuns(path=str(path))).frame
            loaded = time.perf_counter() - start
            LAWS["envelope"]().estimate(frame)
            print_line(f"envelope, {len(frame):,} rows of {kind}", time.perf_counter() - start, note=f"{loaded:.1f} s to load")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sample", type=int, help="calls of the baseline that are made; all of its starts by default")
    sample = parser.parse_args().sample
    print(f"{'':58s} {'openr1':>8s}     {'SciPy':>10s}")
    estimate(sample)
    resamples(sample or 200)
    laws()
    million()
    print("torch was imported" if "torch" in sys.modules else "torch was not imported")


if __name__ == "__main__":
    main()
