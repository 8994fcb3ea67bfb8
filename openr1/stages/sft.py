"""Supervised fine-tuning on prompts and completions, of all weights or of adapters; the loss is on the completion only."""

from __future__ import annotations

from functools import partial

import datasets
from trl import SFTConfig, SFTTrainer

from openr1.training.context import StageContext
from openr1.training.packing import check_apart, pack
from openr1.training.trainer import HeldOut, alone, arguments, collate, model_for, train


class CompletionTrainer(HeldOut, SFTTrainer):
    pass


def run(context: StageContext) -> dict[str, float]:
    stage, dataset = context.config.stage, context.dataset
    sequences = dataset.train(context.budget.sequences, context.config.seed)
    model = model_for(context)
    if stage.packing:
        check_apart(model, dataset.vocab_size, half=context.config.compute.precision == "bfloat16")
        collator = partial(pack, size=dataset.context, pad_token_id=dataset.pad_token_id)
    else:
        collator = partial(collate, pad_token_id=dataset.pad_token_id)

    def rows(batch: dict[str, list[int]]) -> dict[str, list]:
        examples = sequences.__getitems__(batch["index"])
        return {key: [example[key] for example in examples] for key in examples[0]}

    # TRL takes nothing but a datasets.Dataset; this one is a view, so the tokens stay in the memory map
    view = datasets.Dataset.from_dict({"index": range(context.budget.sequences)}).with_transform(rows)
    trainer = CompletionTrainer(
        model=model,
        args=alone(SFTConfig(**arguments(context), max_length=None, dataset_kwargs={"skip_prepare_dataset": True})),
        train_dataset=view,
        data_collator=collator,
        processing_class=dataset.tokenizer(),
        peft_config=adapters(context),
    )
    return train(trainer, context, sequences)


def adapters(context: StageContext):
    """The adapters to train; None to train all weights."""
    lora = context.config.stage.lora
    if lora.rank is None:
        return None
    from peft import LoraConfig

    options = {"r": lora.rank, "lora_alpha": lora.alpha, "lora_dropout": lora.dropout}
    return LoraConfig(**options, target_modules="all-linear", task_type="CAUSAL_LM")
