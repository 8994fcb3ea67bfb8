"""The stage reward_model: what it makes, resumes, counts and refuses."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.configs import composed
from helpers.data import prepare
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from openr1.evaluation.preferences import preference_metrics
from openr1.models.reward_models import load_reward_model
from openr1.models.reward_scoring import score_texts
from openr1.models.shape import solve_shape
from openr1.rewards.preference import read_prompt_form
from openr1.runs.fingerprint import identify
from openr1.runs.prepare import prepare as prepare_run
from openr1.runs.stage_run import run_stage
from openr1.system.artifacts import NAME
from openr1.system.errors import ConfigError

PAIRS = ["stage=reward_model", "data=readability", "data.sources.readability.problems=300", "data.eval_fraction=0.2"]
PAIRS += ["data.sources.readability.options.max_terms=4", "data.tokenizer.vocab_size=258", "data.eval_tokens=4096", "scale=30k"]
PAIRS += ["budget.steps=12", "optim.batch_tokens=1024", "stage.eval_points=2", "stage.log_points=4"]


def compose(folder, *overrides):
    return composed(*PAIRS, f"paths.outputs={folder}/outputs", *overrides)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A small reward model and its folder."""
    folder = tmp_path_factory.mktemp("rewards")
    return run_stage(compose(folder), quiet=True), folder


def test_the_artifact_is_a_model_of_transformers(trained):
    result, _ = trained
    assert NAME.fullmatch(result.artifact.name)[1] == "reward_model"
    model = AutoModelForSequenceClassification.from_pretrained(result.artifact.model)
    assert model.config.num_labels == 1
    assert sum(weight.numel() for weight in model.parameters()) == result.metrics["params_total"]
    assert result.metrics["params_trained"] == result.metrics["params_total"]
    ours, tokenizer = load_reward_model("key", str(result.artifact.model)), AutoTokenizer.from_pretrained(result.artifact.model)
    rewards = score_texts(ours, tokenizer, ["1+2+3=<think>1+2=3\n3+3=6\nso 6</think><answer>6</answer>", "1+2+3="])
    assert rewards[0] != rewards[1]
    assert read_prompt_form(result.artifact.model) == {"chat": False, "system": None, "instruction": "{prompt}"}


def test_metrics_and_tables_are_those_of_the_saved_model(trained):
    result, folder = trained
    metrics, dataset = result.metrics, prepare(compose(folder))
    model = load_reward_model("key", str(result.artifact.model))
    held_out = dataset.evaluation()
    with torch.no_grad():
        sides = [
            [model(torch.tensor(row[side])[None]).logits.item() for side in ("chosen_ids", "rejected_ids")] for row in held_out
        ]
    found = preference_metrics(np.array(sides), dataset.evaluation_prompts())
    for name, value in found.items():
        assert metrics[name] == pytest.approx(value, rel=1e-3, abs=1e-5), name
    table = json.loads((result.artifact.path / "preferences.json").read_text())
    assert table["all"]["eval_accuracy"] == metrics["eval_accuracy"]
    assert sum(row["pairs"] for row in table["bins"]) == metrics["eval_pairs"] == len(held_out)
    assert (result.artifact.path / "preferences.md") in result.artifact.shown()
    rows = result.artifact.history()
    curves = {name for row in rows for name in row}
    assert {
        "train_loss",
        "train_accuracy",
        "reward_difference",
        "lr",
        "eval_loss",
        "eval_accuracy",
        "calibration_error",
    } <= curves
    assert [row["step"] for row in rows if "eval_loss" in row] == [6, 12]
    assert [row["eval_loss"] for row in rows if "eval_loss" in row][-1] == metrics["eval_loss"]


