"""Writes docs/options.md, the reference of all options, from the code: ``python docs/options.py``."""

from __future__ import annotations

import inspect
from pathlib import Path

from hydra.utils import get_class

from openr1.analysis.config import FitConfig
from openr1.analysis.laws import LAWS
from openr1.analysis.sources.frame import SOURCES as RUNS
from openr1.config.schema import PathsConfig
from openr1.curation.options import STEPS
from openr1.data.options import SOURCES, DataConfig
from openr1.data.tasks import TASKS
from openr1.distributed.options import ComputeConfig
from openr1.engines.options import ENGINES
from openr1.models.options import ModelConfig, ScaleConfig
from openr1.options.reference import write_table
from openr1.rewards.options import RewardConfig, TermConfig
from openr1.rewards.registry import REWARDS
from openr1.rewards.sandbox import PROVIDERS
from openr1.stages.options import STAGES
from openr1.sweeps.active.config import PlanConfig
from openr1.sweeps.catalogue.config import StudiesConfig
from openr1.sweeps.designs import DESIGNS
from openr1.sweeps.optuna.config import SearchConfig
from openr1.sweeps.status.config import StatusConfig
from openr1.tracking.options import TrackingConfig
from openr1.training.options import BudgetConfig, OptimConfig

PAGE = Path(__file__).with_suffix(".md")
INTRODUCTION = """# All options

`openr1 GROUP=CHOICE GROUP.OPTION=VALUE` sets an option. A value outside of what is allowed is refused in one line before
anything is done. The defaults are those of the code; a choice of a group may set others, which stand in
`conf/GROUP/CHOICE.yaml`. A number is finite, and a text has at least one character. This page is written by
`python docs/options.py`.
"""


def sections() -> dict[str, dict[str, tuple[type, str]]]:
    """Return heading of a section -> heading of each table in it -> the options and the key that they stand at."""
    groups: dict[str, tuple[type, str]] = {
        "model": (ModelConfig, "model."),
        "scale": (ScaleConfig, "scale."),
        "data": (DataConfig, "data."),
        "budget": (BudgetConfig, "budget."),
        "optim": (OptimConfig, "optim."),
        "compute": (ComputeConfig, "compute."),
        "tracking": (TrackingConfig, "tracking."),
        "paths": (PathsConfig, "paths."),
        "reward": (RewardConfig, "reward."),
    }
    tasks = {f"the task {name}": (task.Options, "data.sources.NAME.options.") for name, task in TASKS.items()}
    rewards = {
        f"the reward {name}": (reward.options, "reward.terms.NAME.options.")
        for name, reward in REWARDS.items()
        if reward.options is not None
    }
    sandboxes = {
        f"the sandbox {name}": (get_class(path.replace(":", ".")).Options, "reward.sandbox_options.")
        for name, path in PROVIDERS.items()
    }
    return {
        "openr1": groups,
        "openr1: stages": {f"stage={name}": (stage, "stage.") for name, stage in STAGES.items()},
        "openr1: engines": {f"engine={name}": (engine, "engine.") for name, engine in ENGINES.items()},
        "openr1: sources of data": {f"kind={name}": (source, "data.sources.NAME.") for name, source in SOURCES.items()},
        "openr1: procedural tasks": tasks,
        "openr1: rewards": {"terms": (TermConfig, "reward.terms.NAME."), **rewards, **sandboxes},
        "openr1: steps of curation": {f"kind={name}": (step, "stage.steps.NAME.") for name, step in STEPS.items()},
        "openr1 -m: studies": {
            **{f"sweep={name}": (options, "sweep.") for name, (options, _) in DESIGNS.items()},
            "sweep=search": (SearchConfig, "sweep."),
        },
        "openr1-fit": {"all laws": (FitConfig, ""), **{f"runs={name}": (runs, "runs.") for name, runs in RUNS.items()}},
        "openr1-fit: laws": {f"law={name}": (law, "law.") for name, law in LAWS.items()},
        "openr1-plan": {"propose": (PlanConfig, ""), "status": (StatusConfig, ""), "studies": (StudiesConfig, "")},
    }


def page() -> str:
    """Write the page."""
    parts = [INTRODUCTION]
    for title, tables in sections().items():
        parts.append(f"## {title}\n")
        for heading, (schema, prefix) in tables.items():
            rows = write_table(schema, prefix)
            if rows.count("\n") > 1:
                about = inspect.cleandoc(schema.__doc__ or "").split("\n\n")[0]
                parts.append(f"### {heading}\n\n{' '.join(about.split())}\n\n{rows}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page())
