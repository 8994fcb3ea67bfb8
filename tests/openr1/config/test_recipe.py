import pytest
from helpers.configs import composed

from openr1.config.load import load_run_config
from openr1.config.recipe import merged
from openr1.config.schema import to_dict
from openr1.runs.plan import plan
from openr1.runs.stage_run import own_flops
from openr1.runs.trial import run_trial
from openr1.system.errors import ConfigError, RunError
from openr1.tracking import mlflow as tracking

RECIPE = ["recipe=r1_distill", "data=sums"]


def by_name(config):
    return {stage.name: stage for stage in plan(config)}


def test_a_step_is_a_difference_from_the_config_of_the_run():
    base = {
        "model": {"family": "qwen2", "checkpoint": None, "options": {"a": 1}},
        "data": {"name": "sums", "sources": {"sums": {"kind": "task"}}, "tokenizer": {"vocab_size": 9, "train_bytes": 5}},
        "budget": {"tokens": 7, "epochs": None},
        "stage": {"kind": "pretrain", "eval_points": 3},
    }
    step = {
        "model": {"checkpoint": "x"},
        "data": {"sources": {"made": {"kind": "artifact"}}, "tokenizer": {"vocab_size": 8}},
        "budget": {"epochs": 2},
        "stage": {"kind": "sft"},
    }
    assert merged(base, step) == {
        "model": {"family": "qwen2", "checkpoint": "x", "options": {"a": 1}},
        "data": {"name": "sums", "sources": {"made": {"kind": "artifact"}}, "tokenizer": {"vocab_size": 8, "train_bytes": 5}},
        "budget": {"epochs": 2},
        "stage": {"kind": "sft"},
    }
    # another family has nothing of the first one's
    assert merged(base, {"model": {"family": "llama"}})["model"] == {"family": "llama"}


def test_steps_take_what_earlier_ones_make_by_name(tmp_path):
    config = composed(*RECIPE, f"paths.outputs={tmp_path}", "scale=30k")
    stages = by_name(config)
    assert list(stages) == ["traces", "curated", "student", "eval"]
    assert stages["curated"].config.stage.inputs == [stages["traces"].artifact_name]
    assert stages["student"].config.data.sources["traces"].artifact == stages["curated"].artifact_name
    assert stages["eval"].config.model.checkpoint == stages["student"].artifact_name
    assert stages["eval"].inputs["model"] == stages["student"].artifact_name
    assert all(stage.config.scale.name == "30k" for stage in stages.values())
    # each is a config of its own, which runs alone
    assert all(load_run_config(to_dict(stage.config)) == stage.config for stage in stages.values())


@pytest.mark.slow
def test_only_what_changes_for_a_step_changes_it_and_those_after(tmp_path):
    def marks(*overrides):
        return {name: s.fingerprint for name, s in by_name(composed(*RECIPE, f"paths.outputs={tmp_path}", *overrides)).items()}

    first = marks()
    for override, changed in (
        ("scale=30k", {"student", "eval"}),
        ("recipe.steps.student.budget.epochs=1", {"student", "eval"}),
        ("recipe.steps.eval.stage.samples=2", {"eval"}),
        ("recipe.steps.curated.stage.steps.verify=null", {"curated", "student", "eval"}),
        ("data.sources.sums.problems=500", {"traces", "curated", "student", "eval"}),
        ("study=other", set()),
    ):
        assert {name for name, mark in marks(override).items() if mark != first[name]} == changed, override


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["recipe.steps.eval.model.checkpoint=@studnt"], r"recipe\.steps\.eval\.model\.checkpoint: '@studnt' is no step"),
        (
            ["recipe.steps.curated.stage.inputs=[@eval]"],
            r"recipe\.steps\.curated\.stage\.inputs: '@eval' is not before this step",
        ),
        (
            ["recipe.steps.eval.model.checkpoint=@traces"],
            r"recipe\.steps\.eval\.model\.checkpoint: stage=generate makes answers",
        ),
        (["recipe.steps.curated.stage.inputs=[]"], r"recipe\.steps\.curated\.stage\.inputs: give at least one"),
        (["recipe.steps.student.budget.tokens=1e6"], r"recipe\.steps\.student\.budget: tokens and epochs are given"),
        (["+recipe.steps.student.optim.momentum=1"], r"recipe\.steps\.student\.optim\.momentum: no such key"),
        (
            ["+recipe.steps.eval.data.eval_fraction=0.1"],
            r"recipe\.steps\.eval\.data\.eval_fraction: 0\.1, but 0\.02",
        ),
        (
            ["+data@recipe.steps.traces.data=openr1_math"],
            r"recipe\.steps\.traces\.stage\.teacher: an oracle answers task sources",
        ),
    ],
)
def test_a_recipe_that_cannot_run_is_refused_in_one_line(overrides, line):
    with pytest.raises(ConfigError, match=f"^{line}") as caught:
        composed(*RECIPE, *overrides)
    assert "\n" not in str(caught.value)


