import pytest

from openr1.options.near import did_you_mean, near_names

NAMES = ["eval_loss", "train_loss", "optim.lr", "budget.resolved.lr", "scale", "seed"]


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("eval_los", ["eval_loss"]),
        ("lr", ["optim.lr", "budget.resolved.lr"]),
        ("Scale", ["scale"]),
        ("completely different", []),
    ],
)
def test_names_that_are_near(name, near):
    assert near_names(name, NAMES)[: max(1, len(near))] == near


def test_the_end_of_a_message():
    assert did_you_mean("sead", NAMES) == "; did you mean seed?"
    assert did_you_mean("xyz", ["b", "a"]) == "; there are a, b"
    assert did_you_mean("xyz", []) == ""
    assert did_you_mean("xyz", [f"{number:02}" for number in range(30)]).endswith("19 and 10 more")
