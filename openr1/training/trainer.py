"""Training with transformers' Trainer, for all training stages: arguments, batches, evaluation, resume and final metrics."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
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

from openr1.distributed import deepspeed
from openr1.distributed.collectives import barrier, gather, rank, world_size
from openr1.distributed.devices import wait_for_device
from openr1.distributed.launcher import threads_per_process
from openr1.distributed.peaks import peak_flops
from openr1.models import flops, mtp
from openr1.models.build import build
from openr1.models.checkpoints import checkpoint_of, load
from openr1.models.moe_balance import LoadBalance
from openr1.system.interrupts import deferred
from openr1.tracking import observer
from openr1.training.budget import model_flops_per_token, phases, split_batch
from openr1.training.callback import CHECKPOINTS, HISTORY, TrainingCallback
from openr1.training.compat import look_for_lomo_once
from openr1.training.context import StageContext
from openr1.training.memory import PeakMemory
from openr1.training.optimisers import logged_lr_scale, optimiser_of
from openr1.training.parametrization import parametrization_of

if TYPE_CHECKING:
    from openr1.config.schema import Config
    from openr1.data.sequences import Sequences

EVAL_LOGITS = 2**25  # elements of the largest tensor that an evaluation makes


def initial_model(context: StageContext) -> PreTrainedModel:
    """Load the checkpoint that a run starts from, or build a model of its scale with seeded weights; with ``model.mtp.depth``,
    attach modules of multi-token prediction."""
    config = context.config
    prepare_process(context)
    checkpoint = checkpoint_of(config.model, config.scale)
    if checkpoint:
        model = load(config.model, config.scale)
    else:
        data, shape = context.tokens, context.budget.shape
        model = build(
            config.model,
            shape,
            config.seed,
            eos_token_id=data.eos_token_id,
            pad_token_id=data.pad_token_id,
            parametrization=parametrization_of(config, shape),
        )
    if config.model.mtp.depth:
        mtp.attach(model, config.model.mtp.depth, config.seed, checkpoint)
    return model


def prepare_process(context: StageContext) -> None:
    """Set the threads and the seeds of this process, before it makes its model."""
    torch.set_num_threads(threads_per_process(context.config.compute))
    set_seed(context.config.seed)
    disable_progress_bar()


def limit_to_one_device(args: TrainingArguments) -> TrainingArguments:
    """Give this process one device: transformers would spread the batch over all devices that it sees."""
    args._n_gpu = min(args.n_gpu, 1)
    return args


def training_arguments(context: StageContext) -> dict[str, Any]:
    """Return the keyword arguments of ``TrainingArguments`` and of the classes that TRL derives from it."""
    config, budget = context.config, context.budget
    optim, compute = config.optim, config.compute
    micro_batch, accumulated = split_batch(budget.batch, compute.processes, compute.micro_batch)
    observer.note(micro_batch=micro_batch)
    schedule = phases(config, budget)
    scheduler, options = _scheduler(config, schedule.decay)
    arguments = {
        "output_dir": str(context.folder / CHECKPOINTS),
        "max_steps": budget.steps,
        "per_device_train_batch_size": micro_batch,
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
        "save_strategy": "no",  # TrainingCallback decides; two are kept, since a kill may cut the newest short
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
    if compute.device == "cuda":
        arguments |= {
            # compilation would turn TF32 on, for this run and those after it in this process: then not only precision would
            # decide a result, and angles of rotary embeddings would have ten bits
            "tf32": False,
            # a batch is copied while the GPU still works on the one before; otherwise the program waits for it at each batch
            "accelerator_config": {"non_blocking": True},
        }
    return arguments | (deepspeed.training_arguments(compute) if deepspeed.is_sharded(compute) else {})


def _scheduler(config: Config, decay_steps: int) -> tuple[str, dict[str, Any]]:
    """Return transformers' name of the learning rate schedule, and its keyword arguments."""
    optim = config.optim
    if optim.schedule in ("wsd", "linear"):
        options = {"num_decay_steps": decay_steps, "decay_type": "linear", "min_lr_ratio": optim.min_lr_ratio}
        return "warmup_stable_decay", options
    if optim.schedule == "cosine":
        return "cosine_with_min_lr", {"min_lr_rate": optim.min_lr_ratio}
    return "constant_with_warmup", {}


