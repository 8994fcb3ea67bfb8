import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock
from helpers.planned_studies import begun, published, told
from rich.console import Console

from openr1 import cli as openr1_cli
from openr1.config.schema import PathsConfig
from openr1.sweeps import cli
from openr1.sweeps.config import SweepConfig
from openr1.sweeps.cost import price as price_module
from openr1.sweeps.cost.price import StudyPrice, price_study
from openr1.sweeps.cost.schedule import schedule
from openr1.sweeps.cost.speed import Timing
from openr1.sweeps.planning.states import State
from openr1.sweeps.status import plan_file, study_status
from openr1.sweeps.status.config import StatusConfig
from openr1.sweeps.status.study_status import RunStatus, StudyStatus
from openr1.sweeps.status.table import rows_that_fit, status_table
from openr1.system.artifacts import Artifact, Store
from openr1.system.errors import ConfigError
from openr1.tracking.options import TrackingConfig

SECONDS = 10.0  # that every stage takes


@pytest.fixture
def half(study, tmp_path, monkeypatch):
    """The study with its first run done, its second under way, and its third failed; its plan is written before."""
    monkeypatch.setattr(price_module.SpeedModel, "timing", lambda self, config, estimate: Timing(SECONDS, "earlier runs"))
    price = price_study([study], SweepConfig(), 2, needed=False, say=print)
    plan_file.write(price, [[f"seed={i}"] for i in range(4)], "openr1 -m seed=0,1,2,3", False)
    stages = [run.main for run in study]
    published(stages[0], eval_loss=3.0)
    begun(stages[1], 0.25, eval_loss=4.0)
    begun(stages[2], 0.5, eval_loss=9.0)
    runs = [told(stages[1], "RUNNING", end=False), told(stages[2], "FAILED", failure="RunError: training diverged")]
    for module in (study_status, price_module):
        monkeypatch.setattr(module, "read_tracked_runs", lambda tracking, study: runs)
    paths = PathsConfig(outputs=f"{tmp_path}/outputs", studies=f"{tmp_path}/outputs/studies")
    lock = FileLock(f"{stages[1].partial}.lock")
    with lock:
        yield StatusConfig("half", paths=paths, tracking=TrackingConfig("sqlite:///none.db")), study, lock


def test_a_plan_says_what_a_study_was_to_take(half):
    config, study, _ = half
    plan = json.loads(plan_file.path_of(config.paths, "half").read_text())
    assert plan["study"] == "half"
    assert plan["command"] == "openr1 -m seed=0,1,2,3"
    assert plan["sum"]["runs"] == 4
    assert plan["sum"]["flops"] == pytest.approx(sum(run.main.estimate.flops for run in study))
    assert plan["sum"]["seconds"] == pytest.approx(plan["worker_start_seconds"] + 2 * SECONDS)
    for run, known in zip(study, plan["runs"], strict=True):
        assert known["name"] == run.name
        assert (known["state"], known["share_done"], known["seconds"]) == ("waiting", 0, SECONDS)
        assert (known["params"], known["tokens"], known["flops"]) == (run.main.estimate.params, *_work(run))
        (stage,) = known["stages"]
        assert (stage["fingerprint"], stage["shared"]) == (run.main.fingerprint, False)


def _work(run):
    return run.main.estimate.tokens, run.main.estimate.flops


def test_a_half_done_study(half):
    config, study, _ = half
    status = study_status.read_status(config)
    assert [row.state for row in status.runs] == [State.DONE, State.RUNNING, State.FAILED, State.WAITING]
    assert [row.share for row in status.runs] == [1.0, 0.25, 0.5, 0.0]
    assert [row.scores.get("eval_loss") for row in status.runs] == [3.0, 4.0, 9.0, None]
    assert status.runs[2].reason == "RunError: training diverged"
    assert status.best[0].name == "seed=0"
    flops = study[0].main.estimate.flops
    assert sum(row.left for row in status.runs) == pytest.approx(1.75 * flops)  # what failed is not to go
    assert status.seconds == pytest.approx(SECONDS)  # on two workers that are up
    assert not status.ended


def test_the_price_of_a_half_done_study(half):
    _, study, _ = half
    price = price_study([study], SweepConfig(), 2, needed=False, say=print)
    assert [run.state for run in price.runs] == [State.DONE, State.RUNNING, State.FAILED, State.WAITING]
    assert [run.seconds for run in price.runs] == [0.0, 7.5, 5.0, 10.0]
    assert price.amount.flops == pytest.approx((0.75 + 0.5 + 1) * study[0].main.estimate.flops)
    assert price.seconds == schedule([[[("a", 7.5)], [("b", 5.0)], [("c", 10.0)]]], 2, price.start)


def test_a_run_whose_process_was_killed_is_stopped(half):
    config, study, lock = half
    lock.release()
    assert study_status.read_status(config).runs[1].state is State.STOPPED
    published(replace(study[3].main), eval_loss=5.0)
    assert study_status.read_status(config).runs[3].state is State.DONE


def test_the_best_of_runs_with_a_pass_rate_is_the_highest_one_since_they_may_share_a_loss():
    def done(name, **scores):
        return RunStatus(name, 0, State.DONE, "", 1.0, scores, 0.0, [], True)

    runs = [done("a", pass_at_1=0.5, eval_loss=1.0), done("b", pass_at_1=0.8, eval_loss=1.0), done("c", eval_loss=0.9)]
    run, score = StudyStatus("s", "openr1 -m", runs, None, False).best
    assert (run.name, score) == ("b", "pass_at_1")


