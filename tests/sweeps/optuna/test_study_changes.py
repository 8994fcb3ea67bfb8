"""Searches renamed and deleted in their storage."""

import optuna
import pytest

from openr1.sweeps.optuna.storage import open_storage
from openr1.sweeps.optuna.study_changes import delete_search, rename_search, search_names


@pytest.fixture
def url(tmp_path):
    """Return a storage with a search of three trials."""
    url = f"sqlite:///{tmp_path}/optuna.db"
    study = optuna.create_study(storage=open_storage(url), study_name="mine")
    study.set_user_attr("identity", {"space": "x"})
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
    return url


def values(url, name):
    return [trial.params["x"] for trial in optuna.load_study(storage=open_storage(url), study_name=name).trials]


def test_a_renamed_search_has_its_trials(url):
    before = values(url, "mine")
    rename_search(url, "mine", "yours")
    assert search_names(url) == ["yours"]
    assert values(url, "yours") == before
    assert optuna.load_study(storage=open_storage(url), study_name="yours").user_attrs == {"identity": {"space": "x"}}
    rename_search(url, "mine", "yours")  # again, as after a kill
    assert values(url, "yours") == before


def test_a_copy_that_was_interrupted_is_made_anew(url):
    before = values(url, "mine")
    optuna.create_study(storage=open_storage(url), study_name="yours")
    rename_search(url, "mine", "yours")
    assert values(url, "yours") == before


def test_a_search_is_deleted(url, tmp_path):
    delete_search(url, "mine")
    delete_search(url, "mine")
    assert search_names(url) == []
    delete_search(f"sqlite:///{tmp_path}/none.db", "mine")
    assert not (tmp_path / "none.db").exists()
