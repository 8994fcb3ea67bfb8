import numpy as np
import pytest
import torch
from helpers.models import write_model
from transformers import AutoModelForCausalLM

from openr1.engines.base import KeptTokens
from openr1.rl.answer_scoring import Rows, score_answers, truncated_scores

LENGTHS = [(3, 5), (1, 9), (7, 1), (2, 0), (4, 12), (1, 2), (6, 6)]  # tokens of prompt and answer


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return AutoModelForCausalLM.from_pretrained(write_model(tmp_path_factory.mktemp("model"))).eval()


@pytest.fixture(scope="module")
def rectangle():
    """Token ids [rows, 7 + 12] and their mask as TRL has them, and the tokens of each row."""
    torch.manual_seed(0)
    texts = [torch.randint(10, 250, (prompt + answer,)) for prompt, answer in LENGTHS]
    ids, mask = torch.zeros(len(LENGTHS), 19, dtype=torch.long), torch.zeros(len(LENGTHS), 19, dtype=torch.long)
    for row, ((prompt, answer), text) in enumerate(zip(LENGTHS, texts, strict=True)):
        ids[row, 7 - prompt : 7 + answer], mask[row, 7 - prompt : 7 + answer] = text, 1
    return ids, mask, texts


def scorer(model, seen):
    def score(rows):
        seen.append(tuple(rows.ids.shape))
        logprobs = model(input_ids=rows.ids).logits[:, :-1].log_softmax(-1)
        entropies = -(logprobs.exp() * logprobs).sum(-1)
        return logprobs.gather(-1, rows.labels[:, 1:].clamp(min=0)[..., None])[..., 0], entropies

    return score


@torch.no_grad()
def test_answers_have_the_scores_that_each_has_alone(model, rectangle):
    ids, mask, texts = rectangle
    seen = []
    logprobs, entropies = score_answers(ids, mask, 12, scorer(model, seen), size=3)
    assert seen == [(3, 8), (3, 12), (1, 16)]  # rows of like length together, without the padding of the longest
    for row, ((prompt, answer), text) in enumerate(zip(LENGTHS, texts, strict=True)):
        alone = model(input_ids=text[None]).logits[0, prompt - 1 : -1].log_softmax(-1)
        chosen = alone.gather(-1, text[prompt:, None])[:, 0] if answer else torch.zeros(0)
        assert torch.allclose(logprobs[row, :answer], chosen, atol=1e-5)
        assert torch.allclose(entropies[row, :answer], -(alone.exp() * alone).sum(-1)[:answer], atol=1e-5)
        assert not logprobs[row, answer:].any()
        assert not entropies[row, answer:].any()


@torch.no_grad()
def test_scores_do_not_depend_on_how_many_rows_are_computed_at_once(model, rectangle):
    ids, mask, _ = rectangle
    one, all_of_them = (score_answers(ids, mask, 12, scorer(model, []), size=size) for size in (1, 100))
    for first, second in zip(one, all_of_them, strict=True):
        assert torch.allclose(first, second, atol=1e-5)


def test_a_truncated_policy_is_renormalised_over_what_the_sampler_kept():
    """By hand: at temperature 2 the logits 2, 0, 4 are 1, 0, 2; of the first two, e/(e + 1) and 1/(e + 1) are left."""
    logits = torch.tensor([[[9.0, 9.0, 9.0], [2.0, 0.0, 4.0], [2.0, 0.0, 4.0], [0.0, 0.0, 0.0]]], requires_grad=True)
    rows = Rows(torch.tensor([0]), torch.tensor([[1, 2, 0, 2]]), prompts=torch.tensor([2]), answers=torch.tensor([2]))
    kept = KeptTokens(np.array([0, 1, 2], dtype=np.int32), np.array([2, 1], dtype=np.int32))
    logprobs, entropies = truncated_scores(logits, rows, [kept], temperature=2.0)
    e = float(np.e)
    likely, unlikely = e / (e + 1), 1 / (e + 1)
    assert logprobs[0].tolist() == pytest.approx([0, np.log(likely), 0])
    assert entropies[0].tolist() == pytest.approx([0, -likely * np.log(likely) - unlikely * np.log(unlikely), 0])
    logprobs.sum().backward()
    # the gradient of a log-probability: 1 - p for the token itself, -p for others that were kept, over the temperature
    assert logits.grad[0, 1].tolist() == pytest.approx([(1 - likely) / 2, -unlikely / 2, 0])
    assert not logits.grad[0, [0, 2, 3]].any()  # a token that was kept alone teaches nothing


def test_scores_of_truncation_are_unbiased():
    """The mean of ``p_new(a) / p_old(a)`` over answers that top-k has drawn is 1, and the whole policies' ratio is not."""
    old, new = torch.tensor([2.0, 1.0, 0.5, -1.0]), torch.tensor([1.0, 1.5, 0.0, 2.0])
    chances = old[:2].softmax(-1)  # top-k keeps two
    kept = KeptTokens(np.array([0, 1], dtype=np.int32), np.array([2], dtype=np.int32))
    ratios = []
    for token in (0, 1):
        rows = Rows(torch.tensor([0]), torch.tensor([[3, token]]), torch.tensor([1]), torch.tensor([1]))
        after, before = (truncated_scores(x.expand(1, 2, 4), rows, [kept], 1.0)[0][0, 0] for x in (new, old))
        ratios.append((after - before).exp())
    assert float(chances @ torch.stack(ratios)) == pytest.approx(1)
    whole = (new.log_softmax(-1) - old.log_softmax(-1))[:2].exp()
    assert float(chances @ whole) < 0.6
