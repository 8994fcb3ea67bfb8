"""Trainer callback: decides when a training run logs, evaluates and saves, writes its curves, and finds its checkpoint."""

from __future__ import annotations

import json
import math
import shutil
import sys
import time
from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from openr1.distributed.collectives import barrier, broadcast_first, gather, rank, world_size
from openr1.distributed.deepspeed import COMPLETE_FILE
from openr1.system.errors import Interrupted, RunError
from openr1.system.files import read_json_lines, replacing, write_json
from openr1.system.interrupts import received, take_time
from openr1.tracking import observer
from openr1.training import branching
from openr1.training.context import StageContext

CHECKPOINTS = "checkpoints"
HISTORY = "history.jsonl"
WINDOW = "window.json"  # in a checkpoint: what was measured since the last row of the curves
AGREE_SECONDS = 2.0  # most seconds between two times that the ranks ask each other whether they were interrupted
# names of metrics in transformers' logs -> in the curves
METRIC_NAMES = {"loss": "train_loss", "learning_rate": "lr", "grad_norm": "grad_norm"}
METRIC_NAMES |= {name: name for name in ("eval_loss", "eval_bits_per_byte", "mean_token_accuracy", "mtp_loss")}


class TrainingCallback(TrainerCallback):
    """Callback that decides when a run logs, evaluates and saves, and writes its curves to the artifact and to MLflow."""

    def __init__(self, context: StageContext) -> None:
        self.context = context
        self.trainer: Any = None
        self.resumed: Path | None = None  # the checkpoint that training went on from
        self.seconds_before = 0.0  # seconds of training before a resume
        self.lr_scale = 1.0  # the logged learning rate as a multiple of the run's
        self.interrupted: int | None = None  # the signal after which the run ends with its next checkpoint
        self.log_steps, self.eval_steps = self.log_and_eval_steps()
        self.kept_steps = branching.kept_steps(context.config, context.budget, context.estimate.first_step)

    def log_and_eval_steps(self) -> tuple[Collection[int], Collection[int]]:
        """Return the steps at which a run logs, and those at which it evaluates."""
        budget, stage = self.context.token_budget, self.context.config.stage
        multiples = _steps_at_multiples(budget.steps, budget.batch_tokens, stage.eval_every_tokens)
        return _evenly_spaced(budget.steps, stage.log_points), _evenly_spaced(budget.steps, stage.eval_points) | multiples

    def can_save(self, step: int) -> bool:
        """Return True if a run that resumes from this step has the same bits as one that was not interrupted."""
        return True

    def spent(self, step: int) -> dict[str, float]:
        """Return the tokens and FLOPs that a run has used by this step."""
        budget = self.context.token_budget
        tokens = step * budget.batch_tokens
        return {"tokens": tokens, "flops": tokens * budget.flops_per_token}

    def select_metrics(self, logs: dict[str, float]) -> dict[str, float]:
        """Return the metrics in a trainer's logs that belong in the curves, by the names of :mod:`openr1.tracking.mlflow`."""
        return {METRIC_NAMES[name]: float(value) for name, value in logs.items() if name in METRIC_NAMES}

    def steps_done(self, step: int) -> int:
        """Return how many of the estimated steps are done."""
        return step - self.context.estimate.first_step

    def prepare_resume(self) -> str | None:
        """Find the newest sound checkpoint, or the trunk's if there is none, and cut the curves back to it."""
        newest = broadcast_first(None if rank() else self._newest_checkpoint())
        of_trunk = branching.trunk_checkpoint(self.context) if newest is None else None
        self.resumed = newest or of_trunk
        if rank():
            return str(self.resumed) if self.resumed else None
        path = self.context.folder / HISTORY
        rows: list[dict[str, Any]] = []
        if of_trunk:
            rows = [{**row, "seconds": 0.0} for row in self.context.inputs["trunk"].history()]
        elif newest:
            kept = newest / HISTORY  # version 0.2 kept no copy
            rows = read_json_lines(kept if kept.exists() else path)
        rows = [row for row in rows if self.resumed and row["step"] <= branching.step_of(self.resumed)]
        for row in rows if of_trunk else ():
            self.context.run.log({name: value for name, value in row.items() if name not in ("step", "seconds")}, row["step"])
        with replacing(path) as temporary:
            temporary.write_text("".join(json.dumps(row) + "\n" for row in rows))
        observer.report_again(rows, self.context.config.stage.eval_every_tokens)
        if newest:
            self.seconds_before = self._window().get("seconds") or max((row["seconds"] for row in rows), default=0.0)
        return str(self.resumed) if self.resumed else None

    def _newest_checkpoint(self) -> Path | None:
        """Return the newest sound checkpoint, say so if it is not the newest that was saved, and delete those after it.

        States that the run must keep are part of its result, so that it goes on from before the first that is damaged.
        """
        folder, compute, step_of = self.context.folder, self.context.config.compute, branching.step_of
        damage_of = cache(branching.damage_of)
        kept, saved = (branching.complete_checkpoints(folder / name, compute) for name in (branching.KEPT, CHECKPOINTS))
        lost = min(self.kept_steps - {step_of(state) for state in kept if not damage_of(state)}, default=math.inf)
        complete = sorted(kept + saved, key=step_of, reverse=True)
        newest = next((state for state in complete if step_of(state) < lost and not damage_of(state)), None)
        if complete and newest != complete[0]:
            damage = next(filter(None, map(damage_of, complete)), f"{folder / branching.KEPT}/checkpoint-{lost} is missing")
            print(f"{damage}; training {f'resumes from {newest.name}' if newest else 'starts anew'}", file=sys.stderr)
        # Trainer keeps those of the highest steps, whatever they are
        for state in (folder / CHECKPOINTS).glob("checkpoint-*"):
            is_own = state in saved or not (state / COMPLETE_FILE).exists()
            if is_own and (newest is None or step_of(state) > step_of(newest)):
                shutil.rmtree(state)
        return newest

    @property
    def seconds(self) -> float:
        """Return the wall-clock seconds of training, without evaluation."""
        return self.seconds_before + time.perf_counter() - self.start - self.trainer.eval_seconds

    def on_train_begin(self, args, state, control, **_) -> None:
        self.start = self.saved_at = self.reported_at = time.perf_counter()
        self.first_step = self.next_clock_step = state.global_step
        if window := self._window():
            self.restore_window(window)

    def _window(self) -> dict[str, Any]:
        path = self.resumed / WINDOW if self.resumed else None  # version 0.2 logged a row at each checkpoint
        return json.loads(path.read_text()) if path and path.exists() else {}

    def window(self) -> dict[str, Any]:
        """Return what was measured since the last row of the curves, as JSON has it. All ranks call it."""
        metrics = getattr(self.trainer, "_metrics", {"train": {}})["train"]  # TRL's trainers have them
        losses = gather(float(self.trainer._tr_loss))
        since = self.trainer._globalstep_last_logged
        return {"since": since, "losses": losses, "metrics": dict(metrics), "seconds": round(self.seconds, 3)}

    def restore_window(self, window: dict[str, Any]) -> None:
        """Go on with what was measured since the last row of the curves, so that the next one is that of an undisturbed run."""
        losses = window["losses"]
        self.trainer._tr_loss += losses[rank()] if len(losses) == world_size() else math.fsum(losses) / len(losses)
        self.trainer._globalstep_last_logged = window["since"]
        for name, values in window["metrics"].items():
            self.trainer._metrics["train"][name].extend(values)

    def on_step_end(self, args, state, control, **_) -> None:
        step, compute, now = state.global_step, self.context.config.compute, time.perf_counter()
        control.should_log = step in self.log_steps
        control.should_evaluate = step in self.eval_steps
        due = compute.checkpoint_steps is not None and step % compute.checkpoint_steps == 0
        due |= self.checkpoint_is_due(step) or self.interrupted is not None
        if (due and step < state.max_steps and self.can_save(step)) or step in self.kept_steps:
            control.should_save = True
            self.saved_at = now
            take_time()
        if now - self.reported_at > 0.5:
            self.reported_at = now
            self.context.report(self.steps_done(step), {})

    def checkpoint_is_due(self, step: int) -> bool:
        """Return True if the last checkpoint is older than ``compute.checkpoint_minutes``, by the clock of the first rank, and
        note whether a signal has interrupted one of the ranks.

        The ranks have to wait for each other to agree on it, so they do it seldom: next after half of the remaining time, at
        the pace so far, or after :data:`AGREE_SECONDS`.
        """
        if step < self.next_clock_step:
            return False
        now, minutes = time.perf_counter(), self.context.config.compute.checkpoint_minutes
        left = math.inf if minutes is None else 60 * minutes - (now - self.saved_at)
        seconds_per_step = (now - self.start) / (step - self.first_step)
        steps_ahead = max(1, int(min(left / 2, AGREE_SECONDS) / seconds_per_step)) if world_size() > 1 else 1
        answers = gather((steps_ahead, left < 0, received()))
        steps_ahead, due, _ = answers[0]
        self.interrupted = self.interrupted or next((number for _, _, number in answers if number), None)
        self.next_clock_step = step + steps_ahead
        return due

    def on_log(self, args, state, control, logs: dict[str, float], **_) -> None:
        metrics = self.select_metrics(logs)
        if "lr" in metrics and self.lr_scale != 1:
            metrics["lr"] /= self.lr_scale
        self.write_row(metrics, state.global_step)

    def write_row(self, metrics: dict[str, float], step: int) -> None:
        """Write a row of the curves.

        :raises RunError: if a metric is not finite.
        """
        if not metrics:
            return
        for name, value in metrics.items():
            if not math.isfinite(value):
                raise RunError(f"training diverged: {name} is {value} at step {step}; lower optim.lr or raise optim.warmup")
        if rank():
            return
        row = {"step": step, **self.spent(step), **metrics}
        with (self.context.folder / HISTORY).open("a") as file:
            file.write(json.dumps({**row, "seconds": round(self.seconds, 3)}) + "\n")
        observer.spend(self.context.run.run_id, row["flops"], self.seconds)
        self.context.run.log({name: value for name, value in row.items() if name != "step"}, step)
        self.context.report(self.steps_done(step), metrics)
        observer.report(row["tokens"], metrics, self.context.config.stage.eval_every_tokens)

    def on_save(self, args, state, control, **_) -> None:
        self.context.run.flush()
        window = self.window()
        if not rank():
            observer.spend(self.context.run.run_id, self.spent(state.global_step)["flops"], self.seconds)
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            if state.global_step in self.kept_steps:
                # moved before it is complete: otherwise a kill here would leave a complete state outside the artifact
                target = self.context.folder / branching.KEPT / folder.name
                shutil.rmtree(target, ignore_errors=True)
                folder = folder.rename(target)
            shutil.copyfile(self.context.folder / HISTORY, folder / HISTORY)
            write_json(folder / WINDOW, window)
            branching.complete_checkpoint(folder, self.context.config.compute)
        if self.interrupted:
            barrier()  # the end of one rank ends the others
            raise Interrupted(self.interrupted)


def _evenly_spaced(steps: int, points: int) -> set[int]:
    """Return ``points`` evenly spaced steps of a run, the last step among them."""
    return {math.ceil(steps * (i + 1) / points) for i in range(points)}


def _steps_at_multiples(steps: int, batch_tokens: float, every: float | None) -> set[int]:
    """Return the first step at or after each multiple of ``every`` tokens."""
    if every is None:
        return set()
    return {math.ceil(every * i / batch_tokens) for i in range(1, int(steps * batch_tokens / every) + 1)}
