"""``sweep=stages``: one budget divided between two steps of a recipe, fine-tuning and reinforcement learning."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from openr1.config.schema import Config, to_dict
from openr1.errors import ConfigError
from openr1.options import flatten
from sweeps.config import SweepConfig
from sweeps.designs.base import Design, Finished, Overrides
from sweeps.designs.values import override


@dataclass
class StagesSweep(SweepConfig):
    kind: str = "stages"
    sft: str = "base"  # the step of the recipe that is fine-tuned, or pretrained
    rl: str = "zero"  # the step of stage=grpo
    budget: Any = None  # FLOPs of both together, a number or a list of them
    shares: list[float] = field(default_factory=lambda: [0.0, 0.2, 0.4, 0.6, 0.8])  # of reinforcement learning

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.budgets or not all(isinstance(one, float | int) and one > 0 for one in self.budgets):
            raise ConfigError("sweep.budget: FLOPs above 0, such as sweep.budget=8e12, or a list of them")
        if not self.shares or any(not 0 <= share <= 1 for share in self.shares):
            raise ConfigError("sweep.shares: are of reinforcement learning, between 0 and 1")

    @property
    def budgets(self) -> list[float]:
        if self.budget is None:
            return []
        return list(self.budget) if isinstance(self.budget, list) else [self.budget]


class Stages(Design[StagesSweep]):
    """One round: each budget with each share. What comes before the two steps is of no budget, and made once for all runs."""

    def next(self, finished: Sequence[Finished]) -> list[Overrides]:
        return [] if finished else list(self._runs())

    def report(self, finished: Sequence[Finished]) -> list[str]:
        runs, lines = self._runs(), []
        found = [(*runs[run.overrides], run) for run in finished if "pass_at_1" in run.metrics]
        for budget, group in itertools.groupby(sorted(found, key=lambda one: one[:2]), key=lambda one: one[0]):
            rows = list(group)
            heads = [f"share of {self.sweep.rl}", *(f"FLOPs of {name}" for name in (self.sweep.sft, self.sweep.rl))]
            lines += [f"a budget of {budget:.3g} FLOPs", f"{'  '.join(heads)}  pass_at_1"]
            for _, share, run in rows:
                flops = _flops(run.config)
                figures = [share, *(flops.get(name, 0.0) for name in (self.sweep.sft, self.sweep.rl))]
                cells = [f"{figure:{len(head)}.3g}" for figure, head in zip(figures, heads, strict=True)]
                lines.append(f"{'  '.join(cells)}  {_rate(run)}")
            _, share, best = max(rows, key=lambda one: one[2].metrics["pass_at_1"])
            lines.append(f"best: a share of {share:.3g}, {_rate(best)}")
        return lines

    def _runs(self) -> dict[Overrides, tuple[float, float]]:
        """Budget and share of each run."""
        config = self.compose(())
        self._check(config)
        pairs = itertools.product(self.sweep.budgets, dict.fromkeys(self.sweep.shares))
        return {self._overrides(config, budget, share): (budget, share) for budget, share in pairs}

    def _check(self, config: Config) -> None:
        steps = config.recipe.steps if config.recipe else {}
        for key, rollouts in (("sft", False), ("rl", True)):
            name = getattr(self.sweep, key)
            able = [one for one, step in steps.items() if step.stage.trains and step.stage.rollouts == rollouts]
            if name not in able:
                what = "reinforcement learning" if rollouts else "training on data"
                raise ConfigError(
                    f"sweep.{key}: is a step of {what} in the recipe, one of {', '.join(able) or 'none'}, not {name!r}"
                )

    def _overrides(self, config: Config, budget: float, share: float) -> Overrides:
        steps = to_dict(config)["recipe"]["steps"]
        given = {self.sweep.sft: (1 - share) * budget, self.sweep.rl: share * budget}
        found: list[str] = []
        for name, flops in given.items():
            if flops:
                others = (key for key in steps[name]["budget"] if key != "flops")
                found += [override(f"recipe.steps.{name}.budget.{key}", None) for key in others]
                found.append(override(f"++recipe.steps.{name}.budget.flops", float(f"{flops:.6g}")))
            else:
                found += self._without(name, steps, config.model.checkpoint)
        return tuple(found)

    def _without(self, name: str, steps: dict[str, Any], checkpoint: str | None) -> Iterator[str]:
        """A recipe without a step: what followed it starts from what it would have started from."""
        start = steps[name]["model"].get("checkpoint", checkpoint)
        if start is None:
            raise ConfigError(f"sweep.shares: 1 is a recipe without {name}, which starts from scratch; give shares below 1")
        yield f"~recipe.steps.{name}"
        for other, step in steps.items():
            for key, value in flatten(step).items():
                if value == f"@{name}":
                    yield override(f"recipe.steps.{other}.{key}", start)


def _flops(config: Config) -> dict[str, float]:
    """What each step of a recipe that is done has cost."""
    from openr1.artifacts import Store
    from openr1.runs.plan import run_steps

    store = Store(config.paths.artifacts)
    made = {stage.name: store.find(stage.config.stage.kind, stage.fingerprint) for stage in run_steps(config)}
    return {name: artifact.metrics.get("flops", 0.0) for name, artifact in made.items() if artifact}


def _rate(run: Finished) -> str:
    found = run.metrics
    return f"{found['pass_at_1']:.3f} ({found['pass_at_1_low']:.3f} to {found['pass_at_1_high']:.3f})"
