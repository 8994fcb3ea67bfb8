"""Attacks of programs on the sandbox: none reaches its aim, costs more than its limits, or leaves anything behind."""

import os
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from helpers.sandboxes import WAYS, bubblewrap, eventually, running

import openr1
from openr1.data.tasks.base import Problem
from openr1.rewards import RewardConfig, Sample, Scorer, TermConfig
from openr1.rewards.sandbox import Limits, Sandbox, build_sandbox

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("bubblewrap")]
LIMITS = Limits(cpu_seconds=1, wall_seconds=8, memory_mb=307, output_kb=100, disk_mb=4, threads=16)
SECRET, HANDLE = "hunter2", "abstract-openr1"
PROJECT = Path(openr1.__file__).parent
LIBC = "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\n"

READ = {  # attacks that print "won" also where nothing protects the host from them
    "the password file": "open('/etc/passwd').read()\nprint('won')",
    "the shadow file": "open('/etc/shadow').read()\nprint('won')",
    "the project": f"open({str(PROJECT / '__init__.py')!r}).read()\nprint('won')",
    "the home folder": f"import os\nos.listdir({str(Path.home())!r})\nprint('won')",
    "a symlink to a file": "import os, tempfile\npath = tempfile.mktemp()\nos.symlink('/etc/passwd', path)\n"
    "try: print('won' if open(path).read() else '')\nfinally: os.remove(path)",
    "the environment of the parent": "import os\ntext = open(f'/proc/{os.getppid()}/environ').read()\nprint('won')",
    "its own environment": "open('/proc/self/environ').read()\nprint('won')",
    "the memory of another process": "import os\nopen(f'/proc/{os.getppid()}/maps').read()\nprint('won')",
    "the list of processes": "import os\nprint('won' if [n for n in os.listdir('/proc') if n.isdigit()] else '')",
    "a shell": "import os\nos.execv('/bin/sh', ['sh', '-c', 'echo won'])",
    "a child process": "import subprocess\nprint(subprocess.run(['echo', 'won'], capture_output=True, text=True).stdout)",
    "a server by TCP": "import socket\nsocket.create_connection(('127.0.0.1', {port}), 2)\nprint('won')",
    "a server by UDP": "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
    "s.connect(('127.0.0.1', {port}))\ns.send(b'x')\nprint('won')",
    "a Unix socket": "import socket\nsocket.socket(socket.AF_UNIX).connect({path!r})\nprint('won')",
    "an abstract socket": f"import socket\nsocket.socket(socket.AF_UNIX).connect('\\0{HANDLE}')\nprint('won')",
    "a file beside the tests": "open({folder!r} + '/tests.json', 'w').write('[]')\nprint('won')",
}
BREAK = {  # attacks that are not tried without protection
    "a name server": "import socket\nsocket.getaddrinfo('localhost', 80, type=socket.SOCK_STREAM)\n"
    "socket.socket(socket.AF_INET).connect(('127.0.0.1', 53))\nprint('won')",
    "a socket of the hypervisor": "import socket\nsocket.socket(socket.AF_VSOCK)\nprint('won')",
    "the kernel's interface": "import socket\nsocket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)\nprint('won')",
    "to trace its parent": f"{LIBC}print('won' if libc.ptrace(16, os.getppid(), 0, 0) == 0 else '')",
    "to be traced": f"{LIBC}print('won' if libc.ptrace(0, 0, 0, 0) == 0 else '')",
    "a descriptor of its parent": f"{LIBC}fd = libc.syscall(434, os.getppid(), 0)\n"
    "for i in range(16): print('won' if libc.syscall(438, fd, i, 0) >= 0 else '')",
    "a mount": f"{LIBC}print('won' if libc.mount(b'x', b'/tmp', b'tmpfs', 0, b'') == 0 else '')",
    "a mount of the processes": f"{LIBC}print('won' if libc.mount(b'proc', b'/tmp', b'proc', 0, b'') == 0 else '')",
    "the root to be writable": f"{LIBC}print('won' if libc.mount(b'', b'/', b'', 0x20 | 0x1000, b'') == 0 else '')",
    "a nested user namespace": f"{LIBC}print('won' if libc.unshare(0x10000000) == 0 else '')",
    "a nested namespace by clone": f"{LIBC}print('won' if libc.syscall(56, 0x10000000 | 17, 0, 0, 0, 0) >= 0 else '')",
    "another root": f"{LIBC}print('won' if libc.chroot(b'/tmp') == 0 else '')",
    "a file by its handle": f"{LIBC}print('won' if libc.open_by_handle_at(0, b'\\0' * 128, 0) >= 0 else '')\n"
    "print('won' if ctypes.get_errno() != 1 else '')",
    "a device": "import os\nos.mknod('/tmp/disk', 0o60666, os.makedev(8, 0))\nprint('won')",
    "the rights of root": "import os\nos.setuid(0)\nprint('won')",
    "a file with the rights of root": "import os\nopen('/tmp/a', 'w')\nos.chown('/tmp/a', 0, 0)\nos.chmod('/tmp/a', 0o6777)\n"
    "print('won')",
    "a higher priority": "import os\nos.nice(-5)\nprint('won')",
    "the log of the kernel": f"{LIBC}print('won' if libc.klogctl(3, ctypes.create_string_buffer(99), 99) >= 0 else '')",
    "the terminal": "import fcntl, termios\nfcntl.ioctl(1, termios.TIOCSTI, b'x')\nprint('won')",
    "the interpreter's files": "import os\nopen(os.__file__, 'a').write('x')\nprint('won')",
    "a process that outlives it": "import os, time\nif not os.fork():\n  os.setsid()\n"
    "  if not os.fork(): time.sleep(600)\nprint('won')",
    "a process by vfork": f"{LIBC}print('won' if libc.syscall(58) >= 0 else '')",
    "higher limits": "import resource\nresource.setrlimit(resource.RLIMIT_AS, (1 << 40, 1 << 40))\nprint('won')",
    "memory in a file of no process": f"{LIBC}print('won' if libc.memfd_create(b'x', 0) >= 0 else '')",
    "memory that is shared": f"{LIBC}print('won' if libc.shmget(0, 1 << 20, 0o1600) >= 0 else '')",
    "memory in attributes of a file": "import os\nopen('/tmp/a', 'w')\nos.setxattr('/tmp/a', 'user.a', b'x')\nprint('won')",
    "all contexts of asynchronous input": f"{LIBC}print('won' if libc.syscall(206, 64, "
    f"ctypes.byref(ctypes.c_ulong())) == 0 else '')",
    "other descriptors": "import os\nfor i in range(3, 1024):\n  try: os.fstat(i), print('won')\n  except OSError: pass",
    "the host's name": "import socket\nsocket.sethostname('x')\nprint('won')",
    "the clock": "import time\ntime.clock_settime(time.CLOCK_REALTIME, 0)\nprint('won')",
}
EXHAUST = {  # attacks that want more than their limits
    "an endless loop": "while True: pass",
    "a long sleep": "import time\nwhile True: time.sleep(60)",
    "signals that are ignored": "import signal\nsignal.alarm(0)\nfor number in range(1, 65):\n"
    "  try: signal.signal(number, signal.SIG_IGN)\n  except (OSError, ValueError): pass\nwhile True: pass",
    "signals that are blocked": "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\n"
    "while True: signal.pause()",
    "a stop of itself": "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)\nos.kill(0, signal.SIGSTOP)",
    "closed descriptors": "import os, time\nos.closerange(0, 64)\ntime.sleep(60)",
    "busy threads": "import threading\ndef f():\n  while True: pass\nfor _ in range(8): threading.Thread(target=f).start()",
    "very many threads": "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(60,)).start()",
    "a fork bomb": "import os\nwhile True: os.fork()",
    "a bomb of threads of the kernel": f"{LIBC}while True: libc.syscall(435, b'\\0' * 88, 88), libc.fork()",
    "a list without end": "x = []\nwhile True: x.append('a' * 10**6)",
    "a huge number": "print(len(str(10 ** 10 ** 9)))",
    "maps of memory": "import mmap\nx = []\nwhile True: x.append(mmap.mmap(-1, 1 << 20)), x[-1].write(b'x' * (1 << 20))",
    "a stack without end": "import sys\nsys.setrecursionlimit(10**9)\ndef f(): f()\nf()",
    "an expression that backtracks": "import re\nre.match('(a+)+$', 'a' * 60 + 'b')",
    "output without end": "while True: print('a' * 2**16)",
    "errors without end": "import os\nwhile True: os.write(2, b'a' * 2**16)",
    "output of a single byte, again and again": "import os\nwhile True: os.write(1, b'a')",
    "a disk that is filled": "for i in range(99): open(f'/tmp/{i}', 'wb').write(b'x' * 10**6)",
    "one file that fills the disk": "import os\nos.posix_fallocate(os.open('/tmp/a', os.O_CREAT | os.O_RDWR), 0, 1 << 30)",
    "a million empty files": "import os\nfor i in range(10**6): os.close(os.open(f'/tmp/{i}', os.O_CREAT))",
    "folders in folders": "import os\nwhile True: os.mkdir('a'), os.chdir('a')",
    "long symlinks": "import os\nfor i in range(10**6): os.symlink('x' * 4000, f'/tmp/{i}')",
    "pipes that are full": "import os, fcntl\nwhile True:\n  fcntl.fcntl(w := os.pipe()[1], 1031, 1 << 20)\n"
    "  os.write(w, b'x' * (1 << 20))",
    "a pipe that nobody reads": "import os\nos.mkfifo('/tmp/a')\nopen('/tmp/a')",
    "a program of endless programs": "import os\nos.execve('/python/bin/python', ['python', '-S', '-c', 'while True: pass'], "
    "{'PYTHONHOME': '/python', 'LD_LIBRARY_PATH': '/python/shared'})",
}


