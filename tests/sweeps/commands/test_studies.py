"""``openr1-plan studies``: the table of all studies, and changes of one, as a person sees them."""

import json
import os
import shutil
import sys
import zipfile
from pathlib import Path

import pytest
from helpers.catalogues import SHARED, make_study, options, places, publish, without_asking, write_plan

from openr1 import analysis
from openr1.analysis.config import compose
from openr1.analysis.sources import frame
from openr1.runs.record import read as read_record
from openr1.sweeps.catalogue import change
from openr1.sweeps.catalogue.entries import read_catalogue
from openr1.sweeps.commands import studies
from openr1.sweeps.planning.at_work import at_work
from openr1.sweeps.status import plan_file
from openr1.system.errors import ConfigError
from openr1.tracking import mlflow as tracking
from openr1.tracking.reading import archived_studies, find_study, read_runs, study_names
from openr1.tracking.store import client
from openr1.tracking.studies import write_views
from openr1.tracking.study_run import NOTE
from openr1.tracking.views import PREFIX, view_id


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a folder with two studies that share an artifact."""
    folder = tmp_path_factory.mktemp("catalogue") / "outputs"
    with without_asking():
        make_study(folder, "one", {"1" * 16: 3.0, SHARED: 2.5}, planned=("9" * 16,))
        make_study(folder, "group/two", {SHARED: 2.5, "2" * 16: 2.0})
    return folder


@pytest.fixture
def outputs(made, tmp_path, monkeypatch):
    """Return a copy of the folder."""
    shutil.copytree(made, tmp_path / "outputs")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "outputs"


def act(outputs, action="list", *words, **others):
    studies.execute(options(outputs, action, *words, **others))


def uri(outputs):
    return places(outputs)[1].uri


def artifacts(outputs):
    return {path.name[-16:-15] for path in (outputs / "artifacts").glob("pretrain-*")}


def names(outputs):
    return set(read_catalogue(*places(outputs)).studies)


def view_tags(outputs):
    return {key for one in client(uri(outputs)).search_experiments() for key in one.tags if key.startswith(PREFIX)}


def test_the_table_has_runs_flops_the_best_result_age_and_size(outputs, capsys):
    act(outputs)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["study", "runs", "FLOPs", "best", "age", "size"]
    one = next(line for line in lines if line.strip().startswith("one"))
    assert "2 finished, 1 waiting" in one
    assert "4e+09" in one
    assert "eval_loss 2.5000" in one
    assert one.rstrip().endswith("kB")
    two = next(line for line in lines if "group/two" in line)
    assert "eval_loss 2.0000" in two
    assert len([line for line in lines if line.strip()]) == 4


def test_no_studies(tmp_path, capsys):
    act(tmp_path / "none")
    assert capsys.readouterr().out == f"there are no studies in {tmp_path}/none/studies\n"
    assert not (tmp_path / "none").exists()


def test_the_size_of_a_study_leaves_out_what_others_use(outputs):
    catalogue = read_catalogue(*places(outputs))
    one = catalogue.get("one")
    assert [folder.name for folder in catalogue.own_artifacts(one)] == [f"pretrain-{'1' * 16}"]
    assert catalogue.shared_artifacts(one) == 1
    before = catalogue.size(one)
    (outputs / "studies" / "one" / "report.html").write_text("x" * 500)
    assert catalogue.size(one) == before + 500


def test_a_renamed_study_is_renamed_everywhere(outputs, capsys):
    write_views(uri(outputs))
    act(outputs, "rename", "one", "deep/first one's")
    new = "deep/first one's"
    assert names(outputs) == {new, "group/two"}
    assert study_names(uri(outputs)) == [new, "group/two"]
    assert {run.tags["study"] for run in read_runs(uri(outputs), None)} == {new, "group/two"}
    folder = outputs / "studies" / new
    plan = json.loads((folder / "plan.json").read_text())
    assert plan["study"] == new
    assert plan["command"].startswith("openr1 -m seed=0,1 ")
    assert "study=one " not in plan["command"]
    assert (folder / plan["runs"][0]["stages"][0]["artifacts"]).resolve() == (outputs / "artifacts").resolve()
    assert {read_record(path).study for path in (folder / "runs").glob("*.json")} == {new}
    assert not (outputs / "studies" / "one").exists()
    assert not (folder / change.FILE).exists()
    own = client(uri(outputs)).get_run(find_study(uri(outputs), new))
    assert own.info.run_name == new
    assert new in own.data.tags[NOTE]
    assert PREFIX + view_id(new) in view_tags(outputs)
    assert PREFIX + view_id("one") not in view_tags(outputs)
    assert len(analysis.read_study(new, outputs)) == 2
    # the run is found by its fingerprint, so that nothing is made again
    assert tracking.find(places(outputs)[1], new, "1" * 16)
    assert capsys.readouterr().out == f"renamed one to {new}; openr1-fit runs.study={new} writes its report anew\n"


def test_archived_studies_are_hidden_and_whole(outputs, capsys):
    write_views(uri(outputs))
    act(outputs, "archive", "one")
    capsys.readouterr()
    act(outputs)
    said = capsys.readouterr().out
    assert " one " not in said
    assert "1 archived study is not shown; archived=true shows all" in said
    assert archived_studies(uri(outputs)) == {"one"}
    assert PREFIX + view_id("one") not in view_tags(outputs)
    act(outputs, archived=True)
    assert " archived" in capsys.readouterr().out
    assert len(analysis.read_study("one", outputs)) == 2
    assert write_views(uri(outputs)).name == "group/two"
    act(outputs, "restore", "one")
    assert archived_studies(uri(outputs)) == set()
    assert PREFIX + view_id("one") in view_tags(outputs)
    act(outputs)
    assert " one " in capsys.readouterr().out


def test_deleting_a_study_keeps_what_others_use(outputs, capsys):
    act(outputs, "delete", "one", confirm=True)
    said = capsys.readouterr().out
    assert said.startswith("deleted one (runs: 2 finished, 1 waiting; ")
    assert said.endswith("; 1 artifact that other studies use stays\n")
    assert names(outputs) == {"group/two"}
    assert artifacts(outputs) == {"a", "2"}
    assert not (outputs / "studies" / "one").exists()
    assert not (outputs / "artifacts" / ".deleted").exists()
    assert PREFIX + view_id("one") not in view_tags(outputs)
    assert len(analysis.read_study("group/two", outputs)) == 2
    act(outputs, "delete", "group/two", confirm=True)
    assert artifacts(outputs) == set()
    assert not (outputs / "studies" / "group").exists()


def test_what_another_study_only_takes_or_plans_is_kept(outputs):
    with without_asking():
        tags = {"role": "stage", "stage": "sft", "fingerprint": "5" * 16, "input.model": f"pretrain-{'1' * 16}"}
        with tracking.track(places(outputs)[1], "three", "sft", tags, {}, {}):
            pass
    publish(outputs, "9" * 16, 2.0)  # in the plan of the study one
    write_plan(outputs, "four", ("9" * 16,))
    act(outputs, "delete", "one", confirm=True)
    assert artifacts(outputs) == {"1", "2", "9", "a"}


def test_a_study_inside_the_folder_of_a_deleted_one_stays(outputs):
    with without_asking():
        make_study(outputs, "one/inner", {"7" * 16: 2.2})
    act(outputs, "delete", "one", confirm=True)
    assert names(outputs) == {"one/inner", "group/two"}
    assert (outputs / "studies" / "one" / "inner" / "plan.json").exists()
    with pytest.raises(ConfigError, match=r"^name: the folder of 'one' holds the study 'one/inner'; rename that first$"):
        make_again_and_rename(outputs)


def make_again_and_rename(outputs):
    with without_asking():
        make_study(outputs, "one", {"8" * 16: 2.2})
    act(outputs, "rename", "one", "other")


def test_a_deletion_is_asked_for_on_a_terminal(outputs, monkeypatch, capsys):
    with pytest.raises(
        ConfigError, match=r"^confirm: deletes one \(runs: .*\); without a terminal that asks, add confirm=true$"
    ):
        act(outputs, "delete", "one")
    for stream in (sys.stdin, sys.stdout):
        monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    asked = []
    monkeypatch.setattr("builtins.input", lambda text: asked.append(text) or "n")
    with pytest.raises(ConfigError, match=r"^confirm: nothing was deleted$"):
        act(outputs, "delete", "one")
    assert asked[0].startswith("delete one (runs: 2 finished, 1 waiting; ")
    assert names(outputs) == {"one", "group/two"}
    monkeypatch.setattr("builtins.input", lambda text: "y")
    act(outputs, "delete", "one")
    assert names(outputs) == {"group/two"}


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["rename", "on", "b"], r"name: there is no study 'on' in .*; did you mean one\?"),
        (["delete", "nothing at all"], r"name: there is no study 'nothing at all' in .*; there are group/two, one"),
        (["rename", "one", "group/two"], r"to: there is a study 'group/two' already; choose another name"),
        (["rename", "one", "group"], r"to: .*/studies/group is there already; choose another name"),
        (["rename", "one", "one/more"], r"to: 'one/more' is inside the folder of 'one'; choose another name"),
        (["rename", "one", "../one"], r"to: '../one' is the name of a folder, without the parts "),
        (["rename", "one"], r"to: give the new name of the study: openr1-plan studies rename one TO"),
        (["archive"], r"name: give the study: openr1-plan studies archive NAME"),
        (["archive", "one", "two"], r"to: belongs to rename, export, import, not to archive"),
        (["list", "one"], r"name: belongs to rename, archive, "),
        (["export", "one", "one.tar"], r"to: one.tar does not end in .zip"),
        (["export", "one"], r"to: give the file, such as demo.zip: openr1-plan studies export one TO"),
        (["import", "none.zip"], r"there is no file none.zip"),
        (["renam", "one", "b"], r"studies: 'renam' is not one of list, rename, "),
    ],
)
def test_a_wrong_change_is_one_line_and_changes_nothing(outputs, words, line):
    before = {path: path.stat().st_mtime_ns for path in (outputs / "studies").rglob("*.json")}
    with pytest.raises(ConfigError, match=f"^{line}") as told:
        act(outputs, *words)
    assert "\n" not in str(told.value)
    assert {path: path.stat().st_mtime_ns for path in (outputs / "studies").rglob("*.json")} == before
    assert names(outputs) == {"one", "group/two"}


@pytest.mark.parametrize("damage", ["cut", "other", "text"])
def test_a_damaged_bundle_is_one_line(outputs, tmp_path, damage):
    act(outputs, "export", "one", tmp_path / "one.zip")
    whole = (tmp_path / "one.zip").read_bytes()
    (tmp_path / "bad.zip").write_bytes(whole[: len(whole) // 2] if damage == "cut" else b"text")
    if damage == "other":
        with zipfile.ZipFile(tmp_path / "bad.zip", "w") as bundle:
            bundle.writestr("readme", "no bundle")
    with pytest.raises(ConfigError, match=r"is no whole bundle, as openr1-plan studies export"):
        act(outputs, "import", tmp_path / "bad.zip", "two")
    assert names(outputs) == {"one", "group/two"}


def test_the_status_of_an_unknown_study_names_those_in_folders_too(outputs):
    with pytest.raises(ConfigError, match=r"there are group/two"):
        plan_file.read(places(outputs)[0], "none")


@pytest.mark.parametrize("words", [["rename", "one", "b"], ["delete", "one"], ["archive", "one"]])
def test_a_running_study_is_not_changed(outputs, words):
    others = {"confirm": True} if words[0] == "delete" else {}
    with (
        at_work(outputs / "studies" / "one"),
        pytest.raises(ConfigError, match=r"^name: 'one' is running, since a process works"),
    ):
        act(outputs, *words, **others)
    run = client(uri(outputs)).create_run(
        "1", tags={"study": "one", "stage": "pretrain", "fingerprint": "3" * 16, "host": "elsewhere"}, run_name="third"
    )
    with pytest.raises(ConfigError, match=r"^name: 'one' is running, since run third \(\w+\) is running on elsewhere; stop it"):
        act(outputs, *words, **others)
    client(uri(outputs)).set_terminated(run.info.run_id, "FAILED")
    assert names(outputs) == {"one", "group/two"}
    act(outputs, *words, **others)


STEPS = ("rename_study", "delete_study")


@pytest.mark.parametrize("killed", range(6))
def test_a_deletion_that_is_killed_goes_on(outputs, killed, monkeypatch, capsys):
    kill_at(monkeypatch, killed)
    with pytest.raises(KeyboardInterrupt):
        act(outputs, "delete", "one", confirm=True)
    monkeypatch.undo()
    for folder in (outputs / "artifacts").glob("pretrain-*"):
        assert {path.name for path in folder.iterdir()} == {"artifact.json", "model"}  # each is whole, or gone
    assert "one" in names(outputs)
    act(outputs)
    assert "delete of one was interrupted; go on with: openr1-plan studies delete one" in capsys.readouterr().out
    with pytest.raises(
        ConfigError, match=r"^name: a change of 'one' was interrupted; finish it first: openr1-plan studies delete"
    ):
        act(outputs, "rename", "one", "b")
    act(outputs, "delete", "one", confirm=True)
    assert names(outputs) == {"group/two"}
    assert artifacts(outputs) == {"a", "2"}
    assert not (outputs / "studies" / "one").exists()
    assert not (outputs / "artifacts" / ".deleted").exists()


@pytest.mark.parametrize("killed", range(3))
def test_a_rename_that_is_killed_goes_on(outputs, killed, monkeypatch):
    kill_at(monkeypatch, killed)
    with pytest.raises(KeyboardInterrupt):
        act(outputs, "rename", "one", "first")
    monkeypatch.undo()
    act(outputs, "rename", "one", "first")
    assert names(outputs) == {"first", "group/two"}
    assert len(analysis.read_study("first", outputs)) == 2
    assert json.loads((outputs / "studies" / "first" / "plan.json").read_text())["study"] == "first"


def kill_at(monkeypatch, number):
    """Interrupt the command at one of the things that it does to a folder or to the store, by number."""
    calls = iter(range(100))

    def dying(function):
        def call(*args, **kwargs):
            if next(calls) == number:
                raise KeyboardInterrupt
            return function(*args, **kwargs)

        return call

    from openr1.tracking import study_changes

    monkeypatch.setattr(os, "rename", dying(os.rename))
    monkeypatch.setattr(shutil, "rmtree", dying(shutil.rmtree))
    monkeypatch.setattr(Path, "unlink", dying(Path.unlink))
    for step in STEPS:
        monkeypatch.setattr(study_changes, step, dying(getattr(study_changes, step)))


def test_an_exported_study_is_imported_elsewhere_with_curves_params_and_times(outputs, tmp_path, capsys):
    act(outputs, "export", "one", tmp_path / "one.zip")
    there = tmp_path / "there"
    act(there, "import", tmp_path / "one.zip")
    assert "imported one: 2 tracked runs; openr1-fit runs.study=one reads it\n" in capsys.readouterr().out
    assert names(there) == {"one"}
    here, gone = (analysis.read_study("one", folder) for folder in (outputs, there))
    same = ["name", "N", "D", "C", "eval_loss", "scale", "seed", "trial", "fingerprint", "start_time"]
    assert gone.frame[same].equals(here.frame[same])
    assert gone.curves("eval_loss").equals(here.curves("eval_loss"))
    fitted = frame.read(compose(["runs.study=one", f"outputs={there}"]).runs)  # by openr1-fit
    assert sorted(fitted.frame["loss"]) == [2.5, 3.0]
    assert gone.frame["artifact"].str.startswith(str(there / "artifacts")).all()
    assert not (there / "artifacts").exists()  # weights were not asked for
    ids = set(gone.frame["run_id"])
    assert ids.isdisjoint(here.frame["run_id"])
    assert {read_record(path).run_id for path in (there / "studies" / "one" / "runs").glob("*.json")} == ids
    assert read_catalogue(*places(there)).get("one").states == {"finished": 2, "waiting": 1}
    assert tracking.read_config(uri(there), ids.pop())["seed"] == 0
    with pytest.raises(ConfigError, match=r"^to: there is a study 'one' already; give another name"):
        act(there, "import", tmp_path / "one.zip")
    act(there, "import", tmp_path / "one.zip", "anna/one")
    assert names(there) == {"one", "anna/one"}
    assert len(analysis.read_study("anna/one", there)) == 2


def test_an_export_with_weights_has_the_artifacts(outputs, tmp_path):
    act(outputs, "export", "one", tmp_path / "one.zip", weights=True)
    there = tmp_path / "there"
    act(there, "import", tmp_path / "one.zip")
    assert artifacts(there) == {"1", "a"}


def test_an_import_that_is_killed_goes_on(outputs, tmp_path, monkeypatch):
    act(outputs, "export", "one", tmp_path / "one.zip")
    there = tmp_path / "there"
    from openr1.tracking import study_transfer

    whole = study_transfer._track

    def once(*args):
        monkeypatch.setattr(study_transfer, "_track", dies)
        return whole(*args)

    def dies(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(study_transfer, "_track", once)
    with pytest.raises(KeyboardInterrupt):
        act(there, "import", tmp_path / "one.zip")
    monkeypatch.setattr(study_transfer, "_track", whole)
    act(there, "import", tmp_path / "one.zip")
    assert len(analysis.read_study("one", there)) == 2
    assert not (there / "studies" / "one" / change.FILE).exists()
