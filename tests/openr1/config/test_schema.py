from importlib import resources
from pathlib import Path

import pytest
from helpers.configs import composed
from hydra.errors import HydraException

from openr1.config.load import load_run_config
from openr1.config.schema import to_dict
from openr1.data.hashing import digest
from openr1.options import flatten, one_line
from openr1.system.errors import ConfigError

CONF = Path(str(resources.files("openr1.conf")))
GROUPS = ("model", "scale", "data", "stage", "engine", "reward", "budget", "optim", "compute", "tracking", "benchmark")
GROUPS += ("recipe", "sweep", "experiment")
SHIPPED = [(group, path.stem) for group in GROUPS for path in sorted((CONF / group).glob("*.yaml"))]
# what a choice needs beside it to make sense
MODEL = "model.checkpoint=sft-0123456789abcdef"
ANSWERS = "generate-0123456789abcdef"
BESIDE = {
    ("stage", "sft"): ["data=sums"],
    ("stage", "sft_lora"): ["data=sums"],
    ("stage", "generate"): ["data=sums", MODEL],
    ("stage", "evaluate"): ["data=sums", MODEL],
    ("stage", "reject"): ["data=sums", MODEL],
    ("stage", "grpo"): ["data=sums", MODEL, "optim=rl", "budget.steps=10"],
    ("stage", "reward_model"): ["data=readability"],
    ("data", "readability"): ["stage=reward_model"],
    ("data", "preference_files"): ["stage=reward_model", "data.sources.pairs.path=/data/*.csv"],
    **{("data", name): ["stage=reward_model", MODEL] for name in ("ultrafeedback_binarized", "helpsteer3")},
    **{("stage", name): [f"stage.inputs=[{ANSWERS}]"] for name in ("curate", "curate_open_r1")},
    ("data", "files"): ["data.sources.files.path=/data/*.jsonl"],
    ("data", "artifact"): [f"data.sources.examples.artifact={ANSWERS}"],
    **{("data", name): ["stage=sft", MODEL] for name in ("mixture_of_thoughts", "science_thoughts")},
    ("data", "livecodebench"): ["data.held_out.livecodebench.path=/data/test*.jsonl", "stage=evaluate", MODEL],
    ("benchmark", "livecodebench"): ["data.held_out.livecodebench.path=/data/test*.jsonl", MODEL],
    ("sweep", "grpo"): ["stage=grpo", "data=sums", MODEL, "optim=rl", "budget.steps=10", "sweep.budgets=[1e12]"],
    ("sweep", "grpo_search"): ["data=sums", MODEL],
    **{("recipe", path.stem): ["data=sums"] for path in (CONF / "recipe").glob("*.yaml")},
    ("recipe", "domains"): ["data=domains"],
    **{("data", name): ["stage=evaluate", MODEL] for name in ("aime_2024", "aime_2025", "math_500", "gpqa_diamond")},
    **{("benchmark", name): [MODEL] for name in ("aime_2024", "aime_2025", "math_500", "gpqa_diamond")},
}


@pytest.mark.parametrize(("group", "choice"), SHIPPED, ids=[f"{group}={choice}" for group, choice in SHIPPED])
def test_every_shipped_config_composes(group, choice):
    config = composed(f"{group}={choice}", *BESIDE.get((group, choice), []))
    assert to_dict(config)["budget"]


def test_every_group_has_a_choice():
    assert {group for group, _ in SHIPPED} == set(GROUPS)


