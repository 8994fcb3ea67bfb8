"""All that real runs write to MLflow and to their folders is in the catalogue, with its meaning."""

import pytest
from helpers.chaos_kinds import kinds
from helpers.cli import succeed
from helpers.configs import write_text

from openr1.tracking import catalogue
from openr1.tracking.mlflow import client
from openr1.tracking.params import HIDDEN

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("tracked_names")]
RECIPES = ("recipe r1_zero", "recipe r1_distill")  # pretraining aside, all stages but those that have no metric of their own


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("names")
    of = kinds(write_text(folder / "text.jsonl"), "")
    for name in RECIPES:
        succeed(*of[name].words, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def runs(folder):
    store = client(f"sqlite:///{folder}/outputs/mlflow.db")
    return store, store.search_runs([experiment.experiment_id for experiment in store.search_experiments()])


def test_metrics(runs):
    written = {name for run in runs[1] for name in run.data.metrics}
    assert {"eval_loss", "zero.pass_at_1", "reward_accuracy", "rows_kept"} <= written
    assert sorted(name for name in written if not catalogue.is_metric(name)) == []


def test_tags(runs):
    written = {name for run in runs[1] for name in run.data.tags if not name.startswith(("mlflow.", HIDDEN))}
    assert sorted(name for name in written if not catalogue.is_known(name, catalogue.TAGS)) == []


def test_files(runs):
    store, found = runs
    written = {file.path + "/x" * file.is_dir for run in found for file in store.list_artifacts(run.info.run_id)}
    assert {"config.yaml", "scores.json", "card.md"} <= written
    assert sorted(name for name in written if not catalogue.is_known(name.replace("/x", "/x.json"), catalogue.FILES)) == []


def test_files_of_artifacts(folder):
    names = {path.name + "/" * path.is_dir() for path in (folder / "outputs" / "artifacts").glob("*-*/*")}
    shown = {*catalogue.FILES, *catalogue.ARTIFACT, "data/"}
    assert {"artifact.json", "history.jsonl", "model/"} <= names
    assert sorted(names - shown) == []
