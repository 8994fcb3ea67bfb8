"""Tests of programs: how outputs are compared, and what a failing test costs. Programs run unprotected here, by ours alone."""

import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from openr1.data.tasks.base import Problem
from openr1.rewards import REWARDS, Sample, Verified, sandbox, verify
from openr1.rewards.correctness import judge_answer
from openr1.rewards.sandbox import Execution, Limits, Provider, Sandbox, SandboxError, build_sandbox
from openr1.system.errors import ConfigError

ADD = "print(sum(map(int, input().split())))"
TESTS = (("1 2", "3"), ("2 2", "4\n"), ("5 5", "10"))


@pytest.fixture
def unsafe():
    return build_sandbox("unsafe_subprocess", limits=Limits(cpu_seconds=1, wall_seconds=1.5))


class Recorded(Provider):
    """Answers with what it is told to, and records what it is asked."""

    def __init__(self, answers, limits, seconds=0.0):
        super().__init__(None, limits)
        self.answers, self.asked, self.seconds, self.sessions = answers, [], seconds, 0
        self.now = self.most = 0
        self.lock = threading.Lock()

    def check_available(self):
        pass

    @contextmanager
    def session(self, program):
        self.sessions += 1
        yield self.execute

    def execute(self, stdin):
        with self.lock:
            self.asked.append(stdin)
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(self.seconds)
        with self.lock:
            self.now -= 1
        return self.answers[stdin]


def test_the_whole_output_is_compared():
    outcome, expected = Execution("1\n"), "1\n2\n3\n"

    def line_by_line(printed, expected):
        return all(a.strip() == b.strip() for a, b in zip(printed.split("\n"), expected.split("\n"), strict=False))

    assert line_by_line(outcome.stdout.strip(), expected)  # the first line is right, and no other is looked at
    assert not outcome.prints(expected)
    assert not Execution("1\n2\n3\n4").prints(expected)
    assert Execution(expected).prints(expected)
    assert not Execution("").prints("1")


def test_a_program_that_fails_passes_no_test_even_if_what_it_printed_is_right():
    assert Execution("1").prints("1")
    assert not Execution("1", exit_code=1).prints("1")
    assert not Execution("1", status="timeout").prints("1")
    assert not Execution("1", status="output").prints("1")


def test_programs(unsafe):
    assert unsafe.run_tests(ADD, TESTS) == (True, True, True)
    assert unsafe.run_tests("print(3)", TESTS) == (True, False, False)
    assert unsafe.run_tests("print(3)", TESTS, run_all=False) == (True, False)
    assert unsafe.run_tests("syntax error", TESTS) == (False, False, False)
    failed = unsafe.execute("import sys\nprint('out')\nprint('err', file=sys.stderr)\nexit(3)")
    assert (failed.stdout, failed.stderr, failed.exit_code, failed.status) == ("out\n", "err\n", 3, "exited")


def test_programs_are_scripts_of_their_own(unsafe):
    outcome = unsafe.execute(
        "import sys\nfrom dataclasses import dataclass\n@dataclass\nclass A:\n  x: 'int'\n"
        "print(__name__, sys.argv, A(1), sorted(n for n in globals() if not n.startswith('__')))\nquit()"
    )
    assert outcome.stdout == "__main__ ['program.py'] A(x=1) ['A', 'dataclass', 'sys']\n"


def test_a_program_prints_the_same_each_time(unsafe):
    assert len({unsafe.execute("print({'a', 'b', 'c', 'd'}, hash('x'))").stdout for _ in range(5)}) == 1


def test_input_and_output_of_any_size(unsafe):
    lines = "".join(f"{i}\n" for i in range(50_000))
    assert unsafe.execute("import sys\nfor line in sys.stdin: print(line, end='')", lines).stdout == lines
    assert unsafe.execute("print('no one reads')", lines * 10).prints("no one reads")
    assert unsafe.execute("print(ascii(input()))", "é\n").prints(r"'\xe9'")


def test_a_time_out_fails_its_test_and_nothing_else(unsafe):
    program = "n = input()\nwhile n == 'loop': pass\nwhile n == 'sleep':\n  import time\n  time.sleep(9)\nprint(n)"

    def evaluation_script(stdin):
        return subprocess.run([sys.executable, "-c", program], input=stdin, text=True, capture_output=True, timeout=0.3)

    with pytest.raises(subprocess.TimeoutExpired):  # which ended the whole evaluation
        evaluation_script("loop")
    tests = [("1", "1"), ("loop", "loop"), ("2", "2"), ("sleep", "sleep"), ("3", "3")]
    assert unsafe.run_tests(program, tests) == (True, False, True, False, True)
    assert unsafe.execute(program, "loop").status == unsafe.execute(program, "sleep").status == "timeout"


