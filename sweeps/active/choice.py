"""The runs of a study to make next, from those that are finished."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analysis.laws import Cost
from analysis.sources import frame
from analysis.sources.frame import Columns, MlflowRuns, Source
from openr1.errors import ConfigError
from sweeps.active.choosers import State, active, first
from sweeps.active.options import ActiveOptions
from sweeps.active.pool import Pool, curve_law, least_runs

if TYPE_CHECKING:
    import pandas as pd

    from analysis.laws import Law

SAME = 0.01  # N and D of a finished run that agree with a candidate's within this share are that candidate
SIGMAS = 1.96  # half of a 95 % interval
KNOWN = ("N", "D", "C")  # of a candidate
TRACKED = Columns(N="params_non_embedding", D="tokens", C="flops", loss="eval_loss")


@dataclass(frozen=True)
class Offer:
    """A run that may be made: what sets it apart, and what it is."""

    scale: str
    tokens: float
    N: float
    D: float
    C: float

    @property
    def overrides(self) -> tuple[str, ...]:
        return (f"scale={self.scale}", f"budget.tokens={self.tokens:.12g}")


@dataclass(frozen=True)
class Choice:
    """What to run next.

    :ivar offers: in the order of choice; empty where nothing is left to do.
    :ivar reason: why there are no more.
    :ivar target: N, D and the prediction with its interval, now; null before there are runs enough to say.
    :ivar runs: finished ones.
    :ivar spent: their FLOPs.
    """

    offers: list[Offer]
    reason: str
    target: dict[str, float] | None
    runs: int
    spent: float


def check(law: Law, sweep: ActiveOptions) -> None:
    """What can be said before the first run.

    :raises ConfigError: for a law that is not a curve in N, D and C, or without a target or candidates.
    """
    curve_law(law)
    unknown = [name for name in law.needs if name not in (*KNOWN, law.response)]
    if unknown:
        raise ConfigError(f"law: {law.name} needs {unknown[0]}, which candidates of sizes and tokens do not say")
    if not sweep.candidates.scale or not sweep.candidates.tokens:
        raise ConfigError("sweep.candidates: give scale and tokens, such as sweep.candidates.scale=[50k,100k]")
    if not sweep.target.given:
        raise ConfigError("sweep.target: give flops, or both of N and D")
    if sweep.target.flops is not None and not law.allocates:
        raise ConfigError(f"sweep.target: {law.name} does not divide a budget between N and D; give N and D")


def finished(source: Source, law: Law) -> pd.DataFrame | None:
    """The runs so far; null where there are none yet. A project's first study has no store either."""
    if isinstance(source, MlflowRuns):
        from openr1.tracking.mlflow import read_runs

        try:
            begun = read_runs(source.uri, source.study)
        except ConfigError:
            begun = []
        if not begun or frame.select_rows(source.table(), source.where).empty:
            return None
    return frame.read(source, sorted({*law.needs, "C"})).frame


def choose(
    law: Law, sweep: ActiveOptions, done: pd.DataFrame | None, candidates: Sequence[Offer], tried: Container[Offer] = ()
) -> Choice:
    """Choose the next batch.

    Before there are runs enough for the law, the first are drawn from those that cost little. A seed draws the same ones,
    whichever of them are done, so that a study that was killed goes on with the others.

    :param done: tidy rows of the finished runs (:mod:`analysis.sources.frame`).
    :param tried: candidates that are not to be run again, whatever became of them.
    :raises ConfigError: as :func:`check` does, or where the law has no optimum at the target's budget.
    """
    import pandas as pd

    check(law, sweep)
    law = curve_law(law)
    rng = np.random.default_rng(sweep.seed)
    if done is not None:
        done = done.sort_values([*KNOWN, law.response]).reset_index(drop=True)  # whichever was finished first
    count = 0 if done is None else len(done)
    spent = 0.0 if done is None else float(done["C"].sum())
    left = np.inf if sweep.allowance.flops is None else sweep.allowance.flops - spent
    fresh = [offer for offer in candidates if offer not in tried and not _is_done(offer, done)]

    def chosen(offers: list[Offer], target: dict[str, float] | None) -> Choice:
        return Choice(offers, "" if offers else _nothing_left(fresh), target, count, spent)

    if count < least_runs(law, _rows(candidates) if done is None else done):
        everything = Pool(law, _rows(candidates), _rows(candidates), np.array([offer.C for offer in candidates]))
        begin = [candidates[i] for i in first(everything, rng)]
        ordered = [offer for offer in begin if offer in fresh] or sorted(fresh, key=lambda offer: offer.C)
        return chosen(_within(left, ordered[: sweep.batch]), None)

    targets = target_rows(law, sweep, done)
    runs = pd.concat([done[[*KNOWN, law.response]], _rows(fresh)], ignore_index=True)
    state = State(Pool(law, runs, targets, runs["C"].to_numpy(dtype=float)), sweep, list(range(count)), rng)
    target = _predicted(state)
    if sweep.interval is not None and target["interval"] <= sweep.interval:
        return Choice([], f"the interval is within {100 * sweep.interval:.3g} % of the prediction", target, count, spent)
    return chosen([fresh[i - count] for i in active(state, left, left, sweep.batch)], target)


def target_rows(law: Law, sweep: ActiveOptions, done: pd.DataFrame) -> pd.DataFrame:
    """One row, N, D and C, of what is to be predicted."""
    import pandas as pd

    cost, target = Cost.of(done), sweep.target
    n, d = target.N, target.D
    if target.flops is not None:
        best = law.frontier(law.estimate(done).params, np.array([target.flops]), cost)
        n, d = float(best["N"][0, 0]), float(best["D"][0, 0])
    if not np.isfinite([n, d]).all():
        raise ConfigError("sweep.target: the law has no optimum at this budget yet; give N and D")
    return pd.DataFrame({"N": [n], "D": [d], "C": [cost(n, d)]})


def _rows(offers: Sequence[Offer]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame([[offer.N, offer.D, offer.C] for offer in offers], columns=list(KNOWN), dtype=float)


def _within(left: float, offers: list[Offer]) -> list[Offer]:
    """As many of them, in order, as can be paid for."""
    sums = np.cumsum([offer.C for offer in offers])
    return [offer for offer, total in zip(offers, sums, strict=True) if total <= left]


def _nothing_left(fresh: list[Offer]) -> str:
    return "nothing is left that can be paid for" if fresh else "all candidates are made"


def _is_done(offer: Offer, done: pd.DataFrame | None) -> bool:
    if done is None:
        return False
    near = (np.abs(done["N"] / offer.N - 1) < SAME) & (np.abs(done["D"] / offer.D - 1) < SAME)
    return bool(near.any())


def _predicted(state: State) -> dict[str, float]:
    """The prediction at the target; ``interval`` is half its 95 % interval, as a share of it."""
    found, last = state.posterior(), len(state.pool.runs)
    mean, deviation = float(found.mean[last]), float(np.sqrt(found.covariance[last, last]))
    logs = state.pool.law.loss.logs
    value = float(np.exp(mean)) if logs else mean
    row = state.pool.targets.iloc[0]
    half = float(np.expm1(SIGMAS * deviation)) if logs else SIGMAS * deviation / value
    return {**row[list(KNOWN)].astype(float).to_dict(), "predicted": value, "interval": half}
