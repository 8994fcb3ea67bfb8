"""The design of one trunk a size."""

import copy
from functools import cache

import pytest
from helpers.cli import command
from helpers.sweeps_studies import values
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from openr1.config.load import load_run_config
from openr1.config.schema import register
from openr1.distributed.options import ComputeConfig
from openr1.runs.fingerprint import identify
from openr1.sweeps.designs.base import Finished
from openr1.sweeps.designs.trunk import Trunk, TrunkSweep
from openr1.sweeps.limits.amount import measured_amount
from openr1.sweeps.study.expansion import load_sweep
from openr1.system.errors import ConfigError
from openr1.tracking import mlflow as tracking
from openr1.training.budget import resolve

TOKENS = [1280, 2560, 5120]  # 10, 20 and 40 steps of the tiny run; they decay from 7, 14 and 28 on


@cache
def base(*overrides):
    with initialize_config_module("openr1.conf", version_base="1.3"):
        return compose("config", overrides=list(overrides))


def design(tiny, *options, **sweep):
    given = {"name": "study", "scales": ["30k", "50k"], **({} if "flops" in sweep else {"tokens": TOKENS}), **sweep}
    left_out = ("budget.", "scale=", *(["data.", "data="] if "data=sums" in options else []))
    plain = [override for override in tiny if not override.startswith(left_out)]
    register()

    def config_of(overrides):
        """As a sweep does: values are set in what is composed once for each size."""
        scales = [override for override in overrides if override.startswith("scale=")]
        cfg = copy.deepcopy(base(*plain, *options, *scales))
        for key, value in values([override for override in overrides if override not in scales]).items():
            OmegaConf.update(cfg, key, value)
        return load_run_config(cfg)

    return Trunk(TrunkSweep(**given), config_of)


def finished(trunks_design, runs, failed=()):
    """As if the runs of a round were done, but for those of a size."""
    metrics = {"flops": 100.0, "wall_seconds": 1.0}
    return [Finished(run, trunks_design.compose(run), {} if values(run)["scale"] in failed else metrics) for run in runs]


@pytest.mark.slow
def test_the_longest_run_of_a_size_is_the_trunk_of_the_others(tiny):
    trunks_design = design(tiny)
    trunks = trunks_design.next([])
    assert [values(run)["scale"] for run in trunks] == ["50k", "30k"]  # the most expensive first
    assert {values(run)["budget.tokens"] for run in trunks} == {5120}
    assert [values(run)["stage.keep_states"] for run in trunks] == [[7 * 128, 14 * 128]] * 2
    done = finished(trunks_design, trunks)
    branches = trunks_design.next(done)
    assert trunks_design.known_later([]) == branches
    assert trunks_design.known_later(done) == []
    assert [(values(run)["scale"], values(run)["budget.tokens"]) for run in branches] == [
        ("50k", 2560), ("30k", 2560), ("50k", 1280), ("30k", 1280)]  # fmt: skip
    names = {values(trunk)["scale"]: f"pretrain-{identify(trunks_design.compose(trunk))[0]}" for trunk in trunks}
    assert all(values(run)["stage.trunk"] == names[values(run)["scale"]] for run in branches)
    # a tenth of the shortest, for all
    assert {values(run)["optim.warmup_tokens"] for run in (*trunks, *branches)} == {128}
    assert trunks_design.next([*done, *finished(trunks_design, branches)]) == []


def test_a_size_whose_trunk_failed_has_no_branches(tiny):
    trunks_design = design(tiny)
    branches = trunks_design.next(finished(trunks_design, trunks_design.next([]), failed=["50k"]))
    assert {values(run)["scale"] for run in branches} == {"30k"}
    assert trunks_design.next(finished(trunks_design, trunks_design.next([]), failed=["30k", "50k"])) == []


def test_rules_give_the_learning_rate_and_batch_of_the_longest(tiny):
    trunks_design = design(
        tiny, "optim.lr_rule=step_law", "optim.batch_rule=step_law", "optim.batch_tokens=null", tokens=[1e5, 2e5]
    )
    trunks = trunks_design.next([])
    longest = resolve(trunks_design.compose(["scale=50k", "budget.tokens=2e5"]))
    assert values(trunks[0])["optim.lr"] == longest.lr
    assert values(trunks[0])["optim.batch_tokens"] == longest.batch_tokens
    branches = trunks_design.next(finished(trunks_design, trunks))
    assert values(branches[0])["optim.lr"] == longest.lr


@pytest.mark.slow
def test_separate_runs_are_those_of_the_trunk_without_one(tiny):
    trunks_design, apart = design(tiny), design(tiny, separate=True)
    trunks = trunks_design.next([])
    runs = apart.next([])
    assert len(runs) == 6
    both = [*trunks, *trunks_design.next(finished(trunks_design, trunks))]
    without = [
        tuple(override for override in run if not override.startswith(("stage.keep_states", "stage.trunk"))) for run in both
    ]
    assert sorted(runs) == sorted(without)
    assert apart.next(finished(apart, runs)) == []


