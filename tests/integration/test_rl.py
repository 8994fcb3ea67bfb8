"""Reinforcement learning by the commands that people run: R1's recipe, killed again and again; R1-Zero and its law."""

import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest
from helpers.cli import Command, succeed

from openr1.analysis.fit.fit import fit
from openr1.analysis.sources.frame import Columns, MlflowRuns, read
from openr1.system.artifacts import Store
from openr1.tracking import mlflow as tracking

pytestmark = pytest.mark.integration
# sums of two digits, and a model that knows some of them by heart
EASY = ["data=sums", "data.sources.sums.problems=100", "+data.sources.sums.options={min_terms:2,max_terms:2,maximum:9}"]
EASY += ["data.eval_fraction=0.2", "data.tokenizer.vocab_size=258", "data.context=64", "data.eval_tokens=1024", "scale=30k"]
R1 = ["recipe=r1", *EASY, "+recipe.steps.base.budget.steps=300", "+recipe.steps.base.optim.batch_tokens=1024"]
R1 += ["recipe.steps.traces.stage.problems=40", "recipe.steps.sampled.stage.samples=8"]
R1 += [f"recipe.steps.{step}.stage.{key}" for step in ("dev2", "r1") for key in ("prompts=8", "samples=8", "eval.problems=14")]
R1 += [f"recipe.steps.{step}.{key}" for step in ("dev2", "r1") for key in ("budget.steps=6", "optim.lr=1e-4")]
R1 += [f"recipe.steps.eval_{step}.stage.problems=14" for step in ("base", "dev1", "dev2", "dev3", "r1")]


def stages(folder):
    """Return the artifacts of the only recipe under a folder, by the names of its steps, and its table of stages."""
    uri = f"sqlite:///{folder}/outputs/mlflow.db"
    [recipe] = [run for run in tracking.read_runs(uri, "default") if run.tags["stage"] == "recipe"]
    store, artifacts = Store(folder / "outputs" / "artifacts"), {}
    for tag, run_id in recipe.tags.items():
        if tag.startswith("step."):
            tags = tracking.read_run(uri, run_id).tags
            artifacts[tag.removeprefix("step.")] = store.find(tags["stage"], tags["fingerprint"])
    table = Path(tracking.client(uri).download_artifacts(recipe.run_id, "stages.md")).read_text()
    return artifacts, table


@pytest.mark.nightly
def test_the_stages_of_r1_killed_at_random_moments(tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    begin = time.monotonic()
    done = succeed("openr1", *R1, cwd=whole)
    seconds = time.monotonic() - begin
    assert "after each stage" in done.stdout
    rng = random.Random(0)
    for _ in range(6):
        process = Command("openr1", *R1, "compute.checkpoint_steps=2", cwd=broken)
        time.sleep(rng.uniform(0.2, 0.5) * seconds)
        with suppress(ProcessLookupError):  # what is left to do may take less time than that
            os.killpg(process.pid, signal.SIGKILL)
        process.finish()
    succeed("openr1", *R1, "compute.checkpoint_steps=2", cwd=broken)
    (expected, table), (resumed, again) = stages(whole), stages(broken)
    assert list(resumed) == list(expected)
    assert {name: artifact.sha256() for name, artifact in resumed.items()} == {
        name: artifact.sha256() for name, artifact in expected.items()
    }
    assert again == table
    assert [line.split("|")[1].strip() for line in table.splitlines()[2:]] == ["base", "dev1", "dev2", "dev3", "r1"]


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_r1_zero_learns_to_reason_and_its_curve_is_a_law(tmp_path):
    succeed("openr1", "experiment=r1_zero_micro", cwd=tmp_path)
    uri = f"sqlite:///{tmp_path}/outputs/mlflow.db"
    [run] = [run for run in tracking.read_runs(uri, "r1_zero_micro") if run.tags["stage"] == "grpo"]
    assert run.metrics["pass_at_1"] > 0.75
    assert run.metrics["reasoned_rate"] > 0.95
    succeed("openr1-fit", "experiment=r1_zero_micro", cwd=tmp_path)
    points = read(MlflowRuns(uri=uri, study="r1_zero_micro", curve=True, where={"stage": "grpo"}, columns=Columns(C="flops")))
    points = points.frame.sort_values("C")
    end = points.iloc[-4:]
    fitted = fit(points.iloc[: len(points) // 2], "rl_sigmoid")
    assert abs(fitted.predict(end).mean() - end["pass_at_1"].mean()) < 0.05
