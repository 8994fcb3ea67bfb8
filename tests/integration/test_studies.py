"""Studies that are really made, renamed, exported, imported and deleted, by the commands themselves."""

import pytest
from helpers.cli import command, succeed

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("studies")]


def test_a_study_keeps_its_runs_under_another_name_and_on_another_machine(tiny, tmp_path):
    place = f"paths.outputs={tmp_path}/outputs"
    plan = ["openr1-plan", "studies"]
    succeed("openr1", "-m", *tiny, "study=small", "seed=0,1", cwd=tmp_path)
    listed = succeed(*plan, place, cwd=tmp_path).stdout
    assert "small" in listed
    assert "2 finished" in listed
    assert "renamed small to first small" in succeed(*plan, "rename", "small", "first small", place, cwd=tmp_path).stdout

    again = succeed("openr1", "-m", *tiny, "study=first small", "seed=0,1", cwd=tmp_path)
    assert "2 runs, 2 done; 0 training FLOPs to go" in again.stderr
    status = succeed("openr1-plan", "status", "first small", place, cwd=tmp_path).stdout
    assert status.startswith("first small: 2 of 2 runs done")

    succeed(*plan, "export", "first small", "small.zip", "weights=true", place, cwd=tmp_path)
    there = f"paths.outputs={tmp_path}/there"
    succeed(*plan, "import", "small.zip", "small", there, cwd=tmp_path)
    moved = [word for word in tiny if not word.startswith("paths.outputs=")]
    imported = succeed("openr1", "-m", *moved, there, "study=small", "seed=0,1", cwd=tmp_path)
    assert "2 runs, 2 done; 0 training FLOPs to go" in imported.stderr

    refused = command(*plan, "delete", "small", there, cwd=tmp_path)
    assert refused.returncode == 2
    assert refused.stderr.startswith("openr1-plan: confirm: deletes small (runs: 2 finished; ")
    assert len(refused.stderr.splitlines()) == 1
    succeed(*plan, "delete", "small", "confirm=true", there, cwd=tmp_path)
    assert not list((tmp_path / "there" / "artifacts").glob("pretrain-*"))
    assert succeed(*plan, there, cwd=tmp_path).stdout == f"there are no studies in {tmp_path}/there/studies\n"


def test_the_help_of_studies_names_the_options(tmp_path):
    text = succeed("openr1-plan", "studies", "--help", cwd=tmp_path).stdout
    assert "`studies rename OLD NEW` is `studies=rename name=OLD to=NEW`" in text
    assert max(map(len, text.splitlines())) <= 128
