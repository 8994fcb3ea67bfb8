"""The runs of a study, resolved and priced before any of them starts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from openr1 import data
from openr1.artifacts import Artifact, Store
from openr1.budget import Budget, resolve
from openr1.config import Config
from openr1.progress import read_progress
from openr1.run import identify


@dataclass(frozen=True)
class PlannedRun:
    """One run of a study: what it will do, and whether that is done."""

    name: str  # what sets it apart: its overrides
    config: Config
    budget: Budget
    fingerprint: str

    @property
    def store(self) -> Store:
        return Store(self.config.paths.artifacts)

    @property
    def partial(self) -> Path:
        return self.store.partial(self.config.stage.kind, self.fingerprint)

    def artifact(self) -> Artifact | None:
        return self.store.find(self.config.stage.kind, self.fingerprint)

    def share_done(self) -> float:
        """Of its steps, as far as anyone has said."""
        return 1.0 if self.artifact() else read_progress(self.partial)


def plan(runs: Iterable[tuple[str, Config]]) -> list[PlannedRun]:
    """Resolve every run, so that an impossible one is refused before the first is trained. Prepares their data.

    :param runs: a name and a config each.
    :raises ConfigError: for the first that cannot run.
    """
    return [PlannedRun(name, config, resolve(config, data.prepare(config)), identify(config)[0]) for name, config in runs]


def show_plan(runs: list[PlannedRun], console: Console) -> None:
    """Print N, D and C of every run, what is done, and the sum that is left."""
    done = [run.artifact() is not None for run in runs]
    left = sum(run.budget.flops * (1 - run.share_done()) for run in runs)
    table = Table(
        title=f"{len(runs)} runs, {sum(done)} done; {left:.3g} training FLOPs to go", title_justify="left", box=SIMPLE_HEAD
    )
    for name in ("run", "N", "D", "D/N", "C", "steps", "lr", ""):
        table.add_column(name, justify="left" if name in ("run", "") else "right", no_wrap=True)
    for run, finished in zip(runs, done, strict=True):
        budget, params = run.budget, run.budget.params.non_embedding
        cells = (f"{params:,}", f"{budget.tokens:,.0f}", f"{budget.tokens / params:.3g}", f"{budget.flops:.3g}")
        table.add_row(run.name, *cells, f"{budget.steps:,}", f"{budget.lr:.2g}", "done" if finished else "")
    console.print(table)
