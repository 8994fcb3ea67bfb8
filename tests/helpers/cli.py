"""Commands of the project as a shell runs them, each in a process of its own.

The processes are forked from one that has imported torch, transformers and MLflow already (``helpers.preload``), since those
imports take most of the time of a small command. What the start itself does, ``tests/openr1/test_cli.py`` and
``tests/integration/test_wheel.py`` test by the installed scripts.
"""

import atexit
import importlib
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import threading
import tomllib
import uuid
from functools import cache
from multiprocessing import forkserver
from pathlib import Path
from tempfile import gettempdir

from helpers.stores import copy_empty_stores

BIN = Path(sys.executable).parent
RUN_APP = Path(__file__).with_name("run_app.py")
SCRIPTS = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]["scripts"]


@cache
def _processes() -> multiprocessing.context.ForkServerContext:
    """Return the means to fork processes, whose server imports ``helpers.preload`` first."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["helpers.preload"])
    before = os.environ.get("PYTHONPATH")
    # Python 3.11 hands its search path to the forked processes, not to the server
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    try:
        forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
    return context


class Command:
    """A command that runs in a session of its own, so that it can be killed together with its processes.

    :param name: a script of the project, or the path of a Python file.
    """

    def __init__(self, name: str | Path, *arguments: object, cwd: Path, **env: str) -> None:
        self.words = [str(name), *map(str, arguments)]
        self.outputs = [Path(gettempdir(), f"command-{uuid.uuid4().hex}.{stream}") for stream in ("out", "err")]
        for path in self.outputs:
            path.touch()  # they are read even if the command is killed before it writes
        environment = {**os.environ, "COLUMNS": "160", **env}
        self.process = _processes().Process(target=_execute, args=(self.words, str(cwd), environment, self.outputs))
        self.process.start()
        self.pid = self.process.pid

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal, or None while it runs."""
        return self.process.exitcode

    def wait(self, seconds: float = 1200) -> int:
        self.process.join(seconds)
        assert self.process.exitcode is not None, f"{self.words} still runs after {seconds} s"
        return self.process.exitcode

    def finish(self) -> subprocess.CompletedProcess:
        """Wait for the end and return the exit code and what was written."""
        try:
            code = self.wait()
            return subprocess.CompletedProcess(self.words, code, *(path.read_text() for path in self.outputs))
        finally:
            self.process.kill()
            for path in self.outputs:
                path.unlink(missing_ok=True)


def command(name: str | Path, *arguments: object, cwd: Path, **env: str) -> subprocess.CompletedProcess:
    """Run a command and return its exit code and what it wrote."""
    return Command(name, *arguments, cwd=cwd, **env).finish()


def succeed(name: str | Path, *arguments: object, cwd: Path, **env: str) -> subprocess.CompletedProcess:
    """Run a command that must end with exit code 0, and return what it wrote."""
    done = command(name, *arguments, cwd=cwd, **env)
    assert done.returncode == 0, done.stderr
    return done


def start_run(overrides: list[str], cwd: Path) -> Command:
    """Start the stage of a config in the background, to be killed."""
    return Command(RUN_APP, *overrides, cwd=cwd)


def _execute(words: list[str], cwd: str, env: dict[str, str], outputs: list[Path]) -> None:
    """Be the command: its directory, environment, session, output and arguments, and its end."""
    os.setsid()
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):  # a shell lets jobs in the background ignore some
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    for descriptor, path in enumerate(outputs, start=1):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(file, descriptor)
        os.close(file)
    copy_empty_stores()
    sys.argv = [str(BIN / words[0]) if words[0] in SCRIPTS else words[0], *words[1:]]
    try:
        if words[0] in SCRIPTS:
            module, _, function = SCRIPTS[words[0]].partition(":")
            sys.exit(getattr(importlib.import_module(module), function)())
        runpy.run_path(words[0], run_name="__main__")
    finally:
        # the end of an interpreter, in its order: first threads, and with them pools of processes, then what is registered
        threading._shutdown()
        atexit._run_exitfuncs()
