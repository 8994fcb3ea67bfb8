import numpy as np
import pytest
from helpers.tables import table

from openr1.curation import selection
from openr1.curation.options import Balance, Select
from openr1.curation.rows import Rows


def rows_of(rows):
    made = table(rows)
    return Rows(made, np.arange(len(made)))


def problems(count, samples=2, **columns):
    """``columns`` are functions of the problem's number."""
    return [
        {"problem_id": f"p{i}", "sample": s, **{name: value(i) for name, value in columns.items()}}
        for i in range(count)
        for s in range(samples)
    ]


def kept(rows, decision):
    ids = rows.column("problem_id").to_pylist()
    return [name for name, reason in zip(ids, decision.reasons, strict=True) if reason is None]


def test_balance_takes_as_many_problems_of_every_group_whole():
    rows = rows_of(problems(100, task=lambda i: "rare" if i % 10 == 0 else "often"))
    decision = selection.balance(rows, Balance(), "key")
    names = kept(rows, decision)
    assert len(names) == 2 * 20
    assert sum(int(name[1:]) % 10 == 0 for name in names) == 2 * 10
    assert all(names.count(name) == 2 for name in names)
    assert set(filter(None, decision.reasons)) == {"task often"}
    assert decision.notes == {"groups": 2, "problems a group, at most": 10}


def test_balance_draws_by_id_and_seed():
    rows = rows_of(problems(200))
    few, many = (set(kept(rows, selection.balance(rows, Balance(most=most), "key"))) for most in (50, 100))
    assert len(few) == 50
    assert few < many
    assert not few <= {f"p{i}" for i in range(60)}  # not the first ones
    assert few != set(kept(rows, selection.balance(rows, Balance(most=50, seed=1), "key")))
    backwards = rows_of(problems(200)[::-1])
    assert few == set(kept(backwards, selection.balance(backwards, Balance(most=50), "key")))


def test_balance_by_bins_of_difficulty():
    rows = rows_of(problems(40, samples=1, difficulty=lambda i: None if i >= 36 else i / 10, task=lambda i: "t"))
    decision = selection.balance(rows, Balance(by=["task", "difficulty"], bins=1, most=3), "key")
    difficulties = np.array([int(name[1:]) // 10 if int(name[1:]) < 36 else -1 for name in kept(rows, decision)])
    assert [(difficulties == level).sum() for level in (0, 1, 2, 3, -1)] == [3] * 5
    assert "task t, difficulty 2" in decision.reasons
    assert "task t, difficulty None" in decision.reasons


@pytest.mark.parametrize("column", ["task", "difficulty"])
def test_balance_does_not_cut_groups_down_to_the_problems_without_a_value(column):
    rows = rows_of(
        problems(50, samples=1, **{column: lambda i: None if i == 0 else ("ab" if column == "task" else [1, 2])[i % 2]})
    )
    names = kept(rows, selection.balance(rows, Balance(by=[column]), "key"))
    assert len(names) == 1 + 2 * 24


def test_balance_of_problems_without_any_value_keeps_them():
    rows = rows_of(problems(5, samples=1, difficulty=lambda i: None))
    assert len(kept(rows, selection.balance(rows, Balance(by=["difficulty"]), "key"))) == 5


@pytest.mark.parametrize("by", ["shortest", "longest", "random"])
def test_select_takes_no_row_without_a_completion(by):
    samples = [("aa", 2), (None, None), ("bbb", 3), (None, None)]
    rows = rows_of([{"problem_id": "p", "sample": i, "completion": text, "tokens": n} for i, (text, n) in enumerate(samples)])
    decision = selection.select(rows, Select(k=3, by=by), "key")
    assert decision.reasons.tolist() == [None, "no completion", None, "no completion"]
    reasons = selection.select(rows, Select(k=1, by=by), "key").reasons.tolist()
    assert reasons.count(None) == 1
    assert reasons[{"shortest": 0, "longest": 2}.get(by, reasons.index(None))] is None


LENGTHS = {"a": [3, 1, 2, 1], "b": [5], "c": [2, 2, 9]}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [1, 4, 5]),  # of two that are as short, the first
        ({"k": 2}, [1, 3, 4, 5, 6]),
        ({"by": "longest"}, [0, 4, 7]),
        ({"by": "longest", "k": 2}, [0, 2, 4, 5, 7]),
        ({"by": "all"}, [0, 1, 2, 3, 4, 5, 6, 7]),
    ],
)
def test_select_samples_of_every_problem_by_length(options, expected):
    rows = [
        {"problem_id": name, "sample": i, "tokens": tokens, "completion": "x" * (10 - tokens)}
        for name, each in LENGTHS.items()
        for i, tokens in enumerate(each)
    ]
    decision = selection.select(rows_of(rows), Select(**options), "key")
    assert np.flatnonzero(np.equal(decision.reasons, None)).tolist() == expected
    # where one row has no token count, all are compared by their characters
    uncounted = [{**row, "completion": "x" * row["tokens"]} for row in rows]
    uncounted[0]["tokens"] = None
    decision = selection.select(rows_of(uncounted), Select(**options), "key")
    assert np.flatnonzero(np.equal(decision.reasons, None)).tolist() == expected


def test_select_at_random_by_seed():
    rows = rows_of(problems(300, samples=4))
    first, again, other = (selection.select(rows, Select(by="random", seed=seed), "key").reasons for seed in (0, 0, 1))
    chosen = np.flatnonzero(np.equal(first, None))
    assert (chosen // 4).tolist() == list(range(300))
    assert np.bincount(chosen % 4).min() > 50
    assert first.tolist() == again.tolist() != other.tolist()
    assert first[1] in (None, "not among the 1 random")


def test_ranks_of_groups_that_are_mixed():
    groups, values = np.array([1, 0, 1, 0, 1]), np.array([2.0, 5.0, 1.0, 5.0, 2.0])
    assert selection.ranks(groups, values).tolist() == [1, 0, 0, 1, 2]
