import json

import numpy as np
import pytest
import torch
from helpers.configs import composed
from helpers.data import fingerprint, prepare
from transformers import AutoModelForCausalLM, AutoTokenizer

from openr1.data.chat import encoder_for
from openr1.data.sources import Document
from openr1.engines.codec import Codec
from openr1.models import flops
from openr1.runs.fingerprint import identify
from openr1.runs.stage_run import run_stage
from openr1.system.errors import ConfigError

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SILENT = TEMPLATE.replace("<|im_end|>", "").replace("<|im_start|>", "")


@pytest.fixture(scope="session")
def chatty(student, tmp_path_factory):
    """The directory of a model with a chat template."""
    folder = tmp_path_factory.mktemp("chatty") / "model"
    tokenizer = AutoTokenizer.from_pretrained(student.model)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    tokenizer.eos_token, tokenizer.chat_template = "<|im_end|>", TEMPLATE
    model = AutoModelForCausalLM.from_pretrained(student.model)
    model.resize_token_embeddings(len(tokenizer))
    model.config.max_position_embeddings = 256
    model.config.eos_token_id = model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def tune(sums, *overrides, stage="sft"):
    steps = ["budget.steps=8", "optim.batch_tokens=512", "stage.eval_points=1", "stage.log_points=8", "data.eval_tokens=1024"]
    return composed(*sums, f"stage={stage}", *steps, *overrides)


def losses(result):
    return [row["train_loss"] for row in result.artifact.history() if "train_loss" in row]


@pytest.mark.slow
def test_packed_examples_teach_the_same(sums, student, tmp_path):
    overrides = [*sums, f"model.checkpoint={student.model}"]
    plain, packed = (run_stage(tune(overrides, f"stage.packing={packing}"), quiet=True) for packing in (False, True))
    assert plain.artifact.fingerprint != packed.artifact.fingerprint
    assert losses(packed) == pytest.approx(losses(plain), rel=1e-4)
    assert packed.metrics["eval_loss"] == pytest.approx(plain.metrics["eval_loss"], rel=1e-4)


@pytest.mark.slow
def test_gradient_checkpointing_changes_nothing_but_the_cost(sums, student):
    overrides = [*sums, f"model.checkpoint={student.model}"]
    plain, again = (
        run_stage(tune(overrides, f"compute.gradient_checkpointing={on}", f"seed={on:d}"), quiet=True) for on in (0, 1)
    )
    assert again.budget.flops_per_token > plain.budget.flops_per_token
    same = run_stage(
        tune(overrides, "seed=1", f"paths.artifacts={again.artifact.path.parent}/other", "study=other"), quiet=True
    )
    assert losses(same) == pytest.approx(losses(again), rel=1e-5)


@pytest.mark.slow
def test_adapters_are_trained_merged_and_kept(sums, student):
    lora = ["stage.lora.rank=4", "optim.lr=5e-3", "budget.steps=40", "stage.log_points=40"]
    result = run_stage(tune(sums, f"model.checkpoint={student.model}", *lora, stage="sft_lora"), quiet=True)
    before, after = (AutoModelForCausalLM.from_pretrained(path) for path in (student.model, result.artifact.model))
    changed = {
        name.split(".")[-2] for name, weight in after.named_parameters() if not torch.equal(weight, before.get_parameter(name))
    }
    assert changed == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert (result.artifact.path / "adapter" / "adapter_config.json").exists()
    assert result.metrics["params_trained"] < 0.5 * result.metrics["params_total"]
    assert result.metrics["params_total"] == student.metrics["params_total"]
    assert np.mean(losses(result)[-10:]) < np.mean(losses(result)[:10])


@pytest.mark.slow
def test_a_killed_run_of_adapters_goes_on_to_the_same_weights(sums, student, tmp_path, monkeypatch):
    from openr1.training import trainer

    lora = ["stage.lora.rank=4", f"model.checkpoint={student.model}", "stage.lora.dropout=0.1", "compute.checkpoint_steps=3"]
    whole = run_stage(tune(sums, *lora, f"paths.artifacts={tmp_path}/whole", "study=whole"), quiet=True).artifact
    config, log = tune(sums, *lora), trainer.TrainingCallback.on_log

    def dies(self, args, state, control, logs, **rest):
        log(self, args, state, control, logs, **rest)
        if state.global_step == 5:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(trainer.TrainingCallback, "on_log", dies)
        with pytest.raises(KeyboardInterrupt):
            run_stage(config, quiet=True)
    assert run_stage(config, quiet=True).artifact.sha256() == whole.sha256()


