"""Programs on a Piston server: a local one that speaks its protocol, and runs what it is sent."""

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from openr1.data.tasks.base import Problem
from openr1.rewards import RewardConfig, Sample, Scorer, TermConfig
from openr1.rewards.sandbox import Limits, SandboxError, build_sandbox
from openr1.system.errors import ConfigError


class Server(ThreadingHTTPServer):
    """``failures`` are sent first, as (status, body)."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked, self.failures = [], []
        self.runtimes = [{"language": "python", "version": "3.12.0", "aliases": ["py"]}]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/api/v2"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        assert self.path == "/api/v2/runtimes"
        self.answer(200, self.server.runtimes)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != "/api/v2/execute" or self.headers["Content-Type"] != "application/json":
            self.answer(404, {})
            return
        self.server.asked.append(body)
        if self.server.failures:
            self.answer(*self.server.failures.pop(0))
            return
        if body["run_timeout"] > 3000:
            self.answer(400, {"message": "run_timeout cannot exceed the configured limit of 3000"})
            return
        command = [sys.executable, "-I", "-c", body["files"][0]["content"]]
        try:
            run = subprocess.run(
                command, input=body["stdin"], capture_output=True, text=True, timeout=body["run_timeout"] / 1000
            )
            result = {"stdout": run.stdout, "stderr": run.stderr, "code": run.returncode, "signal": None, "status": None}
        except subprocess.TimeoutExpired:
            result = {"stdout": "", "stderr": "", "code": None, "signal": "SIGKILL", "status": "TO"}
        self.answer(200, {"language": "python", "version": "3.12.0", "run": result})

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def piston(server):
    return build_sandbox("piston", {"urls": [server.url], "retries": 2}, Limits(wall_seconds=1, cpu_seconds=1))


def test_programs(piston, server):
    piston.provider.check_available()
    program = "n = int(input())\nwhile n == 0: pass\nprint(n ** 2)\nif n == 3: raise SystemExit(1)"
    assert piston.run_tests(program, [("2", "4"), ("0", "0"), ("3", "9"), ("4", "16")]) == (True, False, False, True)
    asked = server.asked[-1]
    assert (asked["language"], asked["version"], asked["stdin"]) == ("python", "*", "4")
    assert (asked["run_timeout"], asked["run_cpu_time"], asked["run_memory_limit"]) == (1000, 1000, 512 << 20)
    assert piston.execute("print(1)").prints("1")
    assert piston.execute("while True: pass").status == "timeout"


def test_too_much_output(server):
    small = build_sandbox("piston", {"urls": [server.url]}, Limits(wall_seconds=2, output_kb=1))
    assert small.execute("print('a' * 2000)").status == "output"
    server.failures.append((200, {"run": {"stdout": "a", "stderr": "", "code": None, "signal": "SIGKILL", "status": "OL"}}))
    assert small.execute("print('a' * 2000)").status == "output"


def test_what_may_go_well_another_time_is_tried_again(piston, server):
    server.failures += [(429, {"message": "too many"}), (503, {})]
    assert piston.execute("print(1)").prints("1")
    assert len(server.asked) == 3
    server.failures += [(503, {"message": "busy"})] * 3
    with pytest.raises(SandboxError, match=r"503 .*busy"):
        piston.execute("print(1)")
    assert len(server.asked) == 6


def test_a_refusal_is_the_sandbox_s_failure(server):
    slow = build_sandbox("piston", {"urls": [server.url]}, Limits(wall_seconds=10))
    with pytest.raises(SandboxError, match=r"400 .*configured limit of 3000"):
        slow.execute("print(1)")
    assert len(server.asked) == 1
    with pytest.raises(ConfigError, match=r"reward\.limits: .*configured limit of 3000"):
        slow.provider.check_available()
    server.failures.append((200, {"message": "hello"}))
    with pytest.raises(SandboxError, match="the answer is not one of Piston"):
        slow.execute("print(1)")


def test_a_server_that_is_not_there_or_has_no_python_is_refused(piston, server):
    server.runtimes = [{"language": "rust", "version": "1.90.0", "aliases": []}]
    with pytest.raises(ConfigError, match=r"reward\.sandbox_options\.language: .* has rust, not python"):
        piston.provider.check_available()
    absent = build_sandbox("piston", {"urls": ["http://127.0.0.1:9/api/v2"], "retries": 0})
    with pytest.raises(ConfigError, match=r"reward\.sandbox_options\.urls: no Piston server answers: http://127"):
        absent.provider.check_available()


def test_rewards_run_on_it(server):
    problem = Problem("square", "", kind="code", tests=(("2", "4"), ("3", "9")))
    limits = Limits(wall_seconds=2, parallel=2)
    config = RewardConfig({"code": TermConfig()}, 10, 1, "piston", {"urls": [server.url]}, limits)
    with Scorer(config) as scorer:
        [[half, none]] = scorer.score([[Sample(problem, f"```python\nprint({value})\n```") for value in (4, 5)]])
    assert (half.total, none.total) == (0.5, 0)
