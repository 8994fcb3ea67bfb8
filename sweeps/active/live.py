"""The runs of a study to make next, and the commands that make them: what ``openr1-plan sweep=active`` prints."""

from __future__ import annotations

import itertools
import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException

from openr1.config.load import load_run_config
from openr1.config.schema import register
from openr1.errors import ConfigError
from openr1.files import replacing
from openr1.options import one_line
from openr1.runs.estimate import estimate_run
from sweeps.active.choice import Choice, Offer, check, choose, finished
from sweeps.active.config import PlanSweep

if TYPE_CHECKING:
    from sweeps.commands.propose import PlanConfig


def offers(sweep: PlanSweep) -> list[Offer]:
    """The candidates, priced as the runs that they would be (:mod:`openr1.training.budget`).

    :raises ConfigError: where one cannot be run.
    """
    register()
    GlobalHydra.instance().clear()  # of openr1-plan itself, whose config is composed
    found = []
    with initialize_config_module("conf", version_base="1.3"):
        for scale, tokens in itertools.product(sweep.candidates.scale, sweep.candidates.tokens):
            try:
                composed = compose("config", [*sweep.run, f"scale={scale}", f"budget.tokens={tokens:.12g}"])
            except HydraException as error:
                raise ConfigError(f"sweep.run: {one_line(error)}") from error
            work = estimate_run(load_run_config(composed))
            if work.params is None or work.tokens is None or work.flops is None:
                raise ConfigError("sweep.run: the cost of a run is not known before its data are made; give another stage")
            found.append(Offer(scale, tokens, float(work.params), work.tokens, work.flops))
    return found


def commands(run: Sequence[str], picked: Sequence[Offer], study: str) -> list[str]:
    """One multirun a size, which makes the runs chosen and no other."""
    by_scale: dict[str, list[str]] = {}
    for offer in picked:
        by_scale.setdefault(offer.scale, []).append(f"{offer.tokens:.12g}")
    return [
        shlex.join(["openr1", "-m", *run, f"study={study}", f"scale={scale}", f"budget.tokens={','.join(tokens)}"])
        for scale, tokens in by_scale.items()
    ]


def propose(config: PlanConfig, command: str) -> Choice:
    """Choose for the study of the config, print the runs and the commands that make them, and write ``next.json``."""
    from sweeps.active.show import show_proposal

    sweep, study = config.sweep, config.runs.study
    check(config.law, sweep)
    found = choose(config.law, sweep, finished(config.runs, config.law), offers(sweep))
    making = commands(sweep.run, found.offers, study)
    show_proposal(found, sweep, study, making)
    path = Path(config.directory) / "next.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    written: dict[str, Any] = {"command": command, **asdict(found), "commands": making, "sweep": asdict(sweep)}
    with replacing(path, shared=True) as temporary:
        temporary.write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
    return found
