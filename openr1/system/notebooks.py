"""Notebooks of a checkout: they work from the root of the project, and run its commands as a shell does."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import warnings
from pathlib import Path

from openr1.system.errors import RunError

WIDTH = "120"  # characters of a line of what a command prints


def enter_project() -> None:
    """Change from the folder of the notebooks to the root of the project, where ``outputs`` is; stay in any other folder."""
    warnings.filterwarnings("ignore", message="IProgress not found")  # tqdm would like a package for bars, which nothing shows
    if Path.cwd().name == "notebooks" and (Path.cwd().parent / "pyproject.toml").exists():
        os.chdir("..")


def run(command: str) -> None:
    """Run a command of this environment, such as ``openr1 -m experiment=demo``, and print what it prints.

    :raises RunError: if it fails; the reason is the last line that was printed.
    """
    script, *words = shlex.split(command)
    # a kernel asks for colours, which a table of text cannot have
    environment = {name: value for name, value in os.environ.items() if name not in ("FORCE_COLOR", "CLICOLOR_FORCE")}
    begun = subprocess.Popen(
        [str(Path(sys.executable).with_name(script)), *words],
        env={**environment, "COLUMNS": WIDTH},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert begun.stdout is not None
        for line in begun.stdout:
            print(line, end="")
    except KeyboardInterrupt:  # the command stops as it does at Ctrl-C in a shell, and resumes when it is run again
        begun.terminate()
        raise
    finally:
        status = begun.wait()
    if status:
        raise RunError(f"the command failed with status {status}: {command}")
