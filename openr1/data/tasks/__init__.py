"""Procedural tasks: distinct problems, each with an answer and a reasoning trace, and an exact verifier.

To add one, write a module with a subclass of :class:`DrawnTask` and put an instance into :data:`TASKS`.
"""

from __future__ import annotations

from typing import Any

from openr1.data.options import TaskSource
from openr1.data.tasks.arithmetic import Arithmetic
from openr1.data.tasks.base import DrawnTask, Task
from openr1.data.tasks.code import Code
from openr1.data.tasks.completions import direct_completion, extract_answer, is_right_text, reasoned_completion
from openr1.data.tasks.countdown import Countdown
from openr1.data.tasks.gym import NAME, ReasoningGym
from openr1.data.tasks.linear import Linear
from openr1.data.tasks.lists import Lists
from openr1.data.tasks.modular import Modular
from openr1.data.tasks.multiple_choice import MultipleChoice
from openr1.data.tasks.problem import Problem, Split, is_held_out, split
from openr1.data.tasks.strings import Strings
from openr1.data.tasks.sums import Sums
from openr1.options import load_options
from openr1.system.errors import ConfigError

__all__ = ["TASKS", "DrawnTask", "Problem", "Split", "Task", "accepts", "direct_completion", "find_task", "generate"]
__all__ += ["held_out", "is_held_out", "options_of", "reasoned_completion", "split", "verify"]

TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Sums(),
        Arithmetic(),
        Countdown(),
        Linear(),
        Modular(),
        Strings(),
        Lists(),
        MultipleChoice(),
        Code(),
    )
}


def find_task(name: str) -> Task:
    """Return a task by name; ``reasoning_gym/NAME`` is one of reasoning-gym's, ``reasoning_gym`` that of its option ``name``.

    :raises ValueError: for an unknown name, and if reasoning-gym is not installed.
    """
    if name in TASKS:
        return TASKS[name]
    package, _, task = name.partition("/")
    if package == NAME:
        return ReasoningGym(task or None)
    raise ValueError(f"{name!r} is not one of {', '.join(TASKS)}, {NAME}/NAME")


def options_of(key: str, source: TaskSource) -> tuple[Task, Any]:
    """Return the task of a source and its typed options.

    :param key: where the source stands in the config, for messages.
    :raises ConfigError: for an unknown task, or an option that does not exist or that no problem satisfies.
    """
    try:
        task = find_task(source.task)
    except ValueError as error:
        raise ConfigError(f"{key}.task: {error}") from error
    options: Any = load_options(task.Options, source.options, f"{key}.options")
    try:
        task.check_options(options)
    except ValueError as error:
        raise ConfigError(f"{key}.{error}") from error
    return task, options


def generate(key: str, source: TaskSource) -> list[Problem]:
    """Generate the problems of a source, those to train on and those held out."""
    task, options = options_of(key, source)
    try:
        return task.generate(source.problems, source.seed, options)
    except ValueError as error:
        raise ConfigError(f"{key}.{error}") from error


def held_out(key: str, source: TaskSource, count: int, fraction: float) -> list[Problem]:
    """Generate the first ``count`` held-out problems of a source, if necessary beyond its own ``problems``."""
    task, options = options_of(key, source)
    try:
        return task.held_out(count, source.seed, options, fraction)
    except ValueError as error:
        raise ConfigError(f"{key}.{error}") from error


def verify(problem: Problem, completion: str) -> bool:
    """Tell whether a completion gives the right answer: exactly one ``<answer>``, whose text is accepted."""
    answer = extract_answer(completion)
    return answer is not None and accepts(problem, answer)


def accepts(problem: Problem, answer: str) -> bool:
    """Tell whether the text of an answer is right, by the problem's task; without one, by equality of the text.

    :raises NotImplementedError: for code, which only the sandbox of :mod:`openr1.rewards` runs.
    """
    procedural = problem.task in TASKS or problem.task.startswith(f"{NAME}/")
    return find_task(problem.task).accepts(problem, answer) if procedural else is_right_text(problem, answer)
