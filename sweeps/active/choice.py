"""The choice of the next runs of a study, given those that are finished."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from openr1.analysis.laws import TrainingFlops
from openr1.analysis.sources import frame
from openr1.analysis.sources.frame import Columns, MlflowRuns, Source
from openr1.sweeps.active.choosers import State, active, choose_first
from openr1.sweeps.active.options import ActiveOptions
from openr1.sweeps.active.pool import Pool, curve_law, least_runs
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from openr1.analysis.laws import Law

TOLERANCE = 0.01  # a finished run whose N and D agree with a candidate's within this share is that candidate
SIGMAS = 1.96  # half width of a 95 % interval
KNOWN = ("N", "D", "C")  # of a candidate
TRACKED = Columns(N="params_non_embedding", D="tokens", C="flops", loss="eval_loss")


@dataclass(frozen=True)
class Candidate:
    """A run that may be made: its size and tokens, and the N, D and C that follow from them."""

    scale: str
    tokens: float
    N: float
    D: float
    C: float

    @property
    def overrides(self) -> tuple[str, ...]:
        return candidate_overrides(self.scale, self.tokens)


def candidate_overrides(scale: str, tokens: float) -> tuple[str, ...]:
    """Return the overrides that set a candidate apart from the others."""
    return (f"scale={scale}", f"budget.tokens={tokens:.12g}")


@dataclass(frozen=True)
class Choice:
    """The runs to make next.

    :ivar candidates: in the order of choice; empty where nothing is left to do.
    :ivar reason: why it is empty.
    :ivar target: N, D and C of the target, ``predicted`` and its ``interval``; null while there are too few runs for the law.
    :ivar runs: the number of finished runs.
    :ivar spent: the FLOPs of finished runs.
    """

    candidates: list[Candidate]
    reason: str
    target: dict[str, float] | None
    runs: int
    spent: float


def validate_choice(law: Law, sweep: ActiveOptions) -> None:
    """Refuse options that are wrong whatever the runs are.

    :raises ConfigError: for a law that is not a curve in N, D and C, or without a target or candidates.
    """
    curve_law(law)
    unknown = [name for name in law.needs if name not in (*KNOWN, law.response)]
    if unknown:
        raise ConfigError(f"law: {law.name} needs {unknown[0]}, which sizes and tokens of candidates do not determine")
    if not sweep.candidates.scale or not sweep.candidates.tokens:
        raise ConfigError("sweep.candidates: give scale and tokens, such as 'sweep.candidates.scale=[50k,100k]'")
    if not sweep.target.given:
        raise ConfigError("sweep.target: give flops, or both of N and D")
    if sweep.target.flops is not None and not law.allocates:
        raise ConfigError(f"sweep.target: {law.name} does not divide a budget between N and D; give N and D")


def read_finished(source: Source, law: Law) -> pd.DataFrame | None:
    """Read the finished runs; return None where there are none yet, or no store, as in a project's first study."""
    if isinstance(source, MlflowRuns):
        from openr1.tracking.mlflow import read_runs

        try:
            runs = read_runs(source.uri, source.study)
        except ConfigError:
            runs = []
        if not runs or frame.select_rows(source.table(), source.where).empty:
            return None
    return frame.read(source, sorted({*law.needs, "C"})).frame


