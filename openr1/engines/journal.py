"""A journal of answers to problems, so that a run that is killed asks no problem twice.

While a stage runs, ``answers/`` holds a file for every ``stage.shard`` problems, with a line for each problem. If the answers
of an engine depend on the batch, a whole shard is asked at a time, and its file is written once it is complete; otherwise each
answer is appended as soon as it arrives. A run that is killed at any moment thus resumes with the missing problems, and ends
with the same rows as one that is not.

Of several processes, all but the first append to files of their own in ``answers/ranks/``, and the files of a shard are read as
one (:mod:`openr1.engines.shared_journal` shares the problems).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from openr1.data.answers import ProblemAnswers
from openr1.data.tasks.base import Problem
from openr1.system.files import replacing

FOLDER, RANKS = "answers", "ranks"


class Journal:
    """The answers so far, in shards of problems.

    :param folder: the folder of the run.
    :param problems: all problems, in the order of the data, which decides the shards.
    :param shard: problems in a shard.
    :param rank: of the process that appends answers.
    :ivar done: problems that are answered.
    :ivar resumed: of these, problems that earlier runs have answered.
    """

    def __init__(self, folder: Path, problems: Sequence[Problem], shard: int, rank: int = 0) -> None:
        self.folder, self.problems, self.size = folder / FOLDER, problems, shard
        self.own = self.folder / RANKS / str(rank) if rank else self.folder
        self.own.mkdir(parents=True, exist_ok=True)
        self.shards = [problems[start : start + shard] for start in range(0, len(problems), shard)]
        self.place = {problem.id: number // shard for number, problem in enumerate(problems)}
        self.done = 0
        self.resumed = 0

    def path(self, shard: int) -> Path:
        """Return the file of a whole shard, or of what the first process has answered of it."""
        return self.folder / f"{shard:06}.jsonl"

    def others(self, shard: int) -> list[Path]:
        """Return the files that further processes have written of a shard."""
        ranks = self.folder / RANKS
        folders = sorted(ranks.iterdir()) if ranks.exists() else []
        return [path for folder in folders if (path := folder / self.path(shard).name).exists()]

    def read(self, shard: int) -> list[ProblemAnswers]:
        """Read the answers of a shard, in the order of its problems."""
        path = self.path(shard)
        by_problem: dict[str, ProblemAnswers] = {}
        for each in (*self.others(shard), *([path] if path.exists() else [])):
            # a kill may have cut off a line, which then has no line end
            by_problem |= {asked.problem: asked for asked in map(ProblemAnswers.read, each.read_text().split("\n")[:-1])}
        return [by_problem[problem.id] for problem in self.shards[shard] if problem.id in by_problem]

    def missing(self) -> Iterator[tuple[int, list[Problem]]]:
        """Yield the problems without answers, by shard, and count the others as done."""
        for shard, problems in enumerate(self.shards):
            known = {asked.problem for asked in self.read(shard)}
            self.done += len(known)
            missing = [problem for problem in problems if problem.id not in known]
            if missing:
                yield shard, missing

    def cut_unfinished(self) -> None:
        """Remove the line that a kill left unfinished, and lines that were changed, so that new ones can be appended."""
        for path in sorted(self.folder.rglob("*.jsonl")):
            *lines, unfinished = path.read_bytes().split(b"\n")
            whole = [line for line in lines if _is_whole(line)]
            if damaged := len(lines) - len(whole):
                print(f"{path} has {damaged} damaged lines; their problems are asked again", file=sys.stderr)
            if damaged or unfinished:
                with replacing(path) as temporary:
                    temporary.write_bytes(b"".join(line + b"\n" for line in whole))

    def append(self, asked: ProblemAnswers) -> None:
        """Append the answers to one problem."""
        with (self.own / self.path(self.place[asked.problem]).name).open("a") as file:
            file.write(asked.line())
        self.done += 1

    def write(self, shard: int, answers: Iterable[ProblemAnswers]) -> None:
        """Write a whole shard with one rename."""
        lines = [asked.line() for asked in answers]
        with replacing(self.path(shard)) as temporary:
            temporary.write_text("".join(lines))
        for path in self.others(shard):  # it has all of them
            path.unlink()
        self.done += len(lines)

    def forget_failures(self, samples: int) -> None:
        """Remove the problems with fewer answers than ``samples``, so that they are asked again."""
        for shard in range(len(self.shards)):
            answers = self.read(shard)
            complete = [asked for asked in answers if len(asked.answers) >= samples]
            if len(complete) < len(answers):
                self.done -= len(answers)
                self.write(shard, complete)

    def asked(self) -> Iterator[tuple[Problem, ProblemAnswers]]:
        """Yield every problem with its answers, in the order of the problems."""
        for shard, problems in enumerate(self.shards):
            by_problem = {asked.problem: asked for asked in self.read(shard)}
            for problem in problems:
                yield problem, by_problem[problem.id]


def _is_whole(line: bytes) -> bool:
    try:
        ProblemAnswers.read(line.decode())
    except (ValueError, TypeError):
        return False
    return True


def fill_journal(
    journal: Journal,
    answer: Callable[[Sequence[Problem]], Iterator[ProblemAnswers]],
    whole_shards: bool,
    report: Callable[[int, dict[str, float]], None],
    samples: int,
) -> None:
    """Have the problems without answers answered.

    :param answer: yields the answers to problems, in any order.
    :param whole_shards: ask a shard at a time, because answers depend on the batch.
    :param report: called with the number of answers so far.
    :param samples: answers requested of each problem.
    """
    journal.cut_unfinished()
    missing = list(journal.missing())
    journal.resumed = journal.done
    report(journal.done * samples, {})
    if whole_shards:
        for shard, _ in missing:
            journal.write(shard, answer(journal.shards[shard]))
            report(journal.done * samples, {})
        return
    unanswered = [problem for _, problems in missing for problem in problems]
    if unanswered:
        for asked in answer(unanswered):
            journal.append(asked)
            report(journal.done * samples, {})
