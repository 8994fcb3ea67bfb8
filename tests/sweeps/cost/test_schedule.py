import pytest

from openr1.sweeps.cost.schedule import schedule


@pytest.mark.parametrize(
    ("runs", "workers", "seconds"),
    [
        ([[("a", 5.0)]], 4, 15.0),
        ([[("a", 5.0)], [("b", 3.0)]], 1, 18.0),
        ([[("a", 5.0)], [("b", 3.0)], [("c", 3.0)]], 2, 16.0),  # c begins when b ends
        ([[("a", 3.0)], [("b", 3.0)], [("c", 5.0)]], 2, 18.0),  # the longest last
        ([[("base", 5.0), ("x", 1.0)], [("base", 5.0), ("y", 2.0)]], 2, 17.0),  # the second waits for what the first makes
        ([[("base", 5.0), ("x", 1.0)], [("base", 5.0), ("y", 2.0)]], 1, 18.0),
    ],
)
def test_runs_begin_on_the_first_worker_that_is_free(runs, workers, seconds):
    assert schedule([runs], workers, start=10.0) == seconds


def test_nothing_to_do_takes_no_time():
    assert schedule([], 2, 10.0) == schedule([[], []], 2, 10.0) == 0.0


def test_a_round_waits_for_the_one_before():
    assert schedule([[[("a", 5.0)], [("b", 1.0)]], [[("c", 2.0)]]], 2, start=10.0) == 17.0
