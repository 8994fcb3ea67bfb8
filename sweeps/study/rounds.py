"""One round of a study: plan its runs, start side by side what is missing, and show how far they are."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from hydra.core.utils import JobReturn, JobStatus, filter_overrides
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from openr1.config.schema import Config
from openr1.runs.trial import finished_metrics
from sweeps.planning.plan import PlannedRun, distinct, plan

LINE_SECONDS = 20.0  # between two lines of progress where there is no terminal
TIES = ("stage.keep_states", "stage.trunk")  # by which a design lets runs go on from each other

# launches jobs by their overrides and the number of the first, and waits for them; None for one that was not launched
Start = Callable[[Sequence[Sequence[str]], int], Sequence[JobReturn | None]]


def planned(
    overrides: Sequence[Sequence[str]], config_of: Callable[[Sequence[str]], Config], before: Sequence[Sequence[str]] = ()
) -> list[PlannedRun]:
    """The runs of a round, named by what sets them apart; a single one by its study.

    :param before: the overrides of earlier rounds, from which they are set apart too.
    :raises ConfigError: before anything is trained, for the first run that cannot be.
    """
    from openr1.tracking.mlflow import check_store

    configs = [config_of(one) for one in overrides]
    for store in {(config.tracking.uri, config.tracking.experiment): config.tracking for config in configs}.values():
        check_store(store)
    names = _differences([*before, *overrides])[len(before) :]
    return plan((name or config.study, config) for name, config in zip(names, configs, strict=True))


def make(
    runs: list[PlannedRun], overrides: Sequence[Sequence[str]], start: Start, first: int, console: Console
) -> list[JobReturn | None]:
    """Make the runs that are not done, in the order given.

    :param first: the number of the first job.
    :returns: one result a run, in the order given; None for one that was not launched. A failed run's result raises its error
        when its value is read.
    """
    results: dict[int, JobReturn | None] = {}
    for i, run in enumerate(runs):
        metrics = finished_metrics(run.config, run.stages)
        if metrics is not None:
            value = metrics.get("eval_loss")
            results[i] = JobReturn(overrides=overrides[i], status=JobStatus.COMPLETED, _return_value=value)
    missing = [i for i in range(len(runs)) if i not in results]
    if missing:
        with _progress(runs, console):
            finished = start([overrides[i] for i in missing], first)
        results |= dict(zip(missing, finished, strict=True))
        for i in missing:
            if results[i] is not None and results[i].status == JobStatus.FAILED:
                console.print(f"failed: {runs[i].name}: {results[i]._return_value}", style="red", soft_wrap=True)
    return [results[i] for i in range(len(runs))]


def _differences(job_overrides: Sequence[Sequence[str]]) -> list[str]:
    """What sets each trial apart: its overrides that not all of them have, by the last parts of their keys; without those that
    only tie runs together, where the others suffice."""
    shared = set.intersection(*(set(overrides) for overrides in job_overrides))
    own = [[one for one in filter_overrides(overrides) if one not in shared] for overrides in job_overrides]
    told = [[one for one in overrides if one.partition("=")[0] not in TIES] for overrides in own]
    if len(set(map(tuple, told))) == len(told):
        own = told
    return [" ".join(_short(one, overrides) for one in overrides) for overrides in own]


def _short(override: str, others: Sequence[str]) -> str:
    """With as much of its key as tells it from those beside it."""
    key, equals, value = override.partition("=")
    keys = [other.partition("=")[0].split(".") for other in others]
    parts = key.split(".")
    count = next((n for n in range(1, len(parts)) if sum(one[-n:] == parts[-n:] for one in keys) == 1), len(parts))
    with suppress(ValueError):
        value = f"{float(value):g}"  # Hydra writes 1e12 out
    sign = "~" if key.startswith("~") else ""
    return f"{sign}{'.'.join(parts[-count:]).lstrip('+~')}{equals}{value}"


@contextmanager
def _progress(runs: list[PlannedRun], console: Console) -> Iterator[None]:
    """Show how many runs and FLOPs are done, and the time left at the rate so far, until the block ends."""
    stop = threading.Event()
    observer = threading.Thread(target=_watch, args=(runs, console, stop), daemon=True)
    observer.start()
    try:
        yield
    finally:
        stop.set()
        observer.join()


def _watch(runs: list[PlannedRun], console: Console, stop: threading.Event) -> None:
    stages = distinct(runs)
    costs = [stage.estimate.flops_new or 0.0 for stage in stages]
    total = sum(costs)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"), TimeElapsedColumn())
    begin = shown = time.monotonic()

    def spent() -> float:
        return sum(cost * stage.share_done() for cost, stage in zip(costs, stages, strict=True) if cost)

    before = spent()
    started = False
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=total)
        while True:
            ended = stop.wait(1.0)
            finished, flops = sum(run.share_done() == 1 for run in runs), spent()
            if not started:
                # the processes take a while to come up, which says nothing of the rate
                started, begin, before = flops > before, time.monotonic(), flops
            rate = (flops - before) / (time.monotonic() - begin) if flops > before else 0.0
            left = f"about {(total - flops) / rate:.0f} s left" if rate else "starting"
            text = f"{finished} of {len(runs)} runs, {flops:.3g} of {total:.3g} FLOPs, {left}"
            bar.update(task, completed=flops, description=text)
            if not console.is_terminal and (ended or time.monotonic() - shown > LINE_SECONDS):
                shown = time.monotonic()
                print(text, file=sys.stderr, flush=True)
            if ended:
                return