@pytest.fixture(params=WAYS)
def provider(request):
    return bubblewrap(request.param, LIMITS)


@pytest.fixture
def places(tmp_path):
    """Open what an attack may reach: servers, sockets, a folder with tests."""
    (tmp_path / "tests.json").write_text(SECRET)
    path = str(tmp_path / "socket")
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.socket(socket.AF_UNIX) as local,
        socket.socket(socket.AF_UNIX) as abstract,
    ):
        local.bind(path)
        abstract.bind(f"\0{HANDLE}")
        local.listen()
        abstract.listen()
        yield {"port": server.getsockname()[1], "path": path, "folder": str(tmp_path)}
    assert {entry.name for entry in tmp_path.iterdir()} == {"tests.json", "socket"}


def aimed(program, places):
    for name, value in places.items():
        program = program.replace(f"{{{name}}}", str(value)).replace(f"{{{name}!r}}", repr(value))
    return program


def test_no_attack_reaches_its_aim(provider, places, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", SECRET)
    sandbox = Sandbox(provider, LIMITS)
    attacks = {**READ, **BREAK, "the secrets of the environment": f"import os\nif {SECRET!r} in str(os.environ): print('won')"}
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(lambda program: sandbox.execute(aimed(program, places)), attacks.values()))
    won = [name for name, outcome in zip(attacks, outcomes, strict=True) if "won" in outcome.stdout]
    assert won == []
    hung = [name for name, outcome in zip(attacks, outcomes, strict=True) if outcome.status != "exited"]
    assert hung == []
    assert (Path(places["folder"]) / "tests.json").read_text() == SECRET
    assert eventually(lambda: not running(LIMITS))


