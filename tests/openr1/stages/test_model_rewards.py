"""A reward model of 40k parameters in reinforcement learning, curation and evaluation, and weights of rewards by task."""

import json

import pyarrow.parquet as pq
import pytest
from helpers.configs import composed
from helpers.servers import sums_server

from openr1.config.load import load_run_config
from openr1.config.schema import to_dict
from openr1.data.answers import read_answers
from openr1.evaluation import metrics
from openr1.evaluation.grouping import grouped
from openr1.models import flops
from openr1.rl.callback import PolicyCallback
from openr1.runs.fingerprint import identify
from openr1.runs.plan import plan, run_steps
from openr1.runs.prepare import prepare
from openr1.runs.stage_run import run_stage
from openr1.system.errors import ConfigError

SHORT = ["stage=grpo", "optim=rl", "optim.lr=1e-3", "stage.prompts=4", "stage.samples=4", "stage.sampling.max_tokens=24"]
SHORT += ["stage.eval.every=2", "stage.eval.problems=6", "stage.eval.samples=2", "budget.steps=4", "stage.preflight=false"]


@pytest.fixture(scope="session")
def reward_model(tmp_path_factory):
    """The artifact of a reward model that has seen a few pairs."""
    outputs = tmp_path_factory.mktemp("reward_model") / "outputs"
    config = composed(
        *("data=readability", "data.sources.readability.problems=200", "data.eval_tokens=2000", "data.eval_fraction=0.2"),
        *("stage=reward_model", "scale=30k", "budget.steps=4", "optim.batch_tokens=2048", f"paths.outputs={outputs}"),
    )
    return run_stage(config, quiet=True).artifact


@pytest.fixture
def rl(sums, student, reward_model):
    """Overrides of four steps on sums, rewarded by rules, and on arithmetic, by preference."""
    others = ("lists", "countdown", "linear", "modular", "strings", "multiple_choice")
    data = ["data=tasks", *(f"~data.sources.{name}" for name in others), "data.eval_fraction=0.2", "scale=30k"]
    data += ["data.sources.sums.problems=300", "data.sources.arithmetic.problems=100", "data.context=96"]
    term = f"{{function:harmlessness,weight:0.5,options:{{model:{reward_model.path}}}}}"
    by_task = "+reward.by_task={sums:{accuracy:1,format:0.5},arithmetic:{nice:2}}"
    mix = ["reward=r1_zero", f"+reward.terms={{nice:{term}}}", by_task]
    return [*data, *SHORT, *mix, f"model.checkpoint={student.model}", sums[-1]]


def steps(result):
    return [row for row in result.artifact.history() if "policy_loss" in row]


class Killed(BaseException):
    pass


@pytest.mark.slow
def test_a_mixed_set_of_problems_is_rewarded_by_task_and_a_killed_run_ends_with_the_same_bits(rl, tmp_path, monkeypatch):
    config = composed(*rl, "compute.checkpoint_steps=1")
    whole = run_stage(composed(*rl, f"paths.artifacts={tmp_path}/whole", "study=whole"), quiet=True)
    write = PolicyCallback.write_row

    def dies(self, values, at):
        write(self, values, at)
        if at == 2 and "policy_loss" in values:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(PolicyCallback, "write_row", dies)
        with pytest.raises(Killed):
            run_stage(config, quiet=True)
    result = run_stage(config, quiet=True)
    assert result.artifact.sha256() == whole.artifact.sha256()
    last, found = steps(result)[-1], result.metrics
    assert {"reward_accuracy", "reward_format", "reward_nice"} <= set(last)
    assert abs(last["reward_nice"]) < 1e-6  # normalised within each group
    assert found["flops_reward"] == last["flops_reward"] > 0
    assert found["flops"] == pytest.approx(found["flops_rollout"] + found["flops_train"] + found["flops_reward"])
    assert found["flops_reward"] == whole.metrics["flops_reward"]
    assert last["grad_norm"] > 0  # sums are never right at this size: the policy learns from the preference
    assert found["score_seconds"] > 0


