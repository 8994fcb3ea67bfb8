"""Rented machines: stand-ins for the services' packages, with their calls, that run commands in a shell here."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from openr1.rewards.sandbox import Limits, SandboxError, build_sandbox
from openr1.system.errors import ConfigError

LIMITS = Limits(cpu_seconds=1, wall_seconds=2, output_kb=10, disk_mb=1)


def shell(command):
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=30, check=False)
    return SimpleNamespace(exit_code=done.returncode, stdout=done.stdout, stderr=done.stderr)


class Rental:
    """How many machines were rented, and given back."""

    def __init__(self):
        self.started, self.stopped, self.arguments = 0, 0, None


@pytest.fixture
def rental():
    return Rental()


@pytest.fixture
def e2b(monkeypatch, tmp_path, rental):
    monkeypatch.setattr("openr1.rewards.providers.remote.FOLDER", str(tmp_path))

    class CommandExitException(Exception):
        pass

    class Sandbox:
        @classmethod
        def create(cls, template=None, timeout=None, *, allow_internet_access=None):
            rental.started += 1
            rental.arguments = (template, timeout, allow_internet_access)
            return cls()

        def __init__(self):
            self.files = SimpleNamespace(write=lambda path, data: Path(path).write_text(data))
            self.commands = SimpleNamespace(run=self.run)

        def run(self, cmd, *, timeout=60):
            result = shell(cmd)
            if result.exit_code:
                error = CommandExitException()
                vars(error).update(vars(result))
                raise error
            return result

        def kill(self):
            rental.stopped += 1

    module = SimpleNamespace(Sandbox=Sandbox, CommandExitException=CommandExitException)
    monkeypatch.setitem(sys.modules, "e2b", module)
    monkeypatch.setenv("E2B_API_KEY", "key")
    return build_sandbox("e2b", {"template": "python"}, LIMITS)


@pytest.fixture
def morph(monkeypatch, tmp_path, rental):
    monkeypatch.setattr("openr1.rewards.providers.remote.FOLDER", str(tmp_path))

    class MorphCloudClient:
        def __init__(self):
            self.instances = SimpleNamespace(start=self.start)

        def start(self, snapshot_id, metadata=None, ttl_seconds=None, ttl_action=None, timeout=None):
            rental.started += 1
            rental.arguments = (snapshot_id, ttl_seconds, ttl_action)
            return SimpleNamespace(exec=lambda command, timeout=None: shell(command), stop=self.stop)

        def stop(self):
            rental.stopped += 1

    monkeypatch.setitem(sys.modules, "morphcloud", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "morphcloud.api", SimpleNamespace(MorphCloudClient=MorphCloudClient))
    monkeypatch.setenv("MORPH_API_KEY", "key")
    return build_sandbox("morph", {"snapshot": "snapshot_1"}, LIMITS)


@pytest.fixture(params=["e2b", "morph"])
def rented(request):
    return request.getfixturevalue(request.param)


@pytest.mark.slow
def test_programs(rented, rental):
    rented.provider.check_available()
    program = "n = int(input())\nwhile n == 0: pass\nprint(n ** 2)\nif n == 3: raise SystemExit(1)"
    assert rented.run_tests(program, [("2", "4"), ("0", "0"), ("3", "9"), ("4", "16")]) == (True, False, False, True)
    assert rental.started == rental.stopped == 2  # one for the check, one for the program


@pytest.mark.slow
def test_outcomes(rented):
    failed = rented.execute("import sys\nprint('it\\'s \"out\" $HOME')\nprint('err', file=sys.stderr)\nsys.exit(3)")
    assert (failed.stdout, failed.stderr, failed.exit_code, failed.status) == ('it\'s "out" $HOME\n', "err\n", 3, "exited")
    assert rented.execute("import time\ntime.sleep(30)").status == "timeout"
    assert rented.execute("while True: pass").status == "timeout"
    flood = rented.execute("while True: print('a' * 1000)")
    assert (flood.status, len(flood.stdout)) == ("output", 10 * 1024 + 1)
    assert "MemoryError" in rented.execute("bytearray(10**10)").stderr
    assert (
        "File too large" in rented.execute("import os\nos.open\nopen('/tmp/openr1-big', 'wb').write(b'a' * (2 << 20))").stderr
    )
    assert rented.execute("import os\nprint('E2B_API_KEY' in os.environ, 'MORPH_API_KEY' in os.environ)").prints("False False")


def test_large_inputs(rented):
    text = "é'\"$`\\ \n" * 30_000
    assert rented.execute("import sys\nprint(len(sys.stdin.read()))", text).prints(str(len(text)))


def test_a_machine_is_given_back_after_a_failure(e2b, rental, monkeypatch):
    def gone(*_, **__):
        raise RuntimeError("gone")

    monkeypatch.setattr("subprocess.run", gone)
    with pytest.raises(SandboxError, match="RuntimeError: gone"):
        e2b.execute("print(1)")
    assert rental.started == rental.stopped == 1


def test_machines_are_rented_without_a_network_and_for_a_time(e2b, morph, rental):
    e2b.execute("print(1)")
    template, seconds, network = rental.arguments
    assert (template, network) == ("python", False)
    assert seconds > LIMITS.sample_seconds
    morph.execute("print(1)")
    snapshot, seconds, action = rental.arguments
    assert (snapshot, action) == ("snapshot_1", "stop")
    assert seconds > LIMITS.sample_seconds


def test_what_is_missing_is_said(e2b, morph, monkeypatch):
    with pytest.raises(ConfigError, match=r"reward\.sandbox_options\.snapshot: morph needs"):
        build_sandbox("morph").provider.check_available()
    monkeypatch.delenv("E2B_API_KEY")
    with pytest.raises(ConfigError, match=r"reward\.sandbox: e2b needs its key in the environment variable E2B_API_KEY"):
        e2b.provider.check_available()
    monkeypatch.setitem(sys.modules, "e2b", None)
    with pytest.raises(ConfigError, match=r"reward\.sandbox: e2b needs its package: pip install e2b"):
        e2b.provider.check_available()
    monkeypatch.setitem(sys.modules, "morphcloud.api", None)
    with pytest.raises(ConfigError, match=r"reward\.sandbox: morph needs its package: pip install morphcloud"):
        morph.provider.check_available()
