"""Branches: runs that go on from where a longer one was."""

import os
import signal
import time
from pathlib import Path

import pytest
from helpers.cli import start_run
from helpers.configs import composed, tiny_run

from openr1.config.load import load_run_config
from openr1.config.schema import to_dict
from openr1.runs import plan
from openr1.runs.estimate import estimate_run
from openr1.runs.fingerprint import identify
from openr1.runs.stage_run import run_stage
from openr1.system.artifacts import Store
from openr1.system.errors import ConfigError
from openr1.tracking import mlflow as tracking

STEP = 128  # tokens, of the tiny run
LONG = ["budget.steps=24", "optim.warmup_tokens=300", "optim.decay=0.25", "optim.lr=0.01"]  # decays from step 18 on
SHORT = [*LONG, "budget.steps=12"]  # from step 9 on


def slow(*options):
    return pytest.param(list(options), marks=pytest.mark.slow)


def kept(steps):
    return f"stage.keep_states={[step * STEP for step in steps]}"


def name_of(config):
    return f"{config.stage.kind}-{identify(config)[0]}"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory, text_file):
    """As the fixture of all tests, but one place for those of this module, whose runs have much in common."""
    return tiny_run(text_file, tmp_path_factory.mktemp("trunk"))


@pytest.fixture(scope="module")
def trunk(tiny):
    return run_stage(composed(*tiny, *LONG, kept([6, 9])), quiet=True)


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], slow("model=deepseek_v3"), slow("compute.micro_batch=1")])
def test_a_branch_is_the_separate_run_to_the_bit(tiny, options):
    """Weights and loss; experts whose bias moves, and steps of several passes, among them."""
    trunk = run_stage(composed(*tiny, *LONG, *options, kept([9])), quiet=True)
    separate = run_stage(composed(*tiny, *SHORT, *options), quiet=True)
    branch = run_stage(composed(*tiny, *SHORT, *options, f"stage.trunk={trunk.artifact.name}"), quiet=True)
    assert branch.artifact.path != separate.artifact.path
    assert branch.artifact.sha256() == separate.artifact.sha256() != trunk.artifact.sha256()
    for name in ("eval_loss", "flops", "tokens", "unique_tokens", "epochs"):
        assert branch.metrics[name] == separate.metrics[name]
    assert branch.metrics["flops_new"] == pytest.approx(separate.metrics["flops"] * 3 / 12)
    assert branch.metrics["flops_eval"] == separate.metrics["flops_eval"] / 2  # the first is before it begins
    assert "flops_new" not in separate.metrics


@pytest.mark.slow
def test_a_branch_goes_on_from_the_last_state_before_its_decay(tiny, trunk):
    config = composed(*tiny, *LONG, "budget.steps=11", f"stage.trunk={trunk.artifact.name}")  # decays from step 8 on
    branch = run_stage(config, quiet=True)
    assert branch.estimate.first_step == 6
    assert branch.artifact.sha256() == run_stage(composed(*tiny, *LONG, "budget.steps=11"), quiet=True).artifact.sha256()


@pytest.mark.slow
def test_a_trunk_goes_on_from_a_shorter_one(tiny, trunk):
    longer = composed(*tiny, *LONG, "budget.steps=40", kept([25]), f"stage.trunk={trunk.artifact.path}")
    assert run_stage(longer, quiet=True).estimate.first_step == 9
    last = run_stage(composed(*tiny, *LONG, "budget.steps=34", f"stage.trunk={name_of(longer)}"), quiet=True)
    assert last.estimate.first_step == 25
    assert last.artifact.sha256() == run_stage(composed(*tiny, *LONG, "budget.steps=34"), quiet=True).artifact.sha256()


