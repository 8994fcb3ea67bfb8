from itertools import cycle, repeat

import numpy as np
import pytest

from openr1.data.mixture import draw, interleave, permutation, place


@pytest.mark.parametrize("sources", [1, 2, 3, 6, 12])
@pytest.mark.parametrize("spread", [0.3, 5.0])
def test_every_prefix_is_within_one_sequence_of_the_weights(sources, spread):
    shares = np.random.default_rng(sources).dirichlet(np.full(sources, spread))
    choice = interleave(shares.tolist(), [repeat(128)] * sources, sequences=3000)
    counts = np.cumsum(choice[:, None] == np.arange(sources), axis=0)
    assert np.abs(counts - np.arange(1, 3001)[:, None] * shares).max() < 1


def test_weights_count_tokens_where_lengths_differ():
    rng = np.random.default_rng(0)
    tables = [rng.integers(1, 50, 97).tolist(), rng.integers(20, 200, 89).tolist(), rng.integers(1, 10, 83).tolist()]
    shares = np.array([0.5, 0.3, 0.2])
    choice = interleave(shares.tolist(), [cycle(table) for table in tables], sequences=5000)
    supply = [cycle(table) for table in tables]
    lengths = np.array([next(supply[source]) for source in choice])
    used = np.cumsum(lengths[:, None] * (choice[:, None] == np.arange(3)), axis=0)
    assert np.abs(used - np.cumsum(lengths)[:, None] * shares).max() < 200


def test_it_stops_before_too_many_tokens_and_at_the_end_of_a_source():
    assert len(interleave([0.5, 0.5], [repeat(10), repeat(10)], tokens=99)) == 9
    assert interleave([0.5, 0.5], [repeat(10), iter([10, 10])]).tolist() == [0, 1, 0, 1]


def test_each_epoch_is_a_permutation_of_its_own():
    orders = []
    lengths = np.arange(1, 101)
    source = draw(lengths, seed=3, source="a", orders=orders)
    drawn = [next(source) for _ in range(250)]
    assert sorted(drawn[:100]) == sorted(drawn[100:200]) == lengths.tolist()
    assert drawn[:100] != drawn[100:200]
    assert len(orders) == 3
    assert not np.array_equal(orders[0], permutation(100, 4, "a", 0))
    assert not np.array_equal(orders[0], permutation(100, 3, "b", 0))


def test_permutations_are_the_same_on_every_machine():
    assert permutation(8, 0, "stdlib", 0).tolist() == [4, 3, 2, 7, 5, 6, 1, 0]


def test_sequences_are_taken_in_the_order_of_their_source():
    choice = np.array([0, 1, 0, 0, 1], dtype=np.uint16)
    assert place(choice, [np.array([7, 8, 9, 10]), np.array([3, 2, 1])]).tolist() == [7, 3, 8, 9, 2]
