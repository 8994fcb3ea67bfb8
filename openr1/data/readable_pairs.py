"""Preference pairs that every machine can make: one right answer, written in two ways of which one is more readable.

The reasoning is the trace of a task's own oracle, so both answers are right and only their form differs. Each answer has some
of the defects below, drawn from the hash of its problem; the gold score of both is that of :mod:`openr1.data.readability`.

A rater may err. With a temperature T above 0 the better answer is preferred with the chance sigmoid(difference of scores / T),
the model of Bradley and Terry (Biometrika 39, 1952), so that the true odds of every pair are known and the calibration of a
reward model can be judged.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

from openr1.data.documents import Document
from openr1.data.hashing import hash64, unit
from openr1.data.readability import readability, split_steps
from openr1.data.tasks.completions import direct_completion
from openr1.data.tasks.problem import Problem
from openr1.data.tasks.rng import choice, randbelow

VERSION = 1  # raised when the same problems give other pairs
DRAWS = 20  # tries to draw two answers of different readability
DEFECT = 0.35  # chance of each defect in an answer
DEFECTS = ("one_line", "no_summary", "mixed", "repeated", "filled")  # of the parts of Readability, in their order but for one
WORDS = (("then", "да"), ("next", "и"), ("now", "και"), ("then", "再"))  # a word of the answer's alphabet, and one of another
FILLERS = ("hmm", "wait", "let me check", "okay")


def readable_pairs(problems: list[Problem], pairs_each: int, temperature: float, seed: int) -> Iterator[Document]:
    """Yield ``pairs_each`` preference pairs of each problem, the same on every machine.

    A problem without a trace of two steps or more, and a draw of two answers that read equally well, give no pair.

    :param temperature: noise of the preferences, in the unit of the score; 0 for none.
    """
    for problem in problems:
        steps = steps_of(problem)
        if len(steps) < 2:
            continue
        for number in range(pairs_each):
            pair = _pair(problem, steps, random.Random(hash64("readable", problem.prompt, str(seed), str(number))))
            if pair is None:
                continue
            better, worse, margin = pair
            chance = 1 / (1 + math.exp(-min(margin / temperature, 700.0))) if temperature else 1.0
            if unit("preferred", problem.prompt, str(seed), str(number)) >= chance:
                better, worse = worse, better
            yield Document(better, problem.prompt, rejected=worse, margin=margin)


def steps_of(problem: Problem) -> list[str]:
    """Return the steps of a problem's trace; none of code, whose trace is a program."""
    if problem.kind == "code":
        return []
    return [step for line in problem.trace.splitlines() if line.strip() for step in split_steps(line.strip())]


def _pair(problem: Problem, steps: list[str], rng: random.Random) -> tuple[str, str, float] | None:
    """Draw a better and a worse answer, and the difference of their scores."""
    for _ in range(DRAWS):
        texts = [write_answer(problem, steps, drawn_defects(rng), rng) for _ in range(2)]
        first, second = (readability(text).score for text in texts)
        if not math.isclose(first, second, abs_tol=1e-9):
            better, worse = texts if first > second else reversed(texts)
            return better, worse, abs(first - second)
    return None


def drawn_defects(rng: random.Random, chance: float = DEFECT) -> frozenset[str]:
    """Draw the defects of one answer, each with the same chance."""
    return frozenset([defect for defect in DEFECTS if rng.random() < chance])


def write_answer(problem: Problem, steps: list[str], defects: frozenset[str], rng: random.Random) -> str:
    """Write an answer to a problem with the given defects of :data:`DEFECTS`; without any, every part of it is readable."""
    lines = list(steps)
    if "repeated" in defects:
        place = randbelow(rng, len(lines))
        lines.insert(place, lines[place])
    if "mixed" in defects:
        words = choice(rng, WORDS)
        first = randbelow(rng, len(lines) - 1)
        lines[first : first + 2] = [f"{word} {line}" for word, line in zip(words, lines[first : first + 2], strict=True)]
    if "filled" in defects:
        lines.insert(randbelow(rng, len(lines)), choice(rng, FILLERS))
    text = (", " if "one_line" in defects else "\n").join(lines)
    if "no_summary" not in defects:
        text += f"\nso {problem.answer}"
    return f"<think>{text}</think>{direct_completion(problem)}"
