"""Small studies of every kind, with the overrides of their configs and the figures that they have."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from helpers.law_runs import (
    GAO,
    MOE,
    answering,
    batch_sizes,
    group_sizes,
    mixes,
    model_scores,
    reused_problems,
    schedule_curves,
    weight_decays,
)
from openr1.analysis.config import compose
from openr1.analysis.laws import LAWS
from openr1.analysis.study import Study, analyse


def loss(n, d):
    return 1.8 + 480 * n**-0.35 + 2000 * d**-0.366


def _noise_factors(size, scale=0.003, seed=0):
    return np.exp(np.random.default_rng(seed).normal(0, scale, size))


def budgets():
    """Return four budgets of five sizes each."""
    flops, shift = (part.ravel() for part in np.meshgrid(np.geomspace(1e18, 1e20, 4), np.geomspace(0.25, 4, 5), indexing="ij"))
    n = np.sqrt(flops / 120) * shift
    table = pd.DataFrame({"N": n, "D": flops / 6 / n, "C": flops})
    return table.assign(loss=loss(table["N"], table["D"]) * _noise_factors(len(table)))


def curves():
    """Return training curves of eight sizes."""
    rows = []
    for run, n in enumerate(np.geomspace(3e7, 3e9, 8)):
        d = np.geomspace(n / 3, 60 * n, 40)
        rows.append(
            pd.DataFrame(
                {"run": f"run{run}", "N": n, "D": d, "C": 6 * n * d, "loss": loss(n, d) * _noise_factors(40, 0.001, run)}
            )
        )
    return pd.concat(rows)


def sizes():
    n = np.geomspace(1e6, 1e9, 20)
    return pd.DataFrame({"N": n, "loss": (1.9 + 30 * n**-0.25) * _noise_factors(20)})


def repeats():
    n, u, epochs = (part.ravel() for part in np.meshgrid([1e8, 5e8, 2e9], [1e9, 1e10], [1, 4, 16], indexing="ij"))
    worth = u * (1 + 15 * -np.expm1(-(epochs - 1) / 15))
    return pd.DataFrame({"N": n, "D": u * epochs, "U": u, "loss": loss(n, worth) * _noise_factors(len(n), 0.001)})


def tasks():
    nats = np.linspace(2.2, 4.5, 16)
    error = (0.86 - 2.1 * np.exp(-0.75 * nats)) * _noise_factors(16, 0.01)
    return pd.DataFrame({"loss": nats, "error": error, "C": np.geomspace(1e20, 1e17, 16)})


def rewards():
    hours = np.geomspace(0.3, 60, 24)
    rate = 0.4 + 0.24 / (1 + (10 / hours) ** 1.6) + np.random.default_rng(0).normal(0, 0.003, 24)
    return pd.DataFrame({"gpu_hours": hours, "pass_rate": rate})


def rewards_by_size():
    n, c = (part.ravel() for part in np.meshgrid([5e8, 2e9, 7e9], np.geomspace(1e18, 1e20, 8), indexing="ij"))
    share = 1 / (1 + 2e9 / n)
    error = np.exp(share * (2.0 + 0.02 * np.log(n) - 0.07 * np.log(c))) * _noise_factors(len(n))
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
    return table.assign(loss=table["loss"] * _noise_factors(len(table), 0.0003))


def students():
    n, d, teacher = (part.ravel() for part in np.meshgrid([1e8, 5e8, 2e9], [5e9, 5e10], [1.95, 2.1, 2.3, 2.5], indexing="ij"))
    gap = teacher**-2.5 * (1500 * n**-0.5 + 4000 * d**-0.45) ** 0.8
    table = pd.DataFrame({"N": n, "D": d, "teacher_loss": teacher, "supervised_loss": loss(n, d)})
    return table.assign(loss=(teacher + gap) * _noise_factors(len(n), 0.001))


def accuracies():
    n, d = (part.ravel() for part in np.meshgrid(np.geomspace(1e8, 3e9, 5), np.geomspace(2e9, 1e11, 4)))
    accuracy = 0.25 + 0.75 * np.exp(-(40 * n**-0.2 + 900 * d**-0.3))
    return pd.DataFrame({"N": n, "D": d, "C": 6 * n * d, "pass_at_1": accuracy * _noise_factors(len(n), 0.01)})


def mixtures():
    """Return runs of three mixed sources at several N and D, with weights that sum to 4."""
    shares = mixes(3, 4)
    n, d, row = (part.ravel() for part in np.meshgrid([1e8, 3e8, 1e9], [2e9, 2e10], np.arange(len(shares))))
    table = pd.DataFrame(4 * shares[row], columns=["web", "code", "math"]).assign(N=n, D=d)
    gain = sum(c * table[name] ** g / 4**g for name, c, g in (("web", 3, 0.3), ("code", 2, 0.5), ("math", 1, 0.4)))
    return table.assign(C=6 * n * d, loss=(1.5 + 1 / gain + 40 * n**-0.25 + 300 * d**-0.3) * _noise_factors(len(n)))


def experts():
    """Return dense models and mixtures of 4 and 16 experts of which a token uses one, by the law of mixtures of experts."""
    n, d, count = (part.ravel() for part in np.meshgrid([1e8, 3e8, 1e9], [3e9, 1e10, 3e10], [1.0, 4.0, 16.0]))
    table = pd.DataFrame({"N": n, "D": d, "experts": count, "C": 6 * n * d})
    loss = LAWS["moe"]().predict(np.array([MOE]), table)[0]
    return table.assign(loss=loss * _noise_factors(len(n), 0.0005))


def policies():
    """Return the gold reward of a policy at distances from its start, by the law of over-optimisation."""
    kl = np.linspace(0, 8, 30) ** 2
    gold = LAWS["overoptimisation"]().predict(np.array([list(GAO.values())]), pd.DataFrame({"kl": kl}))[0]
    return pd.DataFrame({"kl": kl, "gold": gold + 0.005 * np.random.default_rng(1).standard_normal(len(kl))})


# name of the study -> its table, the overrides of its config, the figures that it has
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
    "downstream": (accuracies, ["law=downstream", "law.chance=0.25"], ("curve", *EVERY)),
    "downstream, N and D": (accuracies, ["law=downstream", "law.chance=0.25", "law.x=ND"], EVERY),
    "data_mixing": (mixtures, ["law=data_mixing", "law.weights=[web,code,math]"], ("mixing", *EVERY)),
    "moe": (experts, ["law=moe"], EVERY),
    "moe_leverage": (experts, ["law=moe_leverage"], EVERY),
    "rl_isocompute": (group_sizes, ["law=rl_isocompute"], ("isocompute", *EVERY)),
    "rl_isocompute, problems too": (group_sizes, ["law=rl_isocompute", "law.prompts=true"], ("isocompute", *EVERY)),
    "rl_isocompute, saturating": (group_sizes, ["law=rl_isocompute", "law.form=saturating"], ("isocompute", *EVERY)),
    "rl_data_reuse": (reused_problems, ["law=rl_data_reuse"], ("data_reuse", *EVERY)),
    "test_time": (answering, ["law=test_time", "holdout.largest_budgets=0"], ("test_time", *EVERY)),
    "test_time, N and D": (lambda: answering("ND"), ["law=test_time", "law.x=ND"], ("test_time", *EVERY)),
    "overoptimisation": (policies, ["law=overoptimisation"], ("curve", *EVERY)),
    "distillation": (students, ["law=distillation"], ("distillation", *EVERY)),
    "batch_size": (batch_sizes, ["law=batch_size", "holdout.query='D > 3e10'"], ("batch_size", *EVERY)),
    "weight_decay": (weight_decays, ["law=weight_decay"], ("weight_decay", *EVERY)),
    "observational": (
        model_scores,
        [
            "law=observational",
            "law.benchmarks=[knowledge,maths,code,commonsense]",
            "law.skills=2",
            "+law.chance.knowledge=0.25",
            "holdout.query='N > 2e10'",
        ],
        ("observational", *EVERY),
    ),
    "schedule": (schedule_curves, ["law=schedule", "holdout.query='run == \"wsd\"'"], ("schedule", *EVERY)),
}


def study_of(directory: Path, table: pd.DataFrame, *overrides: str) -> Study:
    """Analyse a table, from a CSV file as a user has it."""
    path = Path(directory) / "points.csv"
    table.to_csv(path, index=False)
    overrides = ("runs=csv", f"runs.path={path}", "bootstrap.resamples=20", f"out={path.parent / 'out'}", *overrides)
    return analyse(compose(overrides), list(overrides))


@cache
def study_of_kind(kind: str) -> Study:
    """Analyse one of ``KINDS``, once for all tests, which neither change nor write it."""
    table, overrides, _ = KINDS[kind]
    with TemporaryDirectory() as directory:
        return study_of(directory, table(), *overrides)
