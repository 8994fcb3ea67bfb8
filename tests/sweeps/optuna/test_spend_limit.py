import threading

import pytest
from helpers.sweeps_studies import opened, space_of, sweep_of, worker_of

from openr1.sweeps.limits.amount import Amount
from openr1.sweeps.optuna.spend_limit import SearchSpendLimit
from openr1.sweeps.optuna.trial_counts import TrialCounts
from openr1.sweeps.optuna.trial_task import TrialOutcome

X = "x=interval(0,1)"


def spending(given, number):
    """Whatever becomes of a trial, it has cost something."""
    how = [{"metrics": {"eval_loss": given["x"]}}, {"pruned": "by the test"}, {"failure": "boom"}][number % 3]
    return TrialOutcome(spent=Amount(flops=1.0), **how)


class Known(SearchSpendLimit):
    def estimated_flops(self, overrides):
        return 2.0


@pytest.mark.parametrize(("kind", "makes"), [(SearchSpendLimit, 3), (Known, 2)])
def test_no_trial_starts_beyond_the_allowance(tmp_path, kind, makes):
    lines, space = [], space_of(X)
    sweep = sweep_of(tmp_path, n_trials=9, allowance={"flops": 3.5})
    worker = worker_of(sweep, space, spending, lines=lines)
    worker.spend_limit = kind(sweep.allowance, None)
    worker.work()
    assert len(TrialCounts.of(worker.study).ended) == makes
    assert lines[-1] == "stopped: sweep.allowance: one more trial would take the study to 4 flops of 3.5"
    more = worker_of(sweep_of(tmp_path, n_trials=9, allowance={"flops": 5.5}), space, spending)
    more.spend_limit = kind(more.sweep.allowance, None)
    more.work()
    assert len(TrialCounts.of(more.study).ended) == makes + 2


def test_what_others_are_at_counts_as_far_as_it_is_known(tmp_path):
    space, sweep = space_of(X), sweep_of(tmp_path, allowance={"flops": 3.5})
    study = opened(sweep, space)
    study.ask().set_user_attr("estimated", 2.0)
    limit = Known(sweep.allowance, None)
    study.ask().set_user_attr("estimated", 2.0)
    assert limit.reason_to_stop(study, 0) is None
    assert limit.reason_to_stop(study, 1).endswith("4 flops of 3.5")


def test_workers_at_once_stay_within_it(tmp_path):
    sweep, space = sweep_of(tmp_path, n_trials=20, allowance={"flops": 5.0}), space_of(X)
    workers = [worker_of(sweep, space, spending, n_jobs=2) for _ in range(2)]
    for worker in workers:
        worker.spend_limit = Known(sweep.allowance, None)
    threads = [threading.Thread(target=worker.work) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(TrialCounts.of(workers[0].study).ended) in (3, 4)


def test_a_known_config_that_could_not_be_afforded_is_tried_later(tmp_path):
    space, known = space_of(X), [{"x": 0.5}]
    sweep = sweep_of(tmp_path, n_trials=1, allowance={"flops": 1.0}, enqueue=known)
    worker = worker_of(sweep, space, spending)
    worker.spend_limit = Known(sweep.allowance, None)
    worker.work()
    assert not TrialCounts.of(worker.study).ended
    more = worker_of(sweep_of(tmp_path, n_trials=1, enqueue=known), space, spending)
    more.work()
    assert [trial.params for trial in TrialCounts.of(more.study).ended] == [{"x": 0.5}]
