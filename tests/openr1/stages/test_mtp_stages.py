"""Fine-tuning with a module of multi-token prediction, and its drafts in an evaluation."""

import shutil

import pytest
from helpers.configs import composed
from safetensors.torch import load_file

from openr1.data.answers import read_answers
from openr1.models.mtp_files import saved_depth
from openr1.runs.fingerprint import identify
from openr1.runs.prepare import prepare
from openr1.runs.stage_run import run_stage
from openr1.system.errors import ConfigError
from openr1.tracking import mlflow as tracking

SUMS = ["data=sums", "data.sources.sums.problems=120", "data.eval_fraction=0.2", "data.tokenizer.vocab_size=258", "scale=30k"]
SPECULATIVE = "engine.speculative=mtp"


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    """The artifact of a model that was fine-tuned on packed sums with a module."""
    outputs = tmp_path_factory.mktemp("tuned") / "outputs"
    options = ["stage=sft", "budget.steps=40", "optim.batch_tokens=1024", "stage.packing=true", "stage.eval_points=1"]
    return run_stage(composed(*SUMS, *options, "model.mtp.depth=1", f"paths.outputs={outputs}"), quiet=True).artifact


@pytest.fixture
def evaluation(tuned, tmp_path):
    sampling = ["stage.sampling.max_tokens=24", "stage.samples=2", "stage.problems=10"]
    return [*SUMS, "stage=evaluate", *sampling, f"model.checkpoint={tuned.path}", f"paths.outputs={tmp_path}/outputs"]


@pytest.mark.slow
def test_fine_tuning_trains_a_module(tuned):
    assert saved_depth(tuned.model) == 1
    modules = load_file(tuned.model / "mtp" / "model.safetensors")
    assert tuned.metrics["params_mtp"] == sum(tensor.numel() for tensor in modules.values())
    losses = [row["mtp_loss"] for row in tuned.history() if "mtp_loss" in row]
    assert losses[-1] < losses[0] - 0.5
    assert "train_loss" in tuned.history()[0]


@pytest.mark.slow
def test_an_evaluation_with_drafts_has_the_same_answers_and_says_how_many_were_accepted(evaluation, tmp_path):
    plain = run_stage(composed(*evaluation), quiet=True)
    config = composed(*evaluation, SPECULATIVE, f"paths.artifacts={tmp_path}/drafts", "study=drafts")
    drafted = run_stage(config, quiet=True)
    assert not drafted.reused
    assert drafted.artifact.fingerprint == plain.artifact.fingerprint
    assert list(read_answers(drafted.artifact.path)) == list(read_answers(plain.artifact.path))
    assert drafted.metrics["draft_tokens"] > 100
    assert 0.02 < drafted.metrics["acceptance_rate"] < 1
    assert drafted.metrics["tokens_per_second"] > 0
    (tracked,) = tracking.read_runs(config.tracking.uri, "drafts")
    assert tracked.metrics["acceptance_rate"] == drafted.metrics["acceptance_rate"]
    assert "acceptance_rate" not in plain.metrics
    assert drafted.metrics["flops_eval"] == plain.metrics["flops_eval"]


def test_drafts_change_no_fingerprint_of_answers(evaluation):
    assert identify(composed(*evaluation)) == identify(composed(*evaluation, SPECULATIVE))


def test_drafts_of_a_model_without_modules_are_refused_before_anything_is_written(tuned, evaluation, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(tuned.model, bare, ignore=shutil.ignore_patterns("mtp"))
    for stage in ("evaluate", "generate"):
        config = composed(*evaluation, f"stage={stage}", f"model.checkpoint={bare}", SPECULATIVE)
        with pytest.raises(ConfigError, match=r"^engine\.speculative: .*/bare has no modules of ") as refused:
            prepare(config)
        assert "\n" not in str(refused.value)
    assert not (tmp_path / "outputs" / "artifacts").exists()


def test_a_policy_cannot_draft():
    options = ["stage=grpo", "data=sums", "reward=r1_zero", "optim=rl", "budget.steps=2", "model.checkpoint=x"]
    with pytest.raises(
        ConfigError, match=r"^engine\.speculative: stage=grpo trains no modules that could draft; leave it null$"
    ):
        composed(*options, SPECULATIVE)


def test_only_one_kind_of_drafts_is_known():
    with pytest.raises(ConfigError, match=r"^engine\.speculative: 'eagle' is not one of mtp$"):
        composed("stage=evaluate", "data=sums", "model.checkpoint=x", "engine.speculative=eagle")
