"""``stage=grpo`` on a model of 38k parameters: what it learns from, what it counts, and that a killed run loses nothing."""

import json
from dataclasses import replace

import pytest
import torch
from helpers.configs import composed
from helpers.data import read_problems
from transformers import AutoModelForCausalLM

from openr1.models import flops
from openr1.rl import generation, preflight
from openr1.rl.callback import PolicyCallback
from openr1.runs.estimate import estimate_run
from openr1.runs.fingerprint import identify
from openr1.runs.stage_run import run_stage
from openr1.system.errors import ConfigError, RunError
from openr1.tracking import mlflow as tracking

pytestmark = pytest.mark.slow  # some forty runs of reinforcement learning

SHORT = ["stage=grpo", "optim=rl", "optim.lr=1e-3", "stage.prompts=4", "stage.samples=4", "stage.sampling.max_tokens=24"]
SHORT += ["stage.eval.every=2", "stage.eval.problems=6", "stage.eval.samples=2", "budget.steps=4"]
# every model has answers of which some have more digits than others
DIGITS = "+reward.terms={digits:{function:'helpers.pluggable:digits',weight:2}}"


@pytest.fixture
def rl(sums, student):
    """Overrides of a run of four steps, from a model that is seldom right."""
    return [*sums, *SHORT, DIGITS, "stage.preflight=false", f"model.checkpoint={student.model}"]


def rows(result):
    return result.artifact.history()


def steps(result):
    return [row for row in rows(result) if "policy_loss" in row]


def test_a_policy_is_trained_and_everything_is_drawn_against_compute(rl, student):
    config = composed(*rl)
    result = run_stage(config, quiet=True)
    weights = AutoModelForCausalLM.from_pretrained(result.artifact.model).state_dict()
    before = AutoModelForCausalLM.from_pretrained(student.model).state_dict()
    assert any(not torch.equal(weights[name], before[name]) for name in weights)

    assert [row["step"] for row in rows(result) if "pass_at_1" in row] == [0, 2, 4]
    assert [row["step"] for row in steps(result)] == [1, 2, 3, 4]
    wanted = {"reward", "reward_accuracy", "reward_digits", "signal_rate", "entropy", "clip_ratio", "grad_norm", "lr"}
    wanted |= {"rollout_response_tokens", "rollout_finished_rate", "rollout_reasoned_rate"}
    wanted |= {"flops", "flops_rollout", "flops_train", "flops_score", "completions", "tokens"}
    last = steps(result)[-1]
    assert wanted <= set(last)
    assert last["reward"] == pytest.approx(last["reward_accuracy"] + 2 * last["reward_digits"])
    compute = [row["flops"] for row in rows(result)]
    assert compute == sorted(compute)
    assert compute[0] == 0
    metrics = result.metrics
    assert metrics["flops"] == metrics["flops_rollout"] + metrics["flops_train"] == compute[-1]
    assert metrics["completions"] == metrics["written"] == 4 * 4 * 4
    assert metrics["flops"] < result.budget.flops
    assert metrics["flops_eval"] > 0
    # updates cost three forward passes over what the rollouts wrote in one
    assert 2.9 < metrics["flops_train"] / metrics["flops_rollout"] < 3.3

    tracked = tracking.read_run(config.tracking.uri, result.run_id)
    assert tracked.metrics["pass_at_1"] == metrics["pass_at_1"]
    curve = tracking.read_history(config.tracking.uri, result.run_id, ("flops", "pass_at_1", "reasoned_rate"))
    assert {"flops", "pass_at_1", "reasoned_rate"} <= set(curve[0]) & set(curve[-1])
    files = tracking.client(config.tracking.uri).list_artifacts(result.run_id, "completions")
    assert [file.path for file in files] == ["completions/000002.json", "completions/000004.json"]
    table = json.loads(
        open(tracking.client(config.tracking.uri).download_artifacts(result.run_id, files[0].path)).read()  # noqa: SIM115
    )
    assert {"prompt", "completion", "reward", "reward_digits", "signal"} <= set(table["columns"])
    assert len(table["data"]) == 16


