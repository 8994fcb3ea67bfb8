"""Next-token prediction on packed sequences, from scratch or continued from a checkpoint."""

from __future__ import annotations

from transformers import Trainer, TrainingArguments

from openr1.training.context import StageContext
from openr1.training.trainer import HeldOut, alone, arguments, collate, model_for, train


class PretrainTrainer(HeldOut, Trainer):
    pass


def run(context: StageContext) -> dict[str, float]:
    sequences = context.dataset.train(context.budget.sequences, context.config.seed)
    trainer = PretrainTrainer(
        model=model_for(context),
        args=alone(TrainingArguments(**arguments(context))),
        train_dataset=sequences,
        data_collator=collate,
    )
    return train(trainer, context, sequences)
