"""Training with modules of multi-token prediction: losses, curves, resuming, branches, and what is refused."""

from types import SimpleNamespace

import pytest
import torch
from helpers.configs import composed, tiny_run
from helpers.kills import killed
from safetensors.torch import load_file

from openr1.models.options import MtpOptions
from openr1.runs import plan
from openr1.runs.estimate import estimate_run
from openr1.runs.fingerprint import checkpoint_fingerprint, identify
from openr1.runs.stage_run import run_stage
from openr1.system.errors import ConfigError
from openr1.training.callback import TrainingCallback
from openr1.training.mtp import MultiTokenLoss

MTP = "model.mtp.depth=1"
STEP = 128  # tokens, of the tiny run


@pytest.fixture(scope="module")
def tiny(tmp_path_factory, text_file):
    """As the fixture of all tests, but one place for those of this module, whose runs have much in common."""
    return tiny_run(text_file, tmp_path_factory.mktemp("mtp"))


@pytest.fixture(scope="module")
def plain(tiny):
    return run_stage(composed(*tiny), quiet=True)


@pytest.fixture(scope="module")
def trained(tiny):
    return run_stage(composed(*tiny, MTP), quiet=True)


def weights(artifact):
    return load_file(artifact.model / "model.safetensors")


def curve(artifact, name):
    return [row[name] for row in artifact.history() if name in row]


def test_modules_are_trained_and_stand_beside_the_model(plain, trained):
    modules = load_file(trained.artifact.model / "mtp" / "model.safetensors")
    assert trained.metrics["params_mtp"] == sum(tensor.numel() for tensor in modules.values())
    assert trained.metrics["params_trained"] == trained.metrics["params_total"] + trained.metrics["params_mtp"]
    assert trained.metrics["params_total"] == plain.metrics["params_total"] == plain.metrics["params_trained"]
    assert weights(trained.artifact).keys() == weights(plain.artifact).keys()
    losses = curve(trained.artifact, "mtp_loss")
    assert len(losses) == len(curve(trained.artifact, "train_loss")) == 4
    assert losses[-1] < losses[0] - 1
    assert trained.metrics["mtp_loss"] == losses[-1]
    assert "mtp_loss" not in plain.metrics
    assert not (plain.artifact.model / "mtp").exists()
    # they are a part of what is hashed
    of_modules = {"model/mtp/model.safetensors", "model/mtp/config.json"}
    assert trained.artifact.hashes.keys() - plain.artifact.hashes.keys() == of_modules
    whole = trained.artifact.sha256()
    (trained.artifact.model / "mtp" / "model.safetensors").rename(moved := trained.artifact.path / "moved")
    assert trained.artifact.sha256() != whole
    moved.rename(trained.artifact.model / "mtp" / "model.safetensors")


@pytest.mark.slow
def test_with_weight_0_the_model_and_its_curves_are_those_without_modules(tiny, plain):
    """The losses in the curves are of the next token alone, and gradients are clipped together.

    Some processors sum the norm of more gradients in another order, though those of the modules are 0, and Adam's steps of
    weights whose gradient is but rounding follow its sign.
    """
    zero = run_stage(composed(*tiny, MTP, "model.mtp.weight=0", "model.mtp.weight_late=0"), quiet=True)
    ours, theirs = weights(zero.artifact), weights(plain.artifact)
    for name in theirs:
        torch.testing.assert_close(ours[name], theirs[name], rtol=1e-3, atol=1e-3)
    for name in ("train_loss", "eval_loss", "grad_norm"):
        assert curve(zero.artifact, name) == pytest.approx(curve(plain.artifact, name), rel=1e-4)