@pytest.mark.slow
def test_curves_of_a_branch_begin_with_those_of_its_trunk(tiny, trunk):
    config = composed(*tiny, *SHORT, f"stage.trunk={trunk.artifact.name}", "study=branches")
    branch = run_stage(config, quiet=True)
    theirs = [{**row, "seconds": 0.0} for row in trunk.artifact.history() if row["step"] <= 9]
    ours = branch.artifact.history()
    assert ours[: len(theirs)] == theirs
    assert [row["step"] for row in ours] == sorted(row["step"] for row in ours)
    assert {row["step"] for row in ours if row["step"] > 9} == {12}
    assert ours[-1]["seconds"] == pytest.approx(branch.metrics["wall_seconds"], abs=1)
    (tracked,) = tracking.read_runs(config.tracking.uri, "branches")
    assert tracked.tags["input.trunk"] == trunk.artifact.name
    points = tracking.read_history(config.tracking.uri, tracked.run_id, ["tokens", "train_loss"])
    assert [row["tokens"] for row in points] == sorted({row["tokens"] for row in ours})


def test_what_a_trunk_keeps_and_what_a_branch_takes_are_in_their_fingerprints(tiny, trunk):
    plain = identify(composed(*tiny, *LONG))[0]
    assert trunk.artifact.fingerprint != plain
    references = (trunk.artifact.name, trunk.artifact.path)
    by_name, by_path = (identify(composed(*tiny, *SHORT, f"stage.trunk={reference}")) for reference in references)
    assert by_name == by_path
    assert by_name[1]["trunk"] == trunk.artifact.name
    assert by_name[0] != identify(composed(*tiny, *SHORT))[0]


def test_the_price_of_a_branch_is_of_its_own_steps(tiny, trunk):
    (stage,) = plan.plan(composed(*tiny, *SHORT, f"stage.trunk={trunk.artifact.name}"))
    assert (stage.estimate.units, stage.estimate.first_step) == (3, 9)
    assert stage.estimate.flops_new == pytest.approx(stage.estimate.flops / 4)
    unmade = estimate_run(composed(*tiny, *SHORT, "stage.trunk=pretrain-0123456789abcdef"))
    assert unmade.first_step == 9
    assert estimate_run(composed(*tiny, *SHORT)).flops_new == unmade.flops


def test_a_recipe_has_a_trunk_by_its_step(tiny):
    resolved = to_dict(composed(*tiny, *LONG))
    steps = {
        "trunk": {"stage": {"kind": "pretrain", "keep_states": [9 * STEP]}, "budget": {"steps": 24}},
        "branch": {"stage": {"kind": "pretrain", "trunk": "@trunk"}, "budget": {"steps": 12}},
    }
    config = load_run_config({**resolved, "recipe": {"name": "branched", "steps": steps}})
    trunk, branch = plan.plan(config)
    assert branch.inputs["trunk"] == trunk.artifact_name
    assert branch.estimate.flops_new == pytest.approx(trunk.estimate.flops / 8)


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ("optim.lr=0.02", r"^optim\.lr: 0\.02 here, 0\.01 in the trunk pretrain-\w+; a branch has the steps of its trunk$"),
        ("optim.warmup_tokens=500", r"^optim\.warmup_tokens: 512 here, 256 in the trunk"),
        ("optim.batch_tokens=64", r"^optim\.batch_tokens: 64 here, 128 in the trunk"),
        ("optim.beta2=0.9", r"^optim\.beta2: 0\.9 here"),
        ("seed=1", r"^seed: 1 here, 0 in the trunk"),
        ("scale=50k", r"^scale\.\w+: "),
        ("model=qwen3", r"^model\.family: qwen3 here"),
        ("data.unique_tokens=1000", r"^data: "),
        ("budget.steps=6", r"^stage\.trunk: pretrain-\w+ kept its state after 6, 9 steps; this run decays from step 4 on$"),
        (
            "stage.keep_states=[1e6]",
            r"^stage\.keep_states\[0\]: 1,000,000 tokens are not between the first step of this run, at 1,152, and its decay,",
        ),
        ("optim.decay=0.9", r"^optim\.warmup_tokens: 300 and optim\.decay=0\.9 are more than the whole run of 1536 tokens$"),
    ],
)
def test_a_trunk_that_does_not_fit_is_one_line_and_nothing_is_written(tiny, trunk, overrides, says):
    config = composed(*tiny, *SHORT, overrides, f"stage.trunk={trunk.artifact.name}", "study=other")
    before = sorted(Path(config.paths.artifacts).glob("*"))
    for attempt in (plan.plan, run_stage):
        with pytest.raises(ConfigError, match=says) as caught:
            attempt(config)
        assert "\n" not in str(caught.value)
    assert sorted(Path(config.paths.artifacts).glob("*")) == before
    assert tracking.read_runs(config.tracking.uri, "other") == []


