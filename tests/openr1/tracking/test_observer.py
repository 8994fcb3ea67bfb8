import pytest

from openr1.system.errors import Pruned
from openr1.tracking import observer


class RecordingObserver(observer.RunObserver):
    def __init__(self, ends_at=None):
        super().__init__({"sweep": "a"})
        self.rows, self.ends_at = [], ends_at

    def report(self, tokens, metrics, every):
        self.rows.append((tokens, metrics["loss"], every))
        if tokens == self.ends_at:
            raise Pruned("by the test")


def test_a_run_needs_no_observer():
    observer.report(1, {"loss": 1.0})
    observer.spend("run", 1.0, 1.0)
    observer.note(run_id="run")
    assert observer.tags() == {}


def test_reports_of_a_run_reach_its_observer():
    recorder = RecordingObserver()
    with observer.observing(recorder):
        observer.report(9.6, {"loss": 1.0}, 5.0)
        observer.spend("run", 1.0, 1.0)
        observer.spend("run", 3.0, 2.0)
        with observer.unreported():
            observer.report(20, {"loss": 0.5})
            observer.spend("other", 1.0, 1.0)
            observer.note(run_id="other")
            assert observer.tags() == {"sweep": "a"}
    assert recorder.rows == [(10, 1.0, 5.0)]
    assert recorder.spent == {"run": {"flops": 3.0, "wall_seconds": 2.0}, "other": {"flops": 1.0, "wall_seconds": 1.0}}
    assert recorder.noted == {"run_id": "other"}


def test_an_observer_ends_a_run_but_not_for_rows_reported_again():
    recorder = RecordingObserver(ends_at=1)
    with observer.observing(recorder):
        with pytest.raises(Pruned):
            observer.report(1, {"loss": 1.0})
        observer.report_again([{"tokens": 1, "loss": 1.0}, {"tokens": 2, "loss": 0.5}])
    assert [tokens for tokens, _, _ in recorder.rows] == [1, 1, 2]
