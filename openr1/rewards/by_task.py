"""Weights of rewards by task: in one run, problems of one task are rewarded by rules, those of another by preference.

The final stage of R1 (arXiv 2501.12948, section 2.3.4) combines them so: rules for reasoning, reward models for the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    from openr1.data.tasks.base import Problem
    from openr1.rewards.options import RewardConfig


class TaskWeights:
    """The terms that a problem's answers are scored by, with their weights.

    ``reward.by_task`` names a source of the data or a task; where it names both of a problem, the source counts. A problem that
    it does not name has all terms of ``reward.terms``, with the weights there.

    :param sources: id of a problem -> name of its source.
    """

    def __init__(self, config: RewardConfig, sources: Mapping[str, str] | None = None) -> None:
        self.all = {name: term.weight for name, term in config.terms.items()}
        self.by_task = {
            task: {name: float(weight) for name, weight in weights.items()} for task, weights in config.by_task.items()
        }
        self.sources = sources or {}

    def label(self, problem: Problem) -> str | None:
        """Return the key of ``reward.by_task`` that a problem falls under; None if it falls under none."""
        source = self.sources.get(problem.id) if self.by_task else None
        return next((name for name in (source, problem.task) if name in self.by_task), None)

    def of(self, problem: Problem) -> Mapping[str, float]:
        """Return the terms of a problem, with their weights."""
        label = self.label(problem)
        return self.all if label is None else self.by_task[label]


def check_tasks(config: RewardConfig, tasks: Mapping[str, Sequence[str]], key: str = "reward") -> None:
    """Refuse a task that is not in the data.

    :param tasks: name of each source of the data -> the tasks of its problems.
    :raises ConfigError: for the first, naming those there are.
    """
    known = dict.fromkeys([*tasks, *(task for of_source in tasks.values() for task in of_source)])
    for name in config.by_task:
        if name not in known:
            raise ConfigError(f"{key}.by_task.{name}: is no source or task of the data; there are {', '.join(known)}")
