"""The guard around a command: user-facing errors and faults of the machine are one line, and a signal ends it in order."""

from __future__ import annotations

import logging
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import NoReturn

import yaml
from hydra.errors import HydraException
from omegaconf import ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from openr1.options import one_line
from openr1.system.errors import ConfigError, Interrupted, RunError
from openr1.system.faults import writing
from openr1.system.interrupts import interruptible, received
from openr1.system.packages import naming_extras

# a number, a list, a truth value or null, in the place of the choice of a group
NOT_A_NAME = re.compile(r"(?:[-+]?[\d._]+(?:[eE][-+]?\d+)?,?)+|\[.*\]|(?i:true|false|null|none)")
traces = False  # user-facing errors show their stack trace


def exit_with(error: Exception) -> NoReturn:
    """Print a user-facing error as one line and exit: status 2 for a config, 1 for a run that cannot go on.

    :raises Interrupted: if a signal came before the error.
    """
    if traces:
        raise error
    print(f"{Path(sys.argv[0]).name}: {one_line(error)}", file=sys.stderr)
    if number := received():
        raise Interrupted(number) from error
    sys.exit(1 if isinstance(error, RunError) else 2)


@contextmanager
def exiting() -> Iterator[None]:
    """Exit with one line for a user-facing error, a fault of the machine or a missing package in the block.

    A task function of Hydra needs it, since Hydra puts a line of its own in front of an error.
    """
    try:
        with writing(), naming_extras():
            yield
    except (ConfigError, RunError) as error:
        exit_with(error)


def guarded(command: Callable[[], object]) -> None:
    """Run a command so that a signal interrupts it in order (:mod:`openr1.system.interrupts`), and print user-facing errors and
    faults of the machine as one line (:func:`exit_with`).

    Any other exception is a defect and shows its stack trace; ``HYDRA_FULL_ERROR=1`` shows it for all.
    """
    try:
        with interruptible():
            try:
                _guarded(command)
            except Exception as error:
                if number := received():  # after which libraries may fail in many ways
                    raise Interrupted(number) from error
                raise
    except KeyboardInterrupt as error:
        interrupted = error if isinstance(error, Interrupted) else Interrupted(signal.SIGINT)
        print(f"{Path(sys.argv[0]).name}: {interrupted}; the same command resumes", file=sys.stderr)
        sys.exit(128 + interrupted.number)


def _guarded(command: Callable[[], object]) -> None:
    global traces
    traces = os.environ.get("HYDRA_FULL_ERROR") == "1"
    if traces:
        command()
        return
    logging.raiseExceptions = False  # a line of a log that cannot be written, as on a full disk, is no reason for a stack trace
    os.environ["HYDRA_FULL_ERROR"] = "1"  # so that Hydra raises instead of printing its own report
    try:
        with writing(), naming_extras():
            command()
    except (ConfigError, RunError, HydraException, OmegaConfBaseException) as error:
        exit_with(error)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{mark.name}, line {mark.line + 1}: " if mark else ""
        exit_with(ConfigError(f"{place}is not YAML that can be read: {error.problem or error.context}"))
    except (TypeError, ValueError, IndexError, AttributeError, AssertionError) as error:
        if str(error).startswith("Only one of --run, --multirun"):
            exit_with(ConfigError("-m, --cfg, --info and --shell-completion: give one of them"))
        if (found := _section_without_keys(error)) is not None:
            exit_with(ConfigError(found))
        if not _is_of_choices(error):
            raise
        exit_with(ConfigError(_describe_choice(sys.argv[1:])))  # Hydra does not name the group
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader of the output has closed it
    finally:
        del os.environ["HYDRA_FULL_ERROR"]


def _section_without_keys(error: Exception) -> str | None:
    """Describe an override that OmegaConf cannot set, since what it is a key of is null or a list; None for other errors."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_code is not OmegaConf.update.__code__:
            continue
        key, config, above = frame.f_locals["key"], frame.f_locals["cfg"], []
        parts = key.split(".")
        for part in parts if isinstance(frame.f_locals["value"], dict) else parts[:-1]:
            above.append(part)
            name, config = ".".join(above), config._get_node(part)
            if isinstance(config, ListConfig):
                return f"{key}: {name} is a list; write it whole, as {name}=[…]"
            if config is None or config._is_none():
                group = name if _is_group(name) else f"GROUP@{name}"
                return f"{key}: {name} is null and has no keys; choose a config for it with {group}=NAME"
    return None


def _is_of_choices(error: Exception) -> bool:
    """Return True for an error that Hydra raises where the choice of a group is not a name."""
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and frames[-1].filename.endswith(("hydra/_internal/defaults_list.py", "hydra/core/default_element.py"))


def _describe_choice(words: Sequence[str]) -> str:
    """Say which word of a command line chooses something else than a name."""
    for word in words:
        group, _, value = word.partition("=")
        if _is_group(group.lstrip("+").partition("@")[0]) and NOT_A_NAME.fullmatch(value):
            return f"{group.lstrip('+')}: {value} is not the name of a choice; --help lists them"
    return "the choice of a group is a name, not a number; --help lists the names"


def _is_group(name: str) -> bool:
    """Return whether a key chooses a config of a folder."""
    return bool(name) and any((root / name).is_dir() for root in (files("openr1.conf"), files("openr1.conf") / "analysis"))
