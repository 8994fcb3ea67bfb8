"""The runs of a study to make next, from those that are finished: what ``openr1-plan sweep=active`` prints."""

from __future__ import annotations

import itertools
import json
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException

from analysis import frame as frames
from analysis.frame import MlflowRuns, Source
from analysis.laws import Cost
from openr1.config import one_line, register, typed
from openr1.errors import ConfigError
from openr1.work import foresee
from sweeps.active.choosers import State, active, first
from sweeps.active.config import ActiveSweep
from sweeps.active.pool import Pool, curve_law, least_runs

if TYPE_CHECKING:
    import pandas as pd

    from analysis.laws import Law
    from sweeps.active.app import PlanConfig

SAME = 0.01  # N and D of a finished run that agree with a candidate's within this share are that candidate
SIGMAS = 1.96  # half of a 95 % interval


@dataclass(frozen=True)
class Offer:
    """A run that may be made: the overrides that set it apart, and what it is."""

    scale: str
    tokens: float
    N: float
    D: float
    C: float


@dataclass(frozen=True)
class Proposal:
    """What to run next.

    :ivar offers: in the order of choice; empty where nothing is left to do.
    :ivar reason: why there are no more.
    :ivar target: N, D and the prediction with its interval, now; null before there are runs enough to say.
    :ivar spent: FLOPs of the finished runs.
    """

    offers: list[Offer]
    reason: str
    target: dict[str, float] | None
    spent: float
    commands: list[str]


def offers(sweep: ActiveSweep) -> list[Offer]:
    """The candidates, priced as the runs that they would be (:mod:`openr1.budget`).

    :raises ConfigError: where there are none, or one cannot be run.
    """
    if not sweep.candidates.scale or not sweep.candidates.tokens:
        raise ConfigError("sweep.candidates: give scale and tokens, such as sweep.candidates.scale=[50k,100k]")
    register()
    GlobalHydra.instance().clear()  # of openr1-plan itself, whose config is composed
    found = []
    with initialize_config_module("conf", version_base="1.3"):
        for scale, tokens in itertools.product(sweep.candidates.scale, sweep.candidates.tokens):
            try:
                composed = compose("config", [*sweep.run, f"scale={scale}", f"budget.tokens={tokens:.12g}"])
            except HydraException as error:
                raise ConfigError(f"sweep.run: {one_line(error)}") from error
            work = foresee(typed(composed))
            if work.params is None or work.tokens is None or work.flops is None:
                raise ConfigError("sweep.run: the cost of a run is not known before its data are made; give another stage")
            found.append(Offer(scale, tokens, float(work.params), work.tokens, work.flops))
    return found


def finished(source: Source, law: Law) -> pd.DataFrame | None:
    """The runs so far; null where there are none yet. A project's first study has no store either."""
    if isinstance(source, MlflowRuns):
        from openr1.tracking import read_runs

        try:
            begun = bool(read_runs(source.uri, source.study))
        except ConfigError:
            begun = False
        if not begun:
            return None
    return frames.read(source, sorted({*law.needs, "C"})).frame


def proposal(law: Law, sweep: ActiveSweep, done: pd.DataFrame | None, candidates: list[Offer], study: str) -> Proposal:
    """Choose the next batch.

    Before there are runs enough for the law, the first are drawn from those that cost little; a seed draws the same.

    :param done: tidy rows of the finished runs (:mod:`analysis.frame`).
    :raises ConfigError: for a law that is not a curve, or without a target.
    """
    import pandas as pd

    law = curve_law(law)
    rng = np.random.default_rng(sweep.seed)
    count = 0 if done is None else len(done)
    spent = 0.0 if done is None else float(done["C"].sum())
    fresh = [offer for offer in candidates if not _is_done(offer, done)]
    left = np.inf if sweep.allowance is None else sweep.allowance - spent
    rows = pd.DataFrame([asdict(offer) for offer in fresh], columns=list(Offer.__dataclass_fields__))

    if count < least_runs(law, rows if done is None else done):
        everything = Pool(law, rows, rows, rows["C"].to_numpy(dtype=float))
        chosen = first(everything, rng)[: sweep.batch] if fresh else []
        chosen = [i for i, total in zip(chosen, np.cumsum(everything.costs[chosen]), strict=True) if total <= left]
        picked = [fresh[i] for i in chosen]
        return Proposal(
            picked, "" if picked else "nothing is left that can be paid for", None, spent, _commands(sweep, picked, study)
        )

    targets = target_rows(law, sweep, done)
    runs = pd.concat([done[[*_columns(law), law.response]], rows[_columns(law)]], ignore_index=True)
    pool = Pool(law, runs, targets, runs["C"].to_numpy(dtype=float))
    state = State(pool, sweep, list(range(count)), rng)
    target = _predicted(state)
    if sweep.interval is not None and target["interval"] <= sweep.interval:
        return Proposal([], f"the interval is within {sweep.interval:.3g} of the prediction", target, spent, [])
    chosen = active(state, left, left, sweep.batch)
    picked = [fresh[i - count] for i in chosen]
    return Proposal(
        picked, "" if picked else "nothing is left that can be paid for", target, spent, _commands(sweep, picked, study)
    )


def target_rows(law: Law, sweep: ActiveSweep, done: pd.DataFrame) -> pd.DataFrame:
    """One row, N, D and C, of what is to be predicted."""
    import pandas as pd

    cost, target = Cost.of(done), sweep.target
    n, d = target.N, target.D
    if target.flops is not None:
        if not law.allocates:
            raise ConfigError(f"sweep.target: {law.name} does not divide a budget between N and D; give N and D")
        best = law.frontier(law.estimate(done).params, np.array([target.flops]), cost)
        n, d = float(best["N"][0, 0]), float(best["D"][0, 0])
    if n is None or d is None or not np.isfinite([n, d]).all():
        raise ConfigError("sweep.target: give flops, or N and D; without an optimum at a budget, N and D")
    return pd.DataFrame({"N": [n], "D": [d], "C": [cost(n, d)]})


def _columns(law: Law) -> list[str]:
    unknown = [name for name in law.needs if name not in ("N", "D", "C", law.response)]
    if unknown:
        raise ConfigError(f"law: {law.name} needs {unknown[0]}, which candidates of sizes and tokens do not say")
    return ["N", "D", "C"]


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
    return {"N": float(row["N"]), "D": float(row["D"]), "C": float(row["C"]), "predicted": value, "interval": half}


def _commands(sweep: ActiveSweep, picked: list[Offer], study: str) -> list[str]:
    """One multirun a size, which makes the runs chosen and no other."""
    by_scale: dict[str, list[float]] = {}
    for offer in picked:
        by_scale.setdefault(offer.scale, []).append(offer.tokens)
    return [
        shlex.join(
            [
                "openr1",
                "-m",
                *sweep.run,
                f"study={study}",
                f"scale={scale}",
                f"budget.tokens={','.join(f'{t:.12g}' for t in tokens)}",
            ]
        )
        for scale, tokens in by_scale.items()
    ]


def propose(config: PlanConfig, command: str) -> Proposal:
    """Choose for the study of the config, print the runs and the commands that make them, and write ``next.json``."""
    from sweeps.active.show import show_proposal

    sweep = config.sweep
    found = proposal(config.law, sweep, finished(config.runs, config.law), offers(sweep), config.runs.study)
    show_proposal(found, sweep, config.runs.study)
    path = Path(config.directory) / "next.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    written: dict[str, Any] = {"command": command, **asdict(found), "sweep": asdict(sweep)}
    path.write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
    return found