def test_what_a_program_leaves_running_is_ended(unsafe):
    start = time.monotonic()
    left = unsafe.execute("import subprocess\nprint(subprocess.Popen(['sleep', '60']).pid)")
    assert left.status == "timeout"  # it still holds the output
    assert time.monotonic() - start < 10
    state = Path(f"/proc/{int(left.stdout)}/stat")

    def gone():
        return not state.exists() or state.read_text().rsplit(")", 1)[1].split()[0] == "Z"

    while not gone():  # it was killed, and is on its way
        assert time.monotonic() - start < 10
        time.sleep(0.01)


def test_limits():
    tight = build_sandbox("unsafe_subprocess", limits=Limits(memory_mb=200, output_kb=10, disk_mb=1, wall_seconds=5))
    assert "MemoryError" in tight.execute("bytearray(300 << 20)").stderr
    assert tight.execute("print('a' * 9000)").status == "exited"
    flood = tight.execute("while True: print('a' * 1000)")
    assert flood.status == "output"
    assert len(flood.stdout) <= 10 * 1024 + 1
    assert tight.execute("import sys\nwhile True: print('a' * 1000, file=sys.stderr)").status == "output"


def test_tests_run_at_once_and_keep_their_order():
    answers = {str(i): Execution(str(i)) for i in range(8)}
    provider = Recorded(answers, Limits(parallel=4), seconds=0.05)
    tests = [(str(i), str(i) if i != 3 else "no") for i in range(8)]
    assert Sandbox(provider, provider.limits).run_tests("", tests) == (True, True, True, False, True, True, True, True)
    assert provider.most == 4
    assert provider.sessions == 1


def test_checking_stops_at_the_first_failure_unless_every_test_counts():
    answers = {str(i): Execution("x") for i in range(8)}
    provider = Recorded(answers, Limits())
    tests = [(str(i), "x" if i < 2 else "y") for i in range(8)]
    assert Sandbox(provider, provider.limits).run_tests("", tests, run_all=False) == (True, True, False)
    assert provider.asked == ["0", "1", "2"]


def test_tests_that_do_not_begin_in_time_fail():
    provider = Recorded({"": Execution("x")}, Limits(sample_seconds=0.15), seconds=0.1)
    assert Sandbox(provider, provider.limits).run_tests("", [("", "x")] * 5) == (True, True, False, False, False)
    assert len(provider.asked) == 2


def code(*tests):
    return Problem("add", "", kind="code", tests=tests)


def answered(program):
    return f"<think>so</think><answer>```python\n{program}\n```</answer>"


def test_code_is_the_share_of_all_tests(unsafe):
    half = Sample(code(*TESTS[:2]), answered("print(3)"))
    verdict = judge_answer(half, unsafe, run_all=True)
    assert verdict[:2] == (False, (True, False))
    checked = Verified.of(half, verdict)
    assert REWARDS["code"]([checked]) == [0.5]
    assert REWARDS["binary_code"]([checked]) == [0]
    assert REWARDS["binary_code"]([checked], threshold=0.5) == [1]
    assert REWARDS["accuracy"]([checked]) == [0]


def test_code_without_a_program_passes_nothing_and_without_tests_has_no_value(unsafe):
    none = Sample(code(*TESTS), "I cannot.")
    assert judge_answer(none, unsafe)[:2] == (False, (False, False, False))
    assert REWARDS["code"]([none, Sample(code(), answered(ADD)), Sample(Problem("q", "2"), "2")]) == [0, None, None]
    assert verify(Sample(code(), answered(ADD))) is None


def test_where_bubblewrap_is_missing_code_is_refused(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda command: None)
    sandbox.default_sandbox.cache_clear()
    with pytest.raises(ConfigError, match=r"^reward\.sandbox: bubblewrap .* not installed; .*unsafe_subprocess"):
        verify(Sample(code(*TESTS), answered(ADD)))


def test_a_sandbox_that_fails_is_not_the_program_s_failure():
    provider = build_sandbox("bubblewrap", {"command": "false"}).provider
    with pytest.raises(SandboxError):
        provider._run(b"print(1)", "")
    with pytest.raises(SandboxError, match="no-such-command"):
        build_sandbox("bubblewrap", {"command": "no-such-command"}).execute("print(1)")


def test_a_sandbox_is_found_by_name():
    with pytest.raises(ConfigError, match=r"reward\.sandbox: 'docker' is not one of bubblewrap, unsafe_subprocess, piston"):
        build_sandbox("docker")
    with pytest.raises(ConfigError, match=r"reward\.sandbox_options\.colour"):
        build_sandbox("bubblewrap", {"colour": "red"})