class Killed(BaseException):
    pass


def killed(monkeypatch, config, step):
    """Run until the row of a step is written, and no further."""
    write = PolicyCallback.write_row

    def dies(self, metrics, at):
        write(self, metrics, at)
        if at == step and "policy_loss" in metrics:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(PolicyCallback, "write_row", dies)
        with pytest.raises(Killed):
            run_stage(config, quiet=True)


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["stage.groups.zero_variance=resample", "stage.loss.beta=0.05", "compute.micro_batch=4"],
        ["stage.updates=2", "budget.steps=8", "compute.checkpoint_steps=1"],
        ["stage.log_every=3", "stage.eval.every=3", "compute.checkpoint_steps=1"],
    ],
    ids=["plain", "resampled", "several updates", "rows of three steps"],
)
def test_a_killed_run_ends_with_the_same_bits(rl, options, tmp_path, monkeypatch):
    config = composed(*rl, "compute.checkpoint_steps=2", *options)
    whole = run_stage(composed(*rl, *options, f"paths.artifacts={tmp_path}/whole", "study=whole"), quiet=True)
    for step in (1, 3) if config.stage.log_every == 1 else (3,):
        killed(monkeypatch, config, step)
    result = run_stage(config, quiet=True)
    assert result.artifact.sha256() == whole.artifact.sha256()

    def curves(one):
        return [{name: value for name, value in row.items() if name != "seconds"} for row in rows(one)]

    assert curves(result) == curves(whole)
    runs = tracking.read_runs(config.tracking.uri, config.study)
    assert [one.run_id for one in runs] == [result.run_id]


def test_zero_variance_groups_are_replaced_or_dropped(rl, monkeypatch):
    """Accuracy of a model that is never right: every group has zero variance, and other problems are sampled."""
    always = ["~reward.terms.digits", "budget.steps=2"]
    keep = run_stage(composed(*rl, *always), quiet=True)
    assert steps(keep)[-1]["signal_rate"] == 0
    assert keep.metrics["written"] == keep.metrics["completions"] == 32
    more = run_stage(composed(*rl, *always, "stage.groups.zero_variance=resample", "stage.groups.rounds=3"), quiet=True)
    assert more.metrics["completions"] == 32
    assert more.metrics["written"] == 96
    assert more.metrics["flops_rollout"] > 2.5 * keep.metrics["flops_rollout"]
    assert more.metrics["epochs"] == pytest.approx(3 * keep.metrics["epochs"])
    drop = run_stage(composed(*rl, *always, "stage.groups.zero_variance=drop", "stage.loss.beta=0.1"), quiet=True)
    assert all(row["grad_norm"] == 0 for row in steps(drop))


def test_a_budget_in_answers_or_flops(rl):
    overrides = [*rl, "budget.steps=null"]
    answers = composed(*overrides, "budget.completions=40")
    assert estimate_run(answers).budget.steps == 3  # whole rollouts
    limit = 2.5e8
    config = composed(*overrides, f"budget.flops={limit}")
    result = run_stage(config, quiet=True)
    spent = [row["flops"] for row in steps(result)]
    assert spent[-2] < limit <= spent[-1] == result.metrics["flops"]
    assert rows(result)[-1]["step"] == result.metrics["steps"] == steps(result)[-1]["step"]
    assert "pass_at_1" in rows(result)[-1]
    assert result.budget.steps <= result.metrics["steps"] <= result.budget.max_steps


