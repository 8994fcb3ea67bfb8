"""A small synthetic study of every kind of law, for tests of what is said and drawn of them."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from analysis.config import compose
from analysis.report.study import Study, analyse


def loss(n, d):
    return 1.8 + 480 * n**-0.35 + 2000 * d**-0.366


def _noise(size, scale=0.003, seed=0):
    return np.exp(np.random.default_rng(seed).normal(0, scale, size))


def budgets():
    """Four budgets of five sizes each."""
    flops, shift = (part.ravel() for part in np.meshgrid(np.geomspace(1e18, 1e20, 4), np.geomspace(0.25, 4, 5), indexing="ij"))
    n = np.sqrt(flops / 120) * shift
    table = pd.DataFrame({"N": n, "D": flops / 6 / n, "C": flops})
    return table.assign(loss=loss(table["N"], table["D"]) * _noise(len(table)))


def curves():
    """Training curves of eight sizes."""
    rows = []
    for run, n in enumerate(np.geomspace(3e7, 3e9, 8)):
        d = np.geomspace(n / 3, 60 * n, 40)
        rows.append(
            pd.DataFrame({"run": f"run{run}", "N": n, "D": d, "C": 6 * n * d, "loss": loss(n, d) * _noise(40, 0.001, run)})
        )
    return pd.concat(rows)


def sizes():
    n = np.geomspace(1e6, 1e9, 20)
    return pd.DataFrame({"N": n, "loss": (1.9 + 30 * n**-0.25) * _noise(20)})


def repeats():
    n, u, epochs = (part.ravel() for part in np.meshgrid([1e8, 5e8, 2e9], [1e9, 1e10], [1, 4, 16], indexing="ij"))
    worth = u * (1 + 15 * -np.expm1(-(epochs - 1) / 15))
    return pd.DataFrame({"N": n, "D": u * epochs, "U": u, "loss": loss(n, worth) * _noise(len(n), 0.001)})


def tasks():
    nats = np.linspace(2.2, 4.5, 16)
    error = (0.86 - 2.1 * np.exp(-0.75 * nats)) * _noise(16, 0.01)
    return pd.DataFrame({"loss": nats, "error": error, "C": np.geomspace(1e20, 1e17, 16)})


def rewards():
    hours = np.geomspace(0.3, 60, 24)
    rate = 0.4 + 0.24 / (1 + (10 / hours) ** 1.6) + np.random.default_rng(0).normal(0, 0.003, 24)
    return pd.DataFrame({"gpu_hours": hours, "pass_rate": rate})


def rewards_by_size():
    n, c = (part.ravel() for part in np.meshgrid([5e8, 2e9, 7e9], np.geomspace(1e18, 1e20, 8), indexing="ij"))
    share = 1 / (1 + 2e9 / n)
    error = np.exp(share * (2.0 + 0.02 * np.log(n) - 0.07 * np.log(c))) * _noise(len(n))
    return pd.DataFrame({"N": n, "C": c, "pass_at_1": 1 - error})


def answers():
    rng = np.random.default_rng(0)
    return pd.DataFrame({"samples": 64, "correct": rng.binomial(64, rng.beta(0.4, 2.5, 60))})


def rates():
    rows = []
    for n in (6e7, 2.5e8, 1e9):
        for d in (2e9, 2e10):
            best = 1.8 * n**-0.7 * d**0.3
            lr = best * 2.0 ** np.arange(-2.3, 2.6)
            rows.append(pd.DataFrame({"N": n, "D": d, "lr": lr, "loss": loss(n, d) + 0.02 * np.log(lr / best) ** 2}))
    table = pd.concat(rows)
    return table.assign(loss=table["loss"] * _noise(len(table), 0.0003))


def students():
    n, d, teacher = (part.ravel() for part in np.meshgrid([1e8, 5e8, 2e9], [5e9, 5e10], [1.95, 2.1, 2.3, 2.5], indexing="ij"))
    gap = teacher**-2.5 * (1500 * n**-0.5 + 4000 * d**-0.45) ** 0.8
    table = pd.DataFrame({"N": n, "D": d, "teacher_loss": teacher, "supervised_loss": loss(n, d)})
    return table.assign(loss=(teacher + gap) * _noise(len(n), 0.001))


# what the study is called -> its table, the words of its config, the figures that it has
EVERY = ("parameters", "residuals")
ADVISED = ("frontier", "allocation", *EVERY)
KINDS = {
    "budgets": (budgets, ["compare=[isoflop,chinchilla,power_law]"], ("summary", "isoflop", "surface", *ADVISED)),
    "overtraining": (budgets, ["law=overtraining"], ("summary", "isoflop", "surface", *ADVISED)),
    "envelope": (curves, ["law=envelope", "law.bins=200"], ("envelope", *ADVISED)),
    "power_law": (sizes, ["law=power_law", "law.x=N", "holdout.fraction=0.2"], ("curve", *EVERY)),
    "broken_power_law": (sizes, ["law=broken_power_law", "law.x=N"], ("curve", *EVERY)),
    "data_constrained": (repeats, ["law=data_constrained", "law.inner=joint"], ("surface", *EVERY)),
    "task_error": (tasks, ["law=task_error", "holdout.fraction=0.2"], ("curve", *EVERY)),
    "rl_sigmoid": (
        rewards,
        [
            "law=rl_sigmoid",
            "law.drop=0.02",
            "runs.columns.C=gpu_hours",
            "runs.columns.pass_at_1=pass_rate",
            "holdout.fraction=0.2",
        ],
        ("rl", *EVERY),
    ),
    "rl_power": (rewards_by_size, ["law=rl_power"], ("rl", *EVERY)),
    "pass_at_k": (answers, ["law=pass_at_k"], ("pass_at_k", *EVERY)),
    "hyperparameter": (rates, ["law=hyperparameter"], ("hyperparameter", *EVERY)),
    "distillation": (students, ["law=distillation"], ("distillation", *EVERY)),
}


def study_of(directory: Path, table: pd.DataFrame, *words: str) -> Study:
    """The study of a table, from a CSV file as a user has it."""
    path = Path(directory) / "points.csv"
    table.to_csv(path, index=False)
    words = ("runs=csv", f"runs.path={path}", "bootstrap.resamples=20", f"out={path.parent / 'out'}", *words)
    return analyse(compose(words), list(words))


@cache
def study_of_kind(kind: str) -> Study:
    """One of ``KINDS``, made once for all tests: they leave it as it is, and do not write it."""
    table, words, _ = KINDS[kind]
    with TemporaryDirectory() as directory:
        return study_of(directory, table(), *words)