def test_stages_come_in_any_order_and_number():
    config = composed(*RECIPE, "+stage@recipe.steps.again.stage=evaluate", "+recipe.steps.again.model.checkpoint=@student")
    assert list(config.recipe.steps) == ["traces", "curated", "student", "eval", "again"]
    config = composed(*RECIPE, "~recipe.steps.eval")
    assert list(config.recipe.steps) == ["traces", "curated", "student"]


@pytest.fixture
def small(tmp_path):
    """Overrides of a recipe that takes seconds."""
    return [
        *RECIPE,
        "scale=30k",
        "data.sources.sums.problems=300",
        "data.sources.sums.reasoned=1",
        "data.eval_fraction=0.1",
        "data.tokenizer.vocab_size=258",
        "recipe.steps.student.budget.epochs=1",
        "recipe.steps.eval.stage.samples=2",
        "recipe.steps.eval.stage.problems=12",
        "recipe.steps.eval.stage.sampling.max_tokens=24",
        f"paths.outputs={tmp_path}/outputs",
    ]


@pytest.mark.slow
def test_a_recipe_runs_is_tracked_shared_and_goes_on(small, monkeypatch):
    config = composed(*small)
    from openr1.stages import model_answers

    with monkeypatch.context() as broken:
        broken.setattr(model_answers, "open_run_engine", lambda *options: (_ for _ in ()).throw(RunError("no engine")))
        with pytest.raises(RunError, match="no engine"):
            run_trial(config, quiet=True)
    trial = run_trial(config, quiet=True)
    # what was done before it broke was not done again
    assert [result.reused for result in trial.stages.values()] == [True, True, True, False]
    assert {"eval_loss", "pass_at_1", "flops_teacher", "params_non_embedding", "tokens", "flops"} <= set(trial.metrics)
    assert trial.metrics["flops"] == trial.stages["student"].metrics["flops"]
    evaluation = trial.stages["eval"].metrics
    assert evaluation["eval_loss"] == trial.stages["student"].metrics["eval_loss"]

    runs = {run.tags["stage"]: run for run in tracking.read_runs(config.tracking.uri, config.study)}
    assert set(runs) == {"recipe", "generate", "curate", "sft", "evaluate"}
    assert {run.tags["mlflow.parentRunId"] for stage, run in runs.items() if stage != "recipe"} == {trial.run_id}
    assert runs["recipe"].run_id == trial.run_id
    assert runs["recipe"].metrics["pass_at_1"] == evaluation["pass_at_1"] == runs["evaluate"].metrics["pass_at_1"]
    assert runs["recipe"].tags["step.eval"] == runs["evaluate"].run_id
    assert tracking.read_runs(config.tracking.uri, config.study, status="FAILED") == []
    shown = {file.path for file in tracking.client(config.tracking.uri).list_artifacts(runs["evaluate"].run_id)}
    assert {"scores.json", "scores.md", "answers.parquet", "answers.json"} <= shown
    whole, stages = runs["recipe"].metrics, trial.stages
    assert whole["student.eval_loss"] == whole["eval_loss"] == stages["student"].metrics["eval_loss"]
    assert whole["tokens"] == stages["student"].metrics["tokens"]  # the one stage that trains
    own = sum(own_flops(result.artifact.kind, result.metrics) for result in stages.values())
    assert whole["flops"] == own >= stages["student"].metrics["flops"]
    assert whole["wall_seconds"] == sum(result.metrics["wall_seconds"] for result in stages.values())
    assert not [name for name in whole if name.startswith("flops_")]
    assert runs["evaluate"].tags["parent_artifact"] == stages["student"].artifact.name
    (data,) = tracking.client(config.tracking.uri).get_run(runs["evaluate"].run_id).inputs.dataset_inputs
    assert data.tags[0].value == "evaluate"

    again = run_trial(config, quiet=True)
    assert again.reused
    assert again.run_id == trial.run_id
    other = composed(*small, "recipe.steps.student.budget.epochs=2")
    assert [stage.artifact() is not None for stage in plan(other)] == [True, True, False, False]
    assert len(tracking.read_runs(config.tracking.uri, config.study)) == 5
