"""Scoring in processes that can be killed."""

import os
import signal
import subprocess
import sys
import threading
import time
from multiprocessing.connection import wait

import pytest

from openr1.data.tasks.base import Problem
from openr1.rewards import RewardConfig, Sample, Scorer, TermConfig
from openr1.rewards.pool import record_failure
from openr1.rewards.protocol import LATE, VERDICT, PartialScore, StepStart, Task
from openr1.rewards.sandbox import Limits
from openr1.rewards.scorer import refuse_broken
from openr1.system.errors import ConfigError, RunError

OURS = '''
import os, re, signal, time
from openr1.rewards import reward, verify

@reward()
def trouble(samples):
    """One sample at a time: its completion says what to do."""
    [sample] = samples
    exec(sample.completion)
    return [1.0]

@reward()
def process(samples):
    return [os.getpid()]

def together(samples, scale=1.0):
    return [scale * len(samples)] * len(samples)

def slowly(samples):
    if any("sleep" in sample.completion for sample in samples):
        time.sleep(60)
    return [1] * len(samples)

@reward(needs="verdict")
def judged(samples):
    return [2.0 * verify(sample) for sample in samples]

def too_few(samples):
    return [1.0]

def not_a_number(samples):
    return [float("nan")] * len(samples)
'''
SUM = Problem("1+1=", "2")
HARD = r"$\int_0^1 \sin(x^{\sin x}) e^{x^2} dx$"  # SymPy works on it for very long
DEADLY = {
    "sleeps": "time.sleep(60)",
    "loops": "while True: pass",
    "holds the interpreter": "re.match('(a+)+$', 'a' * 60 + 'b')",
    "waits for a signal": "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65)); signal.pause()",
}


@pytest.fixture(scope="module", autouse=True)
def ours(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ours")
    (folder / "our_rewards.py").write_text(OURS)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield


@pytest.fixture(scope="module")
def scorer(ours):
    """One for many tests: what they do to its processes costs the next test nothing."""
    with Scorer(mix("tag_count", "trouble", "process", "format", time_limit=1.5)) as scorer:
        yield scorer


def mix(*names, workers=2, time_limit=1.0, **keys):
    terms = {name: TermConfig(function=f"our_rewards:{name}" if name in OURS else None) for name in names}
    return RewardConfig(terms, workers=workers, time_limit=time_limit, **keys)


def of(*completions, problem=SUM):
    return [Sample(problem, completion) for completion in completions]


def test_scores_are_in_the_order_given_with_a_weighted_total():
    config = mix("accuracy", "format", "soft_overlong_punishment")
    config.terms["format"].weight = 0.25
    good = "<think>1+1</think><answer>2</answer>"
    groups = [of(good, "<answer>3</answer>"), [], of("<answer>2</answer>", "<answer>2</answer>", good)]
    with Scorer(config) as scorer:
        scores = scorer.score(groups)
    assert [[score.total for score in group] for group in scores] == [[1.25, 0], [], [1, 1, 1.25]]
    assert scores[0][0].values == {"accuracy": 1, "format": 1, "soft_overlong_punishment": None}  # left out of the total
    assert [score.correct for score in scores[0]] == [True, False]


def test_without_any_value_there_is_no_total():
    with Scorer(mix("soft_overlong_punishment", workers=1)) as scorer:
        [[score]] = scorer.score([of("a")])
        assert (score.total, score.correct) == (None, None)
        assert scorer.score([]) == []


@pytest.mark.parametrize("how", DEADLY)
def test_a_sample_that_hangs_costs_its_own_value_and_nothing_else(scorer, how):
    [group] = scorer.score([of("pass", DEADLY[how], "pass", "pass", "pass")])
    assert [score.values["trouble"] for score in group] == [1, None, 1, 1, 1]
    assert all(score.values["tag_count"] == score.values["format"] == 0 for score in group)
    assert group[1].errors == {"trouble": "no end within 1.5 s"}
    assert not any(score.errors for score in group[:1] + group[2:])


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ("os._exit(3)", "died (exit code 3)"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "died (signal 11)"),
        ("raise KeyError('a')", "KeyError: 'a'"),
        ("raise SystemExit", "died (exit code 0)"),
    ],
)
def test_a_crash_costs_its_own_value_and_nothing_else(scorer, how, error):
    [group] = scorer.score([of("pass", how, "pass", how)])
    assert [score.values["trouble"] for score in group] == [1, None, 1, None]
    assert all(score.values["process"] and score.values["format"] == 0 for score in group)
    assert error in group[1].errors["trouble"]


def processes(scorer):
    return {int(score.values["process"]) for group in scorer.score([of("pass")] * 40) for score in group}


