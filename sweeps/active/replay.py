"""Active choice on a table of finished runs, as if none had been made: the error at the targets, against the FLOPs used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analysis.sources.frame import read
from openr1.errors import ConfigError
from sweeps.active.choosers import CHOOSERS, State, first
from sweeps.active.config import Replay
from sweeps.active.options import ActiveOptions
from sweeps.active.pool import Pool, curve_law, least_runs

if TYPE_CHECKING:
    import pandas as pd

    from analysis.laws import Law


WITHIN = 1.1  # times the error of the full table, that is as good


@dataclass(frozen=True)
class Replayed:
    """Errors: mean of ``|predicted / measured - 1|`` over the targets.

    :ivar steps: a row a chooser, seed and share: ``runs`` chosen, ``used`` (share of the FLOPs of the table), and the errors
        ``law``, of the fit to the runs chosen as ``openr1-fit`` makes it, and ``posterior``, of the law with its discrepancy.
    :ivar full: the same two errors where all runs of the table are used.
    """

    pool: Pool
    steps: pd.DataFrame
    full: dict[str, float]

    def median(self, prediction: str) -> pd.DataFrame:
        """Over seeds: a row a chooser, a column a share."""
        return self.steps.pivot_table(prediction, "chooser", "share", "median", sort=False)

    def reached(self, prediction: str, reference: str) -> dict[str, float | None]:
        """The share from which the median error of each chooser stays within 10 % of a full-table error; null for none.

        Shares up to the allowance of the replay count; staying is up to the last of them.
        """
        good = self.median(prediction) <= WITHIN * self.full[reference]
        found: dict[str, float | None] = {}
        for name, row in good.iterrows():
            bad = np.flatnonzero(~row.to_numpy())
            after = bad[-1] + 1 if len(bad) else 0
            found[str(name)] = float(row.index[after]) if after < len(row) else None
        return found


def pool_of(law: Law, replay: Replay) -> Pool:
    """The runs of the table that are not targets, and the targets.

    :raises ConfigError: for a table that is not there, without FLOPs, or of too few runs.
    """
    law = curve_law(law)
    frame = read(replay.source, sorted({*law.needs, "C"})).frame
    missing = [name for name in (*law.needs, "C") if name not in frame]
    if missing:
        hint = ", or set replay.flops_6nd=true" if missing == ["C"] else ""
        raise ConfigError(f"replay.columns.{missing[0]}: is needed; name its column{hint}")
    held = replay.holdout.mask(frame)
    if held is None:
        raise ConfigError("replay.holdout: holds out no targets; choose some, such as replay.holdout.fraction=0.1")
    runs, targets = frame[~held].reset_index(drop=True), frame[held].reset_index(drop=True)
    least = least_runs(law, runs) + 2
    if len(runs) < least:
        raise ConfigError(f"replay: {law.name} needs at least {least} runs to choose from; there are {len(runs)}")
    return Pool(law, runs, targets, runs["C"].to_numpy(dtype=float))


def replayed(pool: Pool, options: ActiveOptions, replay: Replay, progress: Callable[[str], None] = lambda _: None) -> Replayed:
    """Replay all choosers from the same first runs, seed by seed."""
    import pandas as pd

    everything = State(pool, options, list(range(len(pool.runs))), np.random.default_rng(options.seed))
    full = {"law": law_error(everything), "posterior": posterior_error(everything)}
    rows = []
    for seed in range(options.seed, options.seed + replay.seeds):
        begun = first(pool, np.random.default_rng(seed))
        for name in replay.choosers:
            progress(f"seed {seed - options.seed + 1} of {replay.seeds}, {name}")
            state = State(pool, options, list(begun), np.random.default_rng([seed, *name.encode()]))
            rows += [{"chooser": name, "seed": seed, **step} for step in _steps(state, name, replay)]
    return Replayed(pool, pd.DataFrame(rows), full)


def _steps(state: State, chooser: str, replay: Replay):
    total = state.pool.costs.sum()
    for share in replay.shares:
        horizon = replay.allowance if share <= replay.allowance else 1.0
        left, in_all = share * total - state.spent, horizon * total - state.spent
        if left > 0:
            state.chosen += CHOOSERS[chooser](state, left, in_all, len(state.pool.runs))
        yield {
            "share": share,
            "runs": len(state.chosen),
            "used": state.spent / total,
            "law": law_error(state),
            "posterior": posterior_error(state),
        }


def law_error(state: State) -> float:
    """Of the fit of the law to the runs that are done; infinite where they do not determine it."""
    pool = state.pool
    try:
        params = pool.law.estimate(pool.frame(np.array(state.chosen))).params
    except ConfigError:
        return np.inf
    return _error(pool, pool.law.predict(params, pool.targets)[0])


def posterior_error(state: State) -> float:
    """Of what is expected of the law with its discrepancy."""
    pool = state.pool
    mean = state.posterior().mean[len(pool.runs) :]
    return _error(pool, np.exp(mean) if pool.law.loss.logs else mean)


def _error(pool: Pool, predicted: np.ndarray) -> float:
    error = float(np.mean(np.abs(predicted / pool.law.observed(pool.targets) - 1)))
    return error if np.isfinite(error) else np.inf