def test_attacks_reach_their_aim_where_nothing_protects_the_host(places):
    sandbox = build_sandbox("unsafe_subprocess", limits=LIMITS)
    needs_root = {"the shadow file"} if os.geteuid() else set()
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(lambda program: sandbox.execute(aimed(program, places)), READ.values()))
    lost = [(name, outcome.stderr) for name, outcome in zip(READ, outcomes, strict=True) if "won" not in outcome.stdout]
    assert [name for name, _ in lost if name not in needs_root] == [], lost


def test_no_attack_costs_more_than_its_limits_or_harms_the_others(provider):
    sandbox, honest = Sandbox(provider, LIMITS), "import os\nprint(os.listdir('/tmp'), input())"
    programs = [program for attack in EXHAUST.values() for program in (attack, honest)]
    before = set(os.listdir("/tmp"))

    def execute(program):
        start = time.monotonic()
        return sandbox.execute(program, "a line"), time.monotonic() - start

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(execute, programs))
    assert [outcome.stdout for outcome, _ in results[1::2]] == ["[] a line\n"] * len(EXHAUST)
    attacks = dict(zip(EXHAUST, results[::2], strict=True))
    assert [name for name, (outcome, _) in attacks.items() if outcome.succeeded] == []
    assert [name for name, (_, seconds) in attacks.items() if seconds > LIMITS.wall_seconds + 3] == []
    room = LIMITS.output_kb * 1024 + 1
    assert [name for name, (outcome, _) in attacks.items() if len(outcome.stdout) + len(outcome.stderr) > room] == []
    assert eventually(lambda: not running(LIMITS))
    assert not {name for name in set(os.listdir("/tmp")) - before if name in ("a", "0")}


def test_attacks_among_the_answers_cost_their_own_score_and_nothing_else():
    names = ("an endless loop", "a stop of itself", "a fork bomb", "output without end", "a list without end")
    problem = Problem("q", "", kind="code", tests=(("2", "4"), ("3", "9")))
    answers = [f"```python\n{EXHAUST[name]}\n```" for name in names]
    answers += ["```python\nprint(int(input()) ** 2)\n```"] * len(answers)
    limits = Limits(cpu_seconds=1, wall_seconds=4, memory_mb=308)
    with Scorer(RewardConfig({"code": TermConfig(), "accuracy": TermConfig()}, workers=2, limits=limits)) as scorer:
        [scores] = scorer.score([[Sample(problem, answer) for answer in answers]])
    assert [score.values["code"] for score in scores] == [0] * len(names) + [1] * len(names)
    assert [score.correct for score in scores] == [False] * len(names) + [True] * len(names)
    assert not any(score.errors for score in scores)
    assert eventually(lambda: not running(limits))


def test_a_program_cannot_end_or_stop_its_init(provider):
    program = (
        "import os, signal, time\nfor number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM):\n"
        "  try: os.kill(1, number)\n  except OSError: pass\ntime.sleep(0.2)\nprint('alive')"
    )
    assert Sandbox(provider, LIMITS).execute(program).prints("alive")
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL  # nothing of it came here
