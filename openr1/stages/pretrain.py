"""Next-token prediction on packed sequences, from scratch or continued from a checkpoint."""

from __future__ import annotations

from transformers import Trainer, TrainingArguments

from openr1.training.context import StageContext
from openr1.training.mtp import MultiTokenLog, MultiTokenLoss
from openr1.training.trainer import (
    HeldOutEvaluation,
    collate,
    initial_model,
    limit_to_one_device,
    train_on_tokens,
    training_arguments,
)


class PretrainTrainer(HeldOutEvaluation, MultiTokenLoss, MultiTokenLog, Trainer):
    """Trainer that evaluates on held-out data."""


def run(context: StageContext) -> dict[str, float]:
    """Fill ``model/``.

    :raises RunError: if training diverges.
    """
    sequences = context.tokens.train(context.token_budget.sequences, context.config.seed)
    trainer = PretrainTrainer(
        model=initial_model(context),
        args=limit_to_one_device(TrainingArguments(**training_arguments(context))),
        train_dataset=sequences,
        data_collator=collate,
    )
    return train_on_tokens(trainer, context, sequences)
