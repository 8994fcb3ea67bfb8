"""Runs with other optimisers and parametrizations: what they cost, leave, and refuse."""

import pytest
from helpers.configs import composed
from helpers.kills import killed

from openr1.runs.estimate import estimate_run
from openr1.runs.fingerprint import identify
from openr1.runs.stage_run import run_stage
from openr1.system.errors import ConfigError
from openr1.training.callback import TrainingCallback

MUP = ["optim=mup", "scale@optim.base=30k"]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["optim.parametrization=mup"], "optim.base: optim.parametrization=mup is relative to a base size"),
        (["optim=mup"], "optim.base.width: the base 50k has 64, above the 32 of the model"),
        ([*MUP, "optim.base.heads=3"], "optim.base.width: 32 is not a multiple of optim.base.heads=3"),
        (["optim.kind=sgd"], "optim.kind: 'sgd' is not one of adamw, muon"),
        (["optim.parametrization=ntk"], "optim.parametrization: 'ntk' is not one of standard, mup, completep"),
        (["optim.muon.steps=3"], "optim.muon: is for optim.kind=muon, not optim.kind=adamw"),
        (["optim=muon", "stage=sft_lora", "data=sums"], "optim.kind: muon is not defined for adapters"),
        ([*MUP, "stage=sft_lora", "data=sums"], "optim.parametrization: mup is not defined for adapters"),
        (["optim=muon", "compute.processes=2", "compute.strategy=zero2"], "optim.kind: muon needs whole matrices"),
    ],
)
def test_what_is_impossible_is_refused_in_one_line(options, line):
    with pytest.raises(ConfigError) as refused:
        estimate_run(composed("scale=30k", *options))
    assert str(refused.value).startswith(line)
    assert "\n" not in str(refused.value)


def test_options_that_are_off_leave_the_fingerprint_as_it_is():
    """An optimiser or parametrization that is not used counts by none of its options."""
    plain = identify(composed())[0]
    assert plain == identify(composed("+scale@optim.base=50k"))[0]
    others = [["optim.kind=muon"], ["optim=mup"], ["optim=completep"], ["optim=mup", "scale@optim.base=70k"]]
    others += [["optim.kind=muon", "optim.muon.momentum=0.9"]]
    assert len({plain, *(identify(composed(*options))[0] for options in others)}) == 6
    assert identify(composed("optim=mup", "optim.base.name=mine")) == identify(composed("optim=mup"))


def test_the_rule_of_the_learning_rate_is_that_of_the_base_size():
    rates = {
        scale: estimate_run(composed("optim=mup", f"scale={scale}", "budget.tokens=1e6")).budget.lr for scale in ("50k", "1m")
    }
    assert rates["50k"] == rates["1m"] == estimate_run(composed("scale=50k", "budget.tokens=1e6")).budget.lr


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        ["optim.kind=muon", "model=deepseek_v3"],
        ["optim=completep", "scale@optim.base=30k", "optim.kind=muon", "scale=100k", "optim.muon.adamw_lr_scale=0.5"],
    ],
)
def test_a_killed_run_ends_with_the_same_bits(tiny, tmp_path, monkeypatch, options):
    config = composed(*tiny, *options, "optim.lr=0.01", "compute.checkpoint_steps=4")
    killed(monkeypatch, config, TrainingCallback, 6)
    result = run_stage(config, quiet=True)
    again = composed(*tiny, *options, "optim.lr=0.01", f"paths.artifacts={tmp_path}/whole", "study=whole")
    whole = run_stage(again, quiet=True)
    assert result.artifact.sha256() == whole.artifact.sha256()
    rates = [row["lr"] for row in whole.artifact.history() if "lr" in row]
    assert max(rates) == pytest.approx(0.01, rel=0.3)  # that of the run, whatever a group has


@pytest.mark.slow
def test_a_checkpoint_is_trained_on_in_its_own_parametrization_or_the_standard_one(tiny):
    model = run_stage(composed(*tiny, *MUP, "scale=50k"), quiet=True).artifact.path / "model"
    start = [*tiny, f"model.checkpoint={model}", "scale=50k"]
    losses = [run_stage(composed(*start, *options), quiet=True).metrics["eval_loss"] for options in ([], MUP)]
    assert losses[0] != losses[1]
    with pytest.raises(ConfigError, match=r"^optim\.parametrization: .* was initialised in mup, not completep"):
        estimate_run(composed(*start, *MUP, "optim.parametrization=completep"))
    with pytest.raises(ConfigError, match=r"^optim\.base\.heads: is 2, but the weights of .* are relative to 1"):
        estimate_run(composed(*start, *MUP, "optim.base.heads=2", "optim.base.kv_heads=1"))


@pytest.mark.slow
def test_a_branch_with_muon_is_the_separate_run_to_the_bit(tiny):
    long = ["optim.kind=muon", "budget.steps=16", "optim.warmup_tokens=300", "optim.decay=0.25", "optim.lr=0.01"]
    trunk = run_stage(composed(*tiny, *long, f"stage.keep_states={[6 * 128]}"), quiet=True)
    short = [*tiny, *long, "budget.steps=8"]
    branch = run_stage(composed(*short, f"stage.trunk={trunk.artifact.name}"), quiet=True)
    assert branch.artifact.sha256() == run_stage(composed(*short), quiet=True).artifact.sha256()
    with pytest.raises(ConfigError, match=r"optim\.muon\.momentum: 0\.9 here, 0\.95 in the trunk"):
        run_stage(composed(*short, "optim.muon.momentum=0.9", f"stage.trunk={trunk.artifact.name}"), quiet=True)