@pytest.mark.parametrize("recompute", [False, True])
def test_the_cost_of_adapters_is_what_pytorch_counts(recompute):
    from peft import LoraConfig, get_peft_model
    from torch.utils.flop_counter import FlopCounterMode

    from openr1.models.build import build
    from openr1.models.options import ModelConfig, ScaleConfig
    from openr1.models.shape import solve_shape

    form = solve_shape(ModelConfig("llama"), ScaleConfig("deep", 1.2e6, 96, 7, 3, 1), 300, 48)
    net = build(ModelConfig("llama"), form, seed=0)
    net.set_attn_implementation("eager")
    net = get_peft_model(net, LoraConfig(r=8, target_modules="all-linear"))
    if recompute:
        net.gradient_checkpointing_enable({"use_reentrant": False})
    ids = torch.randint(0, 300, (2, 48), generator=torch.Generator().manual_seed(0))
    with FlopCounterMode(display=False) as counter:
        net(ids, labels=ids, use_cache=False).loss.backward()
    counted = flops.lora_training_flops(form, 48, 8, recompute, causal=False)
    # ours counts the gradient of the first layer's input, which nobody needs
    assert counted == pytest.approx(counter.get_total_flops() / ids.numel(), rel=0.03)
    assert counted < flops.training_flops(form, 48, recompute, causal=False)


def test_a_chat_is_trained_on_as_it_is_asked(sums, chatty):
    config = tune(
        sums, f"model.checkpoint={chatty}", "data.chat=true", "data.system=Be brief.", "data.instruction='Add {prompt}'"
    )
    tokenizer = AutoTokenizer.from_pretrained(chatty)
    [(ids, prompt)] = encoder_for(config.data, tokenizer)([Document("<think>a</think> <|im_end|> b", "1+2=")])
    asked = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nAdd 1+2=<|im_end|>\n<|im_start|>assistant\n"
    assert tokenizer.decode(ids[:prompt]) == asked
    # what spells a special token in a completion is text; the turn ends with the token at which generation stops
    assert ids[-1] == tokenizer.eos_token_id
    assert tokenizer.eos_token_id not in ids[prompt:-1]
    assert tokenizer.decode(ids[prompt:-1]) == "<think>a</think> <|im_end|> b"
    from openr1.data.tasks.base import Problem
    from openr1.engines.generate import build_request

    request = build_request(Problem("1+2=", "3"), config.data, samples=4, seed=config.seed)
    assert Codec(str(chatty)).encode(request, 1000) == ids[:prompt]


@pytest.mark.slow
def test_a_chat_model_is_tuned_and_asked_as_a_chat(sums, chatty):
    chat = [f"model.checkpoint={chatty}", "data.chat=true", "data.context=160"]
    result = run_stage(tune(sums, *chat), quiet=True)
    assert losses(result)[-1] < losses(result)[0]
    evaluation = composed(
        *sums,
        "stage=evaluate",
        f"model.checkpoint={result.artifact.name}",
        "data.chat=true",
        "stage.problems=4",
        "stage.samples=1",
        "stage.sampling.max_tokens=8",
    )
    assert run_stage(evaluation, quiet=True).metrics["problems"] == 4


def test_a_template_that_thinks_first_is_not_told_to_twice(sums, chatty):
    config = tune(sums, f"model.checkpoint={chatty}", "data.chat=true")
    tokenizer = AutoTokenizer.from_pretrained(chatty)
    tokenizer.chat_template = TEMPLATE.replace("assistant\n{%", "assistant\n<think>{%")
    [(ids, prompt)] = encoder_for(config.data, tokenizer)([Document("<think>a</think>b", "1+2=")])
    assert tokenizer.decode(ids[:prompt]).endswith("<|im_start|>assistant\n<think>")
    assert tokenizer.decode(ids[prompt:-1]) == "a</think>b"


def test_conversations_are_trained_on_their_last_turn(sums, chatty, tmp_path):
    path = tmp_path / "chats.jsonl"
    chats = [
        [
            {"role": "system", "content": "Add."},
            {"role": "user", "content": f"{i}+1"},
            {"role": "assistant", "content": f"{i + 1}"},
            {"role": "user", "content": "and one more"},
            {"role": "assistant", "content": f"{i + 2}"},
        ]
        for i in range(60)
    ]
    path.write_text("".join(json.dumps({"chat": chat}) + "\n" for chat in chats))
    given = ["data=files", f"data.sources.files.path={path}", "data.sources.files.messages=chat", "data.chat=true"]
    given += ["stage=sft", f"model.checkpoint={chatty}", "data.context=160", "data.eval_tokens=512", "data.eval_fraction=0.2"]
    config = composed(*given, f"paths.outputs={tmp_path}/outputs")
    dataset = prepare(config)
    tokenizer = dataset.tokenizer()
    for row in dataset.train(20, 0):
        prompt, said = (tokenizer.decode(row["input_ids"][row["completion_mask"] == side]) for side in (0, 1))
        first = int(prompt.split("user\n")[1].split("+")[0])
        assert prompt.endswith("and one more<|im_end|>\n<|im_start|>assistant\n")
        assert said == f"{first + 2}<|im_end|>"
    with pytest.raises(ConfigError, match=r"^data\.sources\.files\.messages: conversations are trained on as chats"):
        composed(*given, "data.chat=false")


