"""A PostgreSQL server of a test."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest


def free_port() -> int:
    """Return a port of this machine that nothing listens to."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def postgres_server() -> Iterator[str]:
    """Run a server for as long as the block lasts, and yield the URL of its database; skip the test where there is none."""
    # Debian keeps them apart from what is on the path
    path = os.pathsep.join([os.environ["PATH"], *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin")))])
    binaries = [shutil.which(name, path=path) for name in ("initdb", "pg_ctl")]
    if not all(binaries):
        pytest.skip("no PostgreSQL on this machine")
    port = free_port()
    # not a folder of pytest, which only the user of the tests may enter: PostgreSQL does not run as root
    with TemporaryDirectory(prefix="postgres-") as folder:
        as_user = []
        if os.getuid() == 0:
            as_user = ["runuser", "-u", "postgres", "--"]
            shutil.chown(folder, "postgres")
        data = f"{folder}/data"
        subprocess.run([*as_user, binaries[0], "-D", data, "-A", "trust", "-U", "me"], check=True, capture_output=True, cwd="/")
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1"
        control = [*as_user, binaries[1], "-D", data, "-o", options, "-w", "-l", f"{folder}/log"]
        subprocess.run([*control, "start"], check=True, cwd="/", stdout=subprocess.DEVNULL)
        try:
            yield f"postgresql://me@127.0.0.1:{port}/postgres"
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], check=False, cwd="/", stdout=subprocess.DEVNULL)