def test_flops_are_those_of_what_was_written(rl):
    result = run_stage(composed(*rl, "budget.steps=1", "stage.loss.beta=0.1"), quiet=True)
    row, shape = steps(result)[0], result.budget.shape
    # with an answer of mean length: attention makes a small difference
    new = row["rollout_response_tokens"] + row["rollout_finished_rate"]
    prompt = row["tokens"] / 16 - new
    assert row["flops_rollout"] == pytest.approx(16 * flops.generation_flops(shape, prompt, new), rel=0.02)
    assert row["flops_score"] == pytest.approx(16 * flops.answer_flops(shape, prompt, new), rel=0.02)
    assert row["flops_train"] == pytest.approx(3 * row["flops_score"])


@pytest.mark.parametrize("kind", ["grpo", "dr_grpo", "bnpo", "cispo", "sapo"])
def test_losses_of_trl(rl, kind):
    high = ["stage.loss.epsilon_high=5.0"] if kind == "cispo" else ["stage.loss.importance=sequence"]
    result = run_stage(composed(*rl, f"stage.loss.type={kind}", *high, "budget.steps=2", "stage.updates=2"), quiet=True)
    assert result.metrics["flops_score"] > 0  # the probabilities before the first of several updates
    assert steps(result)[-1]["grad_norm"] > 0


def test_what_is_looked_at_is_not_what_is_done(rl):
    first = identify(composed(*rl))[0]
    for same in (
        "stage.log_every=2",
        "stage.log_completions=5",
        "stage.preflight=true",
        "engine.batch_size=8",
        "reward.workers=1",
    ):
        assert identify(composed(*rl, same))[0] == first, same
    changes = ("reward.terms.digits.weight=1", "data.sources.sums.problems=301", "stage.sampling.temperature=0.9", "seed=1")
    changes += ("stage.eval.samples=3", "stage.groups.zero_variance=drop", "data.instruction='Add {prompt}'", "optim.lr=2e-3")
    for change in changes:
        assert identify(composed(*rl, change))[0] != first, change


