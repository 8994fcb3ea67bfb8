"""``sweep=trunk``: a law of sizes and durations from one warm-up-stable run a size.

The longest run of a size, the trunk, keeps its state where the shorter ones begin to decay; they branch from there. The points
at all durations then cost the longest run and the decays of the others, instead of all runs in full (arXiv 2405.18392, section
4; 2404.06395). The runs have the batch, learning rate and warm-up tokens of the longest run, and are to the bit the runs that
they would be without a trunk.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated

from annotated_types import Gt, Le, MinLen
from omegaconf import MISSING

from openr1.options.ranges import Flops, Tokens
from openr1.runs.fingerprint import identify
from openr1.sweeps.config import SweepConfig
from openr1.sweeps.designs.base import Design, Finished, Overrides
from openr1.sweeps.designs.brackets import require_different
from openr1.sweeps.designs.values import override
from openr1.system.errors import ConfigError
from openr1.training.budget import resolve, shared_until

DURATIONS = ("tokens", "flops", "tokens_per_param")  # keys of budget


@dataclass
class TrunkSweep(SweepConfig):
    """Options of trunks and branches."""

    kind: str = "trunk"
    scales: Annotated[list[str], MinLen(1)] = MISSING
    # durations of the runs of each size; exactly one of the three is given
    tokens: list[Tokens] = field(default_factory=list)
    flops: list[Flops] = field(default_factory=list)
    tokens_per_param: list[Annotated[float, Gt(0), Le(1e9)]] = field(default_factory=list)
    separate: bool = False  # train the same runs each from its own start, as a baseline

    def __post_init__(self) -> None:
        super().__post_init__()
        given = [key for key in DURATIONS if getattr(self, key)]
        if len(given) != 1:
            raise ConfigError(
                f"sweep.{given[1] if given else 'tokens'}: give the durations of runs as one of {', '.join(DURATIONS)}"
            )
        require_different(f"sweep.{given[0]}", getattr(self, given[0]))

    @property
    def key(self) -> str:
        """The key of ``budget`` that the durations are of."""
        return next(key for key in DURATIONS if getattr(self, key))

    @property
    def durations(self) -> list[str]:
        """The durations as overrides, the longest first."""
        return [override(f"budget.{self.key}", value) for value in sorted(getattr(self, self.key), reverse=True)]


@dataclass(frozen=True)
class TrunkRun:
    """A run of the design.

    :ivar flops: new ones, without those of its trunk.
    :ivar trunk: the artifact that it branches from; None for a run from its own start.
    """

    overrides: Overrides
    flops: float
    trunk: str | None = None


class Trunk(Design[TrunkSweep]):
    """The longest run of each size in the first round, the branches in the second; the most expensive run first in each."""

    def next(self, finished: Sequence[Finished]) -> list[Overrides]:
        runs = self.runs
        if finished and any(run.trunk for run in runs):
            if any(run.config.stage.trunk for run in finished):
                return []
            artifacts = {f"{run.config.stage.kind}-{identify(run.config)[0]}" for run in finished if run.metrics}
            runs = [run for run in runs if run.trunk in artifacts]
        elif finished:
            return []
        else:
            runs = [run for run in runs if run.trunk is None]
        return self._in_order(runs)

    @staticmethod
    def _in_order(runs: Iterable[TrunkRun]) -> list[Overrides]:
        return [run.overrides for run in sorted(runs, key=lambda run: -run.flops)]

    def known_later(self, finished: Sequence[Finished]) -> list[Overrides]:
        return [] if finished else self._in_order(run for run in self.runs if run.trunk)

    def report(self, finished: Sequence[Finished]) -> list[str]:
        runs = [run.metrics for run in finished if run.metrics]
        if not runs:
            return []
        flops, whole = (sum(run.get(key, run["flops"]) for run in runs) for key in ("flops_new", "flops"))
        text = f"{len(runs)} run{'s' * (len(runs) != 1)} took {flops:.3g} FLOPs"
        return [text if flops == whole else f"{text}; separate runs would take {whole:.3g}: {1 - flops / whole:.0%} saved"]

    @cached_property
    def runs(self) -> list[TrunkRun]:
        return [run for scale in self.sweep.scales for run in self._runs_of_size(scale)]

    def _runs_of_size(self, scale: str) -> list[TrunkRun]:
        """Return the runs of a size, the longest first.

        :raises ConfigError: where the runs do not share a beginning.
        """
        durations = [(override("scale", scale), duration) for duration in self.sweep.durations]
        shared = self._shared_overrides(durations[0], durations[-1])
        runs = [(*duration, *shared) for duration in durations]
        configs = [self.compose(run) for run in runs]
        budgets = [resolve(config) for config in configs]
        if len({budget.steps for budget in budgets}) < len(budgets):
            raise ConfigError(f"sweep.{self.sweep.key}: two durations of scale={scale} have the same number of steps")
        if self.sweep.separate or len(runs) == 1:
            return [TrunkRun(run, budget.flops) for run, budget in zip(runs, budgets, strict=True)]
        decays = [shared_until(config, budget) for config, budget in zip(configs, budgets, strict=True)]
        keep = sorted({step * budgets[0].batch_tokens for step in decays[1:]})
        trunk = (*runs[0], override("stage.keep_states", keep))
        name = f"pretrain-{identify(self.compose(trunk))[0]}"
        branches = [
            TrunkRun((*run, f"stage.trunk={name}"), budget.flops * (1 - step / budget.steps), name)
            for run, budget, step in zip(runs[1:], budgets[1:], decays[1:], strict=True)
        ]
        return [TrunkRun(trunk, budgets[0].flops), *branches]

    def _shared_overrides(self, longest: Overrides, shortest: Overrides) -> Overrides:
        """Return overrides for the same warm-up, learning rate and batch size, where rules and shares of ``optim`` differ.

        The warm-up is that of the shortest run.
        """
        config = self.compose(longest)
        if config.stage.kind != "pretrain":
            raise ConfigError(f"stage: sweep=trunk needs stage=pretrain, not {config.stage.kind}")
        if config.optim.schedule != "wsd":
            raise ConfigError(f"optim.schedule: sweep=trunk needs wsd, whose decay comes last; not {config.optim.schedule}")
        short, long = resolve(self.compose(shortest)), resolve(config)
        shared = []
        if config.optim.warmup_tokens is None:
            shared.append(override("optim.warmup_tokens", config.optim.warmup * short.tokens))
        for key, a, b in (("lr", short.lr, long.lr), ("batch_tokens", short.batch_tokens, long.batch_tokens)):
            if a != b:
                shared.append(override(f"optim.{key}", b))
        return tuple(shared)
