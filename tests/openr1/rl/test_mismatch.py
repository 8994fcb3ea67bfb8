import math

import pytest
import torch

from openr1.rl.mismatch import mismatch, truncated_weights
from openr1.rl.preflight import check_probabilities
from openr1.system.errors import RunError

NAN = math.nan


def test_the_mismatch_is_that_of_the_tokens_that_count():
    trainer = torch.tensor([[-1.0, -2.0, 0.0], [-0.5, -3.0, -9.0]])
    sampler = torch.tensor([[-1.5, -2.0, 0.0], [-0.4, NAN, -1.0]])
    mask = torch.tensor([[1, 1, 0], [1, 1, 0]])
    # the differences that count are .5, 0 and -.1; the sampler could not tell a fourth
    found = mismatch(trainer, sampler, mask).metrics()
    assert found["sampler_difference"] == pytest.approx(0.2)
    assert found["sampler_difference_max"] == pytest.approx(0.5)
    k3 = (math.exp(0.5) - 1 - 0.5) + (math.exp(-0.1) - 1 + 0.1)
    assert found["sampler_kl"] == pytest.approx(k3 / 3)
    assert mismatch(trainer, sampler, torch.zeros(2, 3)).metrics() == {}


def test_the_divergence_is_estimated_without_bias():
    sampler, trainer = torch.tensor([0.7, 0.2, 0.1]), torch.tensor([0.5, 0.2, 0.3])
    exact = (sampler * (sampler / trainer).log()).sum()
    tokens = torch.multinomial(sampler, 200_000, replacement=True, generator=torch.Generator().manual_seed(0))
    found = mismatch(trainer.log()[tokens][None], sampler.log()[tokens][None], torch.ones(1, len(tokens))).metrics()
    assert found["sampler_kl"] == pytest.approx(exact.item(), rel=0.02)


def test_weights_are_ratios_up_to_a_cap():
    trainer, sampler = torch.tensor([-1.0, -1.0, -1.0, -1.0]), torch.tensor([-1.0, -1.5, -3.0, NAN])
    assert truncated_weights(trainer, sampler, 2.0).tolist() == pytest.approx([1.0, math.exp(0.5), 2.0, 1.0])


def test_a_sampler_that_tells_no_probability_is_not_checked():
    unknown = mismatch(torch.zeros(1, 2), torch.full((1, 2), NAN), torch.ones(1, 2))
    assert check_probabilities(unknown, bfloat16=False) is None
    wrong = mismatch(torch.zeros(1, 2), torch.full((1, 2), -1.0), torch.ones(1, 2))
    with pytest.raises(RunError, match=r"^the sampler's log-probabilities differ by 1 nats a token"):
        check_probabilities(wrong, bfloat16=False)
