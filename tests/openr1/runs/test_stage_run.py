import json
import os
import signal
import time
from dataclasses import replace

import pytest
from helpers.cli import start_run
from helpers.configs import composed
from helpers.faults import forked

from openr1.options.guard import guarded
from openr1.runs.fingerprint import identify
from openr1.runs.stage_run import run_stage
from openr1.system.artifacts import Store
from openr1.system.errors import ConfigError, RunError
from openr1.tracking import mlflow as tracking
from openr1.tracking.study_changes import rename_study


def curve(artifact):
    return [{key: value for key, value in row.items() if key != "seconds"} for row in artifact.history()]


def test_a_run_makes_a_model_that_loads_and_a_tracked_run(tiny):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    config = composed(*tiny)
    result = run_stage(config, quiet=True)
    model = AutoModelForCausalLM.from_pretrained(result.artifact.model)
    tokenizer = AutoTokenizer.from_pretrained(result.artifact.model)
    assert model.config.eos_token_id == tokenizer.eos_token_id is not None
    assert sum(p.numel() for p in model.parameters()) == result.artifact.metrics["params_total"]

    (tracked,) = tracking.read_runs(config.tracking.uri, config.study)
    assert tracked.metrics["eval_loss"] == result.artifact.metrics["eval_loss"]
    assert tracked.metrics["flops"] == pytest.approx(result.budget.flops)
    assert tracked.metrics["tokens"] == 12 * 128
    assert tracked.params["budget.resolved.lr"] == str(result.budget.lr)
    names = {
        "study",
        "trial",
        "stage",
        "family",
        "scale",
        "data",
        "seed",
        "config_hash",
        "git_commit",
        "fingerprint",
        "hardware",
    }
    assert names <= set(tracked.tags)
    evaluated = [row for row in tracking.read_history(config.tracking.uri, tracked.run_id) if "eval_loss" in row]
    assert [row["step"] for row in evaluated] == [6, 12]
    assert [row["flops"] for row in evaluated] == pytest.approx([result.budget.flops / 2, result.budget.flops])
    assert evaluated[1]["eval_loss"] < evaluated[0]["eval_loss"]


def test_a_stage_logs_the_models_that_it_starts_from_and_leaves(tiny):
    first = run_stage(composed(*tiny), quiet=True)
    start = f"model.checkpoint={first.artifact.name}"
    second = run_stage(composed(*tiny, start), quiet=True)
    without = run_stage(composed(*tiny, start, "seed=1", "tracking.lineage=false"), quiet=True)
    store = tracking.client(second.config.tracking.uri)
    runs = [store.get_run(result.run_id) for result in (first, second, without)]
    made = [[store.get_logged_model(one.model_id) for one in run.outputs.model_outputs] for run in runs]
    assert [[model.name for model in models] for models in made] == [[first.artifact.name], [second.artifact.name], []]
    taken = [[one.model_id for one in run.inputs.model_inputs] for run in runs]
    assert taken == [[], [made[0][0].model_id], []]
    assert made[0][0].tags["artifact"] == str(first.artifact.path.absolute())


def test_bits_per_byte_is_the_loss_in_other_units(tiny):
    result = run_stage(composed(*tiny, "data.tokenizer.vocab_size=258"), quiet=True)
    # without merges a token is a byte, but for the end of a document
    assert result.artifact.metrics["eval_bits_per_byte"] == pytest.approx(
        result.artifact.metrics["eval_loss"] / 0.6931, rel=0.02
    )


def test_what_is_done_is_not_done_again_and_another_study_shares_it(tiny):
    config = composed(*tiny)
    first = run_stage(config, quiet=True)
    again = run_stage(config, quiet=True)
    assert again.reused
    assert again.run_id == first.run_id
    other = run_stage(replace(config, study="other"), quiet=True)
    assert other.reused
    assert other.artifact == first.artifact
    (tracked,) = tracking.read_runs(config.tracking.uri, "other")
    assert tracked.metrics["eval_loss"] == first.artifact.metrics["eval_loss"]
    assert len(tracking.read_history(config.tracking.uri, tracked.run_id)) == len(
        {row["step"] for row in first.artifact.history()}
    )