def test_processes_are_used_again(scorer):
    seen, end = set(), time.monotonic() + 30
    while len(seen) < 2 and time.monotonic() < end:  # a replaced one may still be starting
        seen = processes(scorer)
    assert len(seen) == 2
    assert os.getpid() not in seen
    for _ in range(3):
        assert processes(scorer) <= seen


def test_a_process_that_died_between_two_calls_is_replaced(scorer):
    before = processes(scorer)
    for process in before:
        os.kill(process, signal.SIGKILL)
    time.sleep(0.2)
    assert not before & processes(scorer)


@pytest.fixture(scope="module")
def judge(ours):
    with Scorer(mix("accuracy", "length", workers=1, time_limit=1.5)) as scorer:
        yield scorer


def test_from_another_thread_with_math_verify(judge):
    third, found = Problem("q", r"\frac{1}{3}", kind="math"), []
    group = of(r"\boxed{\frac{2}{6}}", r"\boxed{0.4}", problem=third)
    thread = threading.Thread(target=lambda: found.extend(judge.score([group])))
    thread.start()
    thread.join()
    [[right, false]] = found
    assert (right.correct, false.correct) == (True, False)


def test_an_answer_that_cannot_be_checked_in_time_is_wrong(judge):
    problem = Problem("q", r"$\int_0^1 x\,dx$", kind="math")
    [group] = judge.score([of("<answer>1/2</answer>", f"<answer>{HARD}</answer>", "<answer>1/2</answer>", problem=problem)])
    assert [score.correct for score in group] == [True, False, True]
    assert [score.values["accuracy"] for score in group] == [1, 0, 1]
    assert group[1].errors == {VERDICT: "no end within 1.5 s"}
    assert group[1].values["length"] == -0.5  # the longest of its group, and wrong


def test_verdicts(judge):
    samples = of("<answer>2</answer>", "2") + of("a", problem=Problem("q", "$$", kind="math"))
    assert judge.verdicts(samples) == [True, False, "the gold answer is not read to its end"]
    with Scorer(mix("format", workers=1)) as scorer, pytest.raises(ValueError, match="accuracy"):
        scorer.verdicts(samples)


@pytest.mark.parametrize(
    ("stage", "late", "correct"),
    [("completion", True, False), ("gold", True, None), ("start", True, None), ("completion", False, None)],
)
def test_what_failed_is_blamed(stage, late, correct):
    task = Task((Sample(Problem("q", "2", kind="math"), "2"),), PartialScore({"format": 1.0}))
    assert record_failure(task, StepStart(VERDICT, stage, 1, task.score), LATE, late) is None  # the rest is still to be done
    assert task.score.verdict.correct is correct
    assert task.score.values == {"format": 1.0}


def test_a_user_s_own_reward_has_the_whole_group_and_its_options():
    config = RewardConfig({"mine": TermConfig(0.5, "our_rewards:together", {"scale": 10})}, workers=1)
    with Scorer(config) as scorer:
        scores = scorer.score([of("a"), of("a", "b", "c")])
    assert [[score.total for score in group] for group in scores] == [[5], [15, 15, 15]]


def test_a_group_that_hangs_costs_its_own_values_and_nothing_else():
    with Scorer(mix("slowly", "tag_count")) as scorer:
        first, second = scorer.score([of("a", "b"), of("a", "sleep")])
    assert [score.values["slowly"] for score in first + second] == [1, 1, None, None]
    assert [score.total for score in second] == [0, 0]
    assert second[0].errors == {"slowly": "no end within 2 s"}


def test_a_user_s_own_reward_may_ask_for_the_verdict():
    with Scorer(mix("judged", workers=1)) as scorer:
        [[right, false]] = scorer.score([of("<answer>2</answer>", "<answer>3</answer>")])
    assert (right.total, false.total, false.correct) == (2, 0, False)


@pytest.mark.parametrize(
    ("name", "cause"), [("too_few", "1 values for 8 samples"), ("not_a_number", "not finite"), ("trouble", "SyntaxError")]
)
def test_a_reward_that_fails_everywhere_ends_the_run(name, cause):
    with Scorer(mix(name)) as scorer, pytest.raises(RunError, match=f"reward: {name} fails on every sample: .*{cause}"):
        scorer.score([of(*["no program"] * 8)])


def test_time_outs_are_the_samples_fault_unless_there_are_very_many():
    late = PartialScore(errors={VERDICT: f"{LATE} 1 s"})
    refuse_broken([late] * 63)
    refuse_broken([late] * 640 + [PartialScore()])
    refuse_broken([PartialScore(errors={VERDICT: "ValueError"})] * 7)
    with pytest.raises(RunError, match="verdict fails on every sample: no end within 1 s"):
        refuse_broken([late] * 64)


