"""Supervised fine-tuning on prompts and completions, of all weights or of adapters; the loss is on the completion only."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import datasets
from trl import SFTConfig, SFTTrainer

from openr1.distributed.devices import use_own_device
from openr1.training.context import StageContext
from openr1.training.mtp import MultiTokenLoss
from openr1.training.packing import check_isolation, pack
from openr1.training.trainer import (
    HeldOutEvaluation,
    collate,
    initial_model,
    limit_to_one_device,
    train_on_tokens,
    training_arguments,
)

if TYPE_CHECKING:
    from peft import LoraConfig


class CompletionTrainer(HeldOutEvaluation, MultiTokenLoss, SFTTrainer):
    """Trainer that evaluates on held-out data."""


def run(context: StageContext) -> dict[str, float]:
    """Fill ``model/``, and ``adapter/`` if adapters are trained.

    :raises ConfigError: if examples are packed for a model that cannot keep them apart.
    :raises RunError: if training diverges.
    """
    stage, dataset, count = context.config.stage, context.tokens, context.token_budget.sequences
    sequences = dataset.train(count, context.config.seed)
    model = initial_model(context)
    if stage.packing:
        use_own_device(context.config.compute.device)
        model.to(context.config.compute.device)  # kernels of flash attention run on GPUs only
        check_isolation(model, dataset.vocab_size, half=context.config.compute.precision == "bfloat16")
        collator = partial(pack, size=dataset.context, pad_token_id=dataset.pad_token_id)
    else:
        collator = partial(collate, pad_token_id=dataset.pad_token_id)

    def rows(batch: dict[str, list[int]]) -> dict[str, list]:
        examples = sequences.__getitems__(batch["index"])
        return {key: [example[key] for example in examples] for key in examples[0]}

    # TRL accepts only a datasets.Dataset; this one is a view, so the tokens stay in the memory map
    view = datasets.Dataset.from_dict({"index": range(count)}).with_transform(rows)
    trainer = CompletionTrainer(
        model=model,
        args=limit_to_one_device(
            SFTConfig(**training_arguments(context), max_length=None, dataset_kwargs={"skip_prepare_dataset": True})
        ),
        train_dataset=view,
        data_collator=collator,
        processing_class=dataset.tokenizer(),
        peft_config=adapter_config(context),
    )
    return train_on_tokens(trainer, context, sequences)


def adapter_config(context: StageContext) -> LoraConfig | None:
    """Return the config of the adapters to train; None to train all weights."""
    lora = context.config.stage.lora
    if lora.rank is None:
        return None
    from peft import LoraConfig

    options = {"r": lora.rank, "lora_alpha": lora.alpha, "lora_dropout": lora.dropout}
    return LoraConfig(**options, target_modules="all-linear", task_type="CAUSAL_LM")
