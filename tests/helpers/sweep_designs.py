"""Designs on losses of a formula."""

from dataclasses import replace
from functools import cache
from importlib import resources
from pathlib import Path

from omegaconf import OmegaConf

from helpers.configs import composed
from openr1.models.options import ScaleConfig
from sweeps.designs import design_of
from sweeps.designs.base import Finished


@cache
def base():
    return composed("model=qwen3")


@cache
def rung(name):
    return ScaleConfig(**OmegaConf.load(Path(str(resources.files("conf"))) / "scale" / f"{name}.yaml"))


def compose(overrides):
    """The keys that designs decide, in a config of transformers from scratch."""
    config = base()
    for key, text in (one.split("=") for one in overrides):
        if key == "scale":
            config = replace(config, scale=rung(text))
        else:
            group, name = key.split(".")
            config = replace(config, **{group: replace(getattr(config, group), **{name: float(text)})})
    return config


def study(sweep, loss, finished=(), compose=compose):
    """Make what is left of a design: its rounds, all of its runs, and the design made anew.

    :param loss: config -> loss, or None for a run that fails.
    """
    finished, rounds = list(finished), []
    while runs := design_of(sweep.kind)(sweep, compose).next(finished):
        assert len(rounds) < 30
        assert not {*runs} & {one.overrides for one in finished}
        rounds.append(runs)
        for run in runs:
            config = compose(run)
            value = loss(config)
            finished.append(Finished(run, config, {} if value is None else {"eval_loss": value}))
    return rounds, finished, design_of(sweep.kind)(sweep, compose)