def test_flops_are_what_pytorch_counts(trained):
    """Every answer by itself, since PyTorch would count padding; half of the keys that it counts are masked."""
    result, folder = trained
    dataset, budget = prepare(compose(folder)), result.budget
    model = load_reward_model("key", str(result.artifact.model), attn_implementation="eager").train()
    pairs = dataset.train(24, 0)
    rows = [row[side] for row in pairs for side in ("chosen_ids", "rejected_ids")]
    counted, tokens = 0, sum(map(len, rows))
    for ids in rows:
        with FlopCounterMode(display=False) as counter:
            model(torch.tensor(ids)[None], use_cache=False).logits.sum().backward()
        counted += counter.get_total_flops()
    shape = budget.shape
    masked = sum(len(ids) * (len(ids) - 1) / 2 for ids in rows)  # keys of all queries of one head
    counted -= 3 * 2 * shape.heads * (shape.qk_size + shape.v_size) * shape.depth * masked
    assert budget.flops_per_token == pytest.approx(counted / tokens, rel=0.02)
    assert result.metrics["flops"] == pytest.approx(budget.flops_per_token * result.metrics["tokens"])


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_bits(trained, tmp_path, monkeypatch):
    from openr1.training import trainer

    whole, _ = trained
    config, log = compose(tmp_path, "compute.checkpoint_steps=4"), trainer.TrainingCallback.on_log

    def dies(self, args, state, control, logs, **rest):
        log(self, args, state, control, logs, **rest)
        if state.global_step == 9:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(trainer.TrainingCallback, "on_log", dies)
        with pytest.raises(KeyboardInterrupt):
            run_stage(config, quiet=True)
    again = run_stage(config, quiet=True)
    assert again.artifact.sha256() == whole.artifact.sha256()
    for mine, theirs in zip(again.artifact.history(), whole.artifact.history(), strict=True):
        assert mine | {"seconds": 0} == theirs | {"seconds": 0}
    assert (again.artifact.path / "preferences.json").read_text() == (whole.artifact.path / "preferences.json").read_text()


@pytest.mark.slow
def test_it_starts_from_a_language_model_and_goes_on_from_a_reward_model(trained, student, tmp_path):
    result, folder = trained
    first = run_stage(compose(tmp_path, "data.context=96", f"model.checkpoint={student.model}"), quiet=True)
    assert first.budget.shape.labels == 1
    assert first.artifact.inputs["model"]
    more = run_stage(compose(folder, f"model.checkpoint={result.artifact.name}", "optim.lr=1e-4", "seed=1"), quiet=True)
    assert more.metrics["eval_loss"] < result.metrics["eval_loss"] + 0.05
    assert more.artifact.inputs["model"] == result.artifact.name


def test_a_language_model_is_not_made_of_a_reward_model(trained, student, tmp_path):
    result, folder = trained
    outputs = f"paths.outputs={folder}/outputs"
    with pytest.raises(
        ConfigError, match=r"^model.checkpoint: stage=reward_model makes reward_model; model are made by pretrain"
    ):
        composed("stage=sft", "data=sums", f"model.checkpoint={result.artifact.name}", outputs)
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in result.artifact.model.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    config = composed("stage=sft", "data=sums", "data.context=96", f"model.checkpoint={copy}", outputs)
    with pytest.raises(ConfigError, match=r"^model.checkpoint: .* is a reward model, which writes no text; stage=sft needs a"):
        run_stage(config, quiet=True)


@pytest.mark.slow
def test_margin_and_centring_change_what_is_learned(trained, tmp_path):
    result, _ = trained
    centred = run_stage(compose(tmp_path, "stage.centring=0.5"), quiet=True)
    with_margin = run_stage(compose(tmp_path, "stage.margin=true"), quiet=True)
    assert abs(centred.metrics["reward_mean"]) < abs(result.metrics["reward_mean"])
    losses = [one.artifact.history()[0]["train_loss"] for one in (result, centred, with_margin)]
    assert losses[2] > losses[0]  # a pair must be ordered by its margin
    assert len({identify(one.config)[0] for one in (result, centred, with_margin)}) == 3


def test_a_margin_that_the_data_lack_is_refused(tmp_path):
    rows = [{"prompt": f"{i}?", "chosen": "yes", "rejected": "no"} for i in range(60)]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = ["data=preference_files", f"data.sources.pairs.path={tmp_path}/pairs.jsonl", "data.context=32"]
    config = compose(tmp_path, "stage.margin=true")
    config = replace(config, data=composed(*options, "stage=reward_model", "data.eval_fraction=0.2").data)
    with pytest.raises(ConfigError, match=r"^stage.margin: data.sources.pairs has pairs without a margin; name its column in"):
        run_stage(config, quiet=True)


def test_it_is_planned_on_a_model_that_an_earlier_step_will_make(tmp_path):
    made = solve_shape(composed("scale=30k").model, composed("scale=30k").scale, 258, 160)
    earlier = "sft-0123456789abcdef"
    run = prepare_run(compose(tmp_path, f"model.checkpoint={earlier}"), shapes={earlier: made})
    assert run.estimate.shape == replace(made, labels=1)
    assert run.dataset is None
