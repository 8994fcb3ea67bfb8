import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from torch.distributed import HashStore

from openr1.distributed import work_queue
from openr1.distributed.work_queue import GROUP, WorkQueue, join_queue


def test_each_piece_is_taken_once_by_whoever_is_free():
    store = HashStore()

    def work(rank):
        queue = WorkQueue(store, rank, 3)
        if queue.is_first:
            time.sleep(0.05)  # the others wait for it
            queue.offer(["any", {"plan": 1}], 40)
        assert queue.plan() == ["any", {"plan": 1}]
        taken = []
        for number in queue.pieces():
            taken.append(number)
            time.sleep(0.01 * (rank == 1))
            queue.count(2)
        return taken

    with ThreadPoolExecutor(3) as threads:
        taken = list(threads.map(work, range(3)))
    assert Counter(number for of_one in taken for number in of_one) == Counter(range(40))
    assert len(taken[1]) < max(map(len, taken))  # the slow one has less
    assert WorkQueue(store, 0, 3).done() == 80


def test_the_first_process_gets_the_results_of_all_once_all_have_finished(monkeypatch):
    monkeypatch.setattr(work_queue, "POLL_SECONDS", 0)
    store, waited = HashStore(), []
    queues = [WorkQueue(store, rank, 3) for rank in range(3)]
    queues[0].finish({"own": 0})
    queues[2].finish({"own": 2})

    def wait():
        waited.append(1)
        if len(waited) == 3:
            queues[1].finish({"own": 1})

    assert queues[0].results(wait) == [{"own": 0}, {"own": 1}, {"own": 2}]
    assert len(waited) == 3


def test_a_process_of_the_launcher_joins_and_leaves_the_group(monkeypatch):
    store = HashStore()
    monkeypatch.setattr(work_queue.distributed, "rendezvous", lambda url: iter([(store, 1, 2)]))
    for name in GROUP:
        monkeypatch.setenv(name, "1")
    queue = join_queue()
    assert (queue.store, queue.rank, queue.processes, queue.is_first) == (store, 1, 2, False)
    assert not set(GROUP) & set(work_queue.os.environ)  # an engine would take itself for one of a group


@pytest.mark.parametrize("count", [0, 1])
def test_there_may_be_less_work_than_processes(count):
    store = HashStore()
    first, second = (WorkQueue(store, rank, 2) for rank in range(2))
    first.offer(None, count)
    assert [*second.pieces(), *first.pieces()] == [0] * count


def test_a_plan_of_millions_fits_into_the_store():
    from torch.distributed import TCPStore

    store = TCPStore("127.0.0.1", 0, is_master=True)
    first, second = (WorkQueue(store, rank, 2) for rank in range(2))
    plan = "".join("01"[number * 2654435761 % 2**32 > 2**31] for number in range(5_000_000))
    first.offer(plan, 2)
    assert second.plan() == plan
