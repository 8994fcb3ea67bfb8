import pytest
from helpers.damage import FAULTS
from mlflow.exceptions import MlflowException

from openr1.system.errors import StoreError
from openr1.system.records import read_sealed
from openr1.tracking import mlflow as tracking
from openr1.tracking import patience
from openr1.tracking.options import TrackingConfig
from openr1.tracking.outbox import UNSENT, Outbox

METHODS = ("log_batch", "log_text", "log_table", "log_artifact", "log_inputs", "set_terminated")


@pytest.fixture
def config(tmp_path):
    return TrackingConfig(uri=f"sqlite:///{tmp_path}/mlflow.db", artifacts=f"{tmp_path}/artifacts")


@pytest.fixture
def away(config, monkeypatch):
    """Return a function that lets the store be away, or full, or locked."""
    monkeypatch.setattr(patience, "AWAY_SECONDS", 0.0)
    store = tracking.client(config.uri)

    def begin(error):
        def fails(*_, **__):
            raise error

        for method in METHODS:
            monkeypatch.setattr(store, method, fails)

    def end():
        for method in METHODS:
            monkeypatch.delattr(store, method)

    begin.end = end
    return begin


def track(config, keep):
    return tracking.track(config, "s", "name", {"stage": "pretrain"}, {"a": 1}, {"seed": 3}, keep=keep)


ERRORS = [
    ConnectionError("no answer"),
    MlflowException("(sqlite3.OperationalError) database is locked"),
    MlflowException("(sqlite3.OperationalError) database or disk is full"),
]


@pytest.mark.parametrize("error", ERRORS, ids=str)
def test_what_a_store_misses_at_the_end_is_kept_and_sent_by_the_next_command(config, away, tmp_path, error, capsys):
    card = tmp_path / "card.md"
    card.write_text("a card")

    def ends_alone():
        with track(config, tmp_path) as run:
            runs.append(run)
            away(error)
            for step in (1, 2):
                run.log({"flops": float(step), "reward": float("nan")}, step)
            run.log_dataset("text", "abc", {"tokens": 5}, "training")
            run.log_table([{"x": 1}], "table.json", 1)
            run.log_text("a", "b.txt")
            run.log_file(card)
            run.tag(a="b")
            run.summarise({"eval_loss": 3.0}, 2)

    runs = []
    with pytest.raises(
        StoreError, match=r"^[^\n]*; the run is complete; the next command that tracks there sends what is kept in "
    ):
        ends_alone()
    assert sum(line.endswith("the run continues") for line in capsys.readouterr().err.splitlines()) == 1
    (kept,) = (tmp_path / UNSENT).glob("*.json")
    away.end()
    tracking.send_kept(config, tmp_path)
    assert not kept.exists()
    read = tracking.read_run(config.uri, runs[0].run_id)
    assert (read.status, read.tags["a"], read.metrics["eval_loss"]) == ("FINISHED", "b", 3.0)
    assert "failure" not in read.tags
    assert len(tracking.read_history(config.uri, runs[0].run_id, ["flops"])) == 2
    files = {file.path for file in tracking.client(config.uri).list_artifacts(runs[0].run_id)}
    assert files >= {"table.json", "b.txt", "card.md"}
    (logged,) = tracking.client(config.uri).get_run(runs[0].run_id).inputs.dataset_inputs
    assert logged.dataset.name == "text"


def test_what_is_kept_for_another_store_stays(config, tmp_path):
    outbox = Outbox(None, "r")
    outbox.add("tags", {"a": "b"})
    outbox.keep(tmp_path / UNSENT / "r.json", "http://another")
    tracking.send_kept(config, tmp_path)
    assert (tmp_path / UNSENT / "r.json").exists()


def test_what_is_kept_for_a_run_that_was_deleted_is_dropped_with_a_warning(config, tmp_path, capsys):
    with track(config, tmp_path) as run:
        pass
    tracking.client(config.uri).delete_run(run.run_id)
    run.outbox.add("tags", {"a": "b"})
    assert run.keep()
    tracking.send_kept(config, tmp_path)
    assert not list((tmp_path / UNSENT).glob("*.json"))
    assert "warning: tracking.uri: " in capsys.readouterr().err


def test_only_the_rest_is_kept_again(config, tmp_path, monkeypatch):
    with track(config, tmp_path) as run:
        pass
    run.outbox.add("text", ["a", "b.txt"])
    run.outbox.add("tags", {"a": "b"})
    assert run.keep()

    def fails(*_, **__):
        raise ConnectionError

    monkeypatch.setattr(patience, "AWAY_SECONDS", 0.0)
    monkeypatch.setattr(tracking.client(config.uri), "log_batch", fails)
    with pytest.raises(StoreError):
        tracking.send_kept(config, tmp_path)
    (kept,) = (tmp_path / UNSENT).glob("*.json")
    assert read_sealed(kept)["items"] == [["tags", {"a": "b"}]]


def test_a_run_takes_over_what_another_of_its_processes_has_kept(config, tmp_path):
    other = Outbox(None, "")
    with track(config, tmp_path) as run:
        other.add("metrics", [["flops", 7.0, 0, 1]])
        other.keep(tmp_path / UNSENT / f"{run.run_id}.json", config.uri)
        run.take(tmp_path)
        run.take(tmp_path)
    assert tracking.read_run(config.uri, run.run_id).metrics["flops"] == 7.0


def test_values_beyond_the_limits_of_the_store_are_cut(config):
    long = "x" * 9000
    with tracking.track(config, "s", long, {"stage": "a", "b": long, long: "c"}, {"p": long, long: 1}, {}) as run:
        run.tag(late=long)
        run.log({long: 1.0}, 1)
        run.log_dataset(long, "abc", {}, "training")
    read = tracking.read_run(config.uri, run.run_id)
    assert (len(read.name), len(read.tags["b"]), len(read.tags["late"]), len(read.params["p"])) == (250, 5000, 5000, 6000)
    (logged,) = tracking.client(config.uri).get_run(run.run_id).inputs.dataset_inputs
    assert len(logged.dataset.name) == 500


def test_a_run_that_is_interrupted_while_it_waits_for_the_store_is_killed(config, monkeypatch):
    interrupts = [True]

    def interrupted(*values, **named):
        if interrupts.pop() if interrupts else False:
            raise KeyboardInterrupt
        return set_terminated(*values, **named)

    def ends():
        with track(config, None) as run:
            runs.append(run.run_id)
            monkeypatch.setattr(store, "set_terminated", interrupted)

    store, runs = tracking.client(config.uri), []
    set_terminated = store.set_terminated
    with pytest.raises(KeyboardInterrupt):
        ends()
    assert tracking.read_run(config.uri, runs[0]).status == "KILLED"


@pytest.mark.parametrize("fault", sorted(set(FAULTS) - {"delete"}))
def test_what_was_kept_and_is_damaged_is_said_and_given_up(config, tmp_path, fault, capsys):
    kept = tmp_path / UNSENT / "r.json"
    outbox = Outbox(tracking.client(config.uri), "r")
    outbox.add("tags", {"a": "b"})
    outbox.keep(kept, config.uri)
    FAULTS[fault](kept)
    tracking.send_kept(config, tmp_path)
    assert capsys.readouterr().err.endswith(f"warning: {kept} is damaged; what it kept for a tracked run is lost\n")
    assert not kept.exists()