def test_no_problem_is_both_trained_on_and_evaluated(rl):
    config = composed(*rl)
    assert not {one.id for one in read_problems(config)} & {
        one.id for one in read_problems(replace(config, stage=config.stage.evaluation))
    }


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["stage.loss.type=ppo"], "stage.loss.type: 'ppo' is not one of grpo, dapo"),
        (["stage.loss.type=cispo"], "stage.loss.epsilon_high: for cispo"),
        (["stage.samples=1"], "stage.samples: must be at least 2, not 1"),
        (["stage.groups.zero_variance=skip"], "stage.groups.zero_variance: 'skip' is not one of keep, drop, resample"),
        (["stage.updates=3"], "stage.updates: 3 does not divide the 16 answers"),
        (["compute.micro_batch=3"], "compute.micro_batch: 3 does not divide the 16 answers"),
        (["budget.steps=null"], "budget.tokens_per_param: stage=grpo needs its length in one of steps, completions, flops"),
        (["budget.steps=null", "budget.tokens=1e6"], "budget.tokens: stage=grpo needs its length"),
        (["budget.completions=64"], "budget: steps and completions are given"),
        (["budget.steps=null", "budget.flops=1e9", "optim.schedule=wsd"], "budget.flops: the number of steps"),
        (["optim.lr=null"], "optim.lr: stage=grpo has no rule"),
        (["stage.sampling.temperature=0"], "stage.sampling.temperature: must be above 0"),
        (["stage.sampling.stop=[x]"], "stage.sampling.stop: a policy in training"),
        (["~reward.terms.accuracy", "~reward.terms.digits"], "reward.terms: stage=grpo needs at least one reward"),
        (["model.checkpoint=null"], "model.checkpoint: stage=grpo asks a model"),
        (["engine=vllm_server", "engine.model=x"], "engine.kind: stage=grpo generates with transformers or vllm"),
        (["stage.vllm.server=http://localhost:8000"], "stage.vllm.server: is for engine=vllm"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(rl, overrides, line):
    with pytest.raises(ConfigError) as caught:
        composed(*rl, *overrides)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_text_has_no_problems():
    with pytest.raises(ConfigError, match=r"^data\.sources\.stdlib: stage=grpo needs problems"):
        composed("stage=grpo", "optim=rl", "budget.steps=1", "model.checkpoint=sft-0123456789abcdef")


def test_answers_as_a_budget_are_for_policies_only(sums):
    with pytest.raises(ConfigError, match=r"^budget\.completions: stage=sft reads data"):
        composed(*sums, "stage=sft", "budget.completions=10")


def test_a_reward_that_favours_what_is_wrong_is_refused(rl):
    upside = ["reward.terms.accuracy.weight=-1", "stage.preflight=true"]
    with pytest.raises(ConfigError, match=r"^reward\.terms: in data\.sources\.sums, the oracle's answer"):
        run_stage(composed(*rl, "~reward.terms.digits", *upside), quiet=True)
    assert run_stage(composed(*rl, "~reward.terms.digits", *upside[:1], "budget.steps=1"), quiet=True).metrics["reward"] <= 0


def test_there_is_a_word_before_training(rl, capsys):
    result = run_stage(composed(*rl, "~reward.terms.digits", "stage.preflight=true", "budget.steps=1"), quiet=True)
    said = capsys.readouterr().err
    assert "before training: pass rate 0.000" in said
    assert "0% with signal" in said
    assert "warning: almost no group has answers with different rewards" in said
    assert rows(result)[0]["signal_rate"] == 0


def test_a_sampler_that_is_not_the_policy_is_found_out(rl, monkeypatch):
    prepare = generation.LivePolicyGenerator.__init__

    def stale(self, model, config):
        prepare(self, model, config)
        head = self.engine.model.lm_head
        head.weight = torch.nn.Parameter(1.3 * head.weight)

    monkeypatch.setattr(generation.LivePolicyGenerator, "__init__", stale)
    with pytest.raises(RunError, match=r"^the sampler's log-probabilities differ by .* from those of the trained model"):
        run_stage(composed(*rl, "stage.preflight=true"), quiet=True)
    assert preflight.MAX_DIFFERENCE[torch.float32] < 0.01


def test_evaluations_come_at_multiples_of_tokens_too(rl):
    every = 900.0
    result = run_stage(composed(*rl, "stage.eval.every=100", f"stage.eval_every_tokens={every}"), quiet=True)
    tokens = {row["step"]: row["tokens"] for row in rows(result)}
    beyond = [step for step in (1, 2, 3) if tokens[step] // every > tokens[step - 1] // every]
    assert 0 < len(beyond) < 3
    assert [row["step"] for row in rows(result) if "pass_at_1" in row] == [0, *beyond, 4]


def test_what_is_wanted_and_the_divergence_are_measured_and_nothing_learns_from_them(rl):
    plain = run_stage(composed(*rl), quiet=True)
    gold = "stage.gold.function=helpers.pluggable:digits"
    measured = run_stage(composed(*rl, gold, "stage.measure_kl=true"), quiet=True)
    assert measured.artifact.sha256() == plain.artifact.sha256()
    assert measured.artifact.name != plain.artifact.name
    evaluations = [row for row in rows(measured) if "eval_kl" in row]
    assert [row["step"] for row in evaluations] == [0, 2, 4]
    assert evaluations[0]["eval_kl"] == 0 < evaluations[1]["eval_kl"] < evaluations[2]["eval_kl"]
    assert all(row["gold"] > 0 for row in evaluations)
    assert measured.metrics["gold"] == evaluations[-1]["gold"]
    assert measured.metrics["flops_eval"] > plain.metrics["flops_eval"]
    assert measured.metrics["flops"] == plain.metrics["flops"]


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["stage.gold.function=readable"], "stage.gold.function: 'readable' is not one of accuracy"),
        (["stage.measure_kl=true", "stage.sampling.temperature=0.7"], "stage.measure_kl: is measured over answers"),
    ],
)
def test_what_cannot_be_measured_is_one_line(rl, overrides, line):
    with pytest.raises(ConfigError, match=line):
        composed(*rl, *overrides)
