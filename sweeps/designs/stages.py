"""``sweep=stages``: one budget divided between two steps of a recipe, fine-tuning and reinforcement learning."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from annotated_types import MinLen

from openr1.config.schema import Config, to_dict
from openr1.options import flatten
from openr1.options.ranges import Share
from openr1.sweeps.config import SweepConfig
from openr1.sweeps.designs.base import Design, Finished, Overrides
from openr1.sweeps.designs.values import override
from openr1.system.errors import ConfigError


@dataclass
class StagesSweep(SweepConfig):
    """Options of the division of a budget."""

    kind: str = "stages"
    sft: str = "base"  # the step of the recipe that trains on data
    rl: str = "zero"  # the step of reinforcement learning
    budget: Any = None  # FLOPs of both steps together; a number or a list
    shares: Annotated[list[Share], MinLen(1)] = field(
        default_factory=lambda: [0.0, 0.2, 0.4, 0.6, 0.8]
    )  # of reinforcement learning

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.budgets or not all(isinstance(flops, float | int) and 0 < flops < math.inf for flops in self.budgets):
            raise ConfigError("sweep.budget: must be FLOPs above 0, such as sweep.budget=8e12, or a list of them")

    @property
    def budgets(self) -> list[float]:
        """The budgets as a list."""
        if self.budget is None:
            return []
        return list(self.budget) if isinstance(self.budget, list) else [self.budget]


class Stages(Design[StagesSweep]):
    """One round: each budget with each share. Earlier steps of the recipe count to no budget, and are run once for all."""

    def next(self, finished: Sequence[Finished]) -> list[Overrides]:
        return [] if finished else list(self._runs())

    def report(self, finished: Sequence[Finished]) -> list[str]:
        runs = self._runs()
        lines: list[str] = []
        measured = [(*runs[run.overrides], run) for run in finished if "pass_at_1" in run.metrics]
        for budget, group in itertools.groupby(sorted(measured, key=lambda row: row[:2]), key=lambda row: row[0]):
            rows = list(group)
            heads = [f"share of {self.sweep.rl}", *(f"FLOPs of {name}" for name in (self.sweep.sft, self.sweep.rl))]
            lines += [f"a budget of {budget:.3g} FLOPs", f"{'  '.join(heads)}  pass_at_1"]
            for _, share, run in rows:
                flops = flops_of_steps(run.config)
                values = [share, *(flops.get(name, 0.0) for name in (self.sweep.sft, self.sweep.rl))]
                cells = [f"{value:{len(head)}.3g}" for value, head in zip(values, heads, strict=True)]
                lines.append(f"{'  '.join(cells)}  {_pass_rate(run)}")
            _, share, best = max(rows, key=lambda row: row[2].metrics["pass_at_1"])
            lines.append(f"best: a share of {share:.3g}, {_pass_rate(best)}")
        return lines

    def _runs(self) -> dict[Overrides, tuple[float, float]]:
        """Return the budget and share of each run."""
        config = self.compose(())
        self._require_steps(config)
        pairs = itertools.product(self.sweep.budgets, dict.fromkeys(self.sweep.shares))
        return {self._overrides(config, budget, share): (budget, share) for budget, share in pairs}

    def _require_steps(self, config: Config) -> None:
        """Refuse a step that the recipe lacks, or that is of another kind."""
        steps = config.recipe.steps if config.recipe else {}
        for key, rollouts in (("sft", False), ("rl", True)):
            name = getattr(self.sweep, key)
            possible = [other for other, step in steps.items() if step.stage.trains and step.stage.rollouts == rollouts]
            if name not in possible:
                work = "reinforcement learning" if rollouts else "training on data"
                raise ConfigError(
                    f"sweep.{key}: must be a step of {work} in the recipe, one of {', '.join(possible) or 'none'}, not {name!r}"
                )

    def _overrides(self, config: Config, budget: float, share: float) -> Overrides:
        steps = to_dict(config)["recipe"]["steps"]
        parts = {self.sweep.sft: (1 - share) * budget, self.sweep.rl: share * budget}
        overrides: list[str] = []
        for name, flops in parts.items():
            if flops:
                others = (key for key in steps[name]["budget"] if key != "flops")
                overrides += [override(f"recipe.steps.{name}.budget.{key}", None) for key in others]
                overrides.append(override(f"++recipe.steps.{name}.budget.flops", float(f"{flops:.6g}")))
            else:
                overrides += self._without(name, steps, config.model.checkpoint)
        return tuple(overrides)

    def _without(self, name: str, steps: dict[str, Any], checkpoint: str | None) -> Iterator[str]:
        """Yield overrides that remove a step from the recipe; the steps after it start from the model before it."""
        start = steps[name]["model"].get("checkpoint", checkpoint)
        if start is None:
            raise ConfigError(f"sweep.shares: 1 leaves out {name}, which starts from scratch; give shares below 1")
        yield f"~recipe.steps.{name}"
        for other, step in steps.items():
            for key, value in flatten(step).items():
                if value == f"@{name}":
                    yield override(f"recipe.steps.{other}.{key}", start)


def flops_of_steps(config: Config) -> dict[str, float]:
    """Return the FLOPs of each finished step of a recipe."""
    from openr1.runs.plan import run_steps
    from openr1.system.artifacts import Store

    store = Store(config.paths.artifacts)
    artifacts = {stage.name: store.find(stage.config.stage.kind, stage.fingerprint) for stage in run_steps(config)}
    return {name: artifact.metrics.get("flops", 0.0) for name, artifact in artifacts.items() if artifact}


def _pass_rate(run: Finished) -> str:
    metrics = run.metrics
    return f"{metrics['pass_at_1']:.3f} ({metrics['pass_at_1_low']:.3f} to {metrics['pass_at_1_high']:.3f})"
