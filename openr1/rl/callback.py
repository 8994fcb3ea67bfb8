"""When a run of reinforcement learning logs, is examined, saves and ends, and what its curves say, all against compute."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from openr1.files import write_json
from openr1.rl.compute_ledger import ComputeLedger
from openr1.rl.evaluation import KEPT
from openr1.training.callback import HISTORY, Curves
from openr1.training.context import StageContext

if TYPE_CHECKING:
    from openr1.rl.rollouts import Rollouts

STATE = "rollouts.json"  # in a checkpoint: what was drawn and spent
OF_TRL = {"loss": "policy_loss", "learning_rate": "lr", "grad_norm": "grad_norm", "entropy": "entropy", "kl": "kl"}
OF_TRL |= {name: name for name in KEPT}
OF_TRL |= {"clip_ratio/region_mean": "clip_ratio", "cispo_clip_ratio": "clip_ratio", "reward_std": "reward_std"}
OF_TRL |= {"sampling/sampling_logp_difference/mean": "sampler_difference"}


class RlCurves(Curves):
    """Rows have cumulative FLOPs, so that any curve can be drawn against the compute of reinforcement learning."""

    def __init__(self, context: StageContext, rollouts: Rollouts) -> None:
        self.rollouts = rollouts
        self.marks = 0.0  # multiples of stage.eval_every_tokens that are behind
        super().__init__(context)

    @property
    def ledger(self) -> ComputeLedger:
        return self.rollouts.ledger

    def schedule(self) -> tuple[range, range]:
        stage, end = self.context.config.stage, self.context.budget.max_steps + 1
        return range(stage.log_every, end, stage.log_every), range(stage.eval.every, end, stage.eval.every)

    def may_save(self, step: int) -> bool:
        # between the updates of a rollout, its answers would have to be saved too
        return step % self.context.budget.rollout_steps == 0

    def spent(self, step: int) -> dict[str, float]:
        return self.ledger.row()

    def measured(self, logs: dict[str, float]) -> dict[str, float]:
        found = {OF_TRL[name]: float(value) for name, value in logs.items() if name in OF_TRL and value is not None}
        return found | self.rollouts.means() if "loss" in logs else found

    def done(self, step: int) -> int:
        budget = self.context.budget
        return step if budget.limit is None else min(budget.steps, int(self.ledger.flops / budget.limit * budget.steps))

    def resume(self) -> str | None:
        newest = super().resume()
        if newest is None:
            (self.context.folder / HISTORY).write_text("")  # the figures before the first step too
            return None
        saved = json.loads((Path(newest) / STATE).read_text())
        self.rollouts.ledger, self.rollouts.sampler.drawn = ComputeLedger(**saved["account"]), saved["drawn"]
        return newest

    def on_train_begin(self, args, state, control, **rest) -> None:
        super().on_train_begin(args, state, control, **rest)
        self.marks = self.ledger.tokens // (self.context.config.stage.eval_every_tokens or math.inf)
        if state.global_step == 0:
            self.write(self.trainer.look(), 0)

    def on_step_end(self, args, state, control, **rest) -> None:
        super().on_step_end(args, state, control, **rest)
        limit, step = self.context.budget.limit, state.global_step
        if limit is not None and self.may_save(step) and self.ledger.flops >= limit:
            control.should_training_stop = True
        control.should_evaluate |= control.should_training_stop or step == state.max_steps or self._beyond_mark()
        control.should_log |= control.should_evaluate  # what was measured since the last row is no part of an evaluation's

    def _beyond_mark(self) -> bool:
        """Whether this step is the first beyond a multiple of ``stage.eval_every_tokens``."""
        every = self.context.config.stage.eval_every_tokens
        if every is None:
            return False
        before, self.marks = self.marks, self.ledger.tokens // every
        return self.marks > before

    def on_save(self, args, state, control, **rest) -> None:
        saved = {"account": asdict(self.ledger), "drawn": self.rollouts.sampler.drawn}
        write_json(Path(args.output_dir) / f"checkpoint-{state.global_step}" / STATE, saved)
        super().on_save(args, state, control, **rest)
