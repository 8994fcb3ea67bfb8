import pytest
import torch

from openr1.engines.options import Sampling
from openr1.engines.sampling import draw, sampling_distribution, uniforms

LOGITS = torch.tensor([[2.0, 1.0, 0.0, -1.0, -30.0]])


def frequencies(sampling, count=40_000):
    tokens, _ = draw(LOGITS.expand(count, -1), uniforms(3, count), sampling)
    return torch.bincount(tokens, minlength=5) / count


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        (Sampling(), LOGITS[0].softmax(-1)),
        (Sampling(temperature=0.5), (LOGITS[0] / 0.5).softmax(-1)),
        (Sampling(top_k=2), torch.tensor([0.7311, 0.2689, 0, 0, 0])),
        # shares are .644 .237 .087 .032: the two likeliest hold .881, so the third is needed for .9
        (Sampling(top_p=0.9), torch.tensor([0.6652, 0.2447, 0.0900, 0, 0])),
        (Sampling(top_p=0.5), torch.tensor([1.0, 0, 0, 0, 0])),
        # of the three likeliest, .665 and .245 hold .9
        (Sampling(top_k=3, top_p=0.9), torch.tensor([0.7311, 0.2689, 0, 0, 0])),
        (Sampling(temperature=0), torch.tensor([1.0, 0, 0, 0, 0])),
    ],
)
def test_tokens_come_as_often_as_they_should(sampling, expected):
    assert torch.allclose(frequencies(sampling), expected, atol=0.01)


def test_what_is_cut_off_never_comes():
    assert frequencies(Sampling(top_k=3))[3:].sum() == 0
    assert frequencies(Sampling(top_p=0.9))[3:].sum() == 0


def test_logprobs_are_the_models_own_whatever_the_sampling():
    expected = LOGITS[0].log_softmax(-1)
    for sampling in (Sampling(), Sampling(temperature=0), Sampling(temperature=3.0, top_k=2)):
        tokens, logprobs = draw(LOGITS.expand(20, -1), uniforms(0, 20), sampling)
        assert torch.allclose(logprobs, expected[tokens], atol=1e-6)


def test_a_row_draws_the_same_whatever_is_beside_it():
    torch.manual_seed(0)
    flat, peaked = torch.randn(1, 5000) * 0.01, torch.randn(1, 5000) * 5
    rows, numbers = torch.cat([peaked, flat] * 8), uniforms(1, 16)
    for sampling in (Sampling(), Sampling(top_p=0.9), Sampling(top_k=50, top_p=0.7)):
        together, together_logprobs = draw(rows, numbers, sampling)
        for i in range(16):
            alone, logprob = draw(rows[i : i + 1], numbers[i : i + 1], sampling)
            assert alone[0] == together[i]
            assert logprob[0] == together_logprobs[i]


def test_the_nucleus_of_a_flat_distribution_is_wide():
    """Wider than what is looked at first: of 1,000 tokens with shares that fall evenly to 0, 293 hold a half."""
    logits = torch.arange(1000, 0, -1).log()
    tokens, _ = draw(logits.expand(20_000, -1), uniforms(0, 20_000), Sampling(top_p=0.5))
    assert 285 < tokens.max() <= 293


def test_more_numbers_begin_with_fewer():
    assert torch.equal(uniforms(7, 5), uniforms(7, 500)[:5])
    assert not torch.equal(uniforms(7, 5), uniforms(8, 5))
    assert 0 <= uniforms(7, 500).min() <= uniforms(7, 500).max() < 1


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        (Sampling(temperature=0.5), (LOGITS[0] / 0.5).softmax(-1)),
        (Sampling(top_k=2), torch.tensor([0.7311, 0.2689, 0, 0, 0])),
        (Sampling(top_p=0.9), torch.tensor([0.6652, 0.2447, 0.0900, 0, 0])),
        (Sampling(top_k=3, top_p=0.9, temperature=2.0), (LOGITS[0, :3] / 2).softmax(-1)),
    ],
)
def test_the_distribution_that_tokens_are_drawn_from(sampling, expected):
    tokens, _ = draw(LOGITS.expand(200, -1), uniforms(0, 200), sampling)
    logprobs, kept = sampling_distribution(LOGITS.expand(200, -1), tokens, sampling)
    assert torch.allclose(logprobs.exp(), expected[tokens], atol=1e-4)
    if not sampling.truncates:
        assert kept is None
        return
    assert kept[0].nonzero()[:, 0].tolist() == list(range(int((expected > 0).sum())))
    assert kept.gather(-1, tokens[:, None]).all()