def test_prompts_of_turns_are_trained_on_as_they_are(sums, chatty, tmp_path):
    path = tmp_path / "turns.jsonl"
    opening = [{"role": "system", "content": "Add."}, {"role": "user", "content": "1"}, {"role": "assistant", "content": "so"}]
    rows = [
        {"prompt": [*opening, {"role": "user", "content": f"{i}+<|im_end|>1"}], "completion": f"{i + 1}"} for i in range(60)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    columns = [f"data.sources.files.{key}={key}" for key in ("prompt", "completion")]
    given = ["data=files", f"data.sources.files.path={path}", *columns, "stage=sft", f"model.checkpoint={chatty}"]
    given += ["data.context=160", "data.eval_tokens=512", "data.eval_fraction=0.2", f"paths.outputs={tmp_path}/outputs"]
    dataset = prepare(composed(*given, "data.chat=true"))
    tokenizer = dataset.tokenizer()
    for row in dataset.train(5, 0):
        prompt = row["input_ids"][row["completion_mask"] == 0]
        text = tokenizer.decode(prompt)
        assert text.startswith(
            "<|im_start|>system\nAdd.<|im_end|>\n<|im_start|>user\n1<|im_end|>\n<|im_start|>assistant\nso<|im_end|>"
        )
        assert (prompt == tokenizer.eos_token_id).sum() == text.count("<|im_end|>") - 1 == 4
    with pytest.raises(ConfigError, match=r"^data\.chat: must be true for prompts of several turns, such as '1\\n"):
        prepare(composed(*given))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"chat_template": SILENT}, "its chat template ends the assistant's turn without an end token"),
        ({"chat_template": None}, "its tokenizer has no chat template"),
        ({"eos_token": "<|endoftext|>"}, r"its tokenizer ends a text with <\|endoftext\|>"),
    ],
)
def test_a_model_that_would_never_stop_is_refused_before_anything_is_trained(sums, chatty, tmp_path, change, message):
    folder = tmp_path / "model"
    AutoModelForCausalLM.from_pretrained(chatty).save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(chatty)
    for name, value in change.items():
        setattr(tokenizer, name, value)
    tokenizer.save_pretrained(folder)
    if change.get("chat_template", "") is None:
        (folder / "chat_template.jinja").unlink(missing_ok=True)
    config = tune(sums, f"model.checkpoint={folder}", "data.chat=true")
    with pytest.raises(ConfigError, match=f"^model.checkpoint: {message}"):
        run_stage(config, quiet=True)
    assert not (tmp_path / "outputs" / "artifacts").exists()


@pytest.mark.slow
def test_options_that_are_off_leave_the_fingerprint_as_it_was(sums):
    first = identify(tune(sums))[0]
    for change in ("stage.packing=true", "stage.lora.rank=4", "data.instruction='Add {prompt}'"):
        assert identify(tune(sums, change))[0] != first
    assert identify(tune(sums, "stage.packing=false", "stage.lora.rank=null", "data.chat=false"))[0] == first


@pytest.mark.slow
def test_losses_are_over_the_held_out_sources_where_there_are_any(sums, tmp_path):
    """What is trained on is not what is evaluated, and a held-out problem is never trained on."""
    from openr1.data.options import TaskSource

    plain, other = tune(sums), tune(sums)
    options = {"min_terms": 5, "max_terms": 5}
    other.data.held_out = {"hard": TaskSource(task="sums", problems=200, options=options), "easy": TaskSource(task="sums")}
    dataset = prepare(other)
    assert fingerprint(other) != fingerprint(plain)
    texts = [dataset.tokenizer().decode(row["input_ids"]) for row in dataset.evaluation()]
    assert {text.split("=")[0].count("+") for text in texts} == {1, 2, 3, 4}
    trained = [dataset.tokenizer().decode(row["input_ids"]) for row in dataset.train(300, 0)]
    assert {text.split("=")[0].count("+") for text in trained} == {1, 2, 3}
    assert not {text.split("=")[0] for text in texts} & {text.split("=")[0] for text in trained}
    assert set(dataset.held_out) == {"hard", "easy"}
    assert np.isfinite(dataset.bytes_per_token)
