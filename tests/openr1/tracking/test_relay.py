"""The observer of a run on several processes receives the same calls as that of a run on one process, while the run goes on."""

import pytest

from openr1.system.errors import Pruned, RunError
from openr1.tracking import observer
from openr1.tracking.observer import RunObserver, observing
from openr1.tracking.relay import RelayObserver, Repeater


class Sweeper(RunObserver):
    def __init__(self, worst=None):
        super().__init__()
        self.worst, self.heard = worst, []

    def report(self, tokens, metrics, every):
        self.heard.append((tokens, metrics["eval_loss"], every))
        if self.worst is not None and metrics["eval_loss"] > self.worst:
            raise Pruned("by the test")


def tell():
    """Do what the first rank of a resumed run does."""
    observer.note(micro_batch=4)
    observer.report_again([{"tokens": 100, "eval_loss": 9.0}], every=100)
    observer.spend("run", 2e9, 1.5)
    observer.report(200.0, {"eval_loss": 2.0}, 100)


def test_an_observer_is_told_the_same_through_a_file(tmp_path):
    direct, relayed = Sweeper(), Sweeper()
    with observing(direct):
        tell()
    repeat = Repeater(tmp_path / "calls")
    with observing(relayed):
        repeat()  # nothing was written yet
    with observing(RelayObserver(tmp_path / "calls")):
        tell()
    with observing(relayed):
        repeat()
        repeat()
    assert relayed.heard == direct.heard == [(100, 9.0, 100), (200, 2.0, 100)]
    assert relayed.noted == direct.noted == {"micro_batch": 4}
    assert relayed.spent == direct.spent == {"run": {"flops": 2e9, "wall_seconds": 1.5}}


def test_a_row_ends_a_run_and_rows_that_were_there_before_do_not(tmp_path):
    calls, sweeper = tmp_path / "calls", Sweeper(worst=1.0)
    repeat = Repeater(calls)
    with observing(RelayObserver(calls)):
        tell()
        observer.spend("run", 3e9, 2.5)
    with observing(sweeper):
        with pytest.raises(Pruned):
            repeat()
        assert sweeper.spent["run"]["flops"] == 2e9
        repeat.finish()
    assert sweeper.spent["run"]["flops"] == 3e9


def test_the_last_calls_of_a_run_that_has_ended_change_nothing(tmp_path):
    calls = tmp_path / "calls"

    class Gone(Sweeper):
        def report(self, tokens, metrics, every):
            super().report(tokens, metrics, every)
            raise RunError("its worker is gone")

    with observing(RelayObserver(calls)):
        observer.report(1.0, {"eval_loss": 5.0}, None)
        observer.report(2.0, {"eval_loss": 5.0}, None)
    gone = Gone()
    with observing(gone):
        Repeater(calls).finish()
    assert [tokens for tokens, _, _ in gone.heard] == [1, 2]


def test_a_call_that_is_half_written_is_repeated_once_it_is_whole(tmp_path):
    calls, sweeper = tmp_path / "calls", Sweeper()
    with observing(RelayObserver(calls)):
        observer.report(7.0, {"eval_loss": 1.0}, None)
    whole = calls.read_bytes()
    calls.write_bytes(whole[:20])
    repeat = Repeater(calls)
    with observing(sweeper):
        repeat()
        assert not sweeper.heard
        calls.write_bytes(whole)
        repeat()
    assert sweeper.heard == [(7, 1.0, None)]
