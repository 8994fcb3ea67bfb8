"""``openr1-reproduce RUN_ID [override ...]``: rerun a tracked run from its resolved config, with overrides."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_module
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from openr1.artifacts import NAME
from openr1.config.load import load_run_config
from openr1.config.schema import Config, register
from openr1.console import guarded
from openr1.errors import ConfigError
from openr1.system.files import check_place

GROUPS = ("model", "scale", "data", "stage", "engine", "reward", "budget", "optim", "compute", "tracking", "recipe")
COMPARED = ("eval_loss", "pass_at_1")
STUDY = "reproductions"


def with_overrides(resolved: dict[str, Any], overrides: list[str]) -> Config:
    """Apply overrides to a resolved config, in Hydra's grammar: ``optim.lr=1e-3``, or a whole group such as ``scale=200k``.

    :raises ConfigError: for an override of a key that the config does not have.
    """
    parsed = OverridesParser.create().parse_overrides(overrides)
    choices = [str(override.input_line) for override in parsed if override.key_or_group in GROUPS]
    cfg = OmegaConf.create(resolved)
    if choices:
        with initialize_config_module("conf", version_base="1.3"):
            composed = compose("config", overrides=choices)
        for group in (override.key_or_group for override in parsed if override.key_or_group in GROUPS):
            cfg[group] = composed[group]
    OmegaConf.set_struct(cfg, True)
    for override in parsed:
        key = override.key_or_group
        if key in GROUPS:
            continue
        if override.is_sweep_override():
            raise ConfigError(f"{key}: a sweep; openr1-reproduce makes one run, openr1 -m a study")
        OmegaConf.update(cfg, key, override.value(), force_add=override.is_add())
    return load_run_config(cfg)


def reproduce(uri: str, run_id: str, overrides: list[str], outputs: str) -> None:
    """Run it in a directory of its own, and compare the result with the original if no override changes it.

    :raises ConfigError: if the store, the run or the key of an override does not exist.
    """
    from openr1.tracking.mlflow import read_config, read_run

    check_place(Path(outputs), "--outputs")
    original = read_run(uri, run_id)
    resolved = read_config(uri, run_id)
    resolved["study"] = STUDY
    resolved = _with_paths(resolved, Path(resolved["paths"]["artifacts"]))  # its inputs stay where they were
    resolved["paths"] = {**resolved["paths"], "artifacts": f"{outputs}/reproductions/{run_id[:8]}"}
    resolved["tracking"] = {**resolved["tracking"], "uri": uri}
    config = with_overrides(resolved, overrides)

    from rich.console import Console

    from openr1.runs.summary import show_trial
    from openr1.runs.trial import run_trial

    trial = run_trial(config, trial=f"reproduces {run_id}")
    show_trial(trial, config)
    console = Console()
    for name in COMPARED:
        if name in trial.metrics and name in original.metrics:
            measured, before = trial.metrics[name], original.metrics[name]
            console.print(f"original {name} {before:.6f}, now {measured:.6f}, difference {measured - before:+.2e}")
    result = list(trial.stages.values())[-1]
    content, tag = ("weights", "model_sha256") if result.config.stage.trains else ("data", "data_sha256")
    if result.artifact.fingerprint == original.tags["fingerprint"]:
        same = result.artifact.sha256() == original.tags[tag]
        verdict = (
            "the same to the bit" if same else f"not the same to the bit; the original was made on {original.tags['hardware']}"
        )
        console.print(f"{content}: {verdict}")
    else:
        why = "each step of a recipe has a run of its own" if config.recipe else "the overrides change the result"
        console.print(f"{content}: not compared, since {why}")


def _with_paths(value: Any, artifacts: Path) -> Any:
    """Replace the names of artifacts in a resolved config by their directories."""
    if isinstance(value, dict):
        return {key: _with_paths(item, artifacts) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_paths(item, artifacts) for item in value]
    return str(artifacts / value) if isinstance(value, str) and NAME.fullmatch(value) else value


def main() -> None:
    parser = argparse.ArgumentParser(prog="openr1-reproduce", description=__doc__)
    parser.add_argument("run_id", help="id of the run of a stage in MLflow")
    parser.add_argument("overrides", nargs="*", help="as for openr1: optim.lr=1e-3, scale=200k, seed=1")
    parser.add_argument("--outputs", default=os.environ.get("OPENR1_OUTPUTS", "outputs"), help="default: %(default)s")
    parser.add_argument("--uri", help="address of the MLflow store; default: MLFLOW_TRACKING_URI, or OUTPUTS/mlflow.db")
    args = parser.parse_intermixed_args()
    uri = args.uri or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{Path(args.outputs)}/mlflow.db"
    register()
    guarded(lambda: reproduce(uri, args.run_id, args.overrides, args.outputs))
