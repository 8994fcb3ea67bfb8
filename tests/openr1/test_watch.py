import pytest

from openr1 import watch
from openr1.errors import Pruned


class Told(watch.Watcher):
    def __init__(self, ends_at=None):
        super().__init__({"sweep": "a"})
        self.rows, self.ends_at = [], ends_at

    def report(self, tokens, metrics, every):
        self.rows.append((tokens, metrics["loss"], every))
        if tokens == self.ends_at:
            raise Pruned("by the test")


def test_nobody_need_watch():
    watch.report(1, {"loss": 1.0})
    watch.spend("run", 1.0, 1.0)
    watch.note(run_id="run")
    assert watch.tags() == {}


def test_what_a_run_says_reaches_whoever_watches_it():
    told = Told()
    with watch.watching(told):
        watch.report(9.6, {"loss": 1.0}, 5.0)
        watch.spend("run", 1.0, 1.0)
        watch.spend("run", 3.0, 2.0)
        with watch.unreported():
            watch.report(20, {"loss": 0.5})
            watch.spend("other", 1.0, 1.0)
            watch.note(run_id="other")
            assert watch.tags() == {"sweep": "a"}
    assert told.rows == [(10, 1.0, 5.0)]
    assert told.spent == {"run": {"flops": 3.0, "wall_seconds": 2.0}, "other": {"flops": 1.0, "wall_seconds": 1.0}}
    assert told.noted == {"run_id": "other"}


def test_a_run_is_ended_where_it_is_but_not_for_what_is_behind():
    told = Told(ends_at=1)
    with watch.watching(told):
        with pytest.raises(Pruned):
            watch.report(1, {"loss": 1.0})
        watch.report_again([{"tokens": 1, "loss": 1.0}, {"tokens": 2, "loss": 0.5}])
    assert [tokens for tokens, _, _ in told.rows] == [1, 1, 2]
