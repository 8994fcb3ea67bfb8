import socket

import pytest
from helpers.cli import command

from openr1.tracking import mlflow as tracking
from openr1.tracking import resources, ui
from openr1.tracking.options import TrackingConfig


def test_another_port_is_taken_where_the_first_is_in_use():
    with socket.socket() as taken:
        taken.bind((ui.HOST, 0))
        taken.listen()
        number = taken.getsockname()[1]
        assert ui.free_port(number) != number
    assert ui.free_port(number) == number


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
