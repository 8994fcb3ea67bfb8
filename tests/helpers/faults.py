"""Faults of the machine, made on purpose: a disk of a few megabytes, a server that is away, a file that is locked."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from openr1.tracking import mlflow as tracking
from openr1.tracking import store


@contextmanager
def small_disk(folder: Path, size: str):
    """Mount a file system of a fixed size; :func:`resize` changes it."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("a test of a full disk needs to mount one")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def resize(folder: Path, size: str) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", str(folder)], check=True)


def open_anew(uri: str):
    """Open a store as a new process does; a fresh one is made and not copied."""
    return store.open_store(uri)


def forked(function) -> int:
    """Call a function in a forked process and return the process's id."""
    pid = os.fork()
    if pid:
        return pid
    try:
        function()
        os._exit(0)
    except BaseException as error:  # the process ends here
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(1)


def killed_after(function, seconds: float) -> None:
    """Call a function in a process that is killed after some seconds."""
    pid = forked(function)
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


@contextmanager
def locked_file(path: Path, seconds: float):
    """Have another program lock a SQLite file for some seconds."""
    lock = "import sqlite3, sys, time; held = sqlite3.connect(sys.argv[1]); held.execute('BEGIN EXCLUSIVE'); print(flush=True)"
    words = [sys.executable, "-c", f"{lock}; time.sleep(float(sys.argv[2]))", str(path), str(seconds)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        yield


class Line:
    """A connection to a port of this machine that can be cut: a server behind it is away then."""

    def __init__(self, port: int) -> None:
        self.to, self.port = port, free_port()
        self.ends: list[socket.socket] = []
        self.listener: socket.socket | None = None
        self.open()

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def open(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def cut(self) -> None:
        listener, self.listener = self.listener, None
        if listener:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for end in self.ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self.ends.clear()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(("127.0.0.1", self.to))
                self.ends += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=_copy, args=(one, other), daemon=True).start()


def _copy(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while data := one.recv(1 << 16):
            other.sendall(data)
    with suppress(OSError):
        other.shutdown(socket.SHUT_WR)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@contextmanager
def mlflow_server(folder: Path):
    """Start MLflow's server and return its port."""
    port = free_port()
    path = folder / "server.db"
    tracking.client(f"sqlite:///{path}")
    words = ["server", "--backend-store-uri", f"sqlite:///{path}", "--artifacts-destination", str(folder / "files")]
    command = [sys.executable, "-m", "mlflow", *words, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        for _ in range(600):
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                break
            time.sleep(0.5)
            assert process.poll() is None, (folder / "server.log").read_text()
        yield port
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