def collate(rows: list[dict[str, np.ndarray]], pad_token_id: int = 0) -> dict[str, torch.Tensor]:
    """Collate sequences into one batch, padded on the right. Labels are -100 on padding and where a completion mask is 0.

    Packed sequences all have one length and get no attention mask, since plain causal attention is faster.
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
def compute_eval_loss(
    model: PreTrainedModel, sequences: Sequences, pad_token_id: int = 0, forward: Callable[..., Any] | None = None
) -> float:
    """Compute the mean negative log-likelihood of the labelled tokens, in nats a token. The ranks share the work.

    :param forward: called instead of the model, if the model is wrapped.
    """
    training = model.training
    model.eval()
    largest = max(len(sequences[i]["input_ids"]) for i in range(min(len(sequences), 64)))
    size = max(1, min(64, EVAL_LOGITS // (largest * model.config.get_text_config().vocab_size)))
    total, tokens = 0.0, 0
    starts = range(0, len(sequences), size)
    for place in range(rank(), math.ceil(len(starts) / world_size()) * world_size(), world_size()):
        # all ranks need as many forward passes, in which sharded weights are gathered; the surplus does not count
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
    totals, counts = zip(*gather((total, tokens)), strict=True)
    return math.fsum(totals) / sum(counts)


class HeldOutEvaluation:
    """Mixin of a Trainer: ``evaluate`` measures :func:`compute_eval_loss` on the fixed held-out set."""

    context: StageContext
    held_out: Sequences
    eval_seconds = 0.0

    # attributes of the Trainer
    args: Any
    callback_handler: Any
    compute_loss_context_manager: Any
    control: Any
    is_deepspeed_enabled: bool
    log: Any
    model: Any
    model_wrapped: Any
    state: Any

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Measure the loss, log it, and call the callbacks, as ``Trainer.evaluate`` does."""
        wait_for_device(self.context.config.compute.device)  # the steps before are no part of the evaluation
        start = time.perf_counter()
        with self.compute_loss_context_manager():
            wrapped = self.model_wrapped if self.is_deepspeed_enabled else None  # gathers the weights, and casts
            loss = compute_eval_loss(self.model, self.held_out, self.context.tokens.pad_token_id, wrapped)
        self.eval_seconds += time.perf_counter() - start
        metrics = {"eval_loss": loss}
        if self.context.config.stage.kind == "pretrain":
            metrics["eval_bits_per_byte"] = loss / math.log(2) / self.context.tokens.bytes_per_token
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


def train_and_save(trainer: Trainer, callback: TrainingCallback, tokenizer: PreTrainedTokenizerBase) -> dict[str, float]:
    """Train to the end of the budget, from the newest checkpoint if there is one, and save the model.

    :returns: the metrics that every trained model has, by the names of :mod:`openr1.tracking.mlflow`.
    """
    context = callback.context
    budget, config = context.budget, context.config
    trainer.context, callback.trainer = context, trainer
    for terminal_callback in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(terminal_callback)
    trainer.add_callback(callback)
    trainer.add_callback(LoadBalance(trainer.model))
    # transformers counts the parameters anew in every forward pass, for a sum of FLOPs that nothing reads
    trainer.floating_point_ops = lambda inputs: 0
    look_for_lomo_once()
    decayed, parametrization = trainer.get_decay_parameter_names(trainer.model), parametrization_of(config, budget.shape)
    optimiser = optimiser_of(config.optim, trainer.model, budget.shape, budget.lr, decayed, parametrization)
    if optimiser:
        trainer.optimizer_cls_and_kwargs, callback.lr_scale = optimiser, logged_lr_scale(optimiser)
    memory = PeakMemory(config.compute.device)
    with _checkpoints_as_in_memory(trainer.model), deferred():
        trainer.train(resume_from_checkpoint=callback.prepare_resume())
    seconds = callback.seconds
    params_trained = get_model_param_count(trainer.model, trainable_only=True)
    save_model(trainer, tokenizer, context.folder)
    metrics: dict[str, float] = {
        "params_total": budget.params.total,
        "params_active": budget.params.active,
        "params_non_embedding": budget.params.non_embedding,
        "params_trained": params_trained,
        **({"params_mtp": budget.params.mtp} if budget.params.mtp else {}),
        "wall_seconds": seconds,
        "peak_memory_bytes": max(gather(memory.bytes())),
    }
    if config.compute.device == "cuda":
        metrics["gpu_hours"] = config.compute.processes * seconds / 3600
    return metrics


