"""The losses of a policy on one fixed rollout of 16 uneven answers, to a model of 0.2M parameters."""

import datasets
import numpy as np
import pytest
import torch
from helpers.models import tokenizer, write_model
from transformers import AutoModelForCausalLM, PrinterCallback
from trl import GRPOConfig

from openr1.engines.base import KeptTokens
from openr1.rl.policy_loss import PolicyLossTrainer

SAMPLES, GROUPS = 4, 4
PROMPTS = [[40, 41, 42], [40, 41, 42], [50], [60, 61]]  # the first problem comes twice
REWARDS = [1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5, 1.0, 0.0, 1.0]
LENGTHS = [3, 30, 5, 1, 12, 2, 8, 20, 4, 4, 9, 1, 25, 6, 7, 2]
END = tokenizer().eos_token_id


def answers():
    rng = np.random.default_rng(0)
    return [[*rng.integers(10, 250, length - 1).tolist(), END] for length in LENGTHS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model"))


def reward(value, **_):
    return value


def trained(folder, tmp_path, micro_batch, updates=1, kept=None, logprobs=-3.0, tis_cap=None, masked=(), **options):
    """Train on the rollout, and return the trainer; its weights change by plain gradients."""

    def rollout(prompts, trainer):
        trainer.kept = kept or [None] * len(prompts)
        return {
            "prompt_ids": [PROMPTS[row // SAMPLES] for row in range(len(prompts))],
            "completion_ids": answers(),
            "logprobs": [[logprobs] * length for length in LENGTHS],
            "value": REWARDS,
            "env_mask": [[int(row not in masked)] * length for row, length in enumerate(LENGTHS)],
        }

    size = SAMPLES * GROUPS // updates
    accumulated = size // micro_batch
    arguments = {
        "output_dir": str(tmp_path),
        "per_device_train_batch_size": micro_batch,
        "gradient_accumulation_steps": accumulated,
        "steps_per_generation": accumulated * updates,
        "max_steps": updates,
        "num_generations": SAMPLES,
        "max_completion_length": 32,
        "learning_rate": 0.3,
        "lr_scheduler_type": "constant",
        "optim": "sgd",
        "logging_steps": 1,
        "use_cpu": True,
        "bf16": False,
        "disable_dropout": True,
        "report_to": [],
        "save_strategy": "no",
        "disable_tqdm": True,
        "gradient_checkpointing": False,
    }
    trainer = PolicyLossTrainer(
        model=AutoModelForCausalLM.from_pretrained(folder, dtype="float32"),
        reward_funcs=reward,
        args=GRPOConfig(**arguments | options),
        train_dataset=datasets.Dataset.from_dict({"prompt": [""] * 64}),
        processing_class=tokenizer(),
        rollout_func=rollout,
    )
    trainer.tis_cap = tis_cap
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return trainer


def rows(trainer):
    return [row for row in trainer.state.log_history if "loss" in row]


LOSSES = [
    {"loss_type": "dapo"},
    {"loss_type": "grpo", "importance_sampling_level": "sequence", "epsilon": 0.01},
    {"loss_type": "dr_grpo", "beta": 0.1},
    {"loss_type": "bnpo", "beta": 0.1, "entropy_coef": 0.1, "top_entropy_quantile": 0.5},
    {"loss_type": "cispo", "epsilon_high": 1.001, "entropy_coef": 0.1},
    {"loss_type": "luspo", "importance_sampling_level": "sequence"},
    {"loss_type": "sapo", "top_entropy_quantile": 0.3},
    {"loss_type": "vespo"},
    {"loss_type": "dapo", "tis_cap": 1.5, "logprobs": -6.0},
]


SLOW = [pytest.param(loss, marks=pytest.mark.slow, id="-".join(map(str, loss.values()))) for loss in LOSSES[1:]]


@pytest.mark.parametrize("loss", [pytest.param(LOSSES[0], id="dapo"), *SLOW])
def test_a_step_is_the_same_however_it_is_split(folder, tmp_path, loss):
    whole, split = (
        rows(trained(folder, tmp_path, size, updates=2, masked=(8, 9, 10, 11), **loss)) for size in (SAMPLES * GROUPS // 2, 1)
    )
    # vespo weighs an answer by a power of the product of its tokens' ratios, which multiplies rounding
    rel = 2e-4 if loss["loss_type"] == "vespo" else 2e-6
    names = {name for row in whole for name in row if not name.startswith(("step_time", "epoch", "train_", "entropy_coef"))}
    assert {"loss", "grad_norm", "entropy", "completions/mean_length", "sampler_difference", "sampler_kl"} <= names
    for one, other in zip(whole, split, strict=True):
        for name in sorted(names & set(one)):
            if name == "policy_loss" or name.endswith(("low_min", "high_max", "num_tokens")):
                continue  # of TRL, and in no curve
            assert other[name] == pytest.approx(one[name], rel=rel, abs=2e-7), name
    if loss["loss_type"] in ("dapo", "grpo", "cispo"):
        clipped = "cispo_clip_ratio" if loss["loss_type"] == "cispo" else "clip_ratio/region_mean"
        assert whole[1][clipped] > 0  # the second update is away from the policy that wrote the answers


def test_the_entropy_is_the_mean_over_tokens(folder, tmp_path):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype="float32").eval()
    entropies = []
    with torch.no_grad():
        for row, ids in enumerate(answers()):
            prompt = PROMPTS[row // SAMPLES]
            logprobs = model(torch.tensor([[*prompt, *ids]])).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
            entropies += (-(logprobs.exp() * logprobs).sum(-1)).tolist()
    [row] = rows(trained(folder, tmp_path, 4))
    assert row["entropy"] == pytest.approx(np.mean(entropies), rel=1e-5)


def test_a_problem_that_comes_twice_is_two_groups(folder, tmp_path):
    """The advantage of an answer depends on its own four answers, though the next four answer the same problem."""
    trainer = trained(folder, tmp_path, 16, scale_rewards="none")
    assert list(trainer._logs["advantages"])[:8] == pytest.approx([0.75, -0.25, -0.25, -0.25, 0.25, 0.25, 0.25, -0.75])


def test_weights_of_truncated_importance_sampling_scale_the_loss(folder, tmp_path):
    """A sampler that gives every token a far lower probability has the weight of the cap everywhere."""
    plain, capped, exact = (
        rows(trained(folder, tmp_path, 8, tis_cap=cap, logprobs=logprobs, max_grad_norm=1e9))[0]["grad_norm"]
        for cap, logprobs in ((None, -50.0), (2.0, -50.0), (2.0, -1e-9))
    )
    assert capped == pytest.approx(2 * plain, rel=1e-5)
    assert 0 < exact < plain  # a sampler that was sure of its tokens: they weigh what the policy gives them


def test_a_truncated_policy_is_trained_with_what_the_sampler_kept(folder, tmp_path):
    """The gradient is zero if the sampler kept a single token at each position, and the usual one if it kept all."""
    alone = [KeptTokens(np.array(ids, dtype=np.int32), np.ones(len(ids), dtype=np.int32)) for ids in answers()]
    size = len(tokenizer())
    ids = np.arange(size, dtype=np.int32)
    wide = [KeptTokens(np.tile(ids, length), np.full(length, size, dtype=np.int32)) for length in LENGTHS]
    for kept, micro_batch in ((alone, 16), (alone, 4)):
        [row] = rows(trained(folder, tmp_path, micro_batch, kept=kept, logprobs=0.0))
        assert row["grad_norm"] == 0
        assert row["entropy"] == pytest.approx(0, abs=1e-6)
        assert row["sampler_difference_max"] == pytest.approx(0, abs=1e-6)
    whole, everything = (rows(trained(folder, tmp_path, 8, updates=2, kept=kept)) for kept in (None, wide))
    for one, other in zip(whole, everything, strict=True):
        for name in ("loss", "grad_norm", "entropy", "clip_ratio/region_mean"):
            assert other[name] == pytest.approx(one[name], rel=1e-5, abs=1e-6)