@pytest.mark.parametrize(
    ("overrides", "key"),
    [
        (["scale.width=96", "scale.heads=5"], "scale.width"),
        (["scale.heads=4", "scale.kv_heads=3"], "scale.kv_heads"),
        (["budget.tokens=1e6", "budget.flops=1e12"], "budget"),
        (["budget.tokens=0"], "budget.tokens"),
        (["budget.tokens_per_param=null"], "budget.tokens_per_param"),
        (["optim.schedule=cosin"], "optim.schedule"),
        (["optim.lr_rule=none"], "optim.lr_rule"),
        (["optim.warmup=0.8"], "optim.decay"),
        (["optim.lr=-1"], "optim.lr"),
        (["model.family=gpt"], "model.family"),
        (["model.pretrained=true"], "model.pretrained"),
        (["stage=sft"], "data.sources.stdlib"),
        (["data.eval_fraction=1.5"], "data.eval_fraction"),
        (["data.sources.stdlib.weight=0"], "data.sources.stdlib.weight"),
        (["data.reference={other:1}"], "data.reference"),
        (["data.reference=0.9"], "data.reference"),
        (["data.reference={stdlib:0}"], "data.reference.stdlib"),
        (["data.reference={stdlib:1}", "data.sources.stdlib.weight=0"], "data.sources"),
        (["data.reference={sums:1}", "data=sums", "stage=evaluate", MODEL], "data.reference"),
        (["compute.device=tpu"], "compute.device"),
        (["compute.threads=0"], "compute.threads"),
        (["stage.eval_points=0"], "stage.eval_points"),
        (["data=files"], "data.sources.files.path"),
        (["stage=evaluate", "data=sums"], "model.checkpoint"),
        (["stage=evaluate", MODEL], "data.sources.stdlib"),
        (["stage=evaluate", "data=sums", f"model.checkpoint={ANSWERS}"], "model.checkpoint"),
        (["stage=evaluate", "data=sums", "model.checkpoint=dream-0123456789abcdef"], "model.checkpoint"),
        (["stage=evaluate", "data=sums", MODEL, "engine.model=other"], "engine.model"),
        (["stage=evaluate", "data=sums", MODEL, "stage.samples=0"], "stage.samples"),
        (["stage=evaluate", "data=sums", MODEL, "stage.sampling.temperature=-1"], "stage.sampling.temperature"),
        (["stage=evaluate", "data=sums", MODEL, "stage.sampling.n=2"], "stage.sampling.n"),
        (["stage=generate", "data=sums", "stage.teacher=god"], "stage.teacher"),
        (["stage=generate", "data=sums", "stage.teacher=oracle", "stage.samples=2"], "stage.samples"),
        (["stage=generate", "data=stdlib_sums", "stage.teacher=oracle"], "data.sources.stdlib"),
        (["stage=generate", "data=sums", "engine=openai", "engine.api_key_env=null"], "engine.model"),
        (["stage=generate", "data=sums", MODEL, "stage.max_failed=2"], "stage.max_failed"),
        (["stage=curate"], "stage.inputs"),
        (["stage=curate", "stage.inputs=[sft-0123456789abcdef]"], "stage.inputs[0]"),
        (["stage=curate", f"stage.inputs=[{ANSWERS}]", "+stage.steps.bleach={}"], "stage.steps.bleach.kind"),
        (["stage=curate", f"stage.inputs=[{ANSWERS}]", "stage.steps.select.k=0"], "stage.steps.select.k"),
        (["data=artifact", f"data.sources.examples.artifact={MODEL[17:]}"], "data.sources.examples.artifact"),
        (["data=sums", "data.instruction=Solve it."], "data.instruction"),
        (["data=sums", "data.system=Be brief."], "data.system"),
        (["data=math_500"], "data.sources"),
    ],
)
def test_an_impossible_config_is_one_line_that_begins_with_its_key(overrides, key):
    with pytest.raises(ConfigError) as caught:
        composed(*overrides)
    assert str(caught.value).startswith(f"{key}:")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("optim.learning_rate=1", "optim.learning_rate"),
        ("optim.lr=fast", "optim.lr"),
        ("model=qwen9", "qwen2"),
        ("stage.parking=true", "stage.parking"),
        ("modle=qwen2", "modle"),
    ],
)
def test_hydra_refuses_what_no_schema_has(override, says):
    with pytest.raises(HydraException) as caught:
        composed(override)
    assert says in one_line(caught.value)
    assert "\n" not in one_line(caught.value)


def test_typed_reads_back_a_resolved_config():
    config = composed("data=sums", "stage=sft", "optim.lr=1e-3")
    assert load_run_config(to_dict(config)) == config


def test_typed_refuses_an_unknown_key_and_kind():
    resolved = to_dict(composed())
    with pytest.raises(ConfigError, match=r"^optim\.momentum:"):
        load_run_config({**resolved, "optim": {**resolved["optim"], "momentum": 0.9}})
    with pytest.raises(ConfigError, match=r"^stage\.kind: 'dream' is not one of pretrain, sft, "):
        load_run_config({**resolved, "stage": {"kind": "dream"}})


def test_flatten_and_digest():
    assert flatten({"a": {"b": 1, "c": {}}, "d": None}) == {"a.b": 1, "a.c": {}, "d": None}
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1}) != digest({"a": 1, "b": 3})
