"""Reinforcement learning on two processes of this machine: the same answers, losses and evaluations as on one, and its ends."""

import importlib.util
import json
import os
import sys
import textwrap
from pathlib import Path

import psutil
import pytest
from helpers.configs import composed
from helpers.models import write_reward_model

from openr1.rl.options import LOSSES
from openr1.runs.stage_run import run_stage
from openr1.system.errors import Pruned, RunError
from openr1.tracking import mlflow as tracking
from openr1.tracking.observer import RunObserver, observing

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("grpo_processes")]

needs_deepspeed = pytest.mark.skipif(
    importlib.util.find_spec("deepspeed") is None, reason="DeepSpeed is not installed: pip install 'openr1[deepspeed]'"
)
SUMS = ["data=sums", "data.sources.sums.problems=300", "data.eval_fraction=0.2", "data.tokenizer.vocab_size=258", "scale=30k"]
# every other answer has a reward, so that some groups have signal and others have none
EVEN = "+reward.terms={even:{function:'helpers.pluggable:even_digits',weight:0.5}}"
RL = [*SUMS, "stage=grpo", "optim=rl", "optim.lr=1e-3", EVEN]
RL += ["stage.prompts=6", "stage.samples=2", "stage.sampling.max_tokens=24", "stage.groups.zero_variance=resample"]
RL += ["stage.eval.every=2", "stage.eval.problems=5", "stage.eval.samples=2", "budget.steps=4", "compute.checkpoint_steps=2"]
RL += ["reward.workers=1", "stage.loss.mask_truncated=true"]
# several updates of several passes, and all that is measured; the loss whose means TRL takes on each rank by itself
BNPO = ["stage.updates=2", "stage.loss.type=bnpo", "stage.loss.entropy_coef=0.01", "stage.measure_kl=true"]
BNPO += ["stage.gold.function=helpers.pluggable:digits"]
SHORT = ["budget.steps=2", "stage.preflight=false"]
OF_PASSES = {"entropy", "kl", "clip_ratio"}  # means over forward passes, which compute.micro_batch changes
MEASURED = {"wall_seconds", "peak_memory_bytes"}
MEASURED |= {f"{part}_{unit}" for part in ("rollout", "score", "update") for unit in ("seconds", "share")}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """Return the folder of a model that writes answers, seldom right ones."""
    outputs = tmp_path_factory.mktemp("base") / "outputs"
    config = composed(*SUMS, "stage=sft", "budget.steps=60", "optim.batch_tokens=1024", f"paths.outputs={outputs}")
    return run_stage(config, quiet=True).artifact.model


@pytest.fixture
def rl(base, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parents[1]), *sys.path]))
    return [*RL, f"model.checkpoint={base}", f"paths.outputs={tmp_path}/outputs"]


def completions(config, result):
    """Return the texts of the answers in each table of a run."""
    client = tracking.client(config.tracking.uri)
    texts = []
    for file in client.list_artifacts(result.run_id, "completions"):
        table = json.loads(Path(client.download_artifacts(result.run_id, file.path)).read_text())
        texts.append([row[table["columns"].index("completion")] for row in table["data"]])
    return texts


def runs_of_one_and_two(rl, tmp_path, strategy, options):
    """Run on one process and on two, compare their answers and figures, and return the second run and its config."""
    alone = composed(*rl, *options)
    single = run_stage(alone, quiet=True)
    config = composed(*rl, *options, f"compute={strategy}", f"paths.artifacts={tmp_path}/two", "study=two")
    two = run_stage(config, quiet=True)
    assert not two.reused
    assert two.artifact.fingerprint == single.artifact.fingerprint

    tables = completions(config, two)
    assert tables == completions(alone, single)
    assert len(tables[0]) == 12
    first, second = single.artifact.history(), two.artifact.history()
    assert [row["step"] for row in first] == [row["step"] for row in second]
    for before, after in zip(first, second, strict=True):
        assert after.keys() == before.keys()
        for name in before.keys() - {"seconds"} - (OF_PASSES if config.compute.micro_batch else set()):
            assert after[name] == pytest.approx(before[name], abs=1e-5, rel=1e-5), (name, before["step"])
    assert all(row["grad_norm"] > 0 for row in second if "policy_loss" in row)  # something was learned
    for name in single.metrics.keys() - MEASURED:
        assert two.metrics[name] == pytest.approx(single.metrics[name], rel=1e-5, abs=1e-5), name
    return config, two


