"""The runs of a study, resolved and priced before any of them starts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from openr1 import plan as plans
from openr1.config import Config
from openr1.plan import PlannedStage
from openr1.terminal import print_table


@dataclass(frozen=True)
class PlannedRun:
    """One run of a study: the stages that it is made of."""

    name: str  # what sets it apart: its overrides
    config: Config
    stages: list[PlannedStage]

    @property
    def main(self) -> PlannedStage:
        """The stage that its N, D and C are of: the last that trains, or the last."""
        return next((stage for stage in reversed(self.stages) if stage.config.stage.trains), self.stages[-1])

    def share_done(self) -> float:
        """Of its work, by FLOPs, as far as anyone has said; by stages where no stage has a cost."""
        shares = [stage.share_done() for stage in self.stages]
        costs = [stage.work.flops_new or 0.0 for stage in self.stages]
        if all(share == 1 for share in shares):
            return 1.0
        if not sum(costs):
            return sum(shares) / len(shares)
        return sum(cost * share for cost, share in zip(costs, shares, strict=True)) / sum(costs)


def plan(runs: Iterable[tuple[str, Config]]) -> list[PlannedRun]:
    """Resolve every run, so that an impossible one is refused before the first is trained. Prepares the data that are there.

    :param runs: a name and a config each.
    :raises ConfigError: for the first that cannot run.
    """
    return [PlannedRun(name, config, plans.plan(config)) for name, config in runs]


def distinct(runs: Iterable[PlannedRun]) -> list[PlannedStage]:
    """The stages of a study; one that several runs share is there once."""
    return list({stage.artifact_name: stage for run in runs for stage in run.stages}.values())


def show_plan(runs: list[PlannedRun], console: Console) -> None:
    """Print N, D and C of every run, what is done, and the sum that is left."""
    stages = distinct(runs)
    several = any(len(run.stages) > 1 for run in runs)
    asks = any(not stage.config.stage.trains for stage in stages)
    done = [run.share_done() == 1 for run in runs]
    left = {trains: sum(_left(stage) for stage in stages if stage.config.stage.trains == trains) for trains in (True, False)}
    words = [f"{left[True]:.3g} training FLOPs"] if any(stage.config.stage.trains for stage in stages) else []
    words += [f"at most {left[False]:.3g} FLOPs of answers"] if asks else []
    title = f"{len(runs)} runs, {sum(done)} done; {' and '.join(words)} to go"
    if several:
        ready = sum(stage.artifact() is not None for stage in stages)
        title += f" in {len(stages)} stages, {ready} done"
    if any(stage.work.flops is None and not stage.artifact() for stage in stages):
        title += "; what depends on data that are not made yet, or on a model that nobody knows, is not counted"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    heads = ["run", "N", "D", "D/N", "C", "steps", "lr", *(["answers"] if asks else []), *(["stages"] if several else []), ""]
    for name in heads:
        table.add_column(name, justify="left" if name in ("run", "") else "right", no_wrap=name != "run")
    for run, finished in zip(runs, done, strict=True):
        cells = [run.name, *_cells(run.main)]
        if asks:
            answers = [stage.work.units or 0 for stage in run.stages if not stage.config.stage.trains]
            cells.append(f"{sum(answers):,}")
        if several:
            cells.append(f"{sum(stage.artifact() is not None for stage in run.stages)}/{len(run.stages)}")
        table.add_row(*cells, "done" if finished else "")
    print_table(table, console)


def _left(stage: PlannedStage) -> float:
    return (stage.work.flops_new or 0.0) * (1 - stage.share_done())


def _cells(stage: PlannedStage) -> tuple[str, ...]:
    """N, D, D/N, C, steps and lr; empty where they are not known."""
    work = stage.work
    if not stage.config.stage.trains:
        return (_number(work.params), "", "", "" if work.flops is None else f"≤{work.flops:.3g}", "", "")
    if work.budget is None:
        return (_number(work.params), "", "", "", "", "")
    ratio = f"{work.tokens / work.params:.3g}"
    return (
        _number(work.params),
        _number(work.tokens),
        ratio,
        f"{work.flops:.3g}",
        f"{work.budget.steps:,}",
        f"{work.budget.lr:.2g}",
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"
