"""A replay of active choice on a table of finished runs, as if none had been made: error at the targets against FLOPs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from openr1.analysis.sources.frame import read
from openr1.sweeps.active.choosers import CHOOSERS, State, choose_first
from openr1.sweeps.active.config import Replay
from openr1.sweeps.active.options import ActiveOptions
from openr1.sweeps.active.pool import Pool, curve_law, least_runs
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from openr1.analysis.laws import Law


WITHIN = 1.1  # an error is as good as a reference up to this multiple of it


@dataclass(frozen=True)
class ReplayResult:
    """The errors of a replay: means of ``|predicted / measured - 1|`` over the targets.

    :ivar steps: a row for each chooser, seed and share: ``runs`` chosen, ``used`` (share of the FLOPs of the table), and the
        errors ``law``, of the fit to the chosen runs as ``openr1-fit`` makes it, and ``posterior``, of the law with its
        discrepancy.
    :ivar full: the same two errors with all runs of the table.
    """

    pool: Pool
    steps: pd.DataFrame
    full: dict[str, float]

    def median(self, prediction: str) -> pd.DataFrame:
        """Return medians over seeds: a row for each chooser, a column for each share."""
        return self.steps.pivot_table(prediction, "chooser", "share", "median", sort=False)

    def reached(self, prediction: str, reference: str) -> dict[str, float | None]:
        """Return for each chooser the share from which its median error stays within 10 % of a full-table error.

        None where there is no such share; the last share of the replay is the last that counts.
        """
        good = self.median(prediction) <= WITHIN * self.full[reference]
        shares: dict[str, float | None] = {}
        for name, row in good.iterrows():
            bad = np.flatnonzero(~row.to_numpy())
            after = bad[-1] + 1 if len(bad) else 0
            shares[str(name)] = float(row.index[after]) if after < len(row) else None
        return shares


def read_pool(law: Law, replay: Replay) -> Pool:
    """Read the table of a replay: the held-out runs are the targets, the others may be chosen.

    :raises ConfigError: for a table that does not exist, has no FLOPs, or too few runs.
    """
    curve = curve_law(law)
    frame = read(replay.source, sorted({*curve.needs, "C"})).frame
    missing = [name for name in (*curve.needs, "C") if name not in frame]
    if missing:
        hint = ", or set replay.flops_6nd=true" if missing == ["C"] else ""
        raise ConfigError(f"replay.columns.{missing[0]}: is needed; name its column{hint}")
    held = replay.holdout.mask(frame)
    if held is None:
        raise ConfigError("replay.holdout: holds out no targets; choose some, such as replay.holdout.fraction=0.1")
    runs, targets = frame[~held].reset_index(drop=True), frame[held].reset_index(drop=True)
    least = least_runs(curve, runs) + 2
    if len(runs) < least:
        raise ConfigError(f"replay: {curve.name} needs at least {least} runs to choose from; there are {len(runs)}")
    return Pool(curve, runs, targets, runs["C"].to_numpy(dtype=float))


def run_replay(
    pool: Pool, options: ActiveOptions, replay: Replay, progress: Callable[[str], None] = lambda _: None
) -> ReplayResult:
    """Replay all choosers from the same first runs, seed by seed.

    :param progress: is told which seed and chooser are next.
    """
    import pandas as pd

    full_table = State(pool, options, list(range(len(pool.runs))), np.random.default_rng(options.seed))
    full = {"law": law_error(full_table), "posterior": posterior_error(full_table)}
    rows = []
    for seed in range(options.seed, options.seed + replay.seeds):
        first = choose_first(pool, np.random.default_rng(seed))
        for name in replay.choosers:
            progress(f"seed {seed - options.seed + 1} of {replay.seeds}, {name}")
            state = State(pool, options, list(first), np.random.default_rng([seed, *name.encode()]))
            rows += [{"chooser": name, "seed": seed, **step} for step in _steps(state, name, replay)]
    return ReplayResult(pool, pd.DataFrame(rows), full)


def _steps(state: State, chooser: str, replay: Replay) -> Iterator[dict[str, float]]:
    """Choose up to each share of the FLOPs in turn, and yield its row of the result."""
    total = state.pool.costs.sum()
    for share in replay.shares:
        horizon = replay.allowance if share <= replay.allowance else 1.0
        now, in_total = share * total - state.spent, horizon * total - state.spent
        if now > 0:
            state.done += CHOOSERS[chooser](state, now, in_total, len(state.pool.runs))
        yield {
            "share": share,
            "runs": len(state.done),
            "used": state.spent / total,
            "law": law_error(state),
            "posterior": posterior_error(state),
        }


def law_error(state: State) -> float:
    """Return the error of the law fitted to the runs that are done; infinity where they do not determine it."""
    pool = state.pool
    try:
        params = pool.law.estimate(pool.frame(np.array(state.done))).params
    except ConfigError:
        return np.inf
    return _mean_relative_error(pool, pool.law.predict(params, pool.targets)[0])


def posterior_error(state: State) -> float:
    """Return the error of the posterior mean of the law with its discrepancy."""
    pool = state.pool
    mean = state.posterior().mean[len(pool.runs) :]
    return _mean_relative_error(pool, np.exp(mean) if pool.law.loss.logs else mean)


def _mean_relative_error(pool: Pool, predicted: np.ndarray) -> float:
    error = float(np.mean(np.abs(predicted / pool.law.observed(pool.targets) - 1)))
    return error if np.isfinite(error) else np.inf