@pytest.mark.parametrize(
    ("strategy", "options"),
    [
        ("ddp", BNPO),
        pytest.param("zero2", [*SHORT, "stage.loss.beta=0.05"], marks=needs_deepspeed),
        pytest.param("zero3", [*SHORT, "stage.loss.beta=0.05", "compute.micro_batch=3"], marks=needs_deepspeed),
    ],
)
def test_two_processes_learn_what_one_learns(rl, tmp_path, strategy, options):
    _, two = runs_of_one_and_two(rl, tmp_path, strategy, options)
    # some answers are masked, and some groups were replaced
    rows = [row for row in two.artifact.history() if "policy_loss" in row]
    assert 0 < rows[0]["rollout_finished_rate"] < 1
    assert two.metrics["written"] > two.metrics["completions"]


@pytest.mark.nightly
@pytest.mark.parametrize(
    "loss",
    [*(name for name in LOSSES if name != "cispo"), "cispo stage.loss.epsilon_high=5.0", "grpo stage.loss.importance=sequence"],
)
def test_every_loss_is_on_two_processes_what_it_is_on_one(rl, tmp_path, loss):
    runs_of_one_and_two(rl, tmp_path, "ddp", [*SHORT, "stage.updates=2", *f"stage.loss.type={loss}".split()])


@pytest.mark.nightly
def test_each_process_asks_the_reward_model_for_its_own_answers(rl, tmp_path):
    rewards = write_reward_model(tmp_path / "rewards")
    mix = f"reward.terms={{preference:{{function:preference,options:{{model:{rewards}}}}}}}"
    _, two = runs_of_one_and_two(rl, tmp_path, "ddp", [*SHORT, f"+{mix}"])
    row = next(row for row in two.artifact.history() if "policy_loss" in row)
    assert "reward_preference" in row  # 0, since scores are standardised within a group
    assert row["flops_reward"] > 0


def test_a_rank_that_is_killed_ends_the_run_and_the_same_command_resumes_to_the_same_bits(rl, tmp_path, monkeypatch):
    two = [*rl, "compute=ddp", "stage.preflight=false"]
    whole = run_stage(composed(*two, f"paths.artifacts={tmp_path}/whole", "study=whole"), quiet=True)
    module = """
        import os, signal
        if os.environ.get("RANK") == "1":
            import openr1.rewards.scorer as scorer
            score, calls = scorer.Scorer.score, []
            def dying(self, *arguments, **options):
                calls.append(self)
                if calls.count(self) > 6:
                    os.kill(os.getpid(), signal.SIGKILL)
                return score(self, *arguments, **options)
            scorer.Scorer.score = dying
    """
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "sitecustomize.py").write_text(textwrap.dedent(module))
    config = composed(*two)
    with monkeypatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "broken"), os.environ["PYTHONPATH"]]))
        with pytest.raises(RunError, match=r"^rank 1 of 2: killed by SIGKILL, perhaps because memory ran out") as error:
            run_stage(config, quiet=True)
    assert "\n" not in str(error.value)
    result = run_stage(config, quiet=True)
    assert result.artifact.sha256() == whole.artifact.sha256()
    kept = [[{**row, "seconds": 0} for row in each.artifact.history()] for each in (result, whole)]
    assert kept[0] == kept[1]


class Impatient(RunObserver):
    """Prunes a run at its second evaluation."""

    def __init__(self):
        super().__init__()
        self.rates = []

    def report(self, tokens, metrics, every):
        if "pass_at_1" in metrics:
            self.rates.append((tokens, metrics["pass_at_1"]))
            if len(self.rates) == 2:
                raise Pruned("by the test")


def test_a_search_hears_of_evaluations_while_a_run_goes_on_and_prunes_it(rl):
    config, impatient = composed(*rl, "compute=ddp", "stage.preflight=false", "budget.steps=400"), Impatient()
    with observing(impatient), pytest.raises(Pruned):
        run_stage(config, quiet=True)
    assert not psutil.Process().children(recursive=True) or all(
        "openr1.runs.worker" not in " ".join(child.cmdline()) for child in psutil.Process().children(recursive=True)
    )
    (tracked,) = tracking.read_runs(config.tracking.uri, config.study, status="KILLED")
    assert tracked.metrics["pass_at_1"] >= 0
    assert impatient.rates[0][0] == 0 < impatient.rates[1][0]
    assert impatient.spent[tracked.run_id]["flops"] > 0
    assert impatient.noted["micro_batch"] == 6