@pytest.mark.slow
def test_a_trunk_that_is_not_one_is_one_line(tiny):
    plain = run_stage(composed(*tiny, *LONG), quiet=True)
    with pytest.raises(ConfigError, match=r"^stage\.trunk: pretrain-\w+ kept no state"):
        run_stage(composed(*tiny, *SHORT, f"stage.trunk={plain.artifact.name}"), quiet=True)
    with pytest.raises(ConfigError, match=r"^stage\.trunk: there is no artifact pretrain-0123456789abcdef in "):
        run_stage(composed(*tiny, *SHORT, "stage.trunk=pretrain-0123456789abcdef"), quiet=True)
    with pytest.raises(ConfigError, match=r"^stage\.trunk: sft-0123456789abcdef is of stage=sft; a trunk is of stage=pretrain"):
        composed(*tiny, *SHORT, "stage.trunk=sft-0123456789abcdef")
    with pytest.raises(ConfigError, match=r"^stage\.keep_states\[1\]: must be at least 1, not -5"):
        composed(*tiny, "stage.keep_states=[128,-5]")


@pytest.mark.integration
def test_trunk_and_branch_killed_go_on_to_the_same_bits(tiny, tmp_path):
    def killed(overrides):
        """The run, killed after a checkpoint of its own, and then to its end."""
        config = composed(*overrides)
        folder = Store(config.paths.artifacts).partial("pretrain", identify(config)[0])
        process = start_run(overrides, tmp_path)
        while process.poll() is None and not list(folder.glob("*/checkpoint-*/complete")):
            time.sleep(0.005)
        assert process.poll() is None
        os.kill(process.pid, signal.SIGKILL)
        process.finish()
        return run_stage(config, quiet=True)

    options = ["optim.warmup_tokens=2560", "compute.checkpoint_steps=20", "stage.log_points=30"]
    long, short = ([*tiny, *options, f"budget.steps={steps}"] for steps in (300, 200))  # decay from 210 and 140 on
    trunk = killed([*long, kept([10, 140])])  # the first state to be seen is one that is kept
    assert {path.name for path in (trunk.artifact.path / "kept").glob("*-*")} == {"checkpoint-10", "checkpoint-140"}
    branch = killed([*short, f"stage.trunk={trunk.artifact.name}", "study=killed"])
    elsewhere = [f"paths.artifacts={tmp_path}/whole", "study=whole"]
    assert trunk.artifact.sha256() == run_stage(composed(*long, *elsewhere), quiet=True).artifact.sha256()
    assert branch.artifact.sha256() == run_stage(composed(*short, *elsewhere), quiet=True).artifact.sha256()
    steps = [row["step"] for row in branch.artifact.history()]
    assert steps == sorted(steps)
    uri = branch.config.tracking.uri
    points = tracking.client(uri).get_metric_history(branch.run_id, "train_loss")
    assert [point.step for point in points] == sorted({point.step for point in points})


def test_linear_and_cosine_share_no_more_than_their_warm_up(tiny, trunk):
    with pytest.raises(ConfigError, match=r"^stage\.trunk: .*this run decays from step 2 on"):
        plan.plan(composed(*tiny, *SHORT, "optim.schedule=cosine", f"stage.trunk={trunk.artifact.name}"))
