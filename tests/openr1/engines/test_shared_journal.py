import multiprocessing
import os
import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from torch.distributed import HashStore, TCPStore

from openr1.data.answers import Answer, ProblemAnswers
from openr1.data.tasks.base import Problem
from openr1.distributed.work_queue import WorkQueue
from openr1.engines.journal import Journal, fill_journal
from openr1.engines.shared_journal import fill_shared_journal

PROBLEMS = [Problem(f"{i}+{i}=", str(2 * i)) for i in range(23)]


class Killed(Exception):
    """Stands for the end of a process."""


def answers_to(problem):
    return ProblemAnswers(problem.id, tuple(Answer(f"{problem.answer} by {i}", 3) for i in range(2)), 5)


def share(folder, processes, whole_shards=False, meet=False, dies_after=None, reports=None):
    """Have processes, which are threads here, fill a journal, and return the problems that each was asked.

    :param meet: let each have work before any of them begins.
    :param dies_after: answers after which the last process dies. The others end where they are.
    """
    store, asked, dead = HashStore(), [[] for _ in range(processes)], threading.Event()
    met = threading.Barrier(processes, timeout=60)

    def run(rank):
        def answer(problems):
            if meet and not asked[rank]:
                met.wait()
            for problem in problems:
                if dies_after is not None and (dead.is_set() or (rank == processes - 1 and len(asked[rank]) == dies_after)):
                    dead.set()
                    raise Killed
                asked[rank].append(problem.id)
                yield answers_to(problem)

        def report(count, metrics):
            assert rank == 0
            if reports is not None:
                reports.append(count)

        journal = Journal(folder, PROBLEMS, 4, rank)
        with suppress(Killed):
            fill_shared_journal(journal, answer, whole_shards, report, 2, WorkQueue(store, rank, processes))

    with ThreadPoolExecutor(processes) as threads:
        list(threads.map(run, range(processes)))
    return asked


def expected():
    return [(problem, answers_to(problem)) for problem in PROBLEMS]


@pytest.mark.parametrize("whole_shards", [False, True])
@pytest.mark.parametrize("processes", [2, 3, 30])
def test_all_problems_are_asked_once_and_read_in_their_order(tmp_path, processes, whole_shards, capsys):
    asked = share(tmp_path, processes, whole_shards)
    assert Counter(problem for of_one in asked for problem in of_one) == Counter(problem.id for problem in PROBLEMS)
    assert list(Journal(tmp_path, PROBLEMS, 4).asked()) == expected()
    printed = capsys.readouterr().err
    assert ("stage.shard=1 gives each its share of the 23 problems" in printed) == (whole_shards and processes == 30)


def test_shares_are_equal_and_mix_the_order_of_the_problems(tmp_path):
    shares = []
    store = HashStore()
    queues = [WorkQueue(store, rank, 3) for rank in range(3)]

    def answer(problems):
        shares.append(problems)
        return map(answers_to, problems)

    fill_shared_journal(Journal(tmp_path, PROBLEMS, 4), answer, False, lambda *_: None, 2, queues[0])
    # the first was so fast that nothing was left for the others
    assert [[PROBLEMS.index(problem) for problem in of_one] for of_one in shares] == [[*range(k, 23, 3)] for k in range(3)]
    assert list(queues[1].pieces()) == []


def test_a_whole_shard_is_asked_at_a_time(tmp_path):
    asked = []
    store = HashStore()

    def answer(problems):
        asked.append([PROBLEMS.index(problem) for problem in problems])
        return map(answers_to, problems)

    fill_shared_journal(Journal(tmp_path, PROBLEMS, 8), answer, True, lambda *_: None, 2, WorkQueue(store, 0, 2))
    assert asked == [[*range(8)], [*range(8, 16)], [*range(16, 23)]]


@pytest.mark.parametrize("whole_shards", [False, True])
@pytest.mark.parametrize("processes", [1, 2, 4])
def test_what_a_killed_run_has_answered_is_not_asked_again_by_any_number_of_processes(tmp_path, processes, whole_shards):
    first = share(tmp_path, 3, whole_shards, meet=True, dies_after=5)
    journal = Journal(tmp_path, PROBLEMS, 4)
    kept = {asked.problem for shard in range(len(journal.shards)) for asked in journal.read(shard)}
    answered = {problem for of_one in first for problem in of_one}
    if whole_shards:  # a shard that is not whole is asked again
        assert kept <= answered
    else:
        assert kept == answered
        assert len(kept) >= 5
    if processes == 1:
        again = [[]]

        def answer(problems):
            again[0] += [problem.id for problem in problems]
            return map(answers_to, problems)

        fill_journal(journal, answer, whole_shards, lambda *_: None, 2)
    else:
        again = share(tmp_path, processes, whole_shards)
    assert Counter(problem for of_one in again for problem in of_one) == Counter({problem.id for problem in PROBLEMS} - kept)
    assert list(Journal(tmp_path, PROBLEMS, 4).asked()) == expected()