@pytest.mark.slow
def test_the_reward_model_counts_by_its_content_and_the_rest_by_what_it_changes(rl, reward_model, tmp_path):
    first, inputs = identify(composed(*rl))
    assert inputs["reward.nice"] == reward_model.name
    for same in ("device: cpu", "revision: null"):
        name, _, value = same.partition(": ")
        assert identify(composed(*rl, f"+reward.terms.nice.options.{name}={value}"))[0] == first, same
    for change in ("of=summary", "clip=2.0", "normalise=none", "instruction='Add {prompt}'"):
        assert identify(composed(*rl, f"+reward.terms.nice.options.{change}"))[0] != first, change
    assert identify(composed(*rl, "reward.by_task.arithmetic.nice=1"))[0] != first
    copied = tmp_path / "copied"
    copied.mkdir()
    for path in reward_model.model.iterdir():
        (copied / path.name).write_bytes(path.read_bytes())
    other, by_content = identify(composed(*rl, f"reward.terms.nice.options.model={copied}"))
    assert len(by_content["reward.nice"]) == 16
    (copied / "config.json").write_text((copied / "config.json").read_text() + "\n")
    assert identify(composed(*rl, f"reward.terms.nice.options.model={copied}"))[0] != other


def refused(*overrides, ran=False):
    with pytest.raises(ConfigError) as caught:
        (lambda config: prepare(config) if ran else None)(composed(*overrides))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_cannot_be_is_refused_before_anything_is_written(rl, student, tmp_path):
    model = "reward.terms.nice.options.model"
    line = refused(*rl, "+reward.by_task={chess:{nice:1}}")
    assert line == "reward.by_task.chess: is no source or task of the data; there are sums, arithmetic"
    assert refused(*rl, "+reward.by_task.arithmetic.acuracy=1").startswith("reward.by_task.arithmetic.acuracy: ")
    assert refused(*rl, "stage.loss.aggregation=normalize_then_sum").startswith("stage.loss.aggregation: normalises each term")
    line = refused(*rl, f"{model}=sft-0123456789abcdef")
    assert line == f"{model}: stage=sft makes model; reward_model are made by reward_model"
    line = refused(*rl, f"{model}=reward_model-0123456789abcdef", ran=True)
    assert line.startswith(f"{model}: there is no artifact reward_model-0123456789abcdef in ")
    line = refused(*rl, f"{model}={student.model}", ran=True)
    assert line.endswith("is a Qwen2ForCausalLM, which gives no reward; stage=reward_model makes one")
    assert refused(*rl, f"{model}=/nowhere", ran=True).startswith(f"{model}: '/nowhere' is neither a directory")
    judge = "{function:judge,options:{model:m,rubric:clear,api_key_env:null,base_url:'http://127.0.0.1:9/v1'}}"
    line = refused(*rl, f"+reward.terms={{judge:{judge}}}", ran=True)
    assert line == "reward.terms.judge.options.base_url: no server answers at http://127.0.0.1:9/v1"
    assert not (tmp_path / "outputs" / "artifacts").exists()


def test_a_recipe_gives_a_reward_model_to_later_steps(sums, student):
    pairs_step = {
        "stage": {"kind": "reward_model"},
        "budget": {"steps": 2},
        "data": {
            "name": "p",
            "sources": {"p": {"kind": "readability", "task": "sums", "problems": 50}},
            "eval_fraction": 0.2,
            "eval_tokens": 500,
        },
    }
    policy_step = {
        "stage": {"kind": "grpo", "prompts": 2, "samples": 2},
        "model": {"checkpoint": str(student.model)},
        "budget": {"steps": 2},
        "optim": {"lr": 1e-3},
        "reward": {"terms": {"nice": {"function": "preference", "options": {"model": "@pairs"}}}},
    }

    def recipe(**steps):
        return load_run_config(to_dict(composed(*sums)) | {"recipe": {"name": "r", "steps": steps}})

    pairs, policy = run_steps(recipe(pairs=pairs_step, policy=policy_step))
    name = f"reward_model-{pairs.fingerprint}"
    assert policy.config.reward.terms["nice"].options["model"] == name
    assert policy.inputs["reward.nice"] == name
    # the price has the passes of the reward model, whose size is known before it is made
    planned, priced = plan(recipe(pairs=pairs_step, policy=policy_step))
    (unpriced,) = plan(recipe(policy=policy_step | {"reward": {"terms": {"format": {}}}}))
    tokens = priced.estimate.tokens / 8  # of each answer with its prompt
    passes = tokens * flops.forward_flops(planned.estimate.shape, tokens) * 8
    assert priced.estimate.flops == pytest.approx(unpriced.estimate.flops + passes, rel=1e-9)


