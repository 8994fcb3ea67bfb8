"""``openr1-plan``: which runs to make, before they are made. Composing a config and ``--help`` import nothing heavy."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from openr1.cli import guarded, leave
from openr1.errors import ConfigError, RunError
from sweeps.active.app import register, typed


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
        leave(error)


# what the command line begins to say -> the app that answers; choose for all else
APPS: dict[str, Callable[[], None]] = {"sweep": choose}


def main() -> None:
    """The command ``openr1-plan``."""
    register()
    keys = (word.lstrip("+~").partition("=")[0] for word in sys.argv[1:])
    guarded(next((APPS[key] for key in keys if key in APPS), choose))
