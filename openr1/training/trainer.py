"""What the training stages share: transformers' Trainer under our budget, data order, evaluation, curves and resume."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import Dataset as TorchDataset
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    ProgressCallback,
    Trainer,
    TrainingArguments,
    set_seed,
)
from transformers.trainer_pt_utils import get_model_param_count
from transformers.utils.logging import disable_progress_bar

from openr1.config.schema import Config
from openr1.distributed import deepspeed
from openr1.distributed.collectives import gathered, rank, wait, world
from openr1.distributed.launcher import threads
from openr1.models import flops
from openr1.models.build import build
from openr1.models.checkpoints import checkpoint_of, load
from openr1.models.moe_balance import LoadBalance
from openr1.tracking import observer
from openr1.training.budget import passes, phases
from openr1.training.callback import CHECKPOINTS, HISTORY, Curves
from openr1.training.context import StageContext
from openr1.training.memory import PeakMemory

EVAL_LOGITS = 2**25  # elements of the largest tensor that an evaluation makes


def model_for(context: StageContext) -> PreTrainedModel:
    """The model that a job starts from: a checkpoint, or the rung of its scale with seeded weights."""
    config = context.config
    torch.set_num_threads(threads(config.compute))
    set_seed(config.seed)
    disable_progress_bar()
    if checkpoint_of(config.model, config.scale):
        return load(config.model, config.scale)
    ids = {"eos_token_id": context.dataset.eos_token_id, "pad_token_id": context.dataset.pad_token_id}
    return build(config.model, context.budget.shape, config.seed, **ids)


def alone(args: TrainingArguments) -> TrainingArguments:
    """One process has one device: transformers would spread the batch over all that it sees."""
    args._n_gpu = min(args.n_gpu, 1)
    return args


def arguments(context: StageContext) -> dict[str, Any]:
    """Keyword arguments of ``TrainingArguments`` and of what TRL derives from it."""
    config, budget = context.config, context.budget
    optim, compute = config.optim, config.compute
    micro, accumulated = passes(budget.batch, compute.processes, compute.micro_batch)
    observer.note(micro_batch=micro)
    schedule = phases(config, budget)
    scheduler, options = _schedule(config, schedule.decay)
    found = {
        "output_dir": str(context.folder / CHECKPOINTS),
        "max_steps": budget.steps,
        "per_device_train_batch_size": micro,
        "gradient_accumulation_steps": accumulated,
        "train_sampling_strategy": "sequential",  # the data set is already in the order of the run
        "learning_rate": budget.lr,
        "lr_scheduler_type": scheduler,
        "lr_scheduler_kwargs": options,
        "warmup_steps": schedule.warmup,
        "optim": "adamw_torch_fused",
        "weight_decay": optim.weight_decay,
        "adam_beta1": optim.beta1,
        "adam_beta2": optim.beta2,
        "adam_epsilon": optim.eps,
        "max_grad_norm": optim.grad_clip,
        "bf16": compute.precision == "bfloat16",
        "use_cpu": compute.device == "cpu",
        "gradient_checkpointing": compute.gradient_checkpointing,
        "gradient_checkpointing_kwargs": {"use_reentrant": False},
        "torch_compile": compute.compile,
        "dataloader_pin_memory": compute.device == "cuda",
        "seed": config.seed,
        "save_strategy": "no",  # Curves decides; a window of two, since the newest may be cut short by a kill
        "save_total_limit": 2,
        "logging_strategy": "no",
        "logging_nan_inf_filter": False,
        "eval_strategy": "no",
        "remove_unused_columns": False,
        "ddp_find_unused_parameters": False,
        "ddp_broadcast_buffers": False,  # they are the same on all ranks
        "report_to": [],
        "disable_tqdm": True,
    }
    return found | (deepspeed.arguments(compute) if deepspeed.sharded(compute) else {})


def _schedule(config: Config, decay: int) -> tuple[str, dict[str, Any]]:
    """:param decay: steps of it."""
    optim = config.optim
    if optim.schedule in ("wsd", "linear"):
        options = {"num_decay_steps": decay, "decay_type": "linear", "min_lr_ratio": optim.min_lr_ratio}
        return "warmup_stable_decay", options
    if optim.schedule == "cosine":
        return "cosine_with_min_lr", {"min_lr_rate": optim.min_lr_ratio}
    return "constant_with_warmup", {}


def collate(rows: list[dict[str, np.ndarray]], pad_token_id: int = 0) -> dict[str, torch.Tensor]:
    """Sequences as one batch, padded on the right. Labels are -100 on padding and wherever a completion mask is 0.

    Packed sequences, of one length, come without an attention mask: plain causal attention is faster.
    """
    longest = max(len(row["input_ids"]) for row in rows)
    input_ids = np.full((len(rows), longest), pad_token_id, dtype=np.int64)
    labels = np.full((len(rows), longest), -100, dtype=np.int64)
    attention = np.zeros((len(rows), longest), dtype=np.int64)
    for i, row in enumerate(rows):
        ids = row["input_ids"]
        input_ids[i, : len(ids)] = ids
        labels[i, : len(ids)] = np.where(row["completion_mask"], ids, -100) if "completion_mask" in row else ids
        attention[i, : len(ids)] = 1
    batch = {"input_ids": torch.from_numpy(input_ids), "labels": torch.from_numpy(labels)}
    if "completion_mask" in rows[0]:
        batch["attention_mask"] = torch.from_numpy(attention)
    return batch


@torch.no_grad()
def eval_loss(
    model: PreTrainedModel, sequences: TorchDataset, pad_token_id: int = 0, forward: Callable[..., Any] | None = None
) -> float:
    """Mean negative log-likelihood of the labelled tokens, in nats a token. The ranks share the work.

    :param forward: what is called in place of the model, where something is wrapped around it.
    """
    training = model.training
    model.eval()
    largest = max(len(sequences[i]["input_ids"]) for i in range(min(len(sequences), 64)))
    size = max(1, min(64, EVAL_LOGITS // (largest * model.config.get_text_config().vocab_size)))
    total, tokens = 0.0, 0
    starts = range(0, len(sequences), size)
    for place in range(rank(), math.ceil(len(starts) / world()) * world(), world()):
        # all ranks go forward equally often, since sharded weights are gathered together; what is too much does not count
        start = starts[min(place, len(starts) - 1)]
        rows = sequences.__getitems__(list(range(start, min(start + size, len(sequences)))))
        batch = {key: value.to(model.device) for key, value in collate(rows, pad_token_id).items()}
        labels = batch.pop("labels")[:, 1:]
        logits = (forward or model)(**batch, use_cache=False).logits[:, :-1]
        if place >= len(starts):
            continue
        loss = functional.cross_entropy(logits.flatten(0, 1).float(), labels.flatten(), reduction="sum", ignore_index=-100)
        total += loss.item()
        tokens += int((labels != -100).sum())
    model.train(training)
    totals, counts = zip(*gathered((total, tokens)), strict=True)
    return math.fsum(totals) / sum(counts)


class HeldOut:
    """Mixed into a Trainer: ``evaluate`` measures :func:`eval_loss` on the fixed held-out set."""

    context: StageContext
    held_out: TorchDataset
    eval_seconds = 0.0

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        start = time.perf_counter()
        with self.compute_loss_context_manager():
            wrapped = self.model_wrapped if self.is_deepspeed_enabled else None  # it gathers weights, and casts
            loss = eval_loss(self.model, self.held_out, self.context.dataset.pad_token_id, wrapped)
        self.eval_seconds += time.perf_counter() - start
        metrics = {"eval_loss": loss}
        if self.context.config.stage.kind == "pretrain":
            metrics["eval_bits_per_byte"] = loss / math.log(2) / self.context.dataset.bytes_per_token
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


def fit(trainer: Trainer, curves: Curves, tokenizer: PreTrainedTokenizerBase) -> dict[str, float]:
    """Train to the end of the budget, from the newest checkpoint where there is one, and save the model.

    :returns: the figures that every trained model has, under the names of :mod:`openr1.tracking.mlflow`.
    """
    context = curves.context
    budget, config = context.budget, context.config
    trainer.context, curves.trainer = context, trainer
    for callback in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(callback)
    trainer.add_callback(curves)
    trainer.add_callback(LoadBalance(trainer.model))
    memory = PeakMemory(config.compute.device)
    with _whole_checkpoints(trainer.model):
        trainer.train(resume_from_checkpoint=curves.resume())
    seconds = curves.seconds
    trained = get_model_param_count(trainer.model, trainable_only=True)
    save(trainer, tokenizer, context.folder)
    metrics = {
        "params_total": budget.params.total,
        "params_active": budget.params.active,
        "params_non_embedding": budget.params.non_embedding,
        "params_trained": trained,
        "wall_seconds": seconds,
        "peak_memory_bytes": max(gathered(memory.bytes())),
    }
    if config.compute.device == "cuda":
        metrics["gpu_hours"] = config.compute.processes * seconds / 3600
    return metrics


@contextmanager
def _whole_checkpoints(model: nn.Module) -> Iterator[None]:
    """Checkpoints hold the weights as the model has them in memory. A released model has each expert by itself, which the
    Trainer does not put together again: it would go on with experts as they were made."""
    if not isinstance(model, PreTrainedModel):
        yield  # adapters, which have one form
        return
    model.save_pretrained = partial(model.save_pretrained, save_original_format=False)
    yield
    del model.save_pretrained


def save(trainer: Trainer, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """The trained model, as ``from_pretrained`` takes it; adapters are merged, and beside it. The first rank writes."""
    deepspeed.collect(trainer)
    if not rank():
        model = trainer.model
        if hasattr(model, "merge_and_unload"):
            model.save_pretrained(folder / "adapter")
            model = model.merge_and_unload()
        model.save_pretrained(folder / "model")
        tokenizer.save_pretrained(folder / "model")
    wait()


def train(trainer: Trainer, context: StageContext, sequences: TorchDataset) -> dict[str, float]:
    """:func:`fit` to data.

    :param sequences: the training data of the whole run, in order; the trainer has it, or a view of it.
    :returns: the figures of the finished run.
    """
    budget, config = context.budget, context.config
    trainer.held_out = context.dataset.evaluation()
    curves = Curves(context)
    figures = fit(trainer, curves, context.dataset.tokenizer())
    rows = map(json.loads, (context.folder / HISTORY).read_text().splitlines())
    last = [row for row in rows if "eval_loss" in row][-1]
    eval_flops = (
        len(trainer.held_out) * context.dataset.tokens_per_sequence * flops.forward_flops(budget.shape, config.data.context)
    )
    metrics = {name: last[name] for name in ("eval_loss", "eval_bits_per_byte") if name in last}
    seconds = figures["wall_seconds"] - curves.before  # without those before a resume
    begun = context.estimate.first_step
    metrics |= figures | {
        "tokens": budget.tokens,
        "unique_tokens": sequences.unique_tokens,
        "epochs": sequences.epochs["total"],
        "flops": budget.flops,
        "flops_train": budget.flops,
        "flops_eval": sum(step > begun for step in curves.eval_steps) * eval_flops,
        "flops_6nd": budget.flops_6nd,
        "tokens_per_second": (budget.steps - curves.first_step) * budget.batch_tokens / seconds,
    }
    if curves.first_step == 0:  # those before a resume nobody has counted
        metrics["eval_seconds"] = trainer.eval_seconds
    if begun:
        metrics["flops_new"] = context.estimate.flops_new
    if context.flops_teacher is not None:
        metrics["flops_teacher"] = context.flops_teacher
    if config.compute.peak_flops:
        peak = config.compute.processes * config.compute.peak_flops
        metrics["mfu"] = budget.flops_per_token * metrics["tokens_per_second"] / peak
    return metrics
