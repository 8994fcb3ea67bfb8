"""What the training stages share: transformers' Trainer under our budget, data order, evaluation, curves and resume."""

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional
from torch.utils.data import Dataset as TorchDataset
from transformers import PreTrainedModel, PrinterCallback, ProgressCallback, Trainer, TrainerCallback, set_seed
from transformers.utils.logging import disable_progress_bar

from openr1 import flops, watch
from openr1.balance import LoadBalance
from openr1.config import Config
from openr1.errors import RunError
from openr1.job import Job
from openr1.models import build, checkpoint_of, load

CHECKPOINTS = "checkpoints"
HISTORY = "history.jsonl"
COMPLETE = "complete"  # marks a checkpoint that was written to its end
EVAL_LOGITS = 2**25  # elements of the largest tensor that an evaluation makes
NAMES = {"loss": "train_loss", "learning_rate": "lr", "grad_norm": "grad_norm"}
NAMES |= {name: name for name in ("eval_loss", "eval_bits_per_byte", "mean_token_accuracy")}


def model_for(job: Job) -> PreTrainedModel:
    """The model that a job starts from: a checkpoint, or the rung of its scale with seeded weights."""
    config = job.config
    torch.set_num_threads(config.compute.threads or os.cpu_count() or 1)
    set_seed(config.seed)
    disable_progress_bar()
    if checkpoint_of(config.model, config.scale):
        return load(config.model, config.scale)
    ids = {"eos_token_id": job.dataset.eos_token_id, "pad_token_id": job.dataset.pad_token_id}
    return build(config.model, job.budget.shape, config.seed, **ids)


def arguments(job: Job) -> dict[str, Any]:
    """Keyword arguments of ``TrainingArguments`` and of what TRL derives from it."""
    config, budget = job.config, job.budget
    optim, compute = config.optim, config.compute
    micro = min(compute.micro_batch or budget.batch, budget.batch)
    watch.note(micro_batch=micro)
    scheduler, options = _schedule(config, budget.steps)
    return {
        "output_dir": str(job.folder / CHECKPOINTS),
        "max_steps": budget.steps,
        "per_device_train_batch_size": micro,
        "gradient_accumulation_steps": budget.batch // micro,
        "train_sampling_strategy": "sequential",  # the data set is already in the order of the run
        "learning_rate": budget.lr,
        "lr_scheduler_type": scheduler,
        "lr_scheduler_kwargs": options,
        "warmup_steps": _warmup(config, budget.steps),
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
        "report_to": [],
        "disable_tqdm": True,
    }


def _warmup(config: Config, steps: int) -> int:
    return round(config.optim.warmup * steps)


