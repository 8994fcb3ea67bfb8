"""Next-token prediction on packed sequences, from scratch or continued from a checkpoint."""

from __future__ import annotations

from transformers import Trainer, TrainingArguments

from openr1.training.context import Job
from openr1.training.trainer import HeldOut, alone, arguments, collate, model_for, train


class PretrainTrainer(HeldOut, Trainer):
    pass


def run(job: Job) -> dict[str, float]:
    sequences = job.dataset.train(job.budget.sequences, job.config.seed)
    trainer = PretrainTrainer(
        model=model_for(job), args=alone(TrainingArguments(**arguments(job))), train_dataset=sequences, data_collator=collate
    )
    return train(trainer, job, sequences)
