"""The learning rate of every step, against the schedules that train."""

import numpy as np
import pytest
import torch
from transformers import get_scheduler

from openr1.training.options import OptimConfig
from openr1.training.schedule import Phases, learning_rates, phases_of


def trained(optim, phases, peak):
    """Return the rates after 0, 1, ... steps by the schedule that the trainer asks transformers for."""
    name, options = {
        "cosine": ("cosine_with_min_lr", {"min_lr_rate": optim.min_lr_ratio}),
        "constant": ("constant_with_warmup", {}),
    }.get(
        optim.schedule,
        (
            "warmup_stable_decay",
            {"num_decay_steps": phases.decay, "decay_type": "linear", "min_lr_ratio": optim.min_lr_ratio},
        ),
    )
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=peak)
    schedule = get_scheduler(name, optimiser, phases.warmup, phases.steps, scheduler_specific_kwargs=options)
    rates = [schedule.get_last_lr()[0]]
    for _ in range(phases.steps):
        optimiser.step()
        schedule.step()
        rates.append(schedule.get_last_lr()[0])
    return np.array(rates)


@pytest.mark.parametrize("schedule", ["wsd", "cosine", "linear", "constant"])
@pytest.mark.parametrize("warmup", [0.0, 0.1])
@pytest.mark.parametrize("low", [0.0, 0.1])
def test_the_rates_are_those_of_training(schedule, warmup, low):
    optim = OptimConfig(schedule=schedule, warmup=warmup, min_lr_ratio=low)
    phases = phases_of(optim, 50, None)
    assert learning_rates(optim, phases, 3e-4) == pytest.approx(trained(optim, phases, 3e-4), abs=1e-12)


def test_a_warm_up_in_tokens_has_its_own_number_of_steps():
    optim = OptimConfig(schedule="wsd", warmup_tokens=4096, decay=0.5)
    assert phases_of(optim, 100, 512) == Phases(100, 8, 50)
    assert phases_of(optim, 100, 512).stable_until == 50
