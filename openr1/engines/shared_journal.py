"""A journal that several processes fill together: they share the problems, and their answers are those of one process.

If answers depend on the batch, the pieces of work are the shards, each of which is still asked at once. Otherwise a piece is
every n-th of the problems that are left, for n processes: each has as many completions under way as it can, long ones and short
ones.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence

from openr1.data.answers import ProblemAnswers
from openr1.data.tasks.base import Problem
from openr1.distributed.work_queue import WorkQueue
from openr1.engines.journal import Journal

LEFT, ANSWERED = "1", "0"  # marks of the problems in a plan


def fill_shared_journal(
    journal: Journal,
    answer: Callable[[Sequence[Problem]], Iterator[ProblemAnswers]],
    whole_shards: bool,
    report: Callable[[int, dict[str, float]], None],
    samples: int,
    queue: WorkQueue,
) -> None:
    """Have a share of the problems without answers answered. All processes of a run call this, each with its own ``answer``.

    The journal is full once all processes have returned.

    :param answer: yields the answers to problems, in any order.
    :param whole_shards: ask a shard at a time, because answers depend on the batch.
    :param report: called by the first process, with the number of answers of all so far.
    :param samples: answers requested of each problem.
    """

    def count(answered: int) -> None:
        queue.count(answered)
        if queue.is_first:
            report_shared(journal, report, samples, queue)

    if queue.is_first:
        journal.cut_unfinished()
        missing = list(journal.missing())
        journal.resumed = journal.done
        if whole_shards and len(journal.shards) < queue.processes:
            print(few_shards(journal, queue.processes), file=sys.stderr)
        if whole_shards:
            queue.offer([(shard, len(problems)) for shard, problems in missing], len(missing))
        else:
            left = {problem.id for _, problems in missing for problem in problems}
            marks = "".join(LEFT if problem.id in left else ANSWERED for problem in journal.problems)
            queue.offer(marks, min(queue.processes, len(left)))
        report(journal.done * samples, {})
    plan = queue.plan()
    if whole_shards:
        for piece in queue.pieces():
            shard, unanswered = plan[piece]
            journal.write(shard, answer(journal.shards[shard]))
            count(unanswered)
        return
    problems = [problem for problem, mark in zip(journal.problems, plan, strict=True) if mark == LEFT]
    for piece in queue.pieces():
        for asked in answer(problems[piece :: queue.processes]):
            journal.append(asked)
            count(1)


def report_shared(journal: Journal, report: Callable[[int, dict[str, float]], None], samples: int, queue: WorkQueue) -> None:
    """Report the answers of all processes."""
    journal.done = journal.resumed + queue.done()
    report(journal.done * samples, {})


def few_shards(journal: Journal, processes: int) -> str:
    """Return the line for a run that has less work to share than processes."""
    shards, problems = len(journal.shards), len(journal.problems)
    return (
        f"compute.processes: {shards} of {processes} have work, because the answers of a shard depend on each other; "
        f"stage.shard={max(1, problems // processes)} gives each its share of the {problems} problems"
    )
