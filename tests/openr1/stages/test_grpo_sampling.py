"""``stage=grpo`` where answers are not drawn from the whole policy: the trainer scores them as the sampler drew them."""

import pytest
from helpers.configs import composed

from openr1.rl.callback import PolicyCallback
from openr1.rl.rollouts import Rollouts
from openr1.runs.fingerprint import identify
from openr1.runs.stage_run import run_stage
from openr1.runs.summary import show_trial
from openr1.runs.trial import TrialResult
from openr1.system.errors import ConfigError

pytestmark = pytest.mark.slow  # a dozen runs of reinforcement learning

SHORT = ["stage=grpo", "optim=rl", "optim.lr=1e-3", "stage.prompts=4", "stage.samples=4", "stage.sampling.max_tokens=24"]
SHORT += ["stage.eval.every=10", "stage.eval.problems=2", "stage.eval.samples=2", "budget.steps=2"]
SHORT += ["+reward.terms={digits:{function:'helpers.pluggable:digits',weight:2}}"]


@pytest.fixture
def rl(sums, student):
    """Overrides of a run of two steps, from a model that is seldom right."""
    return [*sums, *SHORT, "stage.preflight=false", f"model.checkpoint={student.model}"]


def steps(result):
    return [row for row in result.artifact.history() if "policy_loss" in row]


@pytest.mark.parametrize(
    "sampling",
    [
        [],
        ["stage.sampling.temperature=0.7", "stage.sampling.top_p=0.8"],
        ["stage.sampling.temperature=1.3", "stage.sampling.top_k=5", "stage.updates=2", "stage.loss.beta=0.1"],
    ],
    ids=["whole", "nucleus", "top-k"],
)
def test_sampler_and_trainer_give_answers_the_same_probabilities(rl, sampling, capsys):
    """Also before the second of two updates: what the sampler kept is part of the rollout."""
    result = run_stage(composed(*rl, *sampling, "stage.preflight=true"), quiet=True)
    assert "sampler and trainer differ by" in capsys.readouterr().err
    compared = [row for row in steps(result) if "sampler_kl" in row]
    assert compared
    for row in compared:
        assert row["sampler_difference"] <= row["sampler_difference_max"] < 1e-4
        assert 0 <= row["sampler_kl"] < 1e-8
    assert result.metrics["sampler_kl"] == compared[-1]["sampler_kl"]


def test_a_run_prints_where_its_time_went(rl, capsys):
    config = composed(*rl, "budget.steps=1")
    result = run_stage(config, quiet=True)
    shares = [result.metrics[f"{part}_share"] for part in ("rollout", "score", "update")]
    assert sum(shares) == pytest.approx(1)
    assert all(0 < share < 1 for share in shares)
    assert result.metrics["rollout_seconds"] + result.metrics["update_seconds"] < result.metrics["wall_seconds"]
    show_trial(TrialResult({"": result}, result.run_id), config)
    said = capsys.readouterr().out
    assert "time of a step" in said
    assert f"rollouts {shares[0]:.1%}, rewards {shares[1]:.1%}, updates {shares[2]:.1%}" in said
    assert "sampler and trainer differ by" in said


class Killed(BaseException):
    pass


def test_a_killed_run_of_a_truncated_policy_ends_with_the_same_bits(rl, tmp_path, monkeypatch):
    options = [*rl, "stage.sampling.top_p=0.9", "budget.steps=3", "compute.checkpoint_steps=1"]
    whole = run_stage(composed(*options, f"paths.artifacts={tmp_path}/whole", "study=whole"), quiet=True)
    write = PolicyCallback.write_row

    def dies(self, metrics, at):
        write(self, metrics, at)
        if at == 2 and "policy_loss" in metrics:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(PolicyCallback, "write_row", dies)
        with pytest.raises(Killed):
            run_stage(composed(*options), quiet=True)
    resumed = run_stage(composed(*options), quiet=True)
    assert resumed.artifact.sha256() == whole.artifact.sha256()
    assert [row["sampler_kl"] for row in steps(resumed)] == [row["sampler_kl"] for row in steps(whole)]


def test_a_problem_that_comes_twice_in_a_rollout_is_two_groups(rl, monkeypatch):
    seen, collect = [], Rollouts.collect_groups

    def spied(self):
        seen.append(collect(self))
        return seen[-1]

    monkeypatch.setattr(Rollouts, "collect_groups", spied)
    run_stage(composed(*rl, "stage.problems=2", "budget.steps=1"), quiet=True)
    [groups] = seen
    assert len(groups) == 4
    assert len({group.problem.id for group in groups}) == 2
    answers = [tuple(ids for ids in group.reply.token_ids) for group in groups]
    assert len(set(answers)) == 4  # each draw of a problem has its own random numbers
    assert all(len(group.scores) == 4 for group in groups)


def test_truncated_importance_sampling_is_off_and_then_not_in_the_fingerprint(rl):
    plain = composed(*rl)
    assert plain.stage.loss.tis_cap is None
    assert identify(plain)[0] == identify(composed(*rl, "stage.loss.tis_cap=null"))[0]
    assert identify(plain)[0] != identify(composed(*rl, "stage.loss.tis_cap=2"))[0]
    weighed = run_stage(composed(*rl, "stage.loss.tis_cap=2", "stage.sampling.top_k=20"), quiet=True)
    assert steps(weighed)[-1]["grad_norm"] > 0


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["engine=vllm", "stage.sampling.top_p=0.9"], "stage.sampling.top_p: vLLM does not tell which tokens it keeps"),
        (["engine=vllm", "stage.sampling.top_k=9"], "stage.sampling.top_k: vLLM does not tell which tokens it keeps"),
        (["engine=vllm", "stage.loss.tis_cap=2"], "stage.loss.tis_cap: stage.vllm.correction weighs tokens"),
        (["stage.loss.type=vespo", "stage.loss.tis_cap=2"], "stage.loss.tis_cap: vespo weighs whole answers"),
        (["stage.loss.tis_cap=0"], "stage.loss.tis_cap: must be above 0, not 0"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(rl, overrides, line):
    with pytest.raises(ConfigError) as caught:
        composed(*rl, *overrides)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)
