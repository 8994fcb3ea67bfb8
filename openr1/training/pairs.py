"""Training on preference pairs: their held-out evaluation, and the curves of a run."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
from transformers import PreTrainedModel

from openr1.data.sequences import Sequences
from openr1.distributed.collectives import gather, rank, world_size
from openr1.evaluation.preferences import preference_metrics
from openr1.models.reward_scoring import score_ids
from openr1.training.callback import TrainingCallback
from openr1.training.trainer import HeldOutEvaluation

CURVES = ("eval_loss", "eval_accuracy", "calibration_error")  # of an evaluation
TRAIN_CURVES = {"accuracy": "train_accuracy", "margin": "reward_difference"}  # names of TRL's trainer -> in the curves
SCORED = 64  # answers of a forward pass of an evaluation


class PairCallback(TrainingCallback):
    """Callback that also writes the curves of preferences."""

    def select_metrics(self, logs: dict[str, float]) -> dict[str, float]:
        """Return the metrics in a trainer's logs that belong in the curves, by the names of :mod:`openr1.tracking.mlflow`."""
        named = {name: name for name in CURVES} | TRAIN_CURVES
        return super().select_metrics(logs) | {named[name]: float(value) for name, value in logs.items() if name in named}


class PairEvaluation(HeldOutEvaluation):
    """Mixin of a Trainer: ``evaluate`` measures the rewards of the fixed held-out pairs.

    :ivar rewards: of the better and the worse answer of each pair when they were last measured, shape ``(pairs, 2)``.
    """

    rewards: np.ndarray

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Measure the metrics of the held-out pairs, log them, and call the callbacks, as ``Trainer.evaluate`` does."""
        start = time.perf_counter()
        with self.compute_loss_context_manager():
            self.rewards = score_pairs(self.model, self.held_out)
        found = preference_metrics(self.rewards, self.context.tokens.evaluation_prompts())
        metrics = {name: found[name] for name in CURVES}
        self.eval_seconds += time.perf_counter() - start
        training = self.model.training
        self.model.eval()  # TRL's log would otherwise write, and forget, what training measured since it last logged
        self.log(metrics)
        self.model.train(training)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


def score_pairs(model: PreTrainedModel, pairs: Sequences) -> np.ndarray:
    """Return the rewards of the better and the worse answer of each pair, shape ``(pairs, 2)``. The ranks share the work."""
    each = math.ceil(len(pairs) / world_size())
    # all ranks have as many pairs; the surplus does not count
    places = [min(rank() * each + i, len(pairs) - 1) for i in range(each)]
    rows = pairs.__getitems__(places)
    ids = [row[side] for row in rows for side in ("chosen_ids", "rejected_ids")]
    rewards = score_ids(model, ids, SCORED)
    shared = [reward for part in gather(rewards) for reward in part]
    return np.array(shared, dtype=float).reshape(-1, 2)[: len(pairs)]
