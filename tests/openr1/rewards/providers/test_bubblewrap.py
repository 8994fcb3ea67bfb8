"""Restrictions of a program under bubblewrap, started by root and by an ordinary user."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from helpers.sandboxes import WAYS, bubblewrap, eventually, running

from openr1.rewards.sandbox import Limits, Sandbox

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("bubblewrap")]  # some time a program or count its processes
LIMITS = {"cpu_seconds": 1, "wall_seconds": 8, "memory_mb": 300, "output_kb": 100, "disk_mb": 4, "threads": 16}


@pytest.fixture(params=WAYS)
def provider(request):
    return bubblewrap(request.param, Limits(**LIMITS))


@pytest.fixture
def run(provider):
    return Sandbox(provider, provider.limits).execute


def test_a_program_runs(run):
    outcome = run("import math, json, zlib, hashlib, ctypes, asyncio\nprint(int(input()) ** 2)", "12\n")
    assert (outcome.stdout, outcome.stderr, outcome.status) == ("144\n", "", "exited")
    assert run("print(1)\nexit(3)").exit_code == 3


def test_it_sees_the_interpreter_and_nothing_else_of_the_host(run):
    outcome = run(
        "import os, sys\nprint(sorted(os.listdir('/')), sys.prefix, os.listdir('/tmp'), os.listdir('/dev'))\n"
        "print([name for _, _, names in os.walk('/') for name in names if name in ('passwd', 'pyvenv.cfg', 'RECORD')])"
    )
    root, found = outcome.stdout.splitlines()
    assert root.endswith("/python [] ['null']")
    assert set(root[2 : root.index("]") - 1].split("', '")) <= {"dev", "lib", "lib64", "python", "tmp", "usr"}
    assert found == "[]"


def test_an_endless_loop_is_ended(run):
    start = time.monotonic()
    assert run("while True: pass").status == "timeout"
    assert time.monotonic() - start < LIMITS["wall_seconds"] + 2


def test_a_sleeper_is_ended(provider):
    provider.limits = Limits(wall_seconds=1)
    assert Sandbox(provider, provider.limits).execute("import time\nprint(1, flush=True)\ntime.sleep(60)").status == "timeout"


def test_a_fork_bomb_starts_nothing(run):
    outcome = run("import os\nwhile True: os.fork()")
    assert "PermissionError" in outcome.stderr
    assert "PermissionError" in run("import subprocess, sys\nsubprocess.run([sys.executable])").stderr
    assert run("import threading\nt = threading.Thread(target=print, args=('a thread',))\nt.start()\nt.join()").prints(
        "a thread"
    )


def test_a_fork_bomb_without_the_filter_meets_the_limit(provider):
    if not provider.users and os.geteuid() == 0:
        pytest.skip("root, as which the test runs, is exempt from the limit in a user namespace")
    provider.filter = None
    bomb = (
        "import os, time\nn = 0\ntry:\n  while n < 1000:\n    if not os.fork():\n      time.sleep(30)\n    n += 1\n"
        "except BlockingIOError: print(n)"
    )
    outcome = Sandbox(provider, provider.limits).execute(bomb)
    assert 0 < int(outcome.stdout) <= LIMITS["threads"]


def test_threads_are_limited(run):
    program = "import threading, time\nfor i in range(100): threading.Thread(target=time.sleep, args=(1,), daemon=True).start()"
    assert "can't start new thread" in run(program).stderr


@pytest.mark.parametrize(
    "program",
    [
        "x = bytearray(10 * 2**30)",
        "x = []\nwhile True: x.append('a' * 10**6)",
        "import mmap\nx = mmap.mmap(-1, 10 * 2**30)",
    ],
)
def test_ten_gigabytes_are_refused(run, program):
    outcome = run(program)
    assert outcome.exit_code != 0
    assert "MemoryError" in outcome.stderr or "Cannot allocate memory" in outcome.stderr


@pytest.mark.parametrize("call", ["memfd_create(b'x', 0)", "shmget(0, 1 << 20, 0o1600)", "syscall(425, 8, 0)"])
def test_memory_that_belongs_to_no_process_is_refused(run, call):
    outcome = run(f"import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nprint(libc.{call}, ctypes.get_errno())")
    assert outcome.stdout == "-1 1\n"


def test_a_gigabyte_of_output_is_cut_off(run):
    outcome = run("for _ in range(1024): print('a' * 2**20)")
    assert outcome.status == "output"
    assert len(outcome.stdout) <= LIMITS["output_kb"] * 1024 + 1


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "/proc/self/environ", "/proc/1/environ", "/root", "/home", "/sys/kernel", __file__]
)
def test_the_host_s_files_are_not_there(run, path):
    assert "FileNotFoundError" in run(f"import os\nos.stat({path!r})").stderr


def test_the_parent_s_environment_is_not_there(run, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    outcome = run("import os\nprint(sorted(os.environ))")
    ours = ["PYTHONDONTWRITEBYTECODE", "PYTHONHASHSEED", "PYTHONINTMAXSTRDIGITS"]
    assert outcome.prints(str(["HOME", "LANG", "LD_LIBRARY_PATH", "PWD", *ours]))


@pytest.mark.parametrize("path", ["'/x'", "'/python/x'", "'/python/shared/x'", "'/dev/x'", "'/etc/x'", "os.__file__"])
def test_nothing_outside_its_tmp_can_be_written(run, path):
    errors = ("Read-only file system", "No such file or directory", "Permission denied")
    outcome = run(f"import os, sys\nopen({path}, 'a').write('x')")
    assert any(error in outcome.stderr for error in errors)
    assert "Read-only" in run("import os\nos.remove(os.__file__)").stderr


def test_its_tmp_is_private_and_small(run):
    assert run("open('/tmp/a', 'w').write('x' * 1000)\nprint(open('a').read()[:2])").prints("xx")
    assert run("import os\nprint(os.listdir('/tmp'))").prints("[]")
    assert "No space left" in run("for i in range(9): open(f'/tmp/{i}', 'wb').write(b'x' * 10**6)").stderr
    assert "File too large" in run("open('/tmp/a', 'wb').write(b'x' * 10**7)").stderr


def test_no_disk_of_its_own_making(run):
    program = (
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        "print(libc.unshare(0x10020000), libc.mount(b'x', b'/tmp', b'tmpfs', 0, b'size=1g'))"
    )
    assert run(program).prints("-1 -1")


def test_a_local_server_cannot_be_reached(run):
    with socket.create_server(("127.0.0.1", 0)) as server:
        accepted = threading.Event()
        threading.Thread(target=lambda: (server.accept(), accepted.set()), daemon=True).start()
        port = server.getsockname()[1]
        outcome = run(f"import socket\nsocket.create_connection(('127.0.0.1', {port}), 2)")
        assert outcome.exit_code == 1
        assert "Error" in outcome.stderr
        assert not accepted.wait(0.2)
        socket.create_connection(("127.0.0.1", port), 2).close()  # it was there
        assert accepted.wait(5)


def test_a_local_server_cannot_be_reached_without_the_filter(provider):
    provider.filter = None
    run = Sandbox(provider, provider.limits).execute
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        outcome = run(f"import socket\nsocket.create_connection(('127.0.0.1', {port}), 2)")
        assert "unreachable" in outcome.stderr or "refused" in outcome.stderr


def test_it_cannot_kill_its_parent(run):
    bystander = subprocess.Popen(["sleep", "30"])
    program = (
        f"import os, signal\nfor pid in (os.getppid(), {os.getpid()}, {bystander.pid}):\n"
        "  try: os.kill(pid, signal.SIGKILL)\n"
        "  except OSError: pass\n"
        "print('alive')"
    )
    assert run(program).prints("alive")
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()


def test_a_symlink_leads_nowhere(run, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("hunter2")
    program = f"import os\nos.symlink({str(secret)!r}, '/tmp/link')\nprint(os.path.lexists('/tmp/link'))\nopen('/tmp/link')"
    outcome = run(program)
    assert outcome.stdout == "True\n"
    assert "FileNotFoundError" in outcome.stderr


def test_a_program_that_prints_only_the_right_first_line_fails(provider):
    sandbox = Sandbox(provider, provider.limits)
    assert sandbox.run_tests("print(1)", [("", "1\n2\n3"), ("", "1")]) == (False, True)


def test_it_cannot_say_that_the_sandbox_failed(run):
    assert run("import sys\nsys.stderr.write('bwrap: no')\nexit(1)").exit_code == 1
    program = "import os\nfor fd in range(3, 64):\n  try: print(fd, os.fstat(fd))\n  except OSError: pass"
    assert run(program).prints("")  # it has no descriptor but those of its input, its output and its errors


def test_limits_cannot_be_raised(run):
    for limit in ("CPU", "AS", "FSIZE", "NPROC", "NOFILE"):
        outcome = run(f"import resource\nresource.setrlimit(resource.RLIMIT_{limit}, (1 << 40, 1 << 40))")
        assert "not allowed to raise maximum limit" in outcome.stderr, limit


def test_it_dies_with_the_process_that_started_it(provider, tmp_path):
    marked = Limits(wall_seconds=60, cpu_seconds=60, memory_mb=311)
    script = (
        "from openr1.rewards.sandbox import Limits, build_sandbox\n"
        f"limits = Limits(wall_seconds=60, cpu_seconds=60, memory_mb={marked.memory_mb})\n"
        "build_sandbox(limits=limits).execute('while True: pass')"
    )
    starter = subprocess.Popen([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    assert eventually(lambda: running(marked))
    time.sleep(1)  # the program has been read
    assert len(running(marked)) >= 2
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    assert eventually(lambda: not running(marked))


def test_a_function_is_called(provider):
    sandbox = Sandbox(provider, provider.limits)
    program = "class Solution:\n    def power(self, n: int) -> List[int]:\n        print('out')\n        return [10**n]"
    assert sandbox.run_tests(program, [("[5000]", f"[1{'0' * 5000}]", "power"), ("[0]", "[2]", "power")]) == (True, False)
