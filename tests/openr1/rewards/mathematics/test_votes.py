"""Classes of equal answers."""

from openr1.rewards.mathematics import vote_classes
from openr1.rewards.mathematics.equality import are_equal
from openr1.rewards.mathematics.reader import read_answer


def test_equal_answers_are_one_class_in_whatever_form():
    assert vote_classes([r"\boxed{1/2}", None, r"\boxed{0.5}", r"\boxed{3}"]) == ["1/2", None, "1/2", "3"]


def test_a_ratio_is_not_equal_to_a_relation():
    ratio, relation = read_answer("x:2"), read_answer(r"x \ge 2")
    assert ratio is not None
    assert relation is not None
    assert not are_equal(ratio, relation)
    assert vote_classes([r"\boxed{1:2}", r"\boxed{x \ge 2}"]) == ["1:2", r"x \ge 2"]
