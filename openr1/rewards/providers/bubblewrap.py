"""Programs under bubblewrap: in namespaces of their own, without a network, and with only the interpreter of the host's files.

For an ordinary user, bubblewrap works in a user namespace. For root it works with root's rights, and ``inside.py`` changes to
the ID of an unused user before the program begins. That also works without user namespaces, and it makes limits of processes
hold, from which root would be exempt.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from openr1.rewards.providers.process import PYTHON, build_arguments, run_limited
from openr1.rewards.providers.seccomp import build_filter
from openr1.rewards.sandbox import Execution, Limits, Provider, SandboxError
from openr1.system.errors import ConfigError

HOME = "/python"  # the interpreter's path inside, which reveals nothing of the host
NOBODY = "65534"
# extension modules whose libraries are not mounted, since each mount takes a third of a millisecond
LEFT_OUT = ("_tkinter", "_curses", "_dbm", "_gdbm", "_crypt", "_sqlite3", "_ssl", "_uuid", "_test", "nis", "readline")
ISOLATED = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
ISOLATED += ["--die-with-parent", "--new-session"]
AS_ROOT = ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
AS_USER = ["--unshare-user", "--disable-userns", "--uid", NOBODY, "--gid", NOBODY]
INSTEAD = "or choose another sandbox: unsafe_subprocess runs programs without protection"


@dataclass
class BubblewrapOptions:
    """Options of the sandbox ``bubblewrap``."""

    command: str = "bwrap"


class Bubblewrap(Provider):
    """A provider that runs programs under bubblewrap."""

    Options = BubblewrapOptions

    def __init__(self, options: BubblewrapOptions, limits: Limits) -> None:
        super().__init__(options, limits)
        self.users = _unused_users() if os.geteuid() == 0 else range(0)
        self.filter = build_filter()

    def check_available(self) -> None:
        command = self.options.command
        if not shutil.which(command):
            hint = "install it (Debian, Ubuntu: apt-get install bubblewrap)"
            raise ConfigError(f"reward.sandbox: bubblewrap ({command}) is not installed; {hint}, {INSTEAD}")
        try:
            outcome = self._run(b"print(6 * 7)", "")
        except SandboxError as error:
            needed = "the capability SYS_ADMIN" if self.users else "user namespaces for ordinary users"
            needed = f"it needs version 0.8 or newer and {needed}"
            raise ConfigError(f"reward.sandbox: bubblewrap does not work here ({error}); {needed}, {INSTEAD}") from error
        if not outcome.prints("42"):
            cause = outcome.stderr.strip() or outcome.status
            raise ConfigError(f"reward.sandbox: Python does not run under bubblewrap ({cause}), {INSTEAD}")

    @contextmanager
    def session(self, program: str) -> Iterator[Callable[[str], Execution]]:
        yield partial(self._run, program.encode(errors="replace"))

    def _run(self, program: bytes, stdin: str) -> Execution:
        with _readable(self.filter) as rules:

            def command(ready: int) -> list[str]:
                # limits of processes are counted by user, so each execution has another one
                user = self.users.start + secrets.randbelow(len(self.users)) if self.users else 0
                inside = build_arguments(program, ready, self.limits, user, self.limits.threads)
                seccomp = [] if rules is None else ["--seccomp", str(rules)]
                disk = ["--perms", "1777", "--size", str(self.limits.disk_mb << 20), "--tmpfs", "/tmp", "--chdir", "/tmp"]
                way = AS_ROOT if self.users else AS_USER
                files = [*_interpreter(), *disk, "--remount-ro", "/"]
                return [self.options.command, *ISOLATED, *way, *seccomp, *files, "--", f"{HOME}/bin/python", *PYTHON, *inside]

            return run_limited(command, program, stdin, self.limits, () if rules is None else (rules,))


@contextmanager
def _readable(data: bytes | None) -> Iterator[int | None]:
    """Yield a descriptor from which a few bytes can be read."""
    if data is None:
        yield None
        return
    reader, writer = os.pipe()
    os.write(writer, data)
    os.close(writer)
    try:
        yield reader
    finally:
        os.close(reader)


def _unused_users() -> range:
    """Return user IDs that are hardly in use, the last ones that root may change to; empty if root is the only user."""
    first, _, count = map(int, Path("/proc/self/uid_map").read_text().splitlines()[-1].split())
    last = first + count - 1
    return range(last - count // 16, last) if count > 16 else range(0)


@cache
def _interpreter() -> tuple[str, ...]:
    """Return the arguments that mount the running interpreter, read-only: its program, standard library and shared libraries.

    The interpreter of a virtual environment is that of its base. Installed packages are not mounted.
    """
    program = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    library = Path(sysconfig.get_path("stdlib")).resolve()
    shown = f"{HOME}/{sys.platlibdir}/{library.name}"
    extensions = [path for path in library.glob("lib-dynload/*.so") if not path.name.startswith(LEFT_OUT)]
    try:
        listed = subprocess.run(["ldd", program, *extensions], capture_output=True, text=True, check=False).stdout
    except OSError as error:
        raise SandboxError(str(error)) from error
    words = {tuple(line.split()) for line in listed.splitlines() if line.startswith("\t")}
    shared = {line[0]: line[2] for line in words if len(line) == 4 and line[1] == "=>"}
    loaders = [line[0] for line in words if len(line) == 2 and line[0].startswith("/")]
    folders = {HOME, f"{HOME}/bin", f"{HOME}/shared", os.path.dirname(shown), "/dev", *map(os.path.dirname, loaders)}
    places = {f"{HOME}/bin/python": str(program), shown: str(library)}
    places |= {f"{HOME}/shared/{name}": os.path.realpath(path) for name, path in sorted(shared.items())}
    places |= {path: os.path.realpath(path) for path in loaders}
    created = [word for folder in sorted(folders) for word in ("--perms", "0755", "--dir", folder)]
    bound = [word for place, source in places.items() for word in ("--ro-bind", source, place)]
    bound += ["--dev-bind", "/dev/null", "/dev/null"]
    if (library / "site-packages").is_dir():
        empty = f"{shown}/site-packages"
        bound += ["--perms", "0555", "--size", "4096", "--tmpfs", empty, "--remount-ro", empty]
    return (*created, *bound, "--setenv", "LD_LIBRARY_PATH", f"{HOME}/shared")
