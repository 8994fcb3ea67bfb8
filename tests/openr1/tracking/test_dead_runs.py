import json
import multiprocessing
import os
import signal

import pytest

from openr1.system.processes import current_process
from openr1.tracking import mlflow as tracking
from openr1.tracking.options import TrackingConfig


@pytest.fixture
def config(tmp_path):
    return TrackingConfig(uri=f"sqlite:///{tmp_path}/mlflow.db", artifacts=f"{tmp_path}/artifacts")


def _killed(config):
    with tracking.track(config, "s", "dead", {"stage": "sft"}, {}, {}):
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_run_whose_process_was_killed_is_ended_and_a_live_one_is_not_touched(config):
    process = multiprocessing.get_context("fork").Process(target=_killed, args=(config,))
    process.start()
    process.join()
    (dead,) = tracking.read_runs(config.uri, "s", None)
    assert (dead.status, dead.tags["status"]) == ("RUNNING", "running")
    with tracking.track(config, "s", "alive", {"stage": "sft"}, {}, {}) as alive:
        assert tracking.end_dead_runs(config) == [dead.run_id]
        assert tracking.read_run(config.uri, alive.run_id).status == "RUNNING"
    dead = tracking.read_run(config.uri, dead.run_id)
    assert (dead.status, dead.tags["status"]) == ("KILLED", "killed")
    assert "died" in dead.tags["failure"]
    with tracking.track(config, "s", "dead", {"stage": "sft"}, {}, {}, resume=dead.run_id):
        assert tracking.end_dead_runs(config) == []
    again = tracking.read_run(config.uri, dead.run_id)
    assert (again.status, again.tags["status"], "failure" in again.tags) == ("FINISHED", "finished", False)


@pytest.mark.parametrize("change", [{"machine": "another boot pid:[1]"}, {"machine": None}])
def test_a_run_of_another_machine_of_the_same_name_is_not_touched(config, change):
    process = json.dumps({**current_process(), "pid": 1, "started": "0", **change})
    with tracking.track(config, "s", "n", {"stage": "sft"}, {}, {}) as run:
        run.tag(process=process)
        assert tracking.end_dead_runs(config) == []


def test_no_store_is_made_to_look_for_dead_runs(config, tmp_path):
    assert tracking.end_dead_runs(config) == []
    assert not list(tmp_path.iterdir())
