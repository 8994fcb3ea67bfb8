"""Commands of the project in a notebook."""

import pytest

from openr1.system.errors import RunError
from openr1.system.notebooks import enter_project, run


def test_a_command_prints_what_it_prints_in_a_shell(capfd, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # as a kernel does
    run("python -c \"import os; print(os.environ.get('FORCE_COLOR'), 'a  b')\"")
    assert capfd.readouterr().out == "None a  b\n"


def test_a_command_that_fails_stops_the_notebook():
    with pytest.raises(RunError, match=r"^the command failed with status 3: python -c 'raise SystemExit"):
        run("python -c 'raise SystemExit(3)'")


def test_a_notebook_works_at_the_root_of_its_project(tmp_path, monkeypatch):
    folder = tmp_path / "notebooks"
    folder.mkdir()
    monkeypatch.chdir(folder)
    enter_project()
    assert folder == folder.cwd()  # this is no project
    (tmp_path / "pyproject.toml").touch()
    for _ in range(2):
        enter_project()
        assert tmp_path == folder.cwd()
