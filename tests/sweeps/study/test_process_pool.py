"""Pools of real processes whose jobs are interrupted."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import psutil
import pytest
from joblib.externals.loky.process_executor import TerminatedWorkerError

from openr1.sweeps.study import process_pool
from openr1.sweeps.study.process_pool import ProcessPool
from openr1.system.errors import RunError

pytestmark = pytest.mark.slow


@pytest.fixture
def pool(monkeypatch):
    """Return a pool whose jobs note their process, and what they keep when they are interrupted."""

    def job(number, overrides, *_):
        import os
        import time
        from pathlib import Path

        folder, seconds = Path(overrides[0]), float(overrides[1])
        (folder / f"{number}.begun").write_text(str(os.getpid()))
        try:
            time.sleep(seconds)
        finally:
            (folder / f"{number}.kept").touch()
        return number

    monkeypatch.setattr(process_pool, "joblib_task", lambda: job)
    pool = ProcessPool(SimpleNamespace(hydra_context=None, config=None, task_function=None), 2)
    yield pool
    pool.cancel()


def processes(folder, jobs=2):
    """Wait until so many jobs have begun, and return their processes."""
    until = time.monotonic() + 120
    while len(begun := [path for path in folder.glob("*.begun") if path.read_text()]) < jobs:
        assert time.monotonic() < until
        time.sleep(0.05)
    return [psutil.Process(int(path.read_text())) for path in sorted(begun)]


def kept(folder):
    return sorted(path.stem for path in folder.glob("*.kept"))


def test_cancelled_jobs_keep_their_state_and_their_processes_end(pool, tmp_path):
    with ThreadPoolExecutor() as threads:
        jobs = threads.submit(pool.start, [[str(tmp_path), "600"]] * 4, 0)
        begun = processes(tmp_path)
        pool.cancel()
        assert isinstance(jobs.exception(), BaseException)
    _, alive = psutil.wait_procs(begun, timeout=10)
    assert not alive
    assert kept(tmp_path) == ["0", "1"]  # those that waited have not begun


def test_a_process_that_another_program_interrupts_ends_the_jobs_and_not_the_pool(pool, tmp_path):
    with ThreadPoolExecutor() as threads:
        jobs = [threads.submit(pool.start, [[str(tmp_path), "600"]], number) for number in range(2)]
        first, _ = processes(tmp_path)
        os.kill(first.pid, signal.SIGTERM)
        for job in jobs:
            with pytest.raises(RunError, match="the process of a trial was interrupted by SIGTERM"):
                job.result()
    assert kept(tmp_path) == ["0", "1"]
    assert pool.start([[str(tmp_path), "0"]], 2) == [2]


def test_jobs_whose_process_is_killed_are_tried_again(pool, tmp_path, capsys):
    with ThreadPoolExecutor() as threads:
        jobs = [threads.submit(pool.start, [[str(tmp_path), "8"]], number) for number in range(2)]
        first, second = processes(tmp_path)
        first.kill()
        assert [job.result() for job in jobs] == [[0], [1]]
    assert kept(tmp_path) == ["0", "1"]
    assert not {first.pid, second.pid} & {process.pid for process in processes(tmp_path)}
    assert "the process of a trial was killed" in capsys.readouterr().err


def test_a_job_that_kills_its_process_each_time_is_given_up(pool, tmp_path, monkeypatch):
    def job(*_):
        import os

        os.kill(os.getpid(), 9)

    monkeypatch.setattr(process_pool, "joblib_task", lambda: job)
    with pytest.raises(TerminatedWorkerError):
        pool.start([[str(tmp_path)]], 0)
