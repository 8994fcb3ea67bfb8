"""Reasoning data by the commands that people run: generations that are killed, a recipe's study, and its fit."""

import json
import os
import random
import signal
import time

import pytest
from helpers.cli import Command, succeed
from helpers.servers import sums_server

from openr1.data.answers import read_answers
from openr1.tracking import mlflow as tracking

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("distill")]
SUMS = ["data=sums", "data.tokenizer.vocab_size=258", "data.eval_fraction=0.02"]


def answered(folder):
    """Count the problems that have answers in the generation that runs under ``folder``."""
    return sum(path.read_bytes().count(b"\n") for path in folder.glob("artifacts/.partial/generate-*/answers/*.jsonl"))


def killed(arguments, cwd, outputs, after):
    """Start a command, kill it when it has answered ``after`` more problems, and return whether it was still running then."""
    before, process = answered(outputs), Command("openr1", *arguments, f"paths.outputs={outputs}", cwd=cwd)
    try:
        while process.poll() is None and answered(outputs) < before + after:
            time.sleep(0.02)
        if process.poll() is not None:
            return False
        os.kill(process.pid, signal.SIGKILL)
        return True
    finally:
        process.finish()


def rows(outputs):
    (artifact,) = outputs.glob("artifacts/generate-*")
    return list(read_answers(artifact))


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    folder = tmp_path_factory.mktemp("teacher")
    succeed("openr1", *SUMS, "stage=sft", "scale=30k", "budget.steps=300", f"paths.outputs={folder}/outputs", cwd=folder)
    (artifact,) = folder.glob("outputs/artifacts/sft-*")
    return artifact / "model"


def test_a_generation_killed_five_times_is_the_same_as_one_that_is_not(teacher, tmp_path):
    rng = random.Random(time.time_ns())
    generate = [*SUMS, "stage=generate", f"model.checkpoint={teacher}", "stage.samples=2", "stage.sampling.max_tokens=80"]
    generate += ["data.sources.sums.problems=1100", "stage.problems=1000", "stage.sampling.temperature=1"]
    generate += ["engine.batch_size=64"]  # with larger ones five kills might see the end
    broken, whole = tmp_path / "broken", tmp_path / "whole"
    kills = sum(killed(generate, tmp_path, broken, rng.randint(1, 120)) for _ in range(5))
    assert kills == 5
    seen = answered(broken)
    succeed("openr1", *generate, f"paths.outputs={broken}", cwd=tmp_path)
    succeed("openr1", *generate, f"paths.outputs={whole}", cwd=tmp_path)
    assert 0 < seen < 1000
    assert len(rows(whole)) == 2000
    assert rows(broken) == rows(whole)
    (resumed,), (expected,) = (list(outputs.glob("artifacts/generate-*/data/*.parquet")) for outputs in (broken, whole))
    assert resumed.read_bytes() == expected.read_bytes()
    # the runs that were killed are one run
    (run,) = tracking.read_runs(f"sqlite:///{broken}/mlflow.db", "default")
    assert run.tags["stage"] == "generate"


def test_a_server_is_asked_no_problem_twice_that_it_has_answered(tmp_path):
    concurrency, outputs = 4, tmp_path / "outputs"
    with sums_server() as server:
        generate = [*SUMS, "stage=generate", "engine=openai", "engine.model=sums", "engine.api_key_env=null"]
        generate += [f"engine.base_url=http://127.0.0.1:{server.server_port}/v1", f"engine.concurrency={concurrency}"]
        generate += ["data.sources.sums.problems=700", "stage.problems=600"]
        kills = sum(killed(generate, tmp_path, outputs, 100) for _ in range(3))
        succeed("openr1", *generate, f"paths.outputs={outputs}", cwd=tmp_path)
    assert kills == 3
    answers = rows(outputs)
    assert len(answers) == 600
    assert all(row["completion"] == f"<answer>{row['answer']}</answer>" for row in answers)
    assert set(server.asked) == {row["prompt"] for row in answers}
    # what was under way when it was killed, and no more
    assert len(server.asked) - 600 <= kills * concurrency


STUDY = ["-m", "experiment=distill_micro", "budget.tokens=8e4,4e4", "scale=30k,50k", "recipe=r1_distill,distill_unverified"]
STUDY += ["data.sources.sums.problems=1500", "recipe.steps.eval.stage.problems=40"]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    return folder, succeed("openr1", *STUDY, cwd=folder)


def test_a_study_of_recipes_is_priced_and_shares_its_stages(study):
    folder, done = study
    assert "8 runs, 0 done" in done.stderr
    assert "in 21 stages, 0 done" in " ".join(done.stderr.split())
    assert "8 of 8 runs" in done.stderr
    runs = tracking.read_runs(f"sqlite:///{folder}/outputs/mlflow.db", "distill_micro")
    counts = {stage: sum(run.tags["stage"] == stage for run in runs) for stage in {run.tags["stage"] for run in runs}}
    # one oracle and one teacher, whatever the students
    assert counts == {"recipe": 8, "generate": 2, "curate": 2, "sft": 9, "evaluate": 8}
    for run in runs:
        if run.tags["stage"] == "recipe":
            wanted = {
                "params_non_embedding",
                "tokens",
                "flops",
                "student.flops_teacher",
                "eval_loss",
                "pass_at_1",
                "pass_at_1_low",
            }
            assert wanted <= set(run.metrics)


def test_its_students_are_points_of_a_law(study):
    folder, _ = study
    where = ["+runs.where.stage=recipe", "+runs.where.recipe=r1_distill"]
    fit = [
        "law=power_law",
        "law.x=C",
        "runs.study=distill_micro",
        *where,
        "bootstrap.resamples=20",
        "holdout.largest_budgets=0",
    ]
    succeed("openr1-fit", *fit, cwd=folder)
    fit_file = json.loads((folder / "outputs" / "studies" / "distill_micro" / "power_law" / "fit.json").read_text())
    assert fit_file["n_points"] == 4


@pytest.mark.nightly
def test_a_study_that_is_killed_goes_on_and_does_nothing_twice(study):
    folder, _ = study
    more = [*STUDY, "recipe.steps.eval.stage.samples=2"]
    process = Command("openr1", *more, cwd=folder)
    while not list(folder.glob("outputs/artifacts/.partial/evaluate-*/")):
        assert process.poll() is None
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    process.finish()
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("outputs/artifacts/[a-z]*")}
    done = succeed("openr1", *more, cwd=folder)
    assert "8 of 8 runs" in done.stderr
    after = {path.name: path.stat().st_mtime_ns for path in folder.glob("outputs/artifacts/[a-z]*")}
    assert {name: after[name] for name in before} == before
    assert sum(name.startswith("sft") for name in after) == 9
    again = succeed("openr1", *more, cwd=folder)
    assert "8 runs, 8 done; 0 training FLOPs and at most 0 FLOPs of answers to go" in " ".join(again.stderr.split())
