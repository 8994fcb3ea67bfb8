"""The price of a search whose trials are not known yet."""

from types import SimpleNamespace

import pytest
from helpers.configs import composed
from helpers.sweeps_studies import opened, space_of, sweep_of
from omegaconf import OmegaConf
from optuna.trial import TrialState

from openr1.config.schema import PathsConfig
from openr1.sweeps.cost.price import RunPrice, StagePrice
from openr1.sweeps.cost.speed import Timing
from openr1.sweeps.limits.amount import Amount
from openr1.sweeps.optuna.plan import read_trial_counts, save_plan, trial_limit
from openr1.sweeps.optuna.price import SearchPrice, trial_amount, trial_seconds
from openr1.sweeps.optuna.status import SearchStatus, search_status_table
from openr1.sweeps.planning.concurrency import runs_at_once
from openr1.sweeps.planning.states import State
from openr1.sweeps.status import plan_file

X = "x=interval(0,1)"


def trial(flops, seconds, shared=False):
    """A run of one stage; what is done of it does not count."""
    compute = composed().compute
    run = SimpleNamespace(config=SimpleNamespace(compute=compute))
    timing = None if seconds is None else Timing(seconds, "earlier runs")
    stage = SimpleNamespace(estimate=SimpleNamespace(flops_new=flops))
    return RunPrice(run, [StagePrice(stage, timing, 0.0, Amount(), None, shared)], State.DONE)


@pytest.fixture
def search_price():
    ends, samples = [trial(1.0, 10.0), trial(9.0, 90.0)], [trial(2.0, 20.0), trial(4.0, 40.0)]
    return SearchPrice(ends, samples, [], remaining=6, at_once=2, start=5.0)


def test_a_range_is_of_all_and_its_mean_of_the_samples(search_price):
    assert search_price.range(lambda priced: trial_amount(priced).flops) == (1.0, 3.0, 9.0)
    assert search_price.range(trial_seconds) == (10.0, 30.0, 90.0)
    assert search_price.amount.flops == 18.0
    assert search_price.duration(30.0) == 5.0 + 30.0 * 6 / 2


def test_what_trials_share_is_in_none_of_them():
    both = trial(5.0, 10.0)
    both.stages.append(trial(7.0, 70.0, shared=True).stages[0])
    assert (trial_amount(both).flops, trial_seconds(both)) == (5.0, 10.0)
    assert trial_amount(trial(5.0, 10.0, shared=True)).flops == 5.0  # the same trial, drawn again
    assert trial_seconds(trial(5.0, None)) is None


def test_a_finite_sampler_may_need_fewer_trials(tmp_path):
    assert trial_limit(sweep_of(tmp_path, n_trials=9, sampler="grid"), space_of("kind=a,b", "x=1,2")) == 4
    assert trial_limit(sweep_of(tmp_path, n_trials=9), space_of("kind=a,b")) == 9


def test_a_study_that_is_not_there_is_not_made(tmp_path):
    storage = f"sqlite:///{tmp_path}/optuna.db"
    assert read_trial_counts(storage, "study") is None
    assert not (tmp_path / "optuna.db").exists()


def test_the_status_of_a_search(tmp_path, search_price):
    sweep, space = sweep_of(tmp_path), space_of(X)
    study = opened(sweep, space)
    for value in (0.5, 0.25):
        study.tell(study.ask(space.distributions), value)
    failed = study.ask(space.distributions)
    failed.set_user_attr("failure", "out of memory")
    study.tell(failed, state=TrialState.FAIL)
    config = OmegaConf.create({"paths": OmegaConf.structured(PathsConfig(str(tmp_path), studies=str(tmp_path)))})
    config.hydra = {"launcher": {"n_jobs": 2}}
    path = save_plan(sweep, 6, config, "openr1-plan sweep=search", search_price)
    paths = OmegaConf.to_object(config.paths)
    assert path == plan_file.path_of(paths, "study")
    about = plan_file.read(paths, "study")["search"]
    assert about["trial"]["mean"] == {"flops": 3.0, "seconds": 30.0}
    counts = read_trial_counts(sweep.storage, "study")
    title, _, lines = search_status_table(SearchStatus(about, "openr1-plan sweep=search", 2, counts), None)
    assert title == "study: 6 trials, 2 complete, 1 fail"
    assert lines == [
        "best: trial 1, eval_loss 0.25",
        "3 trials to come, about 9 FLOPs and 45 s",
        "no worker is running; resume with: openr1 -m sweep=search",
        "failed: trial 2: out of memory",
    ]


def test_a_plan_has_no_password(tmp_path):
    sweep = sweep_of(tmp_path)
    sweep.storage = "postgresql+psycopg2://me:secret@host/db"
    config = OmegaConf.create({"paths": OmegaConf.structured(PathsConfig(str(tmp_path), studies=str(tmp_path)))})
    config.hydra = {"launcher": {"n_jobs": 2}}
    path = save_plan(sweep, 6, config, f"openr1 -m sweep=search sweep.storage={sweep.storage}", None)
    assert "secret" not in path.read_text()
    assert (
        "'sweep.storage=postgresql+psycopg2://me:***@host/db'"
        in plan_file.read(OmegaConf.to_object(config.paths), "study")["command"]
    )


def test_how_many_runs_a_launcher_has_at_once():
    def at_once(**launcher):
        return runs_at_once(OmegaConf.create({"hydra": {"launcher": launcher}}))

    assert at_once(n_jobs=3) == 3
    assert at_once(array_parallelism=256) == 256
    assert at_once() == 1
    assert at_once(n_jobs=-1) >= 1