def test_a_budget_of_flops_buys_fewer_tokens_with_modules(tiny, plain, trained):
    options = [override for override in tiny if not override.startswith("budget")]
    without, with_modules = (
        estimate_run(composed(*options, "budget.flops=1e10", f"model.mtp.depth={depth}")) for depth in (0, 1)
    )
    assert without.flops == pytest.approx(with_modules.flops, rel=0.02)
    ratio = trained.metrics["flops"] / plain.metrics["flops"]
    assert ratio > 1.4
    assert without.tokens / with_modules.tokens == pytest.approx(ratio, rel=0.02)
    assert trained.metrics["flops_6nd"] == plain.metrics["flops_6nd"]
    assert trained.metrics["flops_eval"] == plain.metrics["flops_eval"]


def test_the_weight_changes_once():
    def weight(step, **options):
        trainer = MultiTokenLoss()
        trainer.context = SimpleNamespace(config=SimpleNamespace(model=SimpleNamespace(mtp=MtpOptions(depth=1, **options))))
        trainer.state = SimpleNamespace(global_step=step, max_steps=148)
        return trainer.weight()

    assert [weight(step) for step in (0, 99, 100, 147)] == [0.3, 0.3, 0.1, 0.1]
    assert [weight(step, late_from=0.0) for step in (0, 147)] == [0.1, 0.1]
    assert [weight(step, late_from=1.0) for step in (0, 147)] == [0.3, 0.3]


@pytest.mark.parametrize("options", [[], pytest.param(["model=deepseek_v3"], marks=pytest.mark.slow)])
def test_a_killed_run_goes_on_to_the_same_bits(tiny, tmp_path, monkeypatch, options):
    """Weights, modules and curves; the last row before the kill is not where the checkpoint is."""
    long = [*tiny, MTP, "compute.checkpoint_steps=5", "compute.micro_batch=2", "stage.log_points=4", *options, "seed=1"]
    config = composed(*long)
    killed(monkeypatch, config, TrainingCallback, 6)
    again = run_stage(config, quiet=True)
    whole = run_stage(composed(*long, f"paths.artifacts={tmp_path}/whole", "study=whole"), quiet=True)
    assert again.artifact.sha256() == whole.artifact.sha256()
    ours, theirs = ([row | {"seconds": 0} for row in each.artifact.history()] for each in (again, whole))
    assert ours == theirs


LONG = ["budget.steps=24", "optim.warmup_tokens=300", "optim.decay=0.25", "optim.lr=0.01", MTP, "model.mtp.late_from=0.5"]
SHORT = [*LONG, "budget.steps=12"]


def kept(steps):
    return f"stage.keep_states={[step * STEP for step in steps]}"


@pytest.mark.slow
def test_a_branch_is_the_separate_run_to_the_bit(tiny):
    """It leaves the trunk before the weight changes, which is before the decay here."""
    trunk = run_stage(composed(*tiny, *LONG, kept([3, 6])), quiet=True)
    branch = run_stage(composed(*tiny, *SHORT, f"stage.trunk={trunk.artifact.name}"), quiet=True)
    separate = run_stage(composed(*tiny, *SHORT), quiet=True)
    assert branch.estimate.first_step == 6
    assert branch.artifact.sha256() == separate.artifact.sha256()
    assert curve(branch.artifact, "mtp_loss")[-1] == curve(separate.artifact, "mtp_loss")[-1]
    earlier = composed(*tiny, *SHORT, "model.mtp.late_from=0.1", f"stage.trunk={trunk.artifact.name}")
    with pytest.raises(ConfigError, match=r"^stage\.trunk: .*; this run has model\.mtp\.weight_late from step 1 on$"):
        plan.plan(earlier)
    for override in ("model.mtp.weight=0.2", "model.mtp.depth=2"):
        with pytest.raises(ConfigError, match=r"^model\.mtp\.(weight|depth): .*; a branch has the steps of its trunk$"):
            plan.plan(composed(*tiny, *SHORT, override, f"stage.trunk={trunk.artifact.name}"))
    late = composed(*tiny, *SHORT, "model.mtp.weight_late=0", f"stage.trunk={trunk.artifact.name}")
    assert plan.plan(late)[0].estimate.first_step == 6


