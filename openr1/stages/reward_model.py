"""Training of a reward model on preference pairs: the better answer of a pair shall have the higher reward.

The loss is that of Bradley and Terry, -log sigmoid(r_better - r_worse), as InstructGPT (arXiv 2203.02155, eq. 1) and TRL's
``RewardTrainer`` have it. ``stage.margin`` subtracts the data's margin within the sigmoid (Llama 2, arXiv 2307.09288, eq. 2).
``stage.centring`` adds its coefficient times the mean of (r_better + r_worse)^2 (arXiv 2312.09244, eq. 2).
"""

from __future__ import annotations

import datasets
from transformers import PreTrainedModel
from trl import RewardConfig, RewardTrainer
from trl.trainer.reward_trainer import DataCollatorForPreference

from openr1.distributed.collectives import rank
from openr1.evaluation.preferences import preference_markdown, preference_metrics, preference_table
from openr1.models.checkpoints import checkpoint_of
from openr1.models.reward_models import build_reward_model, start_reward_model
from openr1.rewards.preference import write_prompt_form
from openr1.system.files import write_json
from openr1.training.context import StageContext
from openr1.training.pairs import PairCallback, PairEvaluation
from openr1.training.trainer import limit_to_one_device, prepare_process, train_on_tokens, training_arguments

FILE = "preferences"  # name of the files of the held-out accuracy and calibration


class PairTrainer(PairEvaluation, RewardTrainer):
    """Trainer of Bradley and Terry's loss that evaluates on held-out pairs."""


def run(context: StageContext) -> dict[str, float]:
    """Fill ``model/``, and ``preferences.json`` and ``preferences.md`` with the held-out accuracy and calibration.

    :raises RunError: if training diverges.
    """
    stage, dataset, count = context.config.stage, context.tokens, context.token_budget.sequences
    pairs = dataset.train(count, context.config.seed)
    columns = ("chosen_ids", "rejected_ids", "margin") if stage.margin else ("chosen_ids", "rejected_ids")

    def rows(batch: dict[str, list[int]]) -> dict[str, list]:
        examples = pairs.__getitems__(batch["index"])
        return {key: [example[key] for example in examples] for key in columns}

    # TRL accepts only a datasets.Dataset; this one is a view, so the tokens stay in the memory map. The names of its columns
    # tell TRL that the pairs are tokenised
    view = datasets.Dataset.from_dict({"index": range(count), **dict.fromkeys(columns[:2], [0] * count)}).with_transform(rows)
    arguments = RewardConfig(
        **training_arguments(context), max_length=None, center_rewards_coefficient=stage.centring, disable_dropout=True
    )
    trainer = PairTrainer(
        model=initial_reward_model(context),
        args=limit_to_one_device(arguments),
        train_dataset=view,
        data_collator=DataCollatorForPreference(pad_token_id=dataset.pad_token_id),
        processing_class=dataset.tokenizer(),
    )
    metrics = train_on_tokens(trainer, context, pairs, PairCallback(context))
    found = preference_metrics(trainer.rewards, dataset.evaluation_prompts())
    if not rank():
        table = preference_table(trainer.rewards, found)
        write_json(context.folder / f"{FILE}.json", {"data": context.config.data.name, **table})
        write_prompt_form(context.folder / "model", context.config.data)
        title = f"Reward model on {context.config.data.name}"
        (context.folder / f"{FILE}.md").write_text(preference_markdown(title, table))
    return metrics | found


def initial_reward_model(context: StageContext) -> PreTrainedModel:
    """Load the checkpoint that a run starts from, with its head or a new one, or build a model of its scale."""
    config, data = context.config, context.tokens
    prepare_process(context)
    if checkpoint := checkpoint_of(config.model, config.scale):
        options = {"attn_implementation": config.model.attention}
        return start_reward_model("model.checkpoint", checkpoint, config.model.revision, config.seed, **options)
    ids = {"eos_token_id": data.eos_token_id, "pad_token_id": data.pad_token_id}
    return build_reward_model(config.model, context.budget.shape, config.seed, **ids)
