"""``sweep=grpo``: rollouts of a problem, and problems of a step, at equal compute (arXiv 2603.12151)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Annotated, ClassVar

from annotated_types import Ge, Interval, Le, MinLen
from omegaconf import MISSING

from openr1.config.recipe import UNMADE, recipe_steps
from openr1.config.schema import Config, to_dict
from openr1.options.ranges import Flops
from openr1.sweeps.config import SweepConfig
from openr1.sweeps.designs.base import Design, Finished, Overrides
from openr1.sweeps.designs.brackets import MIN_LEVELS, Bracket, losses_of, objective_of, require_different
from openr1.sweeps.designs.values import override
from openr1.system.errors import ConfigError

LEAST = (2, 1)  # of each axis: a group of one answer has no signal
WORDS = (("fewer rollouts", "more rollouts"), ("fewer problems", "more problems"))  # of each axis
OVERSPENT = 1.25  # compute of a run over its budget, from which a step is too large for it


@dataclass
class GrpoSweep(SweepConfig):
    """Options of a study of the rollouts of a problem at equal compute."""

    unknown_key_hint: ClassVar[str] = "sweep=grpo_search has the options of a search"

    kind: str = "grpo"
    budgets: Annotated[list[Flops], MinLen(1)] = MISSING  # FLOPs of rollouts and updates of a run
    rollouts: Annotated[list[Annotated[int, Ge(2), Le(10**6)]], MinLen(MIN_LEVELS)] = field(
        default_factory=lambda: [4, 8, 16]
    )  # answers of a group, in the first round
    # problems of a step, in the first round; empty for those of the config, so that a step grows with its rollouts
    prompts: list[Annotated[int, Ge(1), Le(10**6)]] = field(default_factory=list)
    answers: Annotated[int, Ge(2), Le(10**9)] | None = None  # answers of a step, instead: problems are answers / rollouts
    # most numbers to add at each end, until the highest pass rate lies between others
    extend: Annotated[int, Interval(ge=0, le=1000)] = 3
    objective: str = "pass_at_1"  # metric to maximise, of the step
    step: str | None = None  # the step of the recipe that is reinforcement learning

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("budgets", "rollouts", "prompts"):
            require_different(f"sweep.{name}", getattr(self, name))
        if 0 < len(self.prompts) < MIN_LEVELS:
            raise ConfigError(f"sweep.prompts: {MIN_LEVELS} numbers or more, so that one lies between others; or none")
        if self.answers is not None:
            if self.prompts:
                raise ConfigError("sweep.answers: gives the problems of a step; leave sweep.prompts out")
            for number in self.rollouts:
                if self.answers % number:
                    raise ConfigError(f"sweep.answers: {self.answers} is not a multiple of {number}, one of sweep.rollouts")


class Grpo(Design[GrpoSweep]):
    """A :class:`Bracket` of rollouts, or of rollouts and problems, for each budget: where the highest pass rate is at an end, a
    number is added there at the ratio of the grid.
    """

    def next(self, finished: Sequence[Finished]) -> list[Overrides]:
        return [run for bracket in self._brackets(finished).values() for run in bracket.missing]

    @property
    def objective(self) -> str:
        return objective_of(self.sweep.step, self.sweep.objective)

    @property
    def adapts(self) -> bool:
        return self.sweep.extend > 0

    def report(self, finished: Sequence[Finished]) -> list[str]:
        lines = [f"{budget:g} FLOPs: {self._describe(bracket)}" for budget, bracket in self._brackets(finished).items()]
        over = [(run, self._overspent(run)) for run in finished]
        return lines + [
            f"{' '.join(run.overrides)}: spent {factor:.3g} times its budget, since one step takes more than what is left"
            for run, factor in over
            if factor > OVERSPENT
        ]

    def _describe(self, bracket: Bracket[int]) -> str:
        if bracket.best is None:
            return f"no run has {self.objective}"
        rollouts, *prompts = bracket.best
        text = f"highest {self.objective} {-bracket.losses[bracket.best]:.4f} at {rollouts} rollouts of a problem"
        if prompts:
            text += f" and {prompts[0]} problems of a step"
        return f"{text}; {bracket.describe(WORDS)}"

    def _brackets(self, finished: Sequence[Finished]) -> dict[float, Bracket[int]]:
        """Return the bracket of each budget, the largest budget first."""
        places = self._place
        losses = {run: None if value is None else -value for run, value in losses_of(finished, self.objective).items()}
        large = {run.overrides for run in finished if self._overspent(run) > OVERSPENT}
        axes = [sorted(self.sweep.rollouts), *([sorted(self.sweep.prompts)] if self.sweep.prompts else [])]
        return {
            budget: Bracket(
                axes,
                partial(self._overrides, places, budget),
                losses,
                partial(self._next_level, places, budget, large),
                self.sweep.extend,
            )
            for budget in sorted(self.sweep.budgets, reverse=True)
        }

    @cached_property
    def _config(self) -> Config:
        """The config of a run without the overrides of the design."""
        return self.compose(())

    @cached_property
    def _place(self) -> str:
        """Return where the stage and the budget of reinforcement learning stand in the config: a prefix of keys.

        :raises ConfigError: unless it is of reinforcement learning.
        """
        config = self._config
        if config.recipe is None:
            if self.sweep.step is not None:
                raise ConfigError(
                    f"sweep.step: {self.sweep.step!r} is a step of a recipe, and these runs are of one stage; leave it out"
                )
            if not config.stage.rollouts:
                raise ConfigError("stage: sweep=grpo has runs of reinforcement learning; set stage=grpo, or a recipe with it")
            return ""
        steps = {step.name: step.config for step in recipe_steps(config, identify=lambda _: (UNMADE, {}))}
        known = [name for name, of_step in steps.items() if of_step.stage.rollouts]
        if self.sweep.step not in known:
            given = "null" if self.sweep.step is None else repr(self.sweep.step)
            choices = ", ".join(known) or "none"
            raise ConfigError(
                f"sweep.step: must be a step of reinforcement learning in the recipe, one of {choices}, not {given}"
            )
        return f"++recipe.steps.{self.sweep.step}."

    def _overrides(self, place: str, budget: float, point: tuple[int, ...]) -> Overrides:
        rollouts, *prompts = point
        values: dict[str, float | None] = {"budget.flops": budget, "stage.samples": rollouts}
        values |= {f"budget.{name}": None for name in self._other_lengths}
        if self.sweep.answers is not None:
            prompts = [self.sweep.answers // rollouts]
        values |= {"stage.prompts": prompts[0]} if prompts else {}
        return tuple(override(f"{place}{key}", value) for key, value in values.items())

    @cached_property
    def _other_lengths(self) -> list[str]:
        """The keys of the budget that give the length of a run in another way, and would contradict that of the design."""
        config = self._config
        budget = vars(config.budget)
        if config.recipe is not None:
            budget = to_dict(config)["recipe"]["steps"][self.sweep.step].get("budget") or {}
        return [name for name in ("steps", "completions") if budget.get(name) is not None]

    def _overspent(self, run: Finished) -> float:
        """Return the compute of a run over its budget; 0 where it is not known."""
        budget = next((float(text.partition("=")[2]) for text in run.overrides if "budget.flops=" in text), 0.0)
        return run.metrics.get(objective_of(self.sweep.step, "flops"), 0.0) / budget if budget else 0.0

    def _next_level(self, place: str, budget: float, large: set[Overrides], axis: int, levels: Sequence[int], side: int) -> int:
        """Return the number beyond an end, at the ratio of the end to its neighbour."""
        end, inner = (levels[0], levels[1]) if side < 0 else (levels[-1], levels[-2])
        value = max(round(end * end / inner), LEAST[axis])
        if value == end:
            raise ConfigError(f"{end} is the {'smallest' if side < 0 else 'largest'} number")
        if side > 0 and any(self._is_at(run, place, budget, axis, end) for run in large):
            raise ConfigError(f"one step of {end} takes more than the budget")
        if axis == 0 and self.sweep.answers is not None and (value > self.sweep.answers or self.sweep.answers % value):
            raise ConfigError(f"sweep.answers={self.sweep.answers} is not a multiple of {value}")
        return value

    @staticmethod
    def _is_at(run: Overrides, place: str, budget: float, axis: int, level: int) -> bool:
        """Return whether a run has a budget and a number of an axis."""
        key = ("stage.samples", "stage.prompts")[axis]
        return {override(f"{place}budget.flops", budget), override(f"{place}{key}", level)} <= {*run}
