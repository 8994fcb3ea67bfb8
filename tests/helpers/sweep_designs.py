"""Designs on losses of a formula."""

from dataclasses import replace
from functools import cache
from importlib import resources
from pathlib import Path

from omegaconf import OmegaConf

from helpers.configs import composed
from openr1.models.options import ScaleConfig
from openr1.sweeps.designs import design_class
from openr1.sweeps.designs.base import Finished


@cache
def base():
    return composed("model=qwen3")


@cache
def size(name):
    return ScaleConfig(**OmegaConf.load(Path(str(resources.files("openr1.conf"))) / "scale" / f"{name}.yaml"))


def compose(overrides):
    """Return a config of transformers from scratch with the keys that designs decide."""
    config = base()
    for key, text in (override.split("=") for override in overrides):
        if key == "scale":
            config = replace(config, scale=size(text))
        else:
            group, name = key.split(".")
            config = replace(config, **{group: replace(getattr(config, group), **{name: float(text)})})
    return config


def study(sweep, loss, finished=(), compose=compose):
    """Run what is left of a design; return its rounds, all of its runs, and the design made anew.

    :param loss: returns the loss of a config, or None for a run that fails.
    """
    finished, rounds = list(finished), []
    while runs := design_class(sweep.kind)(sweep, compose).next(finished):
        assert len(rounds) < 30
        assert not {*runs} & {run.overrides for run in finished}
        rounds.append(runs)
        for run in runs:
            config = compose(run)
            value = loss(config)
            finished.append(Finished(run, config, {} if value is None else {"eval_loss": value}))
    return rounds, finished, design_class(sweep.kind)(sweep, compose)
