"""Trainer callback of reinforcement learning: decides when a run logs, evaluates, saves and ends, and writes its curves.

Every row of the curves has cumulative FLOPs, so any curve can be drawn against compute.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openr1.distributed.collectives import rank
from openr1.rl.budget import RolloutBudget
from openr1.rl.compute_ledger import ComputeLedger
from openr1.rl.evaluation import EVAL_METRICS
from openr1.system.errors import ConfigError
from openr1.system.files import write_json
from openr1.training.callback import HISTORY, TrainingCallback
from openr1.training.context import StageContext

if TYPE_CHECKING:
    from openr1.rl.rollouts import Rollouts

STATE = "rollouts.json"  # in a checkpoint: the ledger, and how many problems were drawn
# names of metrics in TRL's logs -> in the curves
TRL_METRIC_NAMES = {"loss": "policy_loss", "learning_rate": "lr", "grad_norm": "grad_norm", "entropy": "entropy", "kl": "kl"}
TRL_METRIC_NAMES |= {name: name for name in EVAL_METRICS}
TRL_METRIC_NAMES |= {"clip_ratio/region_mean": "clip_ratio", "cispo_clip_ratio": "clip_ratio", "reward_std": "reward_std"}
TRL_METRIC_NAMES |= {name: name for name in ("sampler_difference", "sampler_difference_max", "sampler_kl")}


class PolicyCallback(TrainingCallback):
    """Callback of a run that trains a policy on its own rollouts."""

    def __init__(self, context: StageContext, rollouts: Rollouts) -> None:
        self.rollouts = rollouts
        self.multiples_passed = 0.0  # multiples of stage.eval_every_tokens
        self.timed: tuple[int, dict[str, float]] = (0, {})  # step and seconds so far at the last point of the curves of time
        super().__init__(context)

    @property
    def ledger(self) -> ComputeLedger:
        """Return the compute that the run has spent so far."""
        return self.rollouts.ledger

    @property
    def budget(self) -> RolloutBudget:
        """Return the budget of the run."""
        assert isinstance(self.context.budget, RolloutBudget)
        return self.context.budget

    def log_and_eval_steps(self) -> tuple[range, range]:
        stage, end = self.context.config.stage, self.budget.max_steps + 1
        return range(stage.log_every, end, stage.log_every), range(stage.eval.every, end, stage.eval.every)

    def can_save(self, step: int) -> bool:
        # between the updates of one rollout, its answers would have to be saved too
        return step % self.budget.rollout_steps == 0

    def spent(self, step: int) -> dict[str, float]:
        return self.ledger.row()

    def select_metrics(self, logs: dict[str, float]) -> dict[str, float]:
        metrics = {
            TRL_METRIC_NAMES[name]: float(value)
            for name, value in logs.items()
            if name in TRL_METRIC_NAMES and value is not None
        }
        return metrics | self.rollouts.take_means() if "loss" in logs else metrics

    def window(self) -> dict[str, Any]:
        values = {name: list(map(float, given)) for name, given in self.rollouts.values.items()}
        return {**super().window(), "values": values}

    def restore_window(self, window: dict[str, Any]) -> None:
        super().restore_window(window)
        for name, values in window["values"].items():
            self.rollouts.values[name] += values

    def steps_done(self, step: int) -> int:
        budget = self.budget
        return step if budget.limit is None else min(budget.steps, int(self.ledger.flops / budget.limit * budget.steps))

    def prepare_resume(self) -> str | None:
        newest = super().prepare_resume()
        if newest is None:
            if not rank():
                (self.context.folder / HISTORY).write_text("")  # drops the evaluation before the first step too
            return None
        state = read_state(Path(newest))
        self.rollouts.ledger, self.rollouts.sampler.drawn = ComputeLedger(**state["ledger"]), state["drawn"]
        return newest

    def on_train_begin(self, args, state, control, **kwargs) -> None:
        super().on_train_begin(args, state, control, **kwargs)
        self.timed = (state.global_step, {})
        self._step_times(state.global_step)
        self.multiples_passed = self.ledger.tokens // (self.context.config.stage.eval_every_tokens or math.inf)
        if state.global_step == 0:
            self.write_row(self.trainer.evaluate_before_training(), 0)

    def on_step_begin(self, args, state, control, **kwargs) -> None:
        self.step_start = time.perf_counter()

    def on_step_end(self, args, state, control, **kwargs) -> None:
        self.ledger.step_seconds += time.perf_counter() - self.step_start
        super().on_step_end(args, state, control, **kwargs)
        limit, step = self.budget.limit, state.global_step
        if limit is not None and self.can_save(step) and self.ledger.flops >= limit:
            control.should_training_stop = True
        control.should_evaluate |= control.should_training_stop or step == state.max_steps or self._passes_multiple()
        control.should_log |= control.should_evaluate  # an evaluation's row holds nothing that was measured before it

    def write_row(self, metrics: dict[str, float], step: int) -> None:
        super().write_row(metrics, step)
        if not rank() and (times := self._step_times(step)):
            self.context.run.log(times, step)  # not in the artifact, whose curves are the same on every machine

    def _step_times(self, step: int) -> dict[str, float]:
        """Return the seconds of a step, and of its rollout, rewards and update, on average since the last row of the curves."""
        names = {"step": self.ledger.step_seconds}
        names |= {
            name.removesuffix("_seconds"): value for name, value in self.ledger.time_metrics().items() if "_seconds" in name
        }
        (last, before), self.timed = self.timed, (step, names)
        steps = step - last
        return {f"seconds_per_step_{name}": (names[name] - before[name]) / steps for name in names} if before and steps else {}

    def _passes_multiple(self) -> bool:
        """Return True if this step is the first beyond a multiple of ``stage.eval_every_tokens``."""
        every = self.context.config.stage.eval_every_tokens
        if every is None:
            return False
        before, self.multiples_passed = self.multiples_passed, self.ledger.tokens // every
        return self.multiples_passed > before

    def on_save(self, args, state, control, **kwargs) -> None:
        rollout_state = {"ledger": asdict(self.ledger), "drawn": self.rollouts.sampler.drawn}
        if not rank():
            write_json(Path(args.output_dir) / f"checkpoint-{state.global_step}" / STATE, rollout_state)
        super().on_save(args, state, control, **kwargs)


def read_state(checkpoint: Path) -> dict[str, Any]:
    """Read the ``ledger`` and the problems ``drawn`` by source from a checkpoint.

    :raises ConfigError: for a checkpoint of version 0.1.
    """
    state = json.loads((checkpoint / STATE).read_text())
    if "ledger" not in state:
        raise ConfigError(f"paths.outputs: {checkpoint} was written by version 0.1, which cannot be resumed; give a new folder")
    return state
