import pytest

from openr1.errors import Pruned
from openr1.tracking import observer


class Told(observer.RunObserver):
    def __init__(self, ends_at=None):
        super().__init__({"sweep": "a"})
        self.rows, self.ends_at = [], ends_at

    def report(self, tokens, metrics, every):
        self.rows.append((tokens, metrics["loss"], every))
        if tokens == self.ends_at:
            raise Pruned("by the test")


def test_nobody_need_watch():
    observer.report(1, {"loss": 1.0})
    observer.spend("run", 1.0, 1.0)
    observer.note(run_id="run")
    assert observer.tags() == {}


def test_what_a_run_says_reaches_whoever_watches_it():
    told = Told()
    with observer.observing(told):
        observer.report(9.6, {"loss": 1.0}, 5.0)
        observer.spend("run", 1.0, 1.0)
        observer.spend("run", 3.0, 2.0)
        with observer.unreported():
            observer.report(20, {"loss": 0.5})
            observer.spend("other", 1.0, 1.0)
            observer.note(run_id="other")
            assert observer.tags() == {"sweep": "a"}
    assert told.rows == [(10, 1.0, 5.0)]
    assert told.spent == {"run": {"flops": 3.0, "wall_seconds": 2.0}, "other": {"flops": 1.0, "wall_seconds": 1.0}}
    assert told.noted == {"run_id": "other"}


def test_a_run_is_ended_where_it_is_but_not_for_what_is_behind():
    told = Told(ends_at=1)
    with observer.observing(told):
        with pytest.raises(Pruned):
            observer.report(1, {"loss": 1.0})
        observer.report_again([{"tokens": 1, "loss": 1.0}, {"tokens": 2, "loss": 0.5}])
    assert [tokens for tokens, _, _ in told.rows] == [1, 1, 2]
