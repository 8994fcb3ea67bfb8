"""``sweep=trunk``: a law of sizes and durations from one warm-up-stable run a size.

The longest run of a size keeps its state where the shorter ones begin to decay; they go on from there. A point at every
duration then costs the longest run and the decay of the others, in place of all of them (arXiv 2405.18392, section 4;
2404.06395). The runs have the batch, learning rate and tokens of warm-up of the longest, and are to the bit what they would be
without a trunk.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

from omegaconf import MISSING

from openr1.errors import ConfigError
from openr1.runs.fingerprint import identify
from openr1.training.budget import phases, resolve
from sweeps.config import SweepConfig
from sweeps.designs.base import Design, Finished, Overrides
from sweeps.designs.values import override

DURATIONS = ("tokens", "flops", "tokens_per_param")  # keys of budget


@dataclass
class TrunkSweep(SweepConfig):
    kind: str = "trunk"
    scales: list[str] = MISSING
    # how long the runs of each size are; one of them is given
    tokens: list[float] = field(default_factory=list)
    flops: list[float] = field(default_factory=list)
    tokens_per_param: list[float] = field(default_factory=list)
    separate: bool = False  # the same runs, each from its own start, which is what a trunk is measured against

    def __post_init__(self) -> None:
        super().__post_init__()
        given = [key for key in DURATIONS if getattr(self, key)]
        if len(given) != 1:
            raise ConfigError(f"sweep.{given[1] if given else 'tokens'}: one of {', '.join(DURATIONS)} says how long runs are")
        if not self.scales:
            raise ConfigError("sweep.scales: at least one size is needed")
        durations = sorted(getattr(self, given[0]))
        if durations[0] <= 0 or any(one == other for one, other in pairwise(durations)):
            raise ConfigError(f"sweep.{given[0]}: durations are above 0, and each is there once")

    @property
    def key(self) -> str:
        return next(key for key in DURATIONS if getattr(self, key))

    @property
    def durations(self) -> list[str]:
        """As overrides, the longest first."""
        return [override(f"budget.{self.key}", value) for value in sorted(getattr(self, self.key), reverse=True)]


@dataclass(frozen=True)
class Planned:
    overrides: Overrides
    flops: float  # that it takes itself
    trunk: str | None = None  # the artifact that it goes on from


class Trunk(Design[TrunkSweep]):
    """In the first round the longest run of each size, in the second the others; the most expensive first in each."""

    def next(self, finished: Sequence[Finished]) -> list[Overrides]:
        runs = self.runs
        if finished and any(run.trunk for run in runs):
            if any(run.config.stage.trunk for run in finished):
                return []
            made = {f"{run.config.stage.kind}-{identify(run.config)[0]}" for run in finished if run.metrics}
            runs = [run for run in runs if run.trunk in made]
        elif finished:
            return []
        else:
            runs = [run for run in runs if run.trunk is None]
        return self._ordered(runs)

    @staticmethod
    def _ordered(runs: Iterable[Planned]) -> list[Overrides]:
        return [run.overrides for run in sorted(runs, key=lambda run: -run.flops)]

    def foreseen(self, finished: Sequence[Finished]) -> list[Overrides]:
        return [] if finished else self._ordered(run for run in self.runs if run.trunk)

    def report(self, finished: Sequence[Finished]) -> list[str]:
        runs = [run.metrics for run in finished if run.metrics]
        if not runs:
            return []
        flops, whole = (sum(run.get(key, run["flops"]) for run in runs) for key in ("flops_new", "flops"))
        said = f"{len(runs)} runs took {flops:.3g} FLOPs"
        return [said if flops == whole else f"{said}, and separate ones would {whole:.3g}: {1 - flops / whole:.0%} saved"]

    @cached_property
    def runs(self) -> list[Planned]:
        return [run for scale in self.sweep.scales for run in self._of(scale)]

    def _of(self, scale: str) -> list[Planned]:
        """The runs of a size, the longest first.

        :raises ConfigError: where they do not share a beginning.
        """
        durations = [(override("scale", scale), duration) for duration in self.sweep.durations]
        shared = self._shared(durations[0], durations[-1])
        runs = [(*duration, *shared) for duration in durations]
        configs = [self.compose(run) for run in runs]
        budgets = [resolve(config) for config in configs]
        if len({budget.steps for budget in budgets}) < len(budgets):
            raise ConfigError(f"sweep.{self.sweep.key}: two durations of scale={scale} are of the same number of steps")
        if self.sweep.separate or len(runs) == 1:
            return [Planned(run, budget.flops) for run, budget in zip(runs, budgets, strict=True)]
        decays = [phases(config, budget).stable_until for config, budget in zip(configs, budgets, strict=True)]
        keep = sorted({step * budgets[0].batch_tokens for step in decays[1:]})
        trunk = (*runs[0], override("stage.keep_states", keep))
        name = f"pretrain-{identify(self.compose(trunk))[0]}"
        branches = [
            Planned((*run, f"stage.trunk={name}"), budget.flops * (1 - step / budget.steps), name)
            for run, budget, step in zip(runs[1:], budgets[1:], decays[1:], strict=True)
        ]
        return [Planned(trunk, budgets[0].flops), *branches]

    def _shared(self, longest: Overrides, shortest: Overrides) -> Overrides:
        """What runs have in common where the rules and shares of ``optim`` would not say so; the warm-up is the shortest's."""
        config = self.compose(longest)
        if config.stage.kind != "pretrain":
            raise ConfigError(f"stage: sweep=trunk is for stage=pretrain, not {config.stage.kind}")
        if config.optim.schedule != "wsd":
            raise ConfigError(f"optim.schedule: sweep=trunk needs wsd, whose decay comes last; not {config.optim.schedule}")
        begin, end = resolve(self.compose(shortest)), resolve(config)
        found = []
        if config.optim.warmup_tokens is None:
            found.append(override("optim.warmup_tokens", config.optim.warmup * begin.tokens))
        for key, a, b in (("lr", begin.lr, end.lr), ("batch_tokens", begin.batch_tokens, end.batch_tokens)):
            if a != b:
                found.append(override(f"optim.{key}", b))
        return tuple(found)