def _schedule(config: Config, steps: int) -> tuple[str, dict[str, Any]]:
    optim = config.optim
    decay = {"decay_type": "linear", "min_lr_ratio": optim.min_lr_ratio}
    if optim.schedule == "wsd":
        return "warmup_stable_decay", {"num_decay_steps": round(optim.decay * steps), **decay}
    if optim.schedule == "linear":
        return "warmup_stable_decay", {"num_decay_steps": steps - _warmup(config, steps), **decay}
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
def eval_loss(model: PreTrainedModel, sequences: TorchDataset, pad_token_id: int = 0) -> float:
    """Mean negative log-likelihood of the labelled tokens, in nats a token."""
    training = model.training
    model.eval()
    largest = max(len(sequences[i]["input_ids"]) for i in range(min(len(sequences), 64)))
    size = max(1, min(64, EVAL_LOGITS // (largest * model.config.get_text_config().vocab_size)))
    total, tokens = 0.0, 0
    for start in range(0, len(sequences), size):
        rows = sequences.__getitems__(list(range(start, min(start + size, len(sequences)))))
        batch = {key: value.to(model.device) for key, value in collate(rows, pad_token_id).items()}
        labels = batch.pop("labels")[:, 1:]
        logits = model(**batch, use_cache=False).logits[:, :-1]
        loss = functional.cross_entropy(logits.flatten(0, 1).float(), labels.flatten(), reduction="sum", ignore_index=-100)
        total += loss.item()
        tokens += int((labels != -100).sum())
    model.train(training)
    return total / tokens


class HeldOut:
    """Mixed into a Trainer: ``evaluate`` measures :func:`eval_loss` on the fixed held-out set."""

    job: Job
    held_out: TorchDataset
    eval_seconds = 0.0

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        start = time.perf_counter()
        with self.compute_loss_context_manager():
            loss = eval_loss(self.model, self.held_out, self.job.dataset.pad_token_id)
        self.eval_seconds += time.perf_counter() - start
        metrics = {"eval_loss": loss}
        if self.job.config.stage.kind == "pretrain":
            metrics["eval_bits_per_byte"] = loss / math.log(2) / self.job.dataset.bytes_per_token
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


class Curves(TrainerCallback):
    """Decides when a run logs, evaluates and saves; writes its curves to the artifact and to the tracked run."""

    def __init__(self, job: Job) -> None:
        self.job = job
        steps, stage = job.budget.steps, job.config.stage
        self.log_steps = _evenly(steps, stage.logs)
        self.per_step = (job.budget.batch_tokens, job.budget.batch_tokens * job.budget.flops_per_token)
        self.marks = _marks(steps, job.budget.batch_tokens, stage.eval_every_tokens)
        self.eval_steps = _evenly(steps, stage.evals) | set(self.marks)
        self.trainer: Any = None
        self.before = 0.0  # seconds of training before a resume

    def resume(self) -> str | None:
        """The newest whole checkpoint, with the curves cut back to it."""
        whole = [path.parent for path in (self.job.folder / CHECKPOINTS).glob(f"checkpoint-*/{COMPLETE}")]
        newest = max(whole, key=lambda path: int(path.name.rsplit("-", 1)[1]), default=None)
        step = int(newest.name.rsplit("-", 1)[1]) if newest else 0
        path = self.job.folder / HISTORY
        rows = [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")] if path.exists() else []
        rows = [row for row in rows if row["step"] <= step]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        self.before = max((row["seconds"] for row in rows), default=0.0)
        return str(newest) if newest else None

    @property
    def seconds(self) -> float:
        """Wall-clock seconds of training, without evaluation."""
        return self.before + time.perf_counter() - self.start - self.trainer.eval_seconds

    def on_train_begin(self, args, state, control, **_) -> None:
        self.start = self.saved = self.shown = time.perf_counter()
        self.first_step = state.global_step

    def on_step_end(self, args, state, control, **_) -> None:
        step, compute, now = state.global_step, self.job.config.compute, time.perf_counter()
        control.should_log = step in self.log_steps
        control.should_evaluate = step in self.eval_steps
        due = compute.checkpoint_minutes is not None and now - self.saved > 60 * compute.checkpoint_minutes
        due |= compute.checkpoint_steps is not None and step % compute.checkpoint_steps == 0
        if due and step < state.max_steps:
            control.should_save = control.should_log = True
            self.saved = now
        if now - self.shown > 0.5:
            self.shown = now
            self.job.report(step, {})

    def on_log(self, args, state, control, logs: dict[str, float], **_) -> None:
        metrics = {NAMES[name]: float(value) for name, value in logs.items() if name in NAMES}
        if not metrics:
            return
        step = state.global_step
        for name, value in metrics.items():
            if not math.isfinite(value):
                raise RunError(f"training diverged: {name} is {value} at step {step}; lower optim.lr or raise optim.warmup")
        tokens, cost = self.per_step
        row = {"step": step, "tokens": step * tokens, "flops": step * cost, **metrics}
        with (self.job.folder / HISTORY).open("a") as file:
            file.write(json.dumps({**row, "seconds": round(self.seconds, 3)}) + "\n")
        self.job.run.log({name: value for name, value in row.items() if name != "step"}, step)
        self.job.report(step, metrics)
        if "eval_loss" in metrics:
            # trials whose steps are of different sizes are evaluated at about, and compared at exactly, the same tokens
            watch.report(self.marks.get(step, step * tokens), metrics)

    def on_save(self, args, state, control, **_) -> None:
        self.job.run.flush()
        (Path(args.output_dir) / f"checkpoint-{state.global_step}" / COMPLETE).touch()


def _evenly(steps: int, points: int) -> set[int]:
    """So many steps of a run, evenly spaced, the last among them."""
    return {math.ceil(steps * (i + 1) / points) for i in range(points)}


def _marks(steps: int, batch_tokens: float, every: float | None) -> dict[int, float]:
    """Of the steps that come first to a multiple of ``every`` tokens, the multiple."""
    if every is None:
        return {}
    multiples = [every * i for i in range(1, int(steps * batch_tokens / every) + 1)]
    return {math.ceil(tokens / batch_tokens): tokens for tokens in multiples}


def train(trainer: Trainer, job: Job, sequences: TorchDataset) -> dict[str, float]:
    """Train to the end of the budget, from the newest checkpoint where there is one, and save the model.

    :param sequences: the training data of the whole run, in order; the trainer has it, or a view of it.
    :returns: the figures of the finished run, under the names of :mod:`openr1.tracking`.
    """
    budget, config = job.budget, job.config
    curves = Curves(job)
    trainer.job, curves.trainer, trainer.held_out = job, trainer, job.dataset.evaluation()
    for callback in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(callback)
    trainer.add_callback(curves)
    trainer.add_callback(LoadBalance(trainer.model))
    trainer.train(resume_from_checkpoint=curves.resume())
    seconds = curves.seconds
    trained = sum(parameter.numel() for parameter in trainer.model.parameters() if parameter.requires_grad)
    model = trainer.model
    if hasattr(model, "merge_and_unload"):
        model.save_pretrained(job.folder / "adapter")
        model = model.merge_and_unload()
    model.save_pretrained(job.folder / "model")
    job.dataset.tokenizer().save_pretrained(job.folder / "model")

    rows = map(json.loads, (job.folder / HISTORY).read_text().splitlines())
    last = [row for row in rows if "eval_loss" in row][-1]
    eval_flops = (
        len(trainer.held_out) * job.dataset.tokens_per_sequence * flops.forward_flops(budget.shape, config.data.context)
    )
    metrics = {name: last[name] for name in ("eval_loss", "eval_bits_per_byte") if name in last}
    metrics |= {
        "params_total": budget.params.total,
        "params_active": budget.params.active,
        "params_non_embedding": budget.params.non_embedding,
        "params_trained": trained,
        "tokens": budget.tokens,
        "unique_tokens": sequences.unique_tokens,
        "epochs": sequences.epochs["total"],
        "flops": budget.flops,
        "flops_train": budget.flops,
        "flops_eval": len(curves.eval_steps) * eval_flops,
        "flops_6nd": budget.flops_6nd,
        "wall_seconds": seconds,
        "tokens_per_second": (budget.steps - curves.first_step) * budget.batch_tokens / (seconds - curves.before),
    }
    if job.flops_teacher is not None:
        metrics["flops_teacher"] = job.flops_teacher
    if config.compute.device == "cuda":
        metrics["gpu_hours"] = torch.cuda.device_count() * seconds / 3600
    if config.compute.peak_flops:
        metrics["mfu"] = budget.flops_per_token * metrics["tokens_per_second"] / config.compute.peak_flops
    return metrics
