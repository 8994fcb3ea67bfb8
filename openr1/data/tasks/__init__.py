"""Procedural tasks: distinct problems, each with its answer and a reasoning trace, and an exact verifier.

To add one, write a module with a subclass of :class:`Task` and put an instance into :data:`TASKS`.
"""

from __future__ import annotations

from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from openr1.config import TaskSource, one_line
from openr1.data.tasks.base import Problem, Task, direct, reasoned
from openr1.data.tasks.sums import Sums
from openr1.errors import ConfigError

__all__ = ["TASKS", "Problem", "Task", "direct", "generate", "options_of", "reasoned"]

TASKS: dict[str, Task] = {"sums": Sums()}


def options_of(key: str, source: TaskSource) -> tuple[Task, Any]:
    """The task of a source and its options, checked.

    :param key: where the source stands in the config, for messages.
    """
    if source.task not in TASKS:
        raise ConfigError(f"{key}.task: {source.task!r} is not one of {', '.join(TASKS)}")
    task = TASKS[source.task]
    try:
        options = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(task.Options), source.options))
        return task, options
    except OmegaConfBaseException as error:
        known = ", ".join(vars(task.Options()))
        raise ConfigError(f"{key}.options.{one_line(error)}; {source.task} takes {known}") from error


def generate(key: str, source: TaskSource) -> list[Problem]:
    """The problems of a source."""
    task, options = options_of(key, source)
    try:
        return task.generate(source.problems, source.seed, options)
    except ValueError as error:
        raise ConfigError(f"{key}.{error}") from error