def _fill_until_killed(folder, port, rank):
    """Fill a journal in a process of its own; the second kills itself at its sixth answer, the first stays at its fourth."""
    asked = []

    def answer(problems):
        for problem in problems:
            asked.append(problem.id)
            if rank == 1 and len(asked) == 6:
                os.kill(os.getpid(), signal.SIGKILL)
            if rank == 0 and len(asked) == 4:
                time.sleep(120)
            yield answers_to(problem)

    queue = WorkQueue(TCPStore("127.0.0.1", port), rank, 2)
    fill_shared_journal(Journal(folder, PROBLEMS, 4, rank), answer, False, lambda *_: None, 2, queue)


def test_processes_that_are_killed_lose_no_answer(tmp_path):
    fork, store = multiprocessing.get_context("fork"), TCPStore("127.0.0.1", 0, is_master=True)
    processes = [fork.Process(target=_fill_until_killed, args=(tmp_path, store.port, rank)) for rank in range(2)]
    for process in processes:
        process.start()
    processes[1].join(60)
    assert processes[1].exitcode == -signal.SIGKILL
    journal, kept, until = Journal(tmp_path, PROBLEMS, 4), [], time.monotonic() + 60
    while len(kept) < 8 and time.monotonic() < until:  # five by the second, three by the first
        kept = [asked.problem for shard in range(len(journal.shards)) for asked in journal.read(shard)]
        time.sleep(0.01)
    processes[0].kill()
    processes[0].join(60)
    shares = [{problem.id for problem in PROBLEMS[first::2]} for first in range(2)]
    # all that both had answered; either may have taken the first piece
    assert sorted(len(each & set(kept)) for each in shares) == [3, 5]
    again = share(tmp_path, 2)
    assert Counter([*kept, *(problem for of_one in again for problem in of_one)]) == Counter(each.id for each in PROBLEMS)
    assert list(journal.asked()) == expected()


def test_the_first_process_reports_the_answers_of_all(tmp_path):
    reports = []
    share(tmp_path, 3, meet=True, dies_after=4, reports=reports)
    assert reports[0] == 0
    kept = sum(len(Journal(tmp_path, PROBLEMS, 4).read(shard)) for shard in range(6))
    reports.clear()
    store = HashStore()
    second = WorkQueue(store, 1, 2)
    second.count(3)  # what another process has done meanwhile
    fill_shared_journal(
        Journal(tmp_path, PROBLEMS, 4),
        lambda problems: map(answers_to, problems),
        False,
        lambda count, _: reports.append(count),
        2,
        WorkQueue(store, 0, 2),
    )
    left = len(PROBLEMS) - kept
    assert reports == [2 * kept, *(2 * (kept + 3 + done) for done in range(1, left + 1))]


def test_lines_that_a_kill_cut_off_in_the_file_of_any_process_are_asked_again(tmp_path, capsys):
    share(tmp_path, 3, meet=True)
    files = sorted((tmp_path / "answers" / "ranks").rglob("*.jsonl"))
    assert files
    for path in files:
        path.write_bytes(path.read_bytes()[:-3])
    again = share(tmp_path, 2)
    assert sum(map(len, again)) == len(files)
    assert list(Journal(tmp_path, PROBLEMS, 4).asked()) == expected()
    assert capsys.readouterr().err == ""


def test_a_shard_that_is_written_whole_replaces_what_processes_wrote_of_it(tmp_path):
    share(tmp_path, 3, meet=True)
    journal = Journal(tmp_path, PROBLEMS, 4)
    failed = ProblemAnswers(PROBLEMS[1].id, (), error="no answer")
    for rank in (1, 2):
        Journal(tmp_path, PROBLEMS, 4, rank).append(failed)
    journal.forget_failures(2)
    assert failed not in journal.read(0)
    assert not journal.others(0)
    again = share(tmp_path, 2)
    assert [problem for of_one in again for problem in of_one] == [PROBLEMS[1].id]
    assert list(journal.asked()) == expected()
