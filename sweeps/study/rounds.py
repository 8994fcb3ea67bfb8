"""Rounds of a study: plan the runs of one, launch those that are missing, and show progress."""

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
from openr1.sweeps.compat import result_of
from openr1.sweeps.planning.plan import PlannedRun, distinct_stages, plan_runs

LINE_SECONDS = 20.0  # between two lines of progress where the output is no terminal
TIES = ("stage.keep_states", "stage.trunk")  # by which a design has a run start from the states of another

# launches jobs, given their overrides and the number of the first, and waits for them; None for a job that was not launched
Launch = Callable[[Sequence[Sequence[str]], int], Sequence[JobReturn | None]]


def plan_round(
    overrides: Sequence[Sequence[str]], config_of: Callable[[Sequence[str]], Config], before: Sequence[Sequence[str]] = ()
) -> list[PlannedRun]:
    """Plan the runs of a round, each named by the overrides that distinguish it; a single run by its study.

    :param before: the overrides of the runs of earlier rounds, from which names distinguish them too.
    :raises ConfigError: before anything is trained, for the first impossible run.
    """
    from openr1.tracking.mlflow import check_store

    configs = [config_of(job) for job in overrides]
    for store in {(config.tracking.uri, config.tracking.experiment): config.tracking for config in configs}.values():
        check_store(store)
    names = names_of_runs([*before, *overrides])[len(before) :]
    return plan_runs((name or config.study, config) for name, config in zip(names, configs, strict=True))


def run_round(
    runs: list[PlannedRun], overrides: Sequence[Sequence[str]], launch: Launch, first: int, console: Console
) -> list[JobReturn | None]:
    """Run what is not done of a round, in the order given.

    :param first: the number of the first job.
    :returns: one result a run, in the order given; None for one that was not launched. The result of a failed run raises its
        error when its value is read.
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
            launched = launch([overrides[i] for i in missing], first)
        for i, result in zip(missing, launched, strict=True):
            results[i] = result
            if result is not None and result.status == JobStatus.FAILED:
                console.print(f"failed: {runs[i].name}: {result_of(result)}", style="red", soft_wrap=True)
    return [results[i] for i in range(len(runs))]


def names_of_runs(job_overrides: Sequence[Sequence[str]]) -> list[str]:
    """Name each run by the overrides that not all runs have, with the last parts of their keys.

    Overrides that only tie runs together are left out where the others suffice.
    """
    shared = set.intersection(*(set(overrides) for overrides in job_overrides))
    own = [[override for override in filter_overrides(overrides) if override not in shared] for overrides in job_overrides]
    untied = [[override for override in overrides if override.partition("=")[0] not in TIES] for overrides in own]
    if len(set(map(tuple, untied))) == len(untied):
        own = untied
    return [" ".join(_short(override, overrides) for override in overrides) for overrides in own]


def _short(override: str, others: Sequence[str]) -> str:
    """Shorten the key of an override as far as it stays different from the keys of the others."""
    key, equals, value = override.partition("=")
    keys = [other.partition("=")[0].split(".") for other in others]
    parts = key.split(".")
    count = next((n for n in range(1, len(parts)) if sum(other[-n:] == parts[-n:] for other in keys) == 1), len(parts))
    with suppress(ValueError):
        value = f"{float(value):g}"  # Hydra writes 1e12 with all its digits
    sign = "~" if key.startswith("~") else ""
    return f"{sign}{'.'.join(parts[-count:]).lstrip('+~')}{equals}{value}"


@contextmanager
def _progress(runs: list[PlannedRun], console: Console) -> Iterator[None]:
    """Show in the block how many runs and FLOPs are done, and the time left at the rate so far."""
    stop = threading.Event()
    thread = threading.Thread(target=_show_progress, args=(runs, console, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _show_progress(runs: list[PlannedRun], console: Console, stop: threading.Event) -> None:
    stages = distinct_stages(runs)
    to_do = [stage.estimate.flops_new or 0.0 for stage in stages]
    total = sum(to_do)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"), TimeElapsedColumn())
    begin = shown = time.monotonic()

    def spent() -> float:
        return sum(flops * stage.share_done() for flops, stage in zip(to_do, stages, strict=True) if flops)

    before = spent()
    started = False
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=total)
        while True:
            ended = stop.wait(1.0)
            finished, flops = sum(run.is_done() for run in runs), spent()
            if not started:
                # the time that processes take to start is no part of the rate
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
