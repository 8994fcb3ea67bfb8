"""Supervised fine-tuning on prompts and completions; the loss is on the completion only."""

from __future__ import annotations

from functools import partial

import datasets
from trl import SFTConfig, SFTTrainer

from openr1.training import HeldOut, Job, arguments, collate, model_for, train


class CompletionTrainer(HeldOut, SFTTrainer):
    pass


def run(job: Job) -> dict[str, float]:
    sequences = job.dataset.train(job.budget.sequences, job.config.seed)

    def rows(batch: dict[str, list[int]]) -> dict[str, list]:
        examples = sequences.__getitems__(batch["index"])
        return {key: [example[key] for example in examples] for key in examples[0]}

    # TRL takes nothing but a datasets.Dataset; this one is a view, so the tokens stay in the memory map
    view = datasets.Dataset.from_dict({"index": range(job.budget.sequences)}).with_transform(rows)
    trainer = CompletionTrainer(
        model=model_for(job),
        args=SFTConfig(**arguments(job), max_length=None, dataset_kwargs={"skip_prepare_dataset": True}),
        train_dataset=view,
        data_collator=partial(collate, pad_token_id=job.dataset.pad_token_id),
        processing_class=job.dataset.tokenizer(),
    )
    return train(trainer, job, sequences)
