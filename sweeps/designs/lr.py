"""``sweep=lr``: learning rates and batch sizes at each N and D, whose best ones make the law of hyperparameters
(arXiv 2503.04715)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import NamedTuple

from openr1.errors import ConfigError
from sweeps.config import SweepConfig
from sweeps.designs.base import Design, Finished, Overrides
from sweeps.designs.brackets import LEAST, Bracket, Point, check_levels, losses_of
from sweeps.designs.values import override

WORDS = (("lower learning rate", "higher learning rate"), ("smaller batch", "larger batch"))  # of each axis


@dataclass
class LrSweep(SweepConfig):
    kind: str = "lr"
    scales: list[str] = field(default_factory=list)  # rungs; empty for that of the config
    tokens_per_param: list[float] = field(default_factory=lambda: [20.0])  # D of each size, over its N
    tokens: list[float] = field(default_factory=list)  # D of every size, in their place
    rates: list[float] = field(default_factory=lambda: [0.25, 0.5, 1.0, 2.0, 4.0])  # over the learning rate of the config
    batches: list[float] = field(default_factory=list)  # over the batch size of the config; empty for that alone
    extend: int = 3  # values to add at each end, at most, until the lowest loss lies between others
    objective: str = "eval_loss"  # what is lowest

    def __post_init__(self) -> None:
        super().__post_init__()
        check_levels("sweep.tokens" if self.tokens else "sweep.tokens_per_param", self.tokens or self.tokens_per_param, 1)
        check_levels("sweep.rates", self.rates, LEAST)
        if self.batches:
            check_levels("sweep.batches", self.batches, LEAST)
        if self.extend < 0:
            raise ConfigError("sweep.extend: must not be negative")


class Cell(NamedTuple):
    """One N and D.

    :ivar size: the override that chooses N, if there is one.
    :ivar lr: that of the config.
    :ivar batch: tokens a step, that of the config.
    :ivar flops: of its most expensive run.
    """

    size: Overrides
    tokens: float
    lr: float
    batch: float
    flops: float
    axes: tuple[tuple[float, ...], ...]  # learning rates, and batch sizes in tokens, of the first round

    @property
    def name(self) -> str:
        return " ".join((*self.size, f"on {self.tokens:g} tokens"))

    def run(self, point: Point) -> Overrides:
        """With this learning rate, and batch size if there is one."""
        values = zip(("optim.lr", "optim.batch_tokens"), point, strict=False)
        return (*self.size, override("budget.tokens", self.tokens), *(override(key, value) for key, value in values))


class Lr(Design[LrSweep]):
    """The runs of a cell are a :class:`Bracket` of learning rates, or of learning rates and batch sizes.

    Values are those of the config times factors, and given as they are: a rule may depend on the tokens of a run, which a batch
    size rounds, and the grid would not be one.
    """

    def next(self, finished: Sequence[Finished]) -> list[Overrides]:
        return [run for _, bracket in self._brackets(finished) for run in bracket.missing]

    @property
    def adapts(self) -> bool:
        return self.sweep.extend > 0

    def report(self, finished: Sequence[Finished]) -> list[str]:
        return [f"{cell.name}: {self._found(cell, one)}" for cell, one in self._brackets(finished)]

    def _found(self, cell: Cell, bracket: Bracket) -> str:
        if bracket.best is None:
            return f"no run has {self.sweep.objective}"
        lr, *batch = bracket.best
        found = f"lowest {self.sweep.objective} {bracket.losses[bracket.best]:.4f} at learning rate {lr:g}, "
        found += f"{lr / cell.lr:.3g} times that of the config"
        if batch:
            found += f", and batches of {batch[0]:g} tokens, {batch[0] / cell.batch:.3g} times"
        return f"{found}; {bracket.state(WORDS)}"

    def _brackets(self, finished: Sequence[Finished]) -> list[tuple[Cell, Bracket]]:
        losses = losses_of(finished, self.sweep.objective)
        return [
            (cell, Bracket(cell.axes, cell.run, losses, partial(self._further, cell), self.sweep.extend)) for cell in self.cells
        ]

    @cached_property
    def cells(self) -> list[Cell]:
        """The most expensive first."""
        self.config_that_trains()
        sizes = [(override("scale", scale),) for scale in self.sweep.scales] or [()]
        cells = [self._cell(*one) for one in itertools.product(sizes, self.sweep.tokens or self.sweep.tokens_per_param)]
        return sorted(cells, key=lambda cell: -cell.flops)

    def _cell(self, size: Overrides, extent: float) -> Cell:
        """:param extent: tokens, or tokens a parameter."""
        tokens = extent if self.sweep.tokens else float(round(extent * self.budget(size).params.non_embedding))
        usual = self.budget((*size, override("budget.tokens", tokens)))
        cell = Cell(size, tokens, usual.lr, usual.batch_tokens, usual.flops, ())
        axes = [tuple(sorted({_rounded(factor * usual.lr) for factor in self.sweep.rates}))]
        if self.sweep.batches:
            axes.append(tuple(sorted({self._whole(cell, factor * usual.batch_tokens) for factor in self.sweep.batches})))
            if len(axes[1]) < LEAST:
                raise ConfigError(f"sweep.batches: are fewer than {LEAST} sizes in whole sequences, {cell.name}")
        return cell._replace(axes=tuple(axes))

    def _further(self, cell: Cell, axis: int, levels: Sequence[float], side: int) -> float:
        """The value beyond an end, as far from it as that is from its neighbour."""
        end, inner = (levels[0], levels[1]) if side < 0 else (levels[-1], levels[-2])
        value = end * end / inner
        if axis == 0:
            return _rounded(value)
        batch = self._whole(cell, value)
        if batch == end:
            raise ConfigError(f"{end:g} tokens are the smallest")
        return batch

    def _whole(self, cell: Cell, tokens: float) -> float:
        """The batch size that a run would have where this is asked for.

        :raises ConfigError: where it cannot be, such as for more than the run has.
        """
        return self.budget(cell.run((cell.lr, tokens))).batch_tokens


def _rounded(lr: float) -> float:
    """To what a person reads."""
    return float(f"{lr:.3g}")
