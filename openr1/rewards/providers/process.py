"""A process on this machine that runs a program within limits of time and output.

It isolates nothing by itself: the command that it starts does, as that of bubblewrap.
"""

from __future__ import annotations

import contextlib
import math
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from openr1.rewards.sandbox import Execution, Limits, SandboxError

INSIDE = (Path(__file__).parent / "inside.py").read_text()
# with a cleared environment these flags isolate the program from its caller, as -I does; but -I would also ignore the hash
# seed, without which a program that prints a set would print another order each time
PYTHON = ("-P", "-s", "-S", "-X", "utf8", "-c", INSIDE)
# whole numbers may have any length, as where the benchmarks run programs
ENVIRONMENT = {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONINTMAXSTRDIGITS": "0"}
ENVIRONMENT |= {"HOME": "/tmp", "LANG": "C.UTF-8"}
CHUNK = 65_536
STOPPED = {-signal.SIGXCPU, 128 + signal.SIGXCPU, -signal.SIGALRM, 128 + signal.SIGALRM}  # exit codes after a time limit


def build_arguments(program: bytes, ready: int, limits: Limits, user: int = 0, threads: int = 0) -> list[str]:
    """Build the arguments of ``inside.py``."""
    cpu, wall = math.ceil(limits.cpu_seconds), math.ceil(limits.wall_seconds) + 5
    numbers = (len(program), ready, user, cpu, wall, limits.memory_mb << 20, threads, limits.disk_mb << 20)
    return [str(number) for number in numbers]


def run_limited(
    command: Callable[[int], list[str]],
    program: bytes,
    stdin: str,
    limits: Limits,
    keep: Sequence[int] = (),
    group: bool = False,
) -> Execution:
    """Run a command that starts ``inside.py``, within the limits of wall-clock time and output.

    :param command: returns the command, given the descriptor on which ``inside.py`` signals that it is ready.
    :param keep: further descriptors that the command inherits.
    :param group: the process leads a group, which is killed as a whole.
    :raises SandboxError: if ``inside.py`` did not get to run the program.
    """
    ready, told = os.pipe()
    try:
        process = subprocess.Popen(
            command(told),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            pass_fds=(told, *keep),
            env=ENVIRONMENT,
            start_new_session=group,
        )
    except OSError as error:
        os.close(ready)
        raise SandboxError(str(error)) from error
    finally:
        os.close(told)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    printed = {process.stdout.fileno(): bytearray(), process.stderr.fileno(): bytearray()}
    try:
        status = _exchange(process, memoryview(program + stdin.encode(errors="replace")), printed, limits)
    finally:
        _kill(process, group)
        for stream in (process.stdin, process.stdout, process.stderr):
            stream.close()
        began = _read_ready(ready)
    stdout, stderr = (bytes(data).decode(errors="replace") for data in printed.values())
    if not began:
        raise SandboxError((stderr.strip() or f"{status}, exit code {process.returncode}").splitlines()[0])
    if process.returncode in STOPPED:
        status = "timeout"
    return Execution(stdout, stderr, process.returncode, status)


def _exchange(process: subprocess.Popen[bytes], data: memoryview, printed: dict[int, bytearray], limits: Limits) -> str:
    """Write the input and read the output until both streams and the process end.

    :param printed: output by descriptor, which is filled.
    :returns: the status, see :class:`openr1.rewards.sandbox.Execution`.
    """
    deadline = time.monotonic() + limits.wall_seconds
    room = limits.output_kb * 1024
    assert process.stdin
    stdin = process.stdin.fileno()
    os.set_blocking(stdin, False)
    with selectors.DefaultSelector() as selector:
        selector.register(stdin, selectors.EVENT_WRITE)
        for stream in printed:
            selector.register(stream, selectors.EVENT_READ)
        while selector.get_map():
            left = deadline - time.monotonic()
            if left <= 0:
                return "timeout"
            for key, _ in selector.select(left):
                if key.fd == stdin:
                    data = data[_write(stdin, data) :]
                    if not data:
                        selector.unregister(stdin)
                        process.stdin.close()
                elif chunk := os.read(key.fd, min(CHUNK, room + 1)):
                    printed[key.fd] += chunk
                    room -= len(chunk)
                    if room < 0:
                        return "output"
                else:
                    selector.unregister(key.fd)
    try:
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return "timeout"
    return "exited"


def _write(descriptor: int, data: memoryview) -> int:
    try:
        return os.write(descriptor, data[:CHUNK])
    except BlockingIOError:
        return 0
    except BrokenPipeError:  # the program does not read its input to the end
        return len(data)


def _kill(process: subprocess.Popen[bytes], group: bool) -> None:
    if group:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def _read_ready(ready: int) -> bool:
    """Tell whether ``inside.py`` has signalled that it is ready."""
    os.set_blocking(ready, False)
    try:
        return os.read(ready, 1) == b"1"
    except BlockingIOError:
        return False
    finally:
        os.close(ready)
