"""Tasks of reasoning-gym (arXiv 2505.24760), by name: ``reasoning_gym/chain_sum``, verified by the package's own scorers.

The package is imported only when problems are made or verified. Reasoning in its metadata (``gsm_symbolic``) is the trace; all
other tasks have an answer and no trace, and two, ``boxnet`` and ``rush_hour``, have only a verifier. Its problems use more of
``random.Random`` than ``random()``, so another version of Python may give other ones.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from fractions import Fraction
from functools import lru_cache
from itertools import count
from typing import Any

from openr1.data.hashing import hash64
from openr1.data.tasks.base import Task, distinct
from openr1.data.tasks.problem import Problem

NAME = "reasoning_gym"
CHUNK = 500  # problems per data set of the package, whose content depends on its size
# tasks that differ between two processes with one seed (by the order of sets, or draws from the global generator), and the
# mixture of other tasks, for which there are data configs
LEFT_OUT = {
    "codeio",
    "composite",
    "isomorphic_strings",
    "knight_swap",
    "list_functions",
    "polynomial_multiplication",
    "ransom_note",
    "word_ladder",
}
# keys of the metadata with an answer, for tasks without a single one
ANSWERS = ("example_answer", "example_correct_answer", "possible_answer")
# scorers that evaluate the text of an answer as Python or SymPy: it may use and call no other names than FUNCTIONS
EVALUATED = {
    "binary_matrix",
    "countdown",
    "intermediate_integration",
    "n_queens",
    "puzzle24",
    "simple_integration",
    "spiral_matrix",
    "string_insertion",
}
FUNCTIONS = "sqrt|sin|cos|tan|sec|csc|cot|exp|log|ln|asin|acos|atan|sinh|cosh|tanh|Abs|pi"
# scorers that give the full score to a beginning of the answer, or to any text: an answer is the gold answer or its number
BEGINNINGS = {"coin_flip", "game_of_life_halting", "letter_jumble"}
# scorers that seek the answer within a text: it has no more words and numbers than the gold answer, or it could list them all
SOUGHT = {
    "fraction_simplification",
    "gsm_symbolic",
    "kakurasu",
    "knights_knaves",
    "polynomial_equations",
    "quantum_lock",
    "survo",
}
NUMBER = re.compile(r"-?\d{1,30}(?:\.\d{1,30}|/0{0,9}[1-9]\d{0,29})?", re.ASCII)
WORD = re.compile(r"\d+(?:\.\d+)?|(?<!\\)\b[^\W\d_]+")  # or a number; commands of LaTeX are none
NO_NUMBER = re.compile(r"(?<![^\W\d_])(?:nan|inf(?:inity)?)[ij]?(?![^\W\d_])", re.IGNORECASE)  # no distance to it is large
NEAR = Fraction(1, 10_000)  # the tolerance of coin_flip
HARMLESS = re.compile(rf"(?:(?:{FUNCTIONS})\b|[A-Z]+\b|[a-z_]\b|[\d\s.,+*/^()\[\]'\"|-])*")


@dataclass
class GymOptions:
    """Options of reasoning_gym: the ``name`` of a task, and keys of that task's own ``config``, its difficulty parameters."""

    name: str | None = None
    config: dict[str, Any] = field(default_factory=dict)