def test_a_pruned_run(half, monkeypatch):
    config, study, _ = half
    runs = [told(study[2].main, "KILLED", state="PRUNED", pruned="by hand")]
    monkeypatch.setattr(study_status, "read_tracked_runs", lambda tracking, study: runs)
    row = study_status.read_status(config).runs[2]
    assert (row.state, row.reason) == (State.PRUNED, "by hand")


@pytest.mark.parametrize("width", [100, 200])
def test_the_table_is_whole(half, width):
    config, *_ = half
    console = Console(width=width, record=True)
    title, table, lines = status_table(study_status.read_status(config), None)
    console.print(table)
    text = console.export_text()
    assert title == "half: 1 of 4 runs done, 1 failed, 1 running, 1 waiting"
    assert "running 25 %" in text
    assert "9.0000" in text
    assert "best: seed=0, eval_loss 3.0000" in lines
    assert "failed: seed=2: RunError: training diverged" in lines


def test_the_most_important_runs_are_shown_where_not_all_fit(half):
    config, *_ = half
    rows = study_status.read_status(config).runs
    assert [row.name for row in rows_that_fit(rows, 2)] == ["seed=1", "seed=2"]
    assert rows_that_fit(rows, None) == rows


def test_a_plan_that_is_not_there_is_one_line(half):
    config, *_ = half
    with pytest.raises(ConfigError, match=r"^status: .*nothing/plan.json is not there; there are half"):
        study_status.read_status(StatusConfig("nothing", paths=config.paths))


def test_a_shared_stage_has_one_price(study, monkeypatch):
    monkeypatch.setattr(price_module.SpeedModel, "timing", lambda self, config, estimate: Timing(SECONDS, "earlier runs"))
    twice = [study[0], replace(study[0], name="the same")]
    price: StudyPrice = price_study([twice], SweepConfig(), 2, needed=False, say=print)
    assert price.amount.flops == study[0].main.estimate.flops
    assert [run.seconds for run in price.runs] == [SECONDS, 0.0]


def run_plan(monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", ["openr1-plan", *words])
    cli.main()
    return capsys.readouterr()


def test_openr1_plan_prices_what_openr1_would_run_and_trains_nothing(tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = [*tiny, "study=priced", "seed=0,1", "compute.price_per_hour=2", "sweep.calibrate=false"]
    output = run_plan(monkeypatch, capsys, *words)
    assert "2 runs, 0 done" in output.out
    assert "the time of pretrain is not known" in output.out
    plan = json.loads(Path("outputs/studies/priced/plan.json").read_text())
    assert [run["name"] for run in plan["runs"]] == ["seed=0", "seed=1"]
    assert plan["sum"]["unknown"] == ["pretrain"]
    assert not Path("outputs/artifacts").exists()
    assert not Path("outputs/mlflow.db").exists()
    output = run_plan(monkeypatch, capsys, "status=priced", f"paths.outputs={tmp_path}/outputs")
    assert "priced: 0 of 2 runs done, 2 waiting" in output.out


def test_a_plan_is_right_from_any_directory_and_another_dry_run_does_not_replace_that_of_a_begun_study(
    tiny, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    words = [*tiny[:-1], "paths.outputs=outputs", "study=priced", "sweep.calibrate=false"]
    run_plan(monkeypatch, capsys, *words, "seed=0,1")
    path = Path("outputs/studies/priced/plan.json")
    before = json.loads(path.read_text())
    stage = before["runs"][0]["stages"][0]
    store = Store("outputs/artifacts")
    store.partial(stage["kind"], stage["fingerprint"]).mkdir(parents=True)
    store.publish(Artifact(stage["kind"], stage["fingerprint"], {}, {"eval_loss": 3.0}))
    output = run_plan(monkeypatch, capsys, *words, "seed=5")
    assert "stays as it is: 1 of its 2 runs are begun or done and not among these" in output.err
    assert json.loads(path.read_text()) == before
    assert "wrote" in run_plan(monkeypatch, capsys, *words, "seed=0,1,2").err
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    output = run_plan(monkeypatch, capsys, "status=priced", f"paths.outputs={tmp_path}/outputs")
    assert "priced: 1 of 3 runs done, 2 waiting" in output.out


@pytest.mark.slow
def test_the_branches_of_a_trunk_are_priced_with_it(tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    plain = [word for word in tiny if not word.startswith(("budget.", "scale="))]
    words = [*plain, "study=priced", "sweep=trunk", "sweep.scales=[30k]", "sweep.tokens=[1280,2560,5120]"]
    words.append("sweep.calibrate=false")
    output = run_plan(monkeypatch, capsys, *words)
    assert "3 runs, 0 done" in output.out
    assert "Further runs" not in output.out
    assert "A branch's C includes FLOPs inherited from its trunk" in output.out
    plan = json.loads(Path("outputs/studies/priced/plan.json").read_text())
    assert [run["round"] for run in plan["runs"]] == [0, 1, 1]
    assert len({run["name"] for run in plan["runs"]}) == 3
    trunk, *branches = (run["stages"][0]["flops"] for run in plan["runs"])
    assert plan["sum"]["flops"] == pytest.approx(trunk + sum(branches))
    limit = f"sweep.ask_above.flops={trunk + sum(branches) / 2}"
    monkeypatch.setattr(sys, "argv", ["openr1", "-m", *words, limit])
    with pytest.raises(SystemExit):
        openr1_cli.main()
    assert "sweep.confirm=true" in capsys.readouterr().err
    assert not Path("outputs/artifacts").exists()
