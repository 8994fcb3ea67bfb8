import shutil
from pathlib import Path

import pytest
from helpers.configs import composed, tiny_run, write_text

from openr1.runs import reproduce
from openr1.runs.trial import run_trial
from openr1.system.errors import ConfigError
from openr1.tracking import mlflow as tracking
from openr1.tracking.reading import find_study


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A study of two runs under a folder, with their corpus."""
    folder = tmp_path_factory.mktemp("made")
    tiny = tiny_run(write_text(folder / "text.jsonl"), folder)
    trials = [run_trial(composed(*tiny, "study=two", f"seed={seed}"), f"seed={seed}", quiet=True) for seed in (0, 1)]
    return folder, [trial.run_id for trial in trials]


@pytest.fixture
def copy(made, tmp_path, monkeypatch):
    """A copy of the folder, so that a test may change it; the store names the files of the original."""
    folder, ids = made
    shutil.copytree(folder / "outputs", tmp_path / "outputs")
    monkeypatch.chdir(tmp_path)
    return tmp_path, ids


def rerun(capfd, *words):
    status = reproduce.run([str(word) for word in words])
    return status, capfd.readouterr().out


def test_a_run_is_rerun_whenever_it_is_asked_for_and_linked_both_ways(copy, capfd):
    folder, (run_id, _) = copy
    uri = f"sqlite:///{folder}/outputs/mlflow.db"
    made = []
    for _ in range(2):
        status, said = rerun(capfd, run_id)
        assert status == 0
        assert "nothing differs" in said
        assert "figures are the same to the bit, and so are the weights" in said
        made.append(tracking.read_run(uri, run_id).tags["reproduced_by"].split()[-1])
    assert len(set(made)) == 2
    assert len(list(folder.glob("outputs/reproductions/*/artifacts/pretrain-*"))) == 2
    again = tracking.read_run(uri, made[1])
    assert (again.tags["reproduces"], again.tags["reproduction"], again.tags["reused"]) == (run_id, "the same", "False")
    assert tracking.read_run(uri, find_study(uri, again.tags["study"])).metrics["figures_differing"] == 0


def test_a_line_that_was_added_to_the_corpus_is_named_and_figures_differ(copy, made, capfd):
    folder, (run_id, _) = copy
    corpus = made[0] / "text.jsonl"
    before = corpus.read_text()
    try:
        corpus.write_text(before + '{"text": "one more line of text"}\n')
        with pytest.raises(ConfigError, match=r"^--strict: nothing was run, since this differs: data: its content has changed"):
            reproduce.run([run_id, "--strict"])
        assert not list(folder.glob("outputs/reproductions/*"))
        status, said = rerun(capfd, "two/seed=0")
    finally:
        corpus.write_text(before)
    assert status == reproduce.DIFFERS
    assert "differs   data: its content has changed" in said
    assert "the weights differ" in said
    assert "override" not in said


def test_overrides_are_shown_and_figures_that_differ_are_no_failure(copy, capfd):
    _, (run_id, _) = copy
    status, said = rerun(capfd, run_id, "optim.lr=1e-3")
    assert status == 0
    assert "override  optim.lr: None -> 0.001" in said
    assert "eval_loss" in said
    assert "this is no failure" in said


def test_a_study_is_reproduced_from_a_bundle_where_there_is_nothing_else(copy, tmp_path_factory, capfd, monkeypatch):
    folder, _ = copy
    assert reproduce.run(["--export", "two", "two.zip"]) == 0
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(elsewhere)
    status, said = rerun(capfd, folder / "two.zip")
    assert status == 0
    assert "two: 2 of 2 runs are the same to the bit" in said
    assert not list(elsewhere.glob("outputs/artifacts/*"))


@pytest.mark.parametrize("what", ["artifact", "record"])
def test_a_run_is_reproduced_from_its_outputs_without_a_store(copy, capfd, what):
    folder, _ = copy
    (folder / "outputs/mlflow.db").unlink()
    artifact = sorted(Path("outputs/artifacts").glob("pretrain-*"))[0]
    status, said = rerun(capfd, artifact if what == "artifact" else "two/seed=1")
    assert status == 0
    assert "figures are the same to the bit, and so are the weights" in said


def test_a_run_is_reproduced_from_the_store_alone(copy, capfd):
    folder, (_, run_id) = copy
    for name in ("artifacts", "studies", "cache"):
        shutil.rmtree(folder / "outputs" / name)
    status, said = rerun(capfd, run_id)
    assert status == 0
    assert "figures are the same to the bit, and so are the weights" in said


def test_what_cannot_be_reproduced_is_one_line(copy):
    folder, (run_id, _) = copy
    uri = f"sqlite:///{folder}/outputs/mlflow.db"
    with pytest.raises(ConfigError, match="is no finished run in"):
        reproduce.run(["f" * 32])
    with pytest.raises(ConfigError, match="is the study two; openr1-reproduce --study two"):
        reproduce.run([find_study(uri, "two")])
    with pytest.raises(ConfigError, match="is a study; openr1-reproduce --study two"):
        reproduce.run(["two"])
    with pytest.raises(ConfigError, match="--study: nothing is no study"):
        reproduce.run(["--study", "nothing"])
    with pytest.raises(ConfigError, match=r"optim\.momentum"):
        reproduce.run([run_id, "optim.momentum=1"])
    with pytest.raises(ConfigError, match=r"--recipe: .* is no recipe"):
        reproduce.run([run_id, "--recipe"])
    tracking.client(uri).update_run(run_id, status="RUNNING")
    with pytest.raises(ConfigError, match="is RUNNING; only a finished run"):
        reproduce.run([run_id])


@pytest.mark.slow
def test_an_evaluation_whose_model_is_gone_is_reproduced_after_the_model(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    sums = ["data=sums", "data.tokenizer.vocab_size=258", "data.sources.sums.problems=300", "data.eval_fraction=0.1"]
    sums += ["scale=30k", "study=chain", f"paths.outputs={tmp_path}/outputs"]
    base = run_trial(composed(*sums, "stage=sft", "budget.steps=8", "optim.batch_tokens=512"), quiet=True)
    name = base.stages[""].artifact.name
    asked = ["stage=evaluate", f"model.checkpoint={name}", "stage.samples=1", "stage.problems=6", "stage.sampling.max_tokens=8"]
    trial = run_trial(composed(*sums, *asked), quiet=True)
    status, said = rerun(capfd, trial.run_id)
    assert status == 0
    assert "rerun first" not in said
    shutil.rmtree(tmp_path / "outputs/artifacts")
    status, said = rerun(capfd, trial.run_id)
    assert status == 0
    assert f"{name} is gone; its maker" in said
    assert "figures are the same to the bit, and so are the data" in said
