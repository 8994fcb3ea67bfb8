"""Two processes of this machine that share the problems of a stage: their artifact, and their ends."""

import json
import os
import signal
import sys
import textwrap
import time
from collections import Counter

import psutil
import pytest
from helpers.cli import start_run
from helpers.configs import composed
from helpers.data import read_problems
from helpers.models import write_model, write_reward_model

from openr1.engines.journal import Journal
from openr1.runs.fingerprint import identify
from openr1.runs.stage_run import run_stage
from openr1.stages import model_answers
from openr1.system.artifacts import RECORD, STARTED, Store
from openr1.system.errors import RunError
from openr1.tracking import mlflow as tracking

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("shared_answers")]

OWN = {RECORD, STARTED}  # files that name the time and the tracked run
TIMES = {"wall_seconds", "tokens_per_second"}


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """Return overrides of a run that asks a small model with random weights, and the folder of a reward model."""
    folder = tmp_path_factory.mktemp("models")
    model, rewards = write_model(folder / "model"), write_reward_model(folder / "rewards")
    words = ["data=sums", "data.sources.sums.problems=300", "data.eval_fraction=0.2", f"model.checkpoint={model}"]
    return [*words, "stage.samples=2", "stage.sampling.max_tokens=24", "stage.shard=16"], rewards


@pytest.fixture(scope="module")
def whole(asked, tmp_path_factory):
    """The artifact of an evaluation on one process."""
    outputs = tmp_path_factory.mktemp("whole")
    return run_stage(composed(*asked[0], "stage=evaluate", f"paths.outputs={outputs}"), quiet=True).artifact


def content(artifact):
    return {name: sha256 for name, sha256 in artifact.hashes.items() if name not in OWN}


def test_two_processes_make_the_artifact_of_one(asked, tmp_path):
    words, rewards = asked
    scored = [f"+stage.{key}={{function: preference, options: {{model: {rewards}}}}}" for key in ("best_of", "gold")]
    options = [*words, "stage=evaluate", *scored]
    one = run_stage(composed(*options, f"paths.outputs={tmp_path}/one"), quiet=True)
    # what shards the state of training shares problems all the same
    config = composed(*options, "compute=zero3", f"paths.outputs={tmp_path}/two")
    two = run_stage(config, quiet=True)
    assert two.artifact.fingerprint == one.artifact.fingerprint
    assert content(two.artifact) == content(one.artifact)
    assert {"best_of_n.csv", "scores.json", "scores.md", "data/answers.parquet"} == set(content(one.artifact))
    assert two.metrics.keys() == one.metrics.keys()
    for name in one.metrics.keys() - TIMES:
        assert two.metrics[name] == one.metrics[name], name
    (tracked,) = tracking.read_runs(config.tracking.uri, config.study)
    assert tracked.metrics["flops_eval"] == one.metrics["flops_eval"]
    assert not {"answers", "ranks", "progress.json"} & {path.name for path in two.artifact.path.iterdir()}


def disturbed(tmp_path, monkeypatch, what):
    """Have all processes log what they are asked and write slowly, and the second one do something at its sixth answer."""
    module = f"""
        import os
        if "RANK" in os.environ:
            import signal, time
            from openr1.engines import journal
            rank, append, count = os.environ["RANK"], journal.Journal.append, []
            def other(self, asked):
                count.append(1)
                if rank == "1" and len(count) == 6:
                    {what}
                with open({str(tmp_path / "asked.log")!r}, "a") as file:
                    file.write(asked.problem + "\\n")
                append(self, asked)
                time.sleep(0.1)
            journal.Journal.append = other
    """
    (tmp_path / "sitecustomize.py").write_text(textwrap.dedent(module))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))


def asks_the_rest(config, tmp_path, monkeypatch, whole):
    """Run again, on one process, and compare what is asked, and made, with a run that nothing disturbed."""
    partial = Store(config.paths.artifacts).partial(config.stage.kind, identify(config)[0])
    journal, again = Journal(partial, read_problems(config), config.stage.shard), []
    before = [asked.problem for shard in range(len(journal.shards)) for asked in journal.read(shard)]
    answered = (tmp_path / "asked.log").read_text().split()
    assert set(before) <= set(answered)
    assert len(answered) - len(before) <= 2  # what each process was about to write
    with monkeypatch.context() as patch:
        build = model_answers.engine_answerer

        def answerer(*options):
            answer = build(*options)

            def log(problems):
                again.extend(problem.id for problem in problems)
                return answer(problems)

            return log

        patch.setattr(model_answers, "engine_answerer", answerer)
        result = run_stage(config, quiet=True)
    assert len(before) >= 4
    assert again
    assert Counter(before + again) == Counter(problem.id for problem in read_problems(config))
    assert content(result.artifact) == content(whole)
    assert result.metrics.keys() == whole.metrics.keys() - {"tokens_per_second"}
    return result


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("raise LookupError('no more')", r"^rank 1 of 2: LookupError: no more \(its log: .*rank-1\.log\)$"),
        (
            "os.kill(os.getpid(), signal.SIGKILL)",
            r"^rank 1 of 2: killed by SIGKILL, perhaps because memory ran out \(its log: .*\)$",
        ),
    ],
)
def test_a_process_that_ends_ends_the_run_and_no_answer_is_lost(asked, tmp_path, monkeypatch, whole, what, line):
    options = [*asked[0], "stage=evaluate", f"paths.outputs={tmp_path}/outputs"]
    disturbed(tmp_path, monkeypatch, what)
    config = composed(*options, "compute=ddp")
    with pytest.raises(RunError, match=line) as error:
        run_stage(config, quiet=True)
    assert "\n" not in str(error.value)
    (failed,) = tracking.read_runs(config.tracking.uri, config.study, status="FAILED")
    assert failed.tags["failure"].startswith("RunError: rank 1 of 2: ")
    asks_the_rest(composed(*options), tmp_path, monkeypatch, whole)


def test_a_run_whose_parent_is_killed_ends_and_no_answer_is_lost(asked, tmp_path, monkeypatch, whole):
    options = [*asked[0], "stage=evaluate", f"paths.outputs={tmp_path}/outputs"]
    disturbed(tmp_path, monkeypatch, "pass")
    config, log = composed(*options), tmp_path / "asked.log"
    partial = Store(config.paths.artifacts).partial(config.stage.kind, identify(config)[0])
    parent = start_run([*options, "compute=ddp"], tmp_path)
    while parent.poll() is None and not (log.exists() and len(log.read_text().split()) > 9):
        time.sleep(0.01)
    progress = json.loads((partial / "progress.json").read_text())
    assert 0 <= progress["step"] < progress["steps"] == 2 * len(read_problems(config))
    started = psutil.Process(parent.pid).children(recursive=True)
    assert len(started) >= 3  # the launcher and two ranks
    os.kill(parent.pid, signal.SIGKILL)
    parent.finish()
    _, alive = psutil.wait_procs(started, timeout=20)
    assert not alive
    result = asks_the_rest(config, tmp_path, monkeypatch, whole)
    assert tracking.read_runs(config.tracking.uri, config.study)[0].run_id == result.run_id  # the killed run was resumed
