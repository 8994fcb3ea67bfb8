"""Sandboxed programs a second: a small program that reads two numbers and prints their sum, each in a sandbox of its own.

    python tests/benchmarks/sandbox_speed.py                 # on two cores
    python tests/benchmarks/sandbox_speed.py --cores 8

"bare" is the same interpreter with the same flags and no sandbox: no sandbox that starts an interpreter can be faster.
A "code reward" is a complete reward: worker processes, programs extracted from completions, four tests each.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from statistics import median

from rich.console import Console
from rich.table import Table

from openr1.data.tasks.base import Problem
from openr1.rewards import RewardConfig, Sample, Scorer, TermConfig
from openr1.rewards.providers.process import ENVIRONMENT, PYTHON
from openr1.rewards.sandbox import build_sandbox
from openr1.system.errors import ConfigError

PROGRAM = "print(sum(map(int, input().split())))"
FLAGS = PYTHON[: PYTHON.index("-c") + 1]
TESTS = tuple((f"{i} {i}", str(2 * i)) for i in range(4))


def bare() -> None:
    command = [sys.executable, *FLAGS, PROGRAM]
    done = subprocess.run(command, input=b"1 2\n", capture_output=True, env=ENVIRONMENT, check=True)
    assert done.stdout == b"3\n"


def sandboxed(name: str) -> Callable[[], None]:
    sandbox = build_sandbox(name)
    sandbox.provider.check_available()

    def execute() -> None:
        assert sandbox.execute(PROGRAM, "1 2\n").prints("3")

    return execute


def rate(execute: Callable[[], None], programs: int, threads: int) -> float:
    """Measure executions a second."""
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda _: execute(), range(2 * threads)))  # the first runs read files that later ones find in memory
        start = time.perf_counter()
        list(pool.map(lambda _: execute(), range(programs)))
        return programs / (time.perf_counter() - start)


def reward_rate(name: str, programs: int, workers: int) -> float:
    """Measure programs a second, where each test of a program counts as one, as in the other lines."""
    problem = Problem("add", "", kind="code", tests=TESTS)
    samples = [Sample(problem, f"<think>+</think><answer>```python\n{PROGRAM}\n```</answer>")] * (programs // len(TESTS))
    with Scorer(RewardConfig({"code": TermConfig()}, workers=workers, sandbox=name)) as scorer:
        scorer.score([samples[: 4 * workers]])
        start = time.perf_counter()
        [scores] = scorer.score([samples])
        seconds = time.perf_counter() - start
    assert all(score.total == 1 for score in scores)
    return len(samples) * len(TESTS) / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--programs", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))[: args.cores]
    os.sched_setaffinity(0, cores)
    rates: dict[str, Callable[[], float]] = {"bare": lambda: rate(bare, args.programs, len(cores))}
    for name in ("unsafe_subprocess", "bubblewrap"):
        try:
            execute = sandboxed(name)
        except ConfigError as error:
            print(error)
            continue
        rates[name] = lambda execute=execute: rate(execute, args.programs, len(cores))
        rates[f"code reward, {name}"] = lambda name=name: reward_rate(name, args.programs, len(cores))
    # in turn, since the speed of a shared machine wanders
    measured: dict[str, list[float]] = {name: [] for name in rates}
    for _ in range(args.repeats):
        for name, measure in rates.items():
            measured[name].append(measure())
    table = Table(title=f"programs a second, {len(cores)} cores, median of {args.repeats} measurements")
    for heading in ("", "programs/s", "ms a program and core", "over bare"):
        table.add_column(heading, justify="left" if not heading else "right")
    base = median(measured["bare"])
    for name, values in measured.items():
        speed = median(values)
        table.add_row(name, f"{speed:,.0f}", f"{1000 * len(cores) / speed:.1f}", f"{base / speed:.2f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