@contextmanager
def _checkpoints_as_in_memory(model: nn.Module) -> Iterator[None]:
    """Write checkpoints in the format that the weights have in memory.

    The format of released models stores each expert by itself, and the Trainer does not join them when it resumes: it would
    continue with the initial experts.
    """
    if not isinstance(model, PreTrainedModel):
        yield  # adapters have one format
        return
    model.save_pretrained = partial(model.save_pretrained, save_original_format=False)
    yield
    del model.save_pretrained


def save_model(trainer: Trainer, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Save the trained model on the first rank, for ``from_pretrained``.

    Adapters are merged into it, and saved beside it; modules of multi-token prediction are saved in its folder ``mtp/``.
    """
    deepspeed.gather_weights(trainer)
    if not rank():
        model = trainer.model
        if hasattr(model, "merge_and_unload"):
            model.save_pretrained(folder / "adapter")
            model = model.merge_and_unload()
        modules = mtp.detach(model)
        model.save_pretrained(folder / "model")
        if modules is not None:
            mtp.save(modules, folder / "model")
        tokenizer.save_pretrained(folder / "model")
    barrier()


def train_on_tokens(
    trainer: Trainer, context: StageContext, sequences: Sequences, callback: TrainingCallback | None = None
) -> dict[str, float]:
    """Train on given tokens with :func:`train_and_save`.

    :param sequences: the training data of the whole run, in order; the trainer has it, or a view of it.
    :param callback: one that knows further curves; None for those of every stage.
    :returns: the metrics of the finished run.
    """
    budget, config, data = context.token_budget, context.config, context.tokens
    trainer.held_out = data.evaluation()
    callback = callback or TrainingCallback(context)
    model_metrics = train_and_save(trainer, callback, data.tokenizer())
    history = [json.loads(line) for line in (context.folder / HISTORY).read_text().splitlines()]
    last = [row for row in history if "eval_loss" in row][-1]
    eval_flops = len(trainer.held_out) * data.tokens_per_sequence * flops.forward_flops(budget.shape, data.attended)
    metrics = {name: last[name] for name in ("eval_loss", "eval_bits_per_byte") if name in last}
    if measured := [row["mtp_loss"] for row in history if "mtp_loss" in row]:
        metrics["mtp_loss"] = measured[-1]
    seconds = model_metrics["wall_seconds"] - callback.seconds_before
    first_step = context.estimate.first_step
    metrics |= model_metrics | {
        "tokens": budget.tokens,
        "unique_tokens": sequences.unique_tokens,
        "epochs": sequences.epochs["total"],
        "flops": budget.flops,
        "flops_train": budget.flops,
        "flops_eval": sum(step > first_step for step in callback.eval_steps) * eval_flops,
        "flops_6nd": budget.flops_6nd,
        "tokens_per_second": (budget.steps - callback.first_step) * budget.batch_tokens / seconds,
    }
    if callback.first_step == 0:  # after a resume, the seconds before it are not known
        metrics["eval_seconds"] = trainer.eval_seconds
    if first_step and context.estimate.flops_new is not None:
        metrics["flops_new"] = context.estimate.flops_new
    if context.flops_teacher is not None:
        metrics["flops_teacher"] = context.flops_teacher
    if peak := peak_flops(config.compute):
        model_flops = model_flops_per_token(config, budget.shape, data.attended)
        metrics["mfu"] = model_flops * metrics["tokens_per_second"] / (config.compute.processes * peak)
    return metrics
