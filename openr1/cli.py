"""``openr1``: one run of a stage or recipe, or with ``-m`` a study. Composing a config and ``--help`` import nothing heavy."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from openr1.config.load import load_run_config
from openr1.config.schema import register
from openr1.errors import ConfigError, RunError
from openr1.options import one_line


def execute(cfg: DictConfig) -> float | None:
    """Run the composed config. The value is the final evaluation loss, which a sweeper minimises; None where there is none."""
    job = HydraConfig.get()
    if job.mode == RunMode.MULTIRUN:
        from openr1.runs.trial import make

        return make(load_run_config(cfg), job.job.override_dirname, quiet=True).value
    try:
        if (sweep := job.runtime.choices.get("sweep") or "default") != "default":
            raise ConfigError(f"sweep={sweep}: decides the runs of a study, which -m makes; this is one run")
        config = load_run_config(cfg)
        from openr1.runs.trial import make

        trial = make(config)
    except (ConfigError, RunError) as error:
        leave(error)  # before Hydra puts a line of its own in front of it
    from openr1.runs.summary import show_trial

    show_trial(trial, config)
    return trial.value


def leave(error: Exception) -> NoReturn:
    """Print a user's error as one line and exit: with 2 for the config, 1 for a run that cannot go on."""
    print(f"{Path(sys.argv[0]).name}: {one_line(error)}", file=sys.stderr)
    sys.exit(1 if isinstance(error, RunError) else 2)


def guarded(command: Callable[[], object]) -> None:
    """Run a command whose user errors are one line (:func:`leave`).

    Any other exception is a defect and shows its stack trace; ``HYDRA_FULL_ERROR=1`` shows it for all.
    """
    if os.environ.get("HYDRA_FULL_ERROR") == "1":
        command()
        return
    os.environ["HYDRA_FULL_ERROR"] = "1"  # so that Hydra raises instead of printing its own report
    try:
        command()
    except (ConfigError, RunError, HydraException, OmegaConfBaseException) as error:
        leave(error)
    except ValueError as error:
        if not str(error).startswith("Config group override must be"):
            raise
        leave(ConfigError("the choice of a group is a name, such as scale=100k, not a number"))  # Hydra does not say of which
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read the output has seen enough
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        sys.exit(130)
    finally:
        del os.environ["HYDRA_FULL_ERROR"]


def main() -> None:
    register()
    _absolute_config_path()
    guarded(hydra.main(version_base="1.3", config_path="pkg://conf", config_name="config")(execute))


def _absolute_config_path() -> None:
    """Hydra takes a relative ``-cp`` as relative to this file; a person means the current directory."""
    for i, word in enumerate(sys.argv[:-1]):
        if word in ("-cp", "--config-path") and Path(sys.argv[i + 1]).is_dir():
            sys.argv[i + 1] = str(Path(sys.argv[i + 1]).absolute())
