"""The learning rate of every step of a run: by its config, or interpolated between the rates of its rows."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import numpy as np

from openr1.system.errors import ConfigError
from openr1.training.options import OptimConfig
from openr1.training.schedule import learning_rates, phases_of

if TYPE_CHECKING:
    import pandas as pd

OPTIONS = ("schedule", "warmup", "warmup_tokens", "decay", "min_lr_ratio")  # of ``optim`` that the rates depend on
# amounts of the config, and the quantities that they are called in a frame if a source names them by its columns
RESOLVED = {"budget.resolved.lr": "lr", "budget.resolved.steps": "steps", "budget.resolved.batch_tokens": "batch"}
MOST = 10_000_000  # steps; more are likely tokens


def rates_of_runs(frame: pd.DataFrame) -> dict[Hashable, np.ndarray]:
    """Return the learning rates after 0, 1, ... steps of each run of a frame, up to its last row at least.

    A run that openr1 tracked has its config in its rows, from which they follow. Otherwise they are interpolated linearly
    between the ``lr`` of its rows, and rise linearly from 0 to the first of them.

    :raises ConfigError: for a run without rates, or with impossible steps.
    """
    steps = frame["step"].to_numpy(dtype=float)
    if not ((steps >= 0) & (steps <= MOST) & (steps == np.rint(steps))).all():
        raise ConfigError(f"runs.columns.step: steps must be whole numbers up to {MOST:,}")
    return {run: _rates(run, rows) for run, rows in frame.groupby("run", sort=False)}


def configured(frame: pd.DataFrame) -> np.ndarray:
    """Return a mask (n,) of the rows that hold the config of their run."""
    known = [*(f"optim.{name}" for name in OPTIONS), *_resolved(frame)]
    if not set(known) <= set(frame):
        return np.zeros(len(frame), dtype=bool)
    return frame[known].notna().all(axis=1).to_numpy()


def _rates(run: Hashable, rows: pd.DataFrame) -> np.ndarray:
    last = int(rows["step"].max())
    if configured(rows).all():
        rates = _by_config(rows.iloc[0].to_dict(), _resolved(rows))
        if len(rates) <= last:
            raise ConfigError(f"runs.columns.step: run {run} has a row at step {last}, beyond its {len(rates) - 1} steps")
        return rates
    known = rows.dropna(subset="lr").sort_values("step") if "lr" in rows else rows.iloc[:0]
    if known.empty or not (known["lr"] >= 0).all():
        what = "has no learning rates" if known.empty else "has a negative learning rate"
        raise ConfigError(f"runs.columns.lr: run {run} {what}; name the column of the rate at each step")
    at, first = np.unique(known["step"].to_numpy(dtype=float), return_index=True)
    values = known["lr"].to_numpy(dtype=float)[first]
    if at[0] > 0:
        at, values = np.append(0.0, at), np.append(0.0, values)
    return np.interp(np.arange(last + 1), at, values)


def _resolved(frame: pd.DataFrame) -> list[str]:
    """Return the columns of the peak learning rate, the steps and the batch size of a config."""
    return [name if name in frame else quantity for name, quantity in RESOLVED.items()]


def _by_config(row: dict[str, Any], resolved: list[str]) -> np.ndarray:
    """Return the rates of a run from the params that it was tracked with, which are texts."""
    values = {name: row[f"optim.{name}"] for name in OPTIONS}
    numbers: dict[str, Any] = {
        name: float(value) for name, value in values.items() if name != "schedule" and str(value) != "None"
    }
    optim = OptimConfig(schedule=str(values["schedule"]), **numbers)
    lr, steps, batch = (row[name] for name in resolved)
    return learning_rates(optim, phases_of(optim, int(float(steps)), float(batch)), float(lr))