def test_a_state_after_the_change_of_the_weight_is_of_no_use(tiny):
    with pytest.raises(ConfigError, match=r"^stage\.keep_states\[0\]: .*, and the change of its model\.mtp\.weight, at 1,536$"):
        estimate_run(composed(*tiny, *LONG, kept([15])))
    assert estimate_run(composed(*tiny, *LONG, kept([15]), "model.mtp.weight_late=0.3")).units == 24


@pytest.mark.slow
def test_a_model_with_modules_is_trained_on_with_them(tiny, trained):
    """Its modules go on from where they were, further ones begin anew, and without ``model.mtp.depth`` they are left out."""
    start = [*tiny, f"model.checkpoint={trained.artifact.name}", "stage.log_points=12"]
    one, two, none = (run_stage(composed(*start, f"model.mtp.depth={depth}"), quiet=True) for depth in (1, 2, 0))
    assert curve(one.artifact, "mtp_loss")[0] < trained.metrics["mtp_loss"] + 0.1
    assert curve(two.artifact, "mtp_loss")[0] > curve(one.artifact, "mtp_loss")[0] + 0.3
    assert curve(one.artifact, "train_loss")[0] == curve(none.artifact, "train_loss")[0]
    assert not (none.artifact.model / "mtp").exists()
    assert len({each.artifact.fingerprint for each in (one, two, none)}) == 3


def test_only_options_that_count_are_in_the_fingerprint(tiny):
    def mark(*options):
        return identify(composed(*tiny, *options))[0]

    assert mark() == mark("model.mtp.weight=0.2") == mark("model.mtp.late_from=0.1")
    changed = ([], ["model.mtp.depth=2"], ["model.mtp.weight=0.2"], ["model.mtp.late_from=0.1"])
    assert len({mark(), *(mark(MTP, *options) for options in changed)}) == 5


def test_modules_count_as_the_content_of_a_checkpoint(trained, tmp_path):
    folder = str(trained.artifact.model)
    before = checkpoint_fingerprint(folder, None, tmp_path)
    (trained.artifact.model / "mtp" / "config.json").rename(moved := tmp_path / "config.json")
    assert checkpoint_fingerprint(folder, None, tmp_path) != before
    moved.rename(trained.artifact.model / "mtp" / "config.json")
    assert checkpoint_fingerprint(folder, None, tmp_path) == before


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["model.mtp.depth=-1"], r"^model\.mtp\.depth: must be at least 0, not -1"),
        (["model.mtp.depth=9"], r"^model\.mtp\.depth: must be at most 8, not 9"),
        (["model.mtp.weight=-0.1"], r"^model\.mtp\.weight: must be at least 0, not -0\.1"),
        (["model.mtp.late_from=1.5"], r"^model\.mtp\.late_from: must be from 0 to 1, not 1\.5"),
        ([MTP, "data.context=2"], r"^model\.mtp\.depth: 1 leaves no token to predict in data\.context=2; at most 0"),
        (["model.mtp.depth=7", "data.context=8"], r"^model\.mtp\.depth: 7 leaves no token .* at most 6"),
        ([MTP, "compute=zero2"], r"^compute\.strategy: zero2 cannot shard model\.mtp; give ddp, or model\.mtp\.depth=0"),
        ([MTP, "compute.compile=true"], r"^compute\.compile: modules of model\.mtp are not compiled; give false, or "),
        ([MTP, "stage=sft_lora"], r"^model\.mtp\.depth: adapters are trained without such modules; give 0, or "),
        (
            [MTP, "stage=grpo", "data=sums", "reward=r1_zero", "optim=rl", "budget.steps=2", "model.checkpoint=x"],
            r"^model\.mtp\.depth: stage=grpo has no loss of further tokens; give 0, which leaves the modules out$",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(overrides, says):
    with pytest.raises(ConfigError, match=says) as refused:
        composed(*overrides)
    assert "\n" not in str(refused.value)
