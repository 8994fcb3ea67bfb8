import pytest
from helpers.configs import composed

from openr1.models.shape import solve_shape
from openr1.runs.description import main_params, run_title, short_override, trial_title
from openr1.training.budget import resolve
from openr1.training.context import RunEstimate


def titled(*overrides, step="", label=""):
    config = composed(*overrides)
    shape = solve_shape(config.model, config.scale, 300, 32)
    budget = resolve(config) if config.stage.kind == "pretrain" else None
    flops = budget.flops if budget else None
    return run_title(config, RunEstimate(10, shape, None, flops, budget), step, label)


PRETRAIN = ("data=files", "data.sources.files.path=x", "data.tokenizer.vocab_size=300", "scale=30k", "budget.tokens=40000")


def test_what_tells_runs_of_a_study_apart_comes_first():
    assert titled(*PRETRAIN, label="scale=30k lr=0.003").startswith("30k lr=0.003 ")
    assert titled(*PRETRAIN, "seed=1", label="flops=1.8e+12 seed=1").startswith("1.8e12 FLOPs s1 30k ")
    assert titled(*PRETRAIN).startswith("30k ")
    labels = [f"scale={scale} lr={lr}" for scale in ("30k", "150k") for lr in (0.001, 0.01, 0.0003)]
    assert len({titled(*PRETRAIN, label=label)[:20] for label in labels}) == len(labels)


def test_other_stages_come_first_and_two_evaluations_have_two_names():
    evaluate = ("stage=evaluate", "data=sums", "scale=30k", "model.checkpoint=a/b")
    names = [titled(*evaluate, step=step) for step in ("eval_base", "eval_zero", "")]
    assert [name.split()[0] for name in names] == ["eval_base", "eval_zero", "evaluate"]
    assert titled(
        "stage=grpo", "data=sums", "scale=30k", "model.checkpoint=a/b", "budget.steps=5", "optim=rl", step="zero"
    ).startswith("grpo zero 30k")


def test_a_recipe_is_called_by_what_distinguishes_it():
    config = composed("recipe=r1_zero", "data=sums", "scale=500k", "seed=2")
    assert trial_title(config, "qwen2", "seed=2") == "s2 r1_zero 500k qwen2"
    assert trial_title(config, "qwen2") == "r1_zero 500k s2 qwen2"
    assert trial_title(config, "qwen2", "my_study") == "r1_zero 500k s2 qwen2"


@pytest.mark.parametrize(
    ("override", "short"),
    [
        ("scale=30k", "30k"),
        ("model=gemma3", "gemma3"),
        ("lr=0.003", "lr=0.003"),
        ("flops=4e+11", "4e11 FLOPs"),
        ("seed=3", "s3"),
    ],
)
def test_overrides_are_shortened(override, short):
    assert short_override(override) == short


def test_params_that_the_command_line_gives_are_shown():
    params = {"optim.lr": 1, "optim.beta2": 0.9, "data.repeat": 2, "paths.outputs": "x", "stage.eval.every": 3, "seed": 0}
    shown = main_params("+data.repeat=2,optim.beta2=0.9,paths.outputs=x,stage.eval.every=3,scale=30k", params)
    assert set(shown) == {"data.repeat", "optim.beta2", "stage.eval.every", "optim.lr", "seed"}
