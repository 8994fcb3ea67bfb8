"""When a training run logs, evaluates and saves, what its curves say, and where it goes on after a kill."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Container
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from openr1.distributed import deepspeed
from openr1.distributed.collectives import agreed, rank, wait
from openr1.distributed.deepspeed import COMPLETE
from openr1.errors import RunError
from openr1.files import replacing
from openr1.tracking import observer
from openr1.training import branching
from openr1.training.context import StageContext

CHECKPOINTS = "checkpoints"
HISTORY = "history.jsonl"
NAMES = {"loss": "train_loss", "learning_rate": "lr", "grad_norm": "grad_norm"}
NAMES |= {name: name for name in ("eval_loss", "eval_bits_per_byte", "mean_token_accuracy")}


class Curves(TrainerCallback):
    """Decides when a run logs, evaluates and saves; writes its curves to the artifact and to the tracked run."""

    def __init__(self, context: StageContext) -> None:
        self.context = context
        self.trainer: Any = None
        self.before = 0.0  # seconds of training before a resume
        self.log_steps, self.eval_steps = self.schedule()
        self.kept = branching.kept_steps(context.config, context.budget, context.estimate.first_step)

    def schedule(self) -> tuple[Container[int], Container[int]]:
        """The steps at which a run logs, and those at which it evaluates."""
        budget, stage = self.context.budget, self.context.config.stage
        marks = _marks(budget.steps, budget.batch_tokens, stage.eval_every_tokens)
        return _evenly(budget.steps, stage.log_points), _evenly(budget.steps, stage.eval_points) | marks

    def may_save(self, step: int) -> bool:
        """Whether a run can go on from this step as if it had not stopped."""
        return True

    def spent(self, step: int) -> dict[str, float]:
        """What a run has used by this step."""
        tokens = step * self.context.budget.batch_tokens
        return {"tokens": tokens, "flops": tokens * self.context.budget.flops_per_token}

    def measured(self, logs: dict[str, float]) -> dict[str, float]:
        """Of what a trainer logs, what belongs in the curves, by the names of :mod:`openr1.tracking.mlflow`."""
        return {NAMES[name]: float(value) for name, value in logs.items() if name in NAMES}

    def done(self, step: int) -> int:
        """Of the steps that were foreseen."""
        return step - self.context.estimate.first_step

    def resume(self) -> str | None:
        """The newest whole checkpoint, the trunk's where there is no other, with the curves cut back to it."""
        marks = [
            mark for place in (CHECKPOINTS, branching.KEPT) for mark in (self.context.folder / place).glob(f"*/{COMPLETE}")
        ]
        whole = [mark.parent for mark in marks if mark.read_text() == deepspeed.layout(self.context.config.compute)]
        newest = agreed(max(whole, key=branching.step_of, default=None))
        begin = branching.checkpoint(self.context) if newest is None else None
        newest = newest or begin
        if rank():
            return str(newest) if newest else None
        path = self.context.folder / HISTORY
        rows = [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")] if path.exists() else []
        if begin:
            rows = [{**row, "seconds": 0.0} for row in self.context.inputs["trunk"].history()]
        rows = [row for row in rows if newest and row["step"] <= branching.step_of(newest)]
        for row in rows if begin else ():
            self.context.run.log({name: value for name, value in row.items() if name not in ("step", "seconds")}, row["step"])
        with replacing(path) as temporary:
            temporary.write_text("".join(json.dumps(row) + "\n" for row in rows))
        observer.report_again(rows, self.context.config.stage.eval_every_tokens)
        self.before = max((row["seconds"] for row in rows), default=0.0)
        return str(newest) if newest else None

    @property
    def seconds(self) -> float:
        """Wall-clock seconds of training, without evaluation."""
        return self.before + time.perf_counter() - self.start - self.trainer.eval_seconds

    def on_train_begin(self, args, state, control, **_) -> None:
        self.start = self.saved = self.shown = time.perf_counter()
        self.first_step = self.looks = state.global_step

    def on_step_end(self, args, state, control, **_) -> None:
        step, compute, now = state.global_step, self.context.config.compute, time.perf_counter()
        control.should_log = step in self.log_steps
        control.should_evaluate = step in self.eval_steps
        due = compute.checkpoint_steps is not None and step % compute.checkpoint_steps == 0
        due |= compute.checkpoint_minutes is not None and self.waited(step, 60 * compute.checkpoint_minutes)
        if (due and step < state.max_steps and self.may_save(step)) or step in self.kept:
            control.should_save = control.should_log = True
            self.saved = now
        if now - self.shown > 0.5:
            self.shown = now
            self.context.report(self.done(step), {})

    def waited(self, step: int, seconds: float) -> bool:
        """Whether the last checkpoint is so long ago, by the clock of the first rank.

        To ask it, the ranks wait for each other: they do when half of the time that is left has passed, at its pace of steps.
        """
        if step < self.looks:
            return False
        now = time.perf_counter()
        left = seconds - (now - self.saved)
        pace = (now - self.start) / (step - self.first_step)
        ahead, over = agreed((max(1, int(left / 2 / pace)), left < 0))
        self.looks = step + ahead
        return over

    def on_log(self, args, state, control, logs: dict[str, float], **_) -> None:
        self.write(self.measured(logs), state.global_step)

    def write(self, metrics: dict[str, float], step: int) -> None:
        """A row of the curves.

        :raises RunError: where a figure is not finite.
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
        self.context.report(self.done(step), metrics)
        observer.report(row["tokens"], metrics, self.context.config.stage.eval_every_tokens)

    def on_save(self, args, state, control, **_) -> None:
        self.context.run.flush()
        wait()
        if not rank():
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            if state.global_step in self.kept:
                # before it is whole: else a kill here would leave it where the artifact has it not
                target = self.context.folder / branching.KEPT / folder.name
                shutil.rmtree(target, ignore_errors=True)
                folder = folder.rename(target)
            (folder / COMPLETE).write_text(deepspeed.layout(self.context.config.compute))


def _evenly(steps: int, points: int) -> set[int]:
    """So many steps of a run, evenly spaced, the last among them."""
    return {math.ceil(steps * (i + 1) / points) for i in range(points)}


def _marks(steps: int, batch_tokens: float, every: float | None) -> set[int]:
    """The steps that come first to a multiple of ``every`` tokens."""
    if every is None:
        return set()
    return {math.ceil(every * i / batch_tokens) for i in range(1, int(steps * batch_tokens / every) + 1)}
