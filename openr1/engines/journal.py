"""Problems and the answers that they are given: asked once, kept as they come, in order at the end.

While a stage runs, ``answers/`` holds a file for every ``stage.shard`` problems, with a line a problem. An engine whose answers
depend on what is asked beside them is asked a whole shard at a time, and the file is there once it is whole; from any other, an
answer is kept as soon as it comes. So a run that is killed at any moment goes on with what is missing, and ends with the same
rows as one that is not.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from openr1.data.answers import Asked
from openr1.data.tasks.base import Problem
from openr1.files import replacing

if TYPE_CHECKING:
    pass

FOLDER = "answers"
FILE = "answers.parquet"
BATCH = 4096  # rows that are written at once


class Journal:
    """The answers that there are so far, in shards of problems.

    :param folder: of the run.
    :param problems: all of them, in the order of the data; it decides the shards.
    """

    def __init__(self, folder: Path, problems: Sequence[Problem], shard: int) -> None:
        self.folder, self.problems, self.size = folder / FOLDER, problems, shard
        self.folder.mkdir(parents=True, exist_ok=True)
        self.shards = [problems[start : start + shard] for start in range(0, len(problems), shard)]
        self.place = {problem.id: number // shard for number, problem in enumerate(problems)}
        self.done = 0  # problems that have been answered
        self.found = 0  # of these, by runs that were killed

    def path(self, shard: int) -> Path:
        return self.folder / f"{shard:06}.jsonl"

    def read(self, shard: int) -> list[Asked]:
        """What is there of a shard, in the order of its problems."""
        path = self.path(shard)
        lines = (
            path.read_text().split("\n")[:-1] if path.exists() else []
        )  # what follows the last line end was cut off by a kill
        found = {one.problem: one for one in map(Asked.read, lines)}
        return [found[problem.id] for problem in self.shards[shard] if problem.id in found]

    def missing(self) -> Iterator[tuple[int, list[Problem]]]:
        """The problems without an answer, by shard. Counts those that have one."""
        for shard, problems in enumerate(self.shards):
            known = {one.problem for one in self.read(shard)}
            self.done += len(known)
            left = [problem for problem in problems if problem.id not in known]
            if left:
                yield shard, left

    def mend(self) -> None:
        """Cut off lines that a kill left unfinished, so that new ones can be appended."""
        for path in self.folder.glob("*.jsonl"):
            content = path.read_bytes()
            whole = content.rfind(b"\n") + 1
            if whole < len(content):
                os.truncate(path, whole)

    def append(self, one: Asked) -> None:
        """Keep what came of one problem."""
        with self.path(self.place[one.problem]).open("a") as file:
            file.write(one.line())
        self.done += 1

    def put(self, shard: int, found: Iterable[Asked]) -> None:
        """Keep a whole shard, in one rename."""
        lines = [one.line() for one in found]
        with replacing(self.path(shard)) as temporary:
            temporary.write_text("".join(lines))
        self.done += len(lines)

    def forget_failures(self, samples: int) -> None:
        """Leave out problems with fewer answers, so that they are asked again."""
        for shard in range(len(self.shards)):
            found = self.read(shard)
            whole = [one for one in found if len(one.answers) >= samples]
            if len(whole) < len(found):
                self.done -= len(found)
                self.put(shard, whole)

    def asked(self) -> Iterator[tuple[Problem, Asked]]:
        """Every problem with what came of it, in the order of the problems."""
        for shard, problems in enumerate(self.shards):
            found = {one.problem: one for one in self.read(shard)}
            for problem in problems:
                yield problem, found[problem.id]


def ask(
    journal: Journal,
    answer: Callable[[Sequence[Problem]], Iterator[Asked]],
    whole: bool,
    report: Callable[[int, dict[str, float]], None],
    samples: int,
) -> None:
    """Have every problem answered that is not.

    :param answer: gives what comes of problems, in any order.
    :param whole: its answers depend on what is asked beside them.
    :param report: told how many answers there are.
    """
    journal.mend()
    missing = list(journal.missing())
    journal.found = journal.done
    report(journal.done * samples, {})
    if whole:
        for shard, _ in missing:
            journal.put(shard, answer(journal.shards[shard]))
            report(journal.done * samples, {})
        return
    left = [problem for _, problems in missing for problem in problems]
    if left:
        for one in answer(left):
            journal.append(one)
            report(journal.done * samples, {})
