import numpy as np
import pytest
import torch
from helpers.configs import composed

from openr1.models.build import build
from openr1.models.families import FAMILIES
from openr1.models.shape import solve_shape
from openr1.system.errors import ConfigError
from openr1.training.packing import assign_rows, check_isolation, pack
from openr1.training.trainer import collate

VOCABULARY = 300


def examples(*lengths, prompt=2):
    rng = np.random.default_rng(0)
    return [
        {"input_ids": rng.integers(1, VOCABULARY, size=n), "completion_mask": (np.arange(n) >= prompt).astype(np.int64)}
        for n in lengths
    ]


def model(family, attention="sdpa"):
    config = composed(f"model={family}", "scale=50k", f"model.attention={attention}")
    options = {"sliding_window": 8} if family == "gemma3" else {}
    config.model.options = options
    return build(config.model, solve_shape(config.model, config.scale, VOCABULARY, 64), seed=0).eval()


def test_rows_are_filled_and_hold_every_item_once():
    lengths = [5, 9, 3, 3, 8, 1, 7]
    rows = assign_rows(lengths, 12)
    assert sorted(item for row in rows for item in row) == list(range(7))
    assert all(sum(lengths[item] for item in row) <= 12 for row in rows)
    assert len(rows) == 3  # 36 tokens


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("family", FAMILIES)
def test_an_example_in_a_row_is_as_it_is_alone(family, attention):
    net, given = model(family, attention), examples(11, 6, 5, 4, 9)
    batch = pack(given, 16)
    assert len(batch["input_ids"]) < len(given)
    with torch.no_grad():
        logits = net(input_ids=batch["input_ids"], position_ids=batch["position_ids"], use_cache=False).logits
        for example in given:
            ids = torch.from_numpy(example["input_ids"])
            alone = net(input_ids=ids[None], use_cache=False).logits[0]
            [(row, start)] = [
                (row, start)
                for row in range(len(logits))
                for start in range(logits.shape[1] - len(ids) + 1)
                if torch.equal(batch["input_ids"][row, start : start + len(ids)], ids)
            ]
            torch.testing.assert_close(logits[row, start : start + len(ids)], alone, atol=1e-5, rtol=1e-4)


def test_labels_are_those_of_the_completions():
    given = examples(6, 5, 4)
    packed, padded = pack(given, 16), collate(given)
    assert sorted(packed["labels"][packed["labels"] >= 0]) == sorted(padded["labels"][padded["labels"] >= 0])
    # nothing of one example is predicted from another
    first = packed["position_ids"] == 0
    assert (packed["labels"][first] == -100).all()
    bare = pack(examples(4, 4, prompt=0), 16)
    assert (bare["labels"] >= 0).sum() == 6


def test_packed_examples_that_attend_to_each_other_are_refused(monkeypatch):
    net = model("qwen2")
    check_isolation(net, VOCABULARY)
    forward = net.forward

    def blind(**inputs):
        inputs.pop("position_ids", None)
        return forward(**inputs)

    monkeypatch.setattr(net, "forward", blind)
    with pytest.raises(ConfigError, match=r"^stage\.packing: packed examples attend to each other with model\.attention=sdpa"):
        check_isolation(net, VOCABULARY)
