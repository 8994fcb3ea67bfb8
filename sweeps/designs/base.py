"""What a design is: it says which runs come next, from those that are done."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from openr1.config.schema import Config
from openr1.errors import ConfigError
from sweeps.config import SweepConfig

if TYPE_CHECKING:
    from openr1.training.budget import Budget

Overrides = tuple[str, ...]
S = TypeVar("S", bound=SweepConfig)


@dataclass(frozen=True)
class Finished:
    """A run of a design that is done.

    :ivar overrides: those of the design that made it.
    :ivar metrics: under the names of :mod:`openr1.tracking.mlflow`; empty for a run that failed.
    """

    overrides: Overrides
    config: Config
    metrics: dict[str, float]


class Design(ABC, Generic[S]):
    """The runs of a sweep, in rounds. A design is made anew by each command: what it says follows from its options and from
    what is done, so that the same command goes on where one that was killed stopped.

    :param sweep: its options.
    :param compose: the config of a run with these overrides, checked.
    """

    def __init__(self, sweep: S, compose: Callable[[Sequence[str]], Config]) -> None:
        self.sweep, self.compose = sweep, compose

    @abstractmethod
    def next(self, finished: Sequence[Finished]) -> list[Overrides]:
        """The runs of the next round, the most important first; none when there is no more to do.

        :param finished: those of all rounds before, in their order. Runs that were done before this command are among them
            once a round has named them.
        :raises ConfigError: where the design cannot be, such as for a budget that no size fits.
        """

    def foreseen(self, finished: Sequence[Finished]) -> list[Overrides]:
        """The runs of the rounds after the next, as far as they do not depend on what comes out of it."""
        return []

    @property
    def adapts(self) -> bool:
        """Whether what comes out decides on further runs."""
        return False

    def report(self, finished: Sequence[Finished]) -> list[str]:
        """Lines about what came out, for the terminal; printed when the last round is done."""
        return []

    def config_that_trains(self) -> Config:
        """The config of a run without the overrides of the design.

        :raises ConfigError: unless it is of one stage that trains on given tokens.
        """
        config = self.compose(())
        if config.recipe is not None:
            raise ConfigError(f"recipe: sweep={self.sweep.kind} has runs of one stage; a model made before is model.checkpoint")
        if not config.stage.trains or config.stage.rollouts:
            raise ConfigError(f"stage: sweep={self.sweep.kind} has runs that train on given tokens, as pretrain and sft do")
        return config

    def budget(self, overrides: Sequence[str]) -> Budget:
        """What a run of such a stage will do; its data are not prepared for it.

        :raises ConfigError: where the run cannot be.
        """
        from openr1.runs.estimate import estimate_run

        return estimate_run(self.compose(overrides)).budget