def test_a_study_that_was_renamed_keeps_its_runs_and_a_new_one_of_its_old_name_has_its_own(tiny):
    config = composed(*tiny)
    first = run_stage(config, quiet=True)
    rename_study(config.tracking.uri, config.study, "older")
    again = run_stage(config, quiet=True)
    assert again.reused
    of_study = {study: tracking.read_runs(config.tracking.uri, study) for study in ("older", config.study)}
    assert {study: [run.run_id for run in runs] for study, runs in of_study.items()} == {
        "older": [first.run_id],
        config.study: [again.run_id],
    }
    assert again.run_id != first.run_id


@pytest.mark.slow
def test_one_config_and_seed_give_one_result_to_the_bit(tiny, tmp_path):
    config = composed(*tiny)
    first = run_stage(config, quiet=True).artifact
    second = run_stage(replace(config, paths=replace(config.paths, artifacts=f"{tmp_path}/again")), quiet=True).artifact
    assert first.path != second.path
    assert first.sha256() == second.sha256()
    assert curve(first) == curve(second)
    assert run_stage(replace(config, seed=1), quiet=True).artifact.sha256() != first.sha256()


@pytest.mark.parametrize("change", ["seed=1", "optim.lr=0.1", "budget.steps=13", "data.context=16", "model=qwen3", "scale=50k"])
def test_what_changes_the_result_changes_the_fingerprint(tiny, change):
    assert identify(composed(*tiny))[0] != identify(composed(*tiny, change))[0]


def test_gradient_checkpointing_counts_where_its_flops_decide_the_steps(tiny):
    steps = [*tiny, "compute.gradient_checkpointing=true"]
    assert identify(composed(*tiny))[0] == identify(composed(*steps))[0]
    flops = ["budget.steps=null", "budget.flops=1e9"]
    assert identify(composed(*tiny, *flops))[0] != identify(composed(*steps, *flops))[0]


@pytest.mark.parametrize("change", ["study=x", "tracking.experiment=x", "compute.threads=2", "compute.checkpoint_steps=2"])
def test_where_and_how_a_run_executes_does_not(tiny, change):
    assert identify(composed(*tiny))[0] == identify(composed(*tiny, change))[0]


@pytest.mark.slow
def test_a_run_killed_anywhere_goes_on_to_the_same_bits(tiny, tmp_path):
    long = [*tiny, "budget.steps=300", "compute.checkpoint_steps=20", "stage.log_points=7"]
    whole = run_stage(composed(*long, f"paths.artifacts={tmp_path}/whole", "study=whole"), quiet=True).artifact
    config = composed(*long)
    kind, mark = config.stage.kind, identify(config)[0]
    partial = Store(config.paths.artifacts).partial(kind, mark)
    kills = 0
    for _ in range(2):
        process = start_run(long, tmp_path)
        seen = set(partial.glob("checkpoints/checkpoint-*/complete"))
        while process.poll() is None and set(partial.glob("checkpoints/checkpoint-*/complete")) == seen:
            time.sleep(0.01)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.finish()
    assert kills
    assert Store(config.paths.artifacts).find(kind, mark) is None
    result = run_stage(config, quiet=True)
    assert result.artifact.sha256() == whole.sha256()
    assert curve(result.artifact) == curve(whole)
    (tracked,) = tracking.read_runs(config.tracking.uri, config.study)
    points = tracking.client(config.tracking.uri).get_metric_history(tracked.run_id, "eval_loss")
    steps = [point.step for point in points if point.step < 300]
    assert steps == sorted(set(steps))
    assert not partial.exists()


def test_a_diverging_run_fails_with_its_reason_and_is_no_artifact(tiny):
    config = composed(*tiny, "optim.lr=1000", "optim.grad_clip=0", "optim.warmup=0")
    with pytest.raises(RunError, match="training diverged"):
        run_stage(config, quiet=True)
    assert Store(config.paths.artifacts).find(config.stage.kind, identify(config)[0]) is None
    (failed,) = tracking.read_runs(config.tracking.uri, config.study, status="FAILED")
    assert "training diverged" in failed.tags["failure"]


