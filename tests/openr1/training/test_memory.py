import numpy as np

from openr1.training.memory import PeakMemory


def test_the_peak_is_of_what_was_in_use_at_once_since_it_began():
    first = PeakMemory("cpu")
    before = first.bytes()
    large = np.ones(25_000_000)  # 200 MB
    del large
    most = first.bytes()
    assert 190e6 < most - before < 260e6
    assert PeakMemory("cpu").bytes() < most - 100e6