def test_a_reward_that_cannot_be_imported_is_refused():
    for function in ("our_rewards:absent", "no_such_module:f"):
        config = RewardConfig({"mine": TermConfig(function=function)})
        with Scorer(config) as scorer, pytest.raises(ConfigError, match=rf"reward\.terms\.mine\.function: {function} "):
            scorer.score([of("a")])


def test_programs_that_fail_cost_their_own_score_and_nothing_else():
    problem = Problem("q", "", kind="code", tests=(("1", "1"), ("2", "4")))
    programs = [
        "print(int(input()) ** 2)",
        "while True: pass",
        "print(1)",
        "import os\nos.kill(os.getppid(), 9)",
        "no program (",
    ]
    group = of(*(f"```python\n{program}\n```" for program in programs[:3] + programs[4:]), problem=problem)
    limits = Limits(cpu_seconds=1, wall_seconds=3)
    with Scorer(mix("code", "binary_code", "accuracy", sandbox="unsafe_subprocess", limits=limits)) as scorer:
        [scores] = scorer.score([group])
    assert [score.values["code"] for score in scores] == [1, 0, 0.5, 0]
    assert [score.values["binary_code"] for score in scores] == [1, 0, 0, 0]
    assert [score.correct for score in scores] == [True, False, False, False]


def test_rewards_of_programs_refuse_to_run_without_a_sandbox():
    absent = {"command": "no-such-bwrap"}
    with pytest.raises(ConfigError, match=r"^reward\.sandbox: bubblewrap"):
        Scorer(mix("code", sandbox_options=absent))
    problem = Problem("q", "", kind="code", tests=(("", "1"),))
    with Scorer(mix("accuracy", sandbox_options=absent, workers=1)) as scorer:
        assert scorer.score([of("<answer>2</answer>")])[0][0].total == 1  # which needs none
        with pytest.raises(ConfigError, match=r"^reward\.sandbox: bubblewrap"):
            scorer.score([of("```python\nprint(1)\n```", problem=problem)])


def test_a_sandbox_that_is_down_ends_the_run():
    problem = Problem("q", "", kind="code", tests=(("", "1"),))
    options = {"urls": ["http://127.0.0.1:9"], "retries": 0}
    with Scorer(mix("accuracy", sandbox="piston", sandbox_options=options)) as scorer:
        scorer._sandbox_runs = True  # it was there at the start
        with pytest.raises(RunError, match=r"reward: verdict fails on every sample: SandboxError: http://127.0.0.1:9"):
            scorer.score([of(*["```python\nprint(1)\n```"] * 8, problem=problem)])


def test_it_goes_on_after_an_error(scorer):
    with pytest.raises(RunError):
        scorer.score([of(*["raise ValueError"] * 8)])
    [[score]] = scorer.score([of("pass")])
    assert score.values["trouble"] == 1


def test_signals_that_are_meant_for_the_command_do_not_end_its_processes(scorer):
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    [scores] = scorer.score([of(*(f"os.kill(os.getpid(), signal.{name})" for name in names))])
    assert [score.values["trouble"] for score in scores] == [1, 1, 1]


def test_an_interrupted_call_leaves_nothing_to_the_next(scorer, monkeypatch):
    def interrupted(connections, timeout):
        if len(taken) > 20:
            raise KeyboardInterrupt
        taken.append(timeout)
        return wait(connections, timeout)

    taken = []
    monkeypatch.setattr("openr1.rewards.pool.wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        scorer.score([of(*["time.sleep(0.01)"] * 40)])
    monkeypatch.undo()
    [scores] = scorer.score([of("<think>", "pass", "pass")])
    assert [score.values["tag_count"] for score in scores] == [0.25, 0, 0]


@pytest.mark.slow
@pytest.mark.parametrize("completion", ["pass", "re.match('(a+)+$', 'a' * 60 + 'b')"])
def test_processes_end_with_the_one_that_scores(completion):
    script = (
        "import sys\nfrom openr1.data.tasks.base import Problem\nfrom openr1.rewards import *\n"
        "config = RewardConfig({'p': TermConfig(function='our_rewards:process'),"
        " 't': TermConfig(function='our_rewards:trouble')}, workers=1, time_limit=2)\n"
        "scorer = Scorer(config)\n"
        "print(int(scorer.score([[Sample(Problem('a', 'b'), 'pass')]])[0][0].values['p']), flush=True)\n"
        f"scorer.score([[Sample(Problem('a', 'b'), {completion!r})]])\nimport time\ntime.sleep(60)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment)
    worker = int(parent.stdout.readline())
    time.sleep(0.5)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    end = time.monotonic() + 12
    while alive(worker) and time.monotonic() < end:
        time.sleep(0.1)
    assert not alive(worker)


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
