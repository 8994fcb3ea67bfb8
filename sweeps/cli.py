"""``openr1-plan``: what runs will take, which to make next, and how far a study is.

Composing a config and ``--help`` import nothing heavy.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from openr1.config.schema import register as register_runs
from openr1.console import exit_with, guarded
from openr1.errors import ConfigError, RunError
from sweeps.commands.active import register, typed
from sweeps.status.config import register as register_status
from sweeps.status.config import typed as status_of

HELP = {"--help", "-h", "--hydra-help"}
PRICED = ["hydra.sweeper._target_=hydra_plugins.openr1_price.PriceSweeper", "-m"]
CHOOSING = ("replay", "runs", "law")  # first parts of keys that only active choice has


@hydra.main(version_base="1.3", config_path="pkg://conf.plan", config_name="config")
def choose(cfg: DictConfig) -> None:
    """``sweep=active``: the runs to make next, or with ``replay.path`` how well they would have been chosen."""
    try:
        config = typed(cfg)
        if config.replay.path:
            from sweeps.active.report import replay as work
        else:
            from sweeps.active.live import propose as work
        work(config, shlex.join(["openr1-plan", *HydraConfig.get().overrides.task]))
    except (ConfigError, RunError) as error:
        exit_with(error)


@hydra.main(version_base="1.3", config_path="pkg://conf.plan", config_name="status")
def status(cfg: DictConfig) -> None:
    """``status=NAME``: how far a study is."""
    try:
        config = status_of(cfg)
        from sweeps.status.status import watch

        watch(config)
    except (ConfigError, RunError) as error:
        exit_with(error)


@hydra.main(version_base="1.3", config_path="pkg://conf", config_name="config")
def price(cfg: DictConfig) -> None:
    """What ``openr1 -m`` with the same words would take: the task of a sweeper that starts none (:data:`PRICED`)."""


def app_of(words: Sequence[str]) -> Callable[[], None]:
    """The app that answers a command line."""
    keys = {word.lstrip("+~").partition("=")[0] for word in words}
    if "status" in keys:
        return status
    if "sweep=active" in words or {key.partition(".")[0] for key in keys} & set(CHOOSING) or set(words) <= HELP:
        return choose
    return price


def main() -> None:
    """The command ``openr1-plan``."""
    register_runs()
    register()
    register_status()
    app = app_of(sys.argv[1:])
    if app is price and not {"--cfg", "-c", "--info", "-i", *HELP} & set(sys.argv):
        sys.argv += [word for word in PRICED if word not in sys.argv]
    guarded(app)
