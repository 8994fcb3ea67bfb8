"""What several workers do to one study at the same moment."""

import threading
from concurrent.futures import ThreadPoolExecutor

import optuna
import pytest
from optuna.trial import TrialState

from openr1.sweeps.optuna.retries import retry_trial
from openr1.sweeps.optuna.storage import open_storage
from openr1.system.errors import ConfigError

WORKERS = 4


@pytest.fixture(params=["sqlite:///{}/studies.db", "journal://{}/studies.log"])
def studies(request, tmp_path):
    """The same study as each of some workers has it, with a storage of its own."""
    url = request.param.format(tmp_path)
    optuna.create_study(storage=open_storage.__wrapped__(url), study_name="shared")
    return [optuna.load_study(storage=open_storage.__wrapped__(url), study_name="shared") for _ in range(WORKERS)]


def all_at_once(studies, act):
    """What each worker gets from the same act, begun by all together."""
    barrier = threading.Barrier(WORKERS)

    def one(study):
        barrier.wait()
        return act(study)

    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(one, studies))


@pytest.mark.slow
def test_one_worker_gets_a_trial_that_waits(studies):
    for i in range(20):
        studies[0].enqueue_trial({"x": i})
        taken = [trial.number for trial in all_at_once(studies, lambda study: study.ask())]
        assert len(set(taken)) == WORKERS
    found = [trial.system_attrs["fixed_params"]["x"] for trial in studies[0].trials if "fixed_params" in trial.system_attrs]
    assert sorted(found) == list(range(20))


@pytest.mark.slow
def test_one_worker_tries_a_lost_trial_again(studies):
    for _ in range(20):
        number = studies[0].ask().number
        lost = studies[0].trials[number]
        again = all_at_once(studies, lambda study, lost=lost: retry_trial(study, lost, "was killed", 1))
        assert again.count(True) == 1
        waiting = studies[0].get_trials(states=(TrialState.WAITING,))
        assert len(waiting) == 1
        studies[0].tell(studies[0].ask(), 1.0)


def test_an_entry_that_a_killed_worker_did_not_write_to_its_end_is_dropped(tmp_path, capsys):
    path = tmp_path / "studies.log"
    study = optuna.create_study(storage=open_storage.__wrapped__(f"journal://{path}"), study_name="shared")
    study.add_trial(optuna.trial.create_trial(value=1.0))
    whole = path.read_bytes()
    path.write_bytes(whole + whole.splitlines()[-1][:9])
    for number in (1, 2):
        again = optuna.load_study(storage=open_storage.__wrapped__(f"journal://{path}"), study_name="shared")
        assert len(again.trials) == number
        again.add_trial(optuna.trial.create_trial(value=2.0))
    assert capsys.readouterr().err == f"sweep.storage: {path} ends within an entry, which is dropped\n"


@pytest.mark.parametrize("text", ["no journal", '{"op_code":0}\n?\n{}\n', '{"op_code":99}\n'])
def test_a_damaged_journal_is_one_line_and_stays_as_it_is(tmp_path, text):
    path = tmp_path / "studies.log"
    path.write_text(text)
    with pytest.raises(ConfigError, match=rf"^sweep\.storage: {path} is no journal of Optuna, or a damaged one"):
        open_storage.__wrapped__(f"journal://{path}")
    assert path.read_text() == text