def choose(
    law: Law,
    sweep: ActiveOptions,
    done: pd.DataFrame | None,
    candidates: Sequence[Candidate],
    tried: Container[Candidate] = (),
) -> Choice:
    """Choose the next batch.

    Before there are enough runs for the law, the first are drawn from cheap candidates. A seed draws the same ones,
    whichever of them are done, so that a study that was killed continues with the others.

    :param done: tidy rows of the finished runs (:mod:`openr1.analysis.sources.frame`).
    :param tried: candidates that are not to be run again, whatever became of them.
    :raises ConfigError: as :func:`validate_choice` does, or where the law has no optimum at the target's budget.
    """
    import pandas as pd

    validate_choice(law, sweep)
    curve = curve_law(law)
    rng = np.random.default_rng(sweep.seed)
    if done is not None:
        done = done.sort_values([*KNOWN, curve.response]).reset_index(drop=True)  # whichever was finished first
    count = 0 if done is None else len(done)
    spent = 0.0 if done is None else float(done["C"].sum())
    remaining = np.inf if sweep.allowance.flops is None else sweep.allowance.flops - spent
    fresh = [candidate for candidate in candidates if candidate not in tried and not _is_done(candidate, done)]

    def choice_of(chosen: list[Candidate], target: dict[str, float] | None) -> Choice:
        return Choice(chosen, "" if chosen else _reason_for_none(fresh), target, count, spent)

    if done is None or count < least_runs(curve, done):
        everything = Pool(curve, _rows(candidates), _rows(candidates), np.array([candidate.C for candidate in candidates]))
        first = [candidates[i] for i in choose_first(everything, rng)]
        ordered = [candidate for candidate in first if candidate in fresh] or sorted(fresh, key=lambda candidate: candidate.C)
        return choice_of(_affordable(remaining, ordered[: sweep.batch]), None)

    targets = target_rows(law, sweep, done)
    runs = pd.concat([done[[*KNOWN, curve.response]], _rows(fresh)], ignore_index=True)
    state = State(Pool(curve, runs, targets, runs["C"].to_numpy(dtype=float)), sweep, list(range(count)), rng)
    target = _predict_target(state)
    if sweep.interval is not None and target["interval"] <= sweep.interval:
        return Choice([], f"the interval is within {100 * sweep.interval:.3g} % of the prediction", target, count, spent)
    return choice_of([fresh[i - count] for i in active(state, remaining, remaining, sweep.batch)], target)


def target_rows(law: Law, sweep: ActiveOptions, done: pd.DataFrame) -> pd.DataFrame:
    """Return one row, N, D and C, of the target.

    :raises ConfigError: where the law has no optimum at the budget of the target.
    """
    import pandas as pd

    flops_of, target = TrainingFlops.of(done), sweep.target
    n, d = np.nan if target.N is None else target.N, np.nan if target.D is None else target.D
    if target.flops is not None:
        best = law.frontier(law.estimate(done).params, np.array([target.flops]), flops_of)
        n, d = float(best["N"][0, 0]), float(best["D"][0, 0])
    if not np.isfinite([n, d]).all():
        raise ConfigError("sweep.target: the law has no optimum at this budget yet; give N and D")
    return pd.DataFrame({"N": [n], "D": [d], "C": [flops_of(n, d)]})


def _rows(candidates: Sequence[Candidate]) -> pd.DataFrame:
    import pandas as pd

    rows = [[candidate.N, candidate.D, candidate.C] for candidate in candidates]
    return pd.DataFrame(rows, columns=list(KNOWN), dtype=float)


def _affordable(allowance: float, candidates: list[Candidate]) -> list[Candidate]:
    """Return as many of the candidates, in order, as the allowance covers."""
    sums = np.cumsum([candidate.C for candidate in candidates])
    return [candidate for candidate, total in zip(candidates, sums, strict=True) if total <= allowance]


def _reason_for_none(fresh: list[Candidate]) -> str:
    return "the allowance covers none of the remaining candidates" if fresh else "all candidates are done"


def _is_done(candidate: Candidate, done: pd.DataFrame | None) -> bool:
    if done is None:
        return False
    near = (np.abs(done["N"] / candidate.N - 1) < TOLERANCE) & (np.abs(done["D"] / candidate.D - 1) < TOLERANCE)
    return bool(near.any())


def _predict_target(state: State) -> dict[str, float]:
    """Return the prediction at the target; ``interval`` is the half width of its 95 % interval, as a share of it."""
    posterior, last = state.posterior(), len(state.pool.runs)
    mean, deviation = float(posterior.mean[last]), float(np.sqrt(posterior.covariance[last, last]))
    logs = state.pool.law.loss.logs
    value = float(np.exp(mean)) if logs else mean
    row = state.pool.targets.iloc[0]
    half = float(np.expm1(SIGMAS * deviation)) if logs else SIGMAS * deviation / value
    return {**row[list(KNOWN)].astype(float).to_dict(), "predicted": value, "interval": half}