def test_durations_may_be_flops_or_tokens_a_parameter(tiny):
    budgets = [values(run)["budget.flops"] for run in design(tiny, flops=[1e9, 3e9]).next([])]
    assert budgets == [3e9, 3e9]
    ratios = design(tiny, tokens=[], tokens_per_param=[0.1, 0.2]).next([])
    assert [values(run)["budget.tokens_per_param"] for run in ratios] == [0.2, 0.2]


def test_one_duration_needs_no_trunk(tiny):
    trunks_design = design(tiny, tokens=[2560])
    runs = trunks_design.next([])
    assert all("stage.keep_states" not in values(run) for run in runs)
    assert trunks_design.next(finished(trunks_design, runs)) == []


def test_the_report_says_how_many_flops_are_saved(tiny):
    trunks_design = design(tiny)
    figures = ({"flops": 400.0}, {"flops": 200.0, "flops_new": 50.0}, {})
    runs = [Finished((), None, metrics) for metrics in figures]
    assert trunks_design.report(runs) == ["2 runs took 450 FLOPs; separate runs would take 600: 25% saved"]
    assert trunks_design.report(runs[:1]) == ["1 run took 400 FLOPs"]
    assert trunks_design.report([]) == []


def test_a_branch_has_spent_its_own_flops():
    assert measured_amount({"flops": 200.0, "flops_new": 50.0}, ComputeConfig()).flops == 50
    assert measured_amount({"flops": 200.0}, ComputeConfig()).flops == 200


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"tokens": []}, r"^sweep\.tokens: give the durations of runs as one of tokens, flops, tokens_per_param$"),
        ({"flops": [1e9], "tokens": [1e6]}, r"^sweep\.flops: give the durations"),
        ({"scales": []}, r"^sweep\.scales: needs at least 1 value"),
        ({"tokens": [1e6, 1e6]}, r"^sweep\.tokens: 1e\+06 stands there twice$"),
        ({"tokens": [-1.0]}, r"^sweep\.tokens\[0\]: must be at least 1"),
        ({"scales": "???"}, r"^sweep\.scales: no value is given$"),
    ],
)
def test_options_that_cannot_be_are_one_line(options, says):
    given = OmegaConf.merge(OmegaConf.structured(TrunkSweep), {"name": "study", "scales": ["30k"], "tokens": [1e6], **options})
    with pytest.raises(ConfigError, match=says) as caught:
        load_sweep(OmegaConf.create({"sweep": given}).sweep)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "sweep", "says"),
    [
        (["optim.schedule=cosine"], {}, r"^optim\.schedule: sweep=trunk needs wsd, whose decay comes last; not cosine$"),
        (["stage=sft", "data=sums"], {}, r"^stage: sweep=trunk needs stage=pretrain, not sft$"),
        ([], {"tokens": [2560, 2600]}, r"^sweep\.tokens: two durations of scale=30k have the same number of steps$"),
        ([], {"tokens": [10, 2560]}, r"^budget\.tokens: 10 is 10 tokens, below one step"),
        (["optim.warmup_tokens=2000"], {}, r"^optim\.warmup_tokens: 2000 .* of 1280 tokens"),
        (["budget.flops=1e9"], {}, r"^budget: tokens and flops are given"),
    ],
)
def test_runs_that_share_no_beginning_are_one_line(tiny, overrides, sweep, says):
    with pytest.raises(ConfigError, match=says):
        design(tiny, *overrides, **sweep).next([])


@pytest.mark.integration
@pytest.mark.nightly
def test_a_study_of_trunks_is_that_of_separate_runs_for_less(tiny, tmp_path):
    plain = [override for override in tiny if not override.startswith(("budget.", "scale="))]
    options = [*plain, "sweep=trunk", "sweep.scales=[30k]", f"sweep.tokens={TOKENS}"]

    def study(*more):
        done = command("openr1", "-m", *options, *more, cwd=tmp_path, COLUMNS="200")
        assert done.returncode == 0, done.stderr
        return done.stderr

    said = study("study=trunks")
    assert "3 runs, 0 done" in said  # the branches are estimated
    assert "2 runs, 0 done" in said
    saved = 1 - (40 + 6 + 3) / 70
    assert f"{saved:.0%} saved" in said.splitlines()[-1]
    again = study("study=trunks")
    assert "3 runs, 3 done; 0 training FLOPs to go" in again
    study("study=separate", "sweep.separate=true")
    uri = f"sqlite:///{tmp_path}/outputs/mlflow.db"
    losses = [
        {run.metrics["tokens"]: run.metrics["eval_loss"] for run in tracking.read_runs(uri, name)}
        for name in ("trunks", "separate")
    ]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 3
