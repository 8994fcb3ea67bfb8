"""The proposal of ``openr1-plan`` for active choice: the runs of a study to make next, and the commands that make them."""

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
from openr1.options import one_line
from openr1.runs.estimate import estimate_run
from openr1.sweeps.active.choice import Candidate, Choice, candidate_overrides, choose, read_finished, validate_choice
from openr1.sweeps.active.config import PlanSweep
from openr1.system.errors import ConfigError
from openr1.system.files import replacing

if TYPE_CHECKING:
    from openr1.sweeps.active.config import PlanConfig


def estimate_candidates(sweep: PlanSweep) -> list[Candidate]:
    """Return the candidates, with the N, D and C of their runs (:mod:`openr1.training.budget`).

    :raises ConfigError: where one cannot be run.
    """
    register()
    GlobalHydra.instance().clear()  # of openr1-plan itself, whose config is composed
    candidates = []
    with initialize_config_module("openr1.conf", version_base="1.3"):
        for scale, tokens in itertools.product(sweep.candidates.scale, sweep.candidates.tokens):
            try:
                composed = compose("config", [*sweep.run, *candidate_overrides(scale, tokens)])
            except HydraException as error:
                raise ConfigError(f"sweep.run: {one_line(error)}") from error
            estimate = estimate_run(load_run_config(composed))
            if estimate.params is None or estimate.tokens is None or estimate.flops is None:
                raise ConfigError("sweep.run: the cost of a run is unknown before its data are made; give another stage")
            candidates.append(Candidate(scale, tokens, float(estimate.params), estimate.tokens, estimate.flops))
    return candidates


def commands(run: Sequence[str], chosen: Sequence[Candidate], study: str) -> list[str]:
    """Return one multirun for each size, which together make the chosen runs and no others."""
    by_scale: dict[str, list[str]] = {}
    for candidate in chosen:
        by_scale.setdefault(candidate.scale, []).append(f"{candidate.tokens:.12g}")
    return [
        shlex.join(["openr1", "-m", *run, f"study={study}", f"scale={scale}", f"budget.tokens={','.join(tokens)}"])
        for scale, tokens in by_scale.items()
    ]


def propose(config: PlanConfig, command: str) -> Choice:
    """Choose for the study of the config, print the runs and the commands that make them, and write ``next.json``."""
    from openr1.sweeps.active.tables import print_proposal

    sweep, source = config.sweep, config.source
    validate_choice(config.law, sweep)
    choice = choose(config.law, sweep, read_finished(source, config.law), estimate_candidates(sweep))
    multiruns = commands(sweep.run, choice.candidates, source.study)
    print_proposal(choice, sweep, source.study, multiruns)
    path = Path(config.directory) / "next.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    proposal: dict[str, Any] = {"command": command, **asdict(choice), "commands": multiruns, "sweep": asdict(sweep)}
    with replacing(path, shared=True) as temporary:
        temporary.write_text(json.dumps(proposal, indent=2) + "\n", encoding="utf-8")
    return choice
