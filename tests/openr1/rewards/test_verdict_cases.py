"""The labelled answers themselves: what other tests ask of the verdicts is there, and balanced."""

from collections import defaultdict

import pytest
from helpers.verdict_cases import KINDS, hostile, labelled

UNREADABLE = "no verdict"  # the group of gold answers that cannot be read


@pytest.mark.parametrize("kind", KINDS)
def test_a_group_has_right_and_wrong_answers(kind):
    groups = defaultdict(set)
    for case in labelled(kind):
        groups[case["group"]].add(case["right"])
    assert groups.pop(UNREADABLE, {None}) == {None}
    assert [name for name, rights in groups.items() if not {True, False} <= rights] == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_case_is_whole_and_there_once(kind):
    cases = labelled(kind)
    for case in cases:
        assert case["kind"] == kind
        assert case["right"] in (True, False, None)
        assert case.keys() - {"prompt"} == {"kind", "gold", "completion", "right", "group", "why"}
        assert case["why"]
    assert len({(case.get("prompt"), case["gold"], case["completion"]) for case in cases}) == len(cases)


def test_there_are_as_many_wrong_answers_as_right_ones():
    rights = [case["right"] for kind in KINDS for case in labelled(kind)]
    assert len(rights) > 400
    assert 0.45 < rights.count(True) / (rights.count(True) + rights.count(False)) < 0.55


def test_hostile_answers_are_long_and_many():
    cases = hostile()
    assert len(cases) > 100
    assert max(len(case["completion"]) for case in cases) > 1_000_000