def test_rejection_sampling_keeps_what_the_reward_model_prefers(sums, student, reward_model, scripted):
    scripted(answer=lambda prompt, i: f"<think>{'so ' * i}</think><answer>{eval(prompt[:-1])}</answer>")
    step = f"{{function: harmlessness, options: {{model: {reward_model.name}}}, best_of: 1}}"
    changes = ["stage.steps.select=null", f"+stage.steps.preferred={step}", f"paths.artifacts={reward_model.path.parent}"]
    rejecting = [*sums, "stage=reject", f"model.checkpoint={student.model}", "stage.problems=6", "stage.samples=3", *changes]
    result = run_stage(composed(*rejecting), quiet=True)
    assert result.metrics["rows_after"] == 6
    assert result.metrics["flops_reward"] > 0
    assert result.artifact.inputs["preferred.preferred"] == reward_model.name
    card = json.loads((result.artifact.path / "card.json").read_text())
    step_card = next(step for step in card["steps"] if step["name"] == "preferred")
    assert step_card["reasons"] == {"not among the best 1": 12 if step_card["before"]["rows"] == 18 else 6}
    assert pq.read_table(result.artifact.data / "examples.parquet").num_rows == 6


@pytest.mark.slow
def test_an_evaluation_has_the_best_of_n_by_a_reward(sums, student, scripted):
    """By a judge that likes long answers, of which the longest is right."""
    scripted(answer=lambda prompt, i: f"<answer>{eval(prompt[:-1]) + 3 - i}</answer>" + " " * i)
    with sums_server() as server:
        server.verdict = lambda response: f'{{"score": {min(10, response.count(" "))}}}'
        judge = f"{{model: m, rubric: long, api_key_env: null, base_url: '{server.url}'}}"
        evaluation = [*sums, "stage=evaluate", f"model.checkpoint={student.path}", "stage.samples=4", "stage.problems=5"]
        best_of = f"+stage.best_of={{function: judge, options: {judge}}}"
        result = run_stage(composed(*evaluation, best_of), quiet=True)
        asked = len(server.asked)
        assert asked == 4 * result.metrics["problems"]
        assert result.metrics["pass_at_1"] == 0.25
        assert result.metrics["best_of_2"] == result.metrics["pass_at_2"] == 0.5  # the judge knows what is right
        assert result.metrics["best_of_4"] == 1
        assert result.metrics["mean_score"] == pytest.approx(0.15)
        rows = list(read_answers(result.artifact.path))
        assert [row["score"] for row in rows[:4]] == [0, 0.1, 0.2, 0.3]
        assert metrics.score(list(grouped(rows)), 4)["best_of_4"] == 1
        text = (result.artifact.path / "scores.md").read_text()
        assert "| 4 | 1.000 |" in text
        assert "Best of n by judge" in text
        assert (result.artifact.path / "best_of_n.csv").read_text().splitlines()[0] == "k,coverage,majority,best_of_n,gold,kl"
        # the same answers by another reward, without asking the model or the judge
        again = ["stage=evaluate", f"stage.answers={result.artifact.name}", "+stage.best_of={function: tag_count}", sums[-1]]
        other = run_stage(composed("data=python_stdlib", *again), quiet=True)
        assert other.metrics["best_of_4"] == 0.25  # all have the same tags
        assert len(server.asked) == asked
    plain = identify(composed(*evaluation))[0]
    assert identify(composed(*evaluation, "stage.best_of.function=null"))[0] == plain
    assert identify(composed(*evaluation, best_of))[0] == result.artifact.fingerprint != plain


def test_best_of_needs_a_reward_that_there_is(sums, student):
    evaluation = [*sums, "stage=evaluate", f"model.checkpoint={student.path}"]
    assert refused(*evaluation, "+stage.best_of={function: nice}").startswith("stage.best_of.function: 'nice' is not one of")
    line = refused(*evaluation, "+stage.best_of={function: preference}")
    assert line == "stage.best_of.options.model: no value is given"
    line = refused(*evaluation, "+stage.best_of={function: preference, options: {model: evaluate-0123456789abcdef}}")
    assert line.startswith("stage.best_of.options.model: stage=evaluate makes scores; reward_model are made by")
