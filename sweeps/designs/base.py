"""The contract of a design: from the finished runs of a study to the runs of its next round."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from openr1.config.schema import Config
from openr1.sweeps.config import SweepConfig
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    from openr1.training.budget import TokenBudget

Overrides = tuple[str, ...]
S = TypeVar("S", bound=SweepConfig)


@dataclass(frozen=True)
class Finished:
    """A run of a design that has ended.

    :ivar overrides: those of the design that made it.
    :ivar metrics: under the names of :mod:`openr1.tracking.mlflow`; empty for a run that failed.
    """

    overrides: Overrides
    config: Config
    metrics: dict[str, float]


class Design(ABC, Generic[S]):
    """The runs of a sweep, in rounds. Each command makes its design anew: its rounds follow from its options and from the
    finished runs alone, so that the same command resumes a study that was killed.

    :param sweep: the options.
    :param compose: returns the config of a run with these overrides, checked.
    """

    def __init__(self, sweep: S, compose: Callable[[Sequence[str]], Config]) -> None:
        self.sweep, self.compose = sweep, compose

    @abstractmethod
    def next(self, finished: Sequence[Finished]) -> list[Overrides]:
        """Return the runs of the next round, the most important first; none when the study is complete.

        :param finished: the runs of all rounds before, in their order. Runs that were done before this command are among them
            once a round has named them.
        :raises ConfigError: for an impossible design, such as a budget that no size fits.
        """

    def known_later(self, finished: Sequence[Finished]) -> list[Overrides]:
        """Return the runs of the rounds after the next, as far as they do not depend on its results."""
        return []

    @property
    def objective(self) -> str | None:
        """The metric that decides on further runs, by its name among those of a trial; None if none does."""
        return None

    @property
    def adapts(self) -> bool:
        """True if results decide on further runs."""
        return False

    def report(self, finished: Sequence[Finished]) -> list[str]:
        """Return lines about the results for the terminal, printed after the last round."""
        return []

    def training_config(self) -> Config:
        """Return the config of a run without the overrides of the design.

        :raises ConfigError: unless it is of one stage that trains on given tokens.
        """
        config = self.compose(())
        if config.recipe is not None:
            raise ConfigError(
                f"recipe: sweep={self.sweep.kind} has runs of one stage; give an earlier model as model.checkpoint"
            )
        if not config.stage.trains or config.stage.rollouts:
            raise ConfigError(f"stage: sweep={self.sweep.kind} has runs that train on given tokens, as pretrain and sft do")
        return config

    def budget(self, overrides: Sequence[str]) -> TokenBudget:
        """Return the budget of a run of such a stage, without preparing its data.

        :raises ConfigError: for an impossible run.
        """
        from openr1.runs.estimate import estimate_run
        from openr1.training.budget import TokenBudget

        budget = estimate_run(self.compose(overrides)).budget
        if not isinstance(budget, TokenBudget):
            raise ConfigError(f"stage: sweep={self.sweep.kind} has runs that train on given tokens, as pretrain and sft do")
        return budget
