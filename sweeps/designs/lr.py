"""``sweep=lr``: learning rates and batch sizes at each N and D; the law of hyperparameters is fitted to the best ones
(arXiv 2503.04715)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Annotated, NamedTuple

from annotated_types import Gt, Interval, Le, MinLen

from openr1.config.recipe import UNMADE, recipe_steps
from openr1.options.ranges import OneOf, Positive, Tokens
from openr1.sweeps.config import SweepConfig
from openr1.sweeps.designs.base import Design, Finished, Overrides
from openr1.sweeps.designs.brackets import MIN_LEVELS, Bracket, losses_of, objective_of, require_different
from openr1.sweeps.designs.values import override
from openr1.system.errors import ConfigError

TOKENS_PER_PARAM = 20.0  # Chinchilla, arXiv 2203.15556
DIRECTIONS = ("minimize", "maximize")
WORDS = (("lower learning rate", "higher learning rate"), ("smaller batch", "larger batch"))  # of each axis


@dataclass
class LrSweep(SweepConfig):
    """Options of a sweep over learning rates and batch sizes."""

    kind: str = "lr"
    scales: list[str] = field(default_factory=list)  # sizes of the ladder; empty for that of the config
    tokens_per_param: list[Annotated[float, Gt(0), Le(1e9)]] = field(
        default_factory=lambda: [TOKENS_PER_PARAM]
    )  # D / N of each size
    tokens: list[Tokens] = field(default_factory=list)  # D of every size, instead of tokens_per_param
    rates: Annotated[list[Positive], MinLen(MIN_LEVELS)] = field(
        default_factory=lambda: [0.25, 0.5, 1.0, 2.0, 4.0]
    )  # times the learning rate of the config
    batches: list[Positive] = field(default_factory=list)  # times the batch size of the config; empty for that alone
    # most values to add at each end, until the lowest loss lies between others
    extend: Annotated[int, Interval(ge=0, le=1000)] = 3
    objective: str = "eval_loss"  # metric of the best run
    direction: Annotated[str, OneOf(DIRECTIONS)] = "minimize"  # minimize or maximize the objective
    step: str | None = None  # step of the recipe whose learning rates these are

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("tokens", "tokens_per_param", "rates", "batches"):
            require_different(f"sweep.{name}", getattr(self, name))
        if not self.tokens and not self.tokens_per_param:
            raise ConfigError("sweep.tokens_per_param: at least one value is needed, here or in sweep.tokens")
        if 0 < len(self.batches) < MIN_LEVELS:
            raise ConfigError(f"sweep.batches: {MIN_LEVELS} values or more, so that one lies between others; or none")


class Cell(NamedTuple):
    """One N and D of the sweep, or one N where runs have a budget of their own.

    :ivar size: the override that chooses N, if there is one.
    :ivar tokens: D; None for the budget of the config.
    :ivar lr: that of the config.
    :ivar batch: tokens a step, that of the config.
    :ivar cost: FLOPs of a run with the batch size of the config; where runs have a budget of their own, parameters.
    :ivar axes: learning rates, and batch sizes in tokens, of the first round.
    :ivar group: where the learning rate stands in the config.
    """

    size: Overrides
    tokens: float | None
    lr: float
    batch: float
    cost: float
    axes: tuple[tuple[float, ...], ...]
    group: str = "optim"

    @property
    def name(self) -> str:
        return " ".join((*self.size, *([] if self.tokens is None else [f"on {self.tokens:g} tokens"]))) or "all runs"

    def run(self, point: tuple[float, ...]) -> Overrides:
        """Return the run with the learning rate of a point, and its batch size if it has one."""
        values = zip((f"{self.group}.lr", f"{self.group}.batch_tokens"), point, strict=False)
        extent = [] if self.tokens is None else [override("budget.tokens", self.tokens)]
        return (*self.size, *extent, *(override(key, value) for key, value in values))


class Lr(Design[LrSweep]):
    """A :class:`Bracket` of learning rates, or of learning rates and batch sizes, for each cell.

    Runs are given values, those of the config times factors, rather than rules: a rule may depend on the tokens of a run, which
    the batch size rounds, so that the values would form no grid.
    """

    def next(self, finished: Sequence[Finished]) -> list[Overrides]:
        return [run for _, bracket in self._brackets(finished) for run in bracket.missing]

    @property
    def objective(self) -> str:
        return objective_of(self.sweep.step, self.sweep.objective)

    @property
    def adapts(self) -> bool:
        return self.sweep.extend > 0

    def report(self, finished: Sequence[Finished]) -> list[str]:
        return [f"{cell.name}: {self._describe(cell, bracket)}" for cell, bracket in self._brackets(finished)]

    def _describe(self, cell: Cell, bracket: Bracket[float]) -> str:
        if bracket.best is None:
            return f"no run has {self.objective}"
        lr, *batch = bracket.best
        best = self._sign * bracket.losses[bracket.best]
        which = "lowest" if self._sign > 0 else "highest"
        text = f"{which} {self.objective} {best:.4f} at learning rate {lr:g}, "
        text += f"{lr / cell.lr:.3g} times that of the config"
        if batch:
            text += f", and batches of {batch[0]:g} tokens, {batch[0] / cell.batch:.3g} times"
        return f"{text}; {bracket.describe(WORDS)}"

    def _brackets(self, finished: Sequence[Finished]) -> list[tuple[Cell, Bracket[float]]]:
        losses = {
            run: None if value is None else self._sign * value for run, value in losses_of(finished, self.objective).items()
        }
        return [
            (cell, Bracket(cell.axes, cell.run, losses, partial(self._next_level, cell), self.sweep.extend))
            for cell in self.cells
        ]

    @cached_property
    def cells(self) -> list[Cell]:
        """The cells, the most expensive first."""
        config = self.compose(())
        sizes: list[Overrides] = [(override("scale", scale),) for scale in self.sweep.scales] or [()]
        if config.recipe is not None or config.stage.rollouts:
            self._require_own_budgets()
            return sorted((self._cell_of_size(size) for size in sizes), key=lambda cell: -cell.cost)
        if self.sweep.step is not None:
            raise ConfigError(
                f"sweep.step: {self.sweep.step!r} is a step of a recipe, and these runs are of one stage; leave it out"
            )
        self.training_config()
        extents = self.sweep.tokens or self.sweep.tokens_per_param
        cells = [self._cell(size, extent) for size, extent in itertools.product(sizes, extents)]
        return sorted(cells, key=lambda cell: -cell.cost)

    @property
    def _sign(self) -> int:
        """The sign that makes the objective a loss."""
        return 1 if self.sweep.direction == "minimize" else -1

    def _require_own_budgets(self) -> None:
        """Refuse tokens and batch sizes for runs whose budget and batch are those of the config.

        :raises ConfigError: naming the option.
        """
        if self.sweep.tokens or self.sweep.tokens_per_param != [TOKENS_PER_PARAM]:
            key = "tokens" if self.sweep.tokens else "tokens_per_param"
            raise ConfigError(f"sweep.{key}: runs of a recipe and of stage=grpo have the budgets of the config; leave it out")
        if self.sweep.batches:
            raise ConfigError("sweep.batches: runs of a recipe and of stage=grpo have the batches of the config; leave it out")

    def _cell_of_size(self, size: Overrides) -> Cell:
        """Return the cell of a size whose budget is that of the config: of reinforcement learning, or a step of a recipe."""
        config, group = self.compose(size), "optim"
        params = config.scale.params
        if config.recipe is not None:
            steps = {step.name: step.config for step in recipe_steps(config, identify=lambda _: (UNMADE, {}))}
            trained = [name for name, of_step in steps.items() if of_step.stage.trains]
            if self.sweep.step not in trained:
                given = "null" if self.sweep.step is None else repr(self.sweep.step)
                raise ConfigError(
                    f"sweep.step: must be a step of the recipe that trains, one of {', '.join(trained)}, not {given}"
                )
            config, group = steps[self.sweep.step], f"++recipe.steps.{self.sweep.step}.optim"
        lr = config.optim.lr
        if lr is None:
            raise ConfigError(f"{group.lstrip('+')}.lr: sweep=lr needs a value here, around which its learning rates lie")
        rates = tuple(sorted({_rounded(factor * lr) for factor in self.sweep.rates}))
        return Cell(size, None, lr, 0.0, params, (rates,), group)

    def _cell(self, size: Overrides, extent: float) -> Cell:
        """Return the cell of a size.

        :param extent: tokens, or tokens for each parameter.
        """
        tokens = extent if self.sweep.tokens else float(round(extent * self.budget(size).params.non_embedding))
        budget = self.budget((*size, override("budget.tokens", tokens)))
        cell = Cell(size, tokens, budget.lr, budget.batch_tokens, budget.flops, ())
        axes = [tuple(sorted({_rounded(factor * budget.lr) for factor in self.sweep.rates}))]
        if self.sweep.batches:
            axes.append(tuple(sorted({self._whole_batch(cell, factor * budget.batch_tokens) for factor in self.sweep.batches})))
            if len(axes[1]) < MIN_LEVELS:
                raise ConfigError(f"sweep.batches: gives fewer than {MIN_LEVELS} sizes in whole sequences, {cell.name}")
        return cell._replace(axes=tuple(axes))

    def _next_level(self, cell: Cell, axis: int, levels: Sequence[float], side: int) -> float:
        """Return the level beyond an end, at the ratio of the end to its neighbour."""
        end, inner = (levels[0], levels[1]) if side < 0 else (levels[-1], levels[-2])
        value = end * end / inner
        if axis == 0:
            return _rounded(value)
        batch = self._whole_batch(cell, value)
        if batch == end:
            raise ConfigError(f"{end:g} tokens are the smallest batch")
        return batch

    def _whole_batch(self, cell: Cell, tokens: float) -> float:
        """Return the batch size in whole sequences that a run has where ``tokens`` are asked for.

        :raises ConfigError: for an impossible one, such as more tokens than the run has.
        """
        return self.budget(cell.run((cell.lr, tokens))).batch_tokens


def _rounded(lr: float) -> float:
    """Round a learning rate to three digits."""
    return float(f"{lr:.3g}")