class ReasoningGym(Task):
    """A task of reasoning-gym. The difficulty is the problem's value of the first difficulty parameter that it records, if any.

    A right answer is one with the full score. The scorer of ``game_of_life_halting`` reads all but ``True`` as ``False``.
    """

    Options = GymOptions

    def __init__(self, name: str | None = None) -> None:
        self.name = f"{NAME}/{name}" if name else NAME
        self.only = name
        if not importlib.util.find_spec(NAME):
            raise ValueError("reasoning-gym is not installed (pip install reasoning-gym==0.1.25)")

    @property
    def version(self) -> str:
        return importlib.metadata.version("reasoning-gym")

    def stream(self, seed: int, options: GymOptions) -> Iterator[Problem]:
        _load(self._name(options), json.dumps(options.config), 0)  # refuses wrong options before the first problem
        numbers = count()
        return distinct(lambda _: _problem(self._name(options), json.dumps(options.config), seed, next(numbers)))

    def accepts(self, problem: Problem, answer: str) -> bool:
        """Accept an answer with the full score, unless its scorer would also give it to other texts.

        :raises ValueError: if this version of reasoning-gym makes another problem of the same seed.
        """
        if not problem.tests:
            return super().accepts(problem, answer)
        name = problem.task.removeprefix(f"{NAME}/")
        origin = {test[0]: test[1] for test in problem.tests}
        data, entry = _entry(name, origin["config"], int(origin["seed"]), int(origin["number"]))
        if entry["question"] != problem.prompt:
            raise ValueError(f"{problem.task}: problem {problem.id} was made by another version of reasoning-gym")
        if name in EVALUATED and (not HARMLESS.fullmatch(answer) or "__" in answer):
            return False
        if not _is_whole(name, answer, problem.answer, entry["metadata"]):
            return False
        try:
            return bool(data.score_answer(answer, entry) >= 1)
        except Exception:  # a scorer that fails on a text does not accept it
            return False

    def _name(self, options: GymOptions) -> str:
        """Return the name of the task.

        :raises ValueError: for a name that is missing, unknown or left out, and for two names.
        """
        name = options.name or self.only
        if self.only not in (None, name):
            raise ValueError(f"options.name: the task is {self.name} already")
        if name is None or name not in _names():
            key = "task" if self.only else "options.name"
            raise ValueError(f"{key}: {name!r} is not one of {', '.join(_names())}")
        return name


@lru_cache(maxsize=1)
def _names() -> list[str]:
    from reasoning_gym.factory import DATASETS

    return sorted(DATASETS.keys() - LEFT_OUT)


@lru_cache(maxsize=8)
def _load(name: str, config: str, seed: int) -> Any:
    """Load a data set of the package.

    :raises ValueError: ``options.config: ...`` for a config that the data set refuses.
    """
    from reasoning_gym.factory import DATASETS

    data_set, config_class = DATASETS[name]
    parameters = json.loads(config)
    known = [field.name for field in fields(config_class) if field.name not in ("seed", "size")]
    for key in parameters:
        if key not in known:
            raise ValueError(f"options.config.{key}: {name} has no such key; there are {', '.join(known)}")
    try:
        return data_set(config_class(**parameters, seed=seed, size=CHUNK))
    except (AssertionError, TypeError, ValueError) as error:
        raise ValueError(f"options.config: {name} refuses it: {' '.join(str(error).split())}") from error


def _entry(name: str, config: str, seed: int, number: int) -> tuple[Any, dict[str, Any]]:
    """Return the data set with the ``number``-th problem, and the problem in the form of the package."""
    chunk, at = divmod(number, CHUNK)
    # hashed, since adjacent seeds of the package share all problems but one
    data = _load(name, config, hash64(NAME, str(seed), str(chunk)) >> 33)
    return data, data[at]


def _problem(name: str, config: str, seed: int, number: int) -> Problem:
    entry = _entry(name, config, seed, number)[1]
    metadata = entry["metadata"]
    answer = entry["answer"] or next((metadata[key] for key in ANSWERS if metadata.get(key)), "")
    origin = (("config", config), ("seed", str(seed)), ("number", str(number)))
    trace = metadata.get("answer_cot", "")
    task, difficulty = f"{NAME}/{name}", _difficulty(metadata)
    return Problem(entry["question"], _text(answer), trace, tests=origin, task=task, difficulty=difficulty)


def _is_whole(name: str, answer: str, gold: str, metadata: dict[str, Any]) -> bool:
    """Tell whether an answer is one whole answer, as far as its scorer does not check it."""
    if NO_NUMBER.search(answer):
        return False
    if name == "puzzle24":  # any four numbers would do
        return sorted(map(int, re.findall(r"\d+", answer))) == sorted(metadata["numbers"])
    if name in BEGINNINGS:
        numbers = NUMBER.fullmatch(answer) and NUMBER.fullmatch(gold)
        return abs(Fraction(answer) - Fraction(gold)) <= NEAR if numbers else answer.casefold() == gold.casefold()
    return name not in SOUGHT or len(WORD.findall(answer)) <= len(WORD.findall(gold))


def _text(answer: Any) -> str:
    return answer if isinstance(answer, str) else json.dumps(answer)


def _difficulty(metadata: dict[str, Any]) -> float | None:
    difficulty = metadata.get("difficulty")
    names = difficulty if isinstance(difficulty, dict) else ["difficulty"]
    return next((float(metadata[name]) for name in names if isinstance(metadata.get(name), int | float)), None)