def test_an_impossible_budget_writes_nothing(tiny, tmp_path):
    with pytest.raises(ConfigError, match=r"^budget\.tokens"):
        run_stage(composed(*tiny, "budget.steps=null", "budget.tokens=10"), quiet=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_training_goes_on_from_a_checkpoint_whatever_the_rung_says(tiny):
    first = run_stage(composed(*tiny), quiet=True).artifact
    config = composed(*tiny, f"model.checkpoint={first.model}", "scale=100k")
    result = run_stage(config, quiet=True)
    assert result.artifact.inputs.keys() == {"data", "model"}
    assert result.artifact.metrics["params_total"] == first.metrics["params_total"]
    assert result.artifact.metrics["eval_loss"] < first.metrics["eval_loss"]


@pytest.mark.slow
def test_fine_tuning_learns_completions_only(tiny, tmp_path):
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text("".join(json.dumps({"question": f"{i * 7919 % 1000} ?", "reply": " yes"}) + "\n" for i in range(300)))
    columns = [f"data.sources.files.{key}" for key in ("path", "prompt", "completion")]
    overrides = [f"{key}={value}" for key, value in zip(columns, (pairs, "question", "reply"), strict=True)]
    result = run_stage(composed(*tiny, "stage=sft", *overrides, "budget.steps=60", "data.tokenizer.vocab_size=258"), quiet=True)
    # the prompts are noise, and the completions always the same
    assert result.artifact.metrics["eval_loss"] < 0.2
    assert "eval_bits_per_byte" not in result.artifact.metrics


@pytest.mark.slow
@pytest.mark.parametrize("schedule", ["wsd", "cosine", "linear", "constant"])
def test_schedules_warm_up_to_the_peak_and_end_where_they_say(tiny, schedule):
    overrides = [f"optim.schedule={schedule}", "optim.warmup=0.25", "optim.lr=0.01", "stage.log_points=12"]
    rates = [row["lr"] for row in run_stage(composed(*tiny, *overrides), quiet=True).artifact.history() if "lr" in row]
    assert rates[:4] == pytest.approx([0, 0.01 / 3, 0.02 / 3, 0.01])
    assert max(rates) == pytest.approx(0.01)
    assert rates[-1] == 0.01 if schedule == "constant" else rates[-1] < 0.004


def test_a_run_that_is_deleted_while_it_trains_makes_its_artifact_and_is_tracked_anew(tiny, monkeypatch):
    config = composed(*tiny)
    log, deleted = tracking.Run.log, []

    def deletes(tracked, metrics, step):
        if not deleted:
            tracked.client.delete_run(tracked.run_id)
            deleted.append(tracked.run_id)
        log(tracked, metrics, step)

    monkeypatch.setattr(tracking.Run, "log", deletes)
    with pytest.raises(RunError, match=r"^tracking\.uri: .*deleted; the artifact of the run is kept"):
        run_stage(config, quiet=True)
    again = run_stage(config, quiet=True)
    assert again.artifact.metrics["tokens"] == 12 * 128
    (read,) = tracking.read_runs(config.tracking.uri, config.study, None)
    assert (read.run_id, read.status, read.tags["reused"]) == (again.run_id, "FINISHED", "True")
    assert again.run_id not in deleted


def test_a_deleted_experiment_is_refused_before_anything_is_made(tiny, tmp_path):
    config = composed(*tiny)
    store = tracking.client(config.tracking.uri)
    store.delete_experiment(store.create_experiment("openr1"))
    with pytest.raises(ConfigError, match=r"^tracking\.experiment: 'openr1' was deleted"):
        run_stage(config, quiet=True)
    assert {path.name.partition(".")[0] for path in (tmp_path / "outputs").iterdir()} == {"mlflow"}


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_ends_before_its_record_is_written_is_continued(tiny, monkeypatch, number):
    """It was created in MLflow, and nothing on the disk says so."""

    def ends(*_, **__):
        os.kill(os.getpid(), number)
        time.sleep(60)

    config = composed(*tiny)
    tracking.client(config.tracking.uri)
    with monkeypatch.context() as patch:
        patch.setattr(tracking.Run, "log_params", ends)
        pid = forked(lambda: guarded(lambda: run_stage(config, quiet=True)))
        os.waitpid(pid, 0)
    (left,) = tracking.read_runs(config.tracking.uri, config.study, status=None)
    assert left.status == ("RUNNING" if number == signal.SIGKILL else "KILLED")
    result = run_stage(config, quiet=True)
    (read,) = tracking.read_runs(config.tracking.uri, config.study, status=None)
    assert (read.run_id, read.status, result.run_id) == (left.run_id, "FINISHED", left.run_id)
    assert "failure" not in read.tags
    assert float(read.params["optim.batch_tokens"]) == 128
    assert tracking.read_config(config.tracking.uri, read.run_id)["seed"] == 0
