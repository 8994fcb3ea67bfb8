"""The learning rate of every step: warm-up, a stable phase at the peak, and decay.

``openr1.training.trainer`` gives the same schedules to transformers by name. Nothing heavy is imported, so that finished runs
can be read with them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from openr1.models.options import MtpOptions
from openr1.training.options import OptimConfig


@dataclass(frozen=True)
class Phases:
    """Schedule of a run in steps: warm-up, a stable phase at the peak, and decay."""

    steps: int
    warmup: int
    decay: int

    @property
    def stable_until(self) -> int:
        """Return the step up to which a longer run is the same."""
        return self.steps - self.decay


def phases_of(optim: OptimConfig, steps: int, batch_tokens: float | None) -> Phases:
    """Return the phases of a run. Cosine and linear schedules decay from the end of the warm-up on.

    :param batch_tokens: tokens of a step, for ``optim.warmup_tokens``.
    """
    if optim.warmup_tokens is None:
        warmup = round(optim.warmup * steps)
    else:
        assert batch_tokens is not None  # rollouts have no fixed number of tokens a step
        warmup = round(optim.warmup_tokens / batch_tokens)
    decay = {"wsd": round(optim.decay * steps), "constant": 0}.get(optim.schedule, steps - warmup)
    return Phases(steps, warmup, decay)


def weight_change(mtp: MtpOptions, steps: int) -> int:
    """Return the number of steps with the first weight of multi-token prediction; all of them if there is but one weight."""
    return steps if not mtp.depth or mtp.weight == mtp.weight_late else round(mtp.late_from * steps)


def learning_rates(optim: OptimConfig, phases: Phases, peak: float) -> np.ndarray:
    """Return the learning rates (steps + 1,) that are logged after 0, 1, ... steps.

    They are those of transformers' schedules ``warmup_stable_decay``, ``cosine_with_min_lr`` and ``constant_with_warmup``.
    """
    step, low = np.arange(phases.steps + 1), optim.min_lr_ratio
    rise = step / max(1, phases.warmup)
    fall = np.clip((step - phases.stable_until) / max(1, phases.decay), 0, 1)
    left = (1 + np.cos(np.pi * fall)) / 2 if optim.schedule == "cosine" else 1 - fall
    if optim.schedule in ("wsd", "linear"):  # their warm-up begins at the rate of the end
        rise = low + (1 - low) * rise
    return peak * np.where(step < phases.warmup, rise, low + (1 - low) * left)
