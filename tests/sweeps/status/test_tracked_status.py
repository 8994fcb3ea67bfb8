import pytest
from helpers.planned_studies import begun, published, told

from openr1.config.schema import PathsConfig
from openr1.sweeps.planning.states import State
from openr1.sweeps.status import tracked_status
from openr1.sweeps.status.config import StatusConfig
from openr1.sweeps.status.table import status_table
from openr1.sweeps.status.tracked_status import read_tracked_status
from openr1.system.errors import ConfigError
from openr1.tracking.options import TrackingConfig


@pytest.fixture
def status_of(study, tmp_path, monkeypatch):
    """Return a function that reads the status of a name, where a recipe of three steps is at its second."""
    base, second, alone, _ = (run.main for run in study)
    published(base, eval_loss=3.0)
    begun(second, 0.5, eval_loss=4.0)
    place = {"artifact": str(base.store.path(base.kind, base.fingerprint)), "study": "half"}
    of_trial = {"role": "trial", "trial": "seed=1", "step.base": base.fingerprint}
    trial = told(alone, "RUNNING", end=False, **{**place, **of_trial, "fingerprint": "trial"})
    trial = tracked_status.TrackedRun(**{**vars(trial), "run_id": "trial", "name": "zero"})
    parent = {"mlflow.parentRunId": "trial", **place}
    lone = told(alone, "FAILED", failure="RunError: training diverged", **place)
    runs = [trial, told(base, "FINISHED", **parent), told(second, "RUNNING", end=False, **parent), lone]
    monkeypatch.setattr(tracked_status, "read_tracked_runs", lambda tracking: runs)
    steps = {"base": {}, "rl": {}, "eval": {}}
    monkeypatch.setattr(tracked_status, "read_config", lambda uri, run_id: {"recipe": {"steps": steps}})
    paths = PathsConfig(outputs=f"{tmp_path}/outputs", artifacts=f"{tmp_path}/outputs/artifacts", studies=f"{tmp_path}/none")
    return lambda name: read_tracked_status(StatusConfig(name, paths=paths, tracking=TrackingConfig("sqlite:///none.db"))), lone


@pytest.mark.parametrize("name", ["trial", "half/seed=1", "zero"])
def test_a_recipe_has_the_state_of_each_step(status_of, name):
    read, _ = status_of
    rows = read(name).runs
    assert [row.name for row in rows] == ["zero: base", "zero: rl", "zero: eval"]
    assert [row.state for row in rows] == [State.DONE, State.STOPPED, State.WAITING]
    assert [row.share for row in rows] == [1.0, 0.5, 0.0]
    title, _, lines = status_table(read(name), None)
    assert title == f"{name}: 1 of 3 runs done, 1 stopped, 1 waiting"
    assert lines[-1] == "no worker is running; the command that started it resumes it"


def test_a_single_run_is_found_by_its_id_and_a_study_without_a_plan_has_all_its_runs(status_of):
    read, lone = status_of
    (row,) = read(lone.run_id).runs
    assert (row.state, row.reason) == (State.FAILED, "RunError: training diverged")
    assert len(read("half").runs) == 4


def test_a_name_that_is_neither_a_study_nor_a_run_is_one_line(status_of):
    read, _ = status_of
    with pytest.raises(ConfigError, match=r"^status: .*plan.json is not there"):
        read("nothing")
