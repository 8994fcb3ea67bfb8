import socket
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from helpers.cli import command

from openr1.tracking import mlflow as tracking
from openr1.tracking import resources, ui
from openr1.tracking.options import TrackingConfig
from openr1.tracking.reading import find_study


def test_another_port_is_taken_where_the_first_is_in_use():
    with socket.socket() as taken:
        taken.bind((ui.HOST, 0))
        taken.listen()
        number = taken.getsockname()[1]
        assert ui.free_port(number) != number
    assert ui.free_port(number) == number


def test_each_tag_of_the_experiment_is_written_once_at_the_start(tmp_path, monkeypatch):
    config = TrackingConfig(f"sqlite:///{tmp_path}/mlflow.db", f"{tmp_path}/artifacts")
    for study in ("first", "second"):
        with tracking.track(config, study, "n", {"stage": "sft"}, {}, {}) as run:
            run.log({"eval_loss": 2.0, "tokens": 10.0, "flops": 1e9}, 1)
    written, store = [], tracking.client(config.uri)
    set_tag = store.set_experiment_tag
    monkeypatch.setattr(store, "set_experiment_tag", lambda of, key, text: (written.append(key), set_tag(of, key, text)))
    served = nullcontext(SimpleNamespace(wait=lambda: 0))
    monkeypatch.setattr(ui, "_serving", lambda *_: served)
    ui.show(config.uri, None, ui.PORT, False, tmp_path / "none.db")
    assert len(written) == len(set(written)) == 3  # two views, and the kind of the experiment
    parent = find_study(config.uri, "second")
    assert parent
    assert store.get_run(parent).data.metrics["best_eval_loss"] == 2.0


@pytest.mark.integration
@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--outputs", "none"], "openr1-ui: tracking.uri: there is no store at sqlite:///none/mlflow.db"),
        (["--outputs", "made"], "openr1-ui: tracking.uri: sqlite:///made/mlflow.db has no runs to show yet"),
        (["--port", "70000"], "openr1-ui: --port: 70000 is not between 1 and 65535"),
    ],
)
def test_nothing_to_show_is_one_line(tmp_path, arguments, line):
    (tmp_path / "made").mkdir()
    tracking.client(f"sqlite:///{tmp_path}/made/mlflow.db")
    done = command("openr1-ui", *arguments, "--no-browser", cwd=tmp_path)
    assert (done.returncode, done.stderr.splitlines()) == (2, [line])
    assert not (tmp_path / "none").exists()


def test_the_use_of_the_machine_is_logged_if_the_config_asks_for_it(tmp_path, monkeypatch):
    monkeypatch.setattr(resources, "INTERVAL", 0.05)
    for asked in (False, True):
        config = TrackingConfig(f"sqlite:///{tmp_path}/mlflow.db", f"{tmp_path}/artifacts", system_metrics=asked)
        with tracking.track(config, "s", "n", {"stage": "sft"}, {}, {}) as run:
            ui.time.sleep(1.0 if asked else 0)
        stored = tracking.client(config.uri).get_run(run.run_id).data.metrics
        assert ("system/cpu_utilization_percentage" in stored) == asked
        assert tracking.read_run(config.uri, run.run_id).metrics == {}
