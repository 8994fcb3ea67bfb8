import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from openr1.system.errors import ConfigError, RunError
from openr1.tracking import mlflow as tracking
from openr1.tracking import sqlite, store


@pytest.fixture
def path(tmp_path):
    """Return the path of a whole store without runs."""
    path = tmp_path / "mlflow.db"
    tracking.client(f"sqlite:///{path}")
    return path


def execute(path, statement):
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(statement)


def make(uri):
    """Stand for MLflow, whose migrations take more than a second."""
    Path(uri.removeprefix("sqlite:///")).write_bytes(b"whole")


def truncate(path, size):
    with path.open("r+b") as file:
        file.truncate(size)


DAMAGE = {
    "empty": lambda path: truncate(path, 0),
    "cut in its first page": lambda path: truncate(path, 50),
    "cut after its header": lambda path: truncate(path, 200),
    "a migration": lambda path: execute(path, "CREATE TABLE _alembic_tmp_runs (a INTEGER)"),
    "a table missing": lambda path: execute(path, "DROP TABLE inputs"),
    "only its first tables": lambda path: [execute(path, f"DROP TABLE {table}") for table in ("webhooks", "trace_tags")],
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_store_that_was_left_half_made_and_holds_nothing_is_made_anew(path, damage, capsys):
    DAMAGE[damage](path)
    if "cut" not in damage:
        assert not sqlite.is_whole(path)
    sqlite.make_whole(path, make)
    assert path.read_bytes() == b"whole"
    assert capsys.readouterr().err == f"tracking.uri: {path} was not made whole and holds nothing; it is made anew\n"
    assert [found.name for found in path.parent.iterdir() if "lock" not in found.name] == ["mlflow.db"]


@pytest.mark.parametrize("damage", ["a migration", "a table missing"])
@pytest.mark.parametrize("holds", ["runs", "an experiment"])
def test_a_store_that_holds_something_is_not_touched(path, damage, holds):
    client = tracking.client(f"sqlite:///{path}")
    client.create_experiment("a")
    if holds == "runs":
        client.create_run("0")
    DAMAGE[damage](path)
    before = path.read_bytes()
    assert not sqlite.is_left_over(path)
    sqlite.make_whole(path, make)
    assert path.read_bytes() == before


def test_a_store_cut_in_the_middle_is_one_line_and_not_touched(path):
    client = tracking.client(f"sqlite:///{path}")
    client.create_run("0")
    truncate(path, path.stat().st_size // 2)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=r"^tracking\.uri: [^\n]*$"):
        store.open_store(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_one_line_and_not_touched(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("notes")
    with pytest.raises(ConfigError, match=r"^tracking\.uri: .*notes\.txt is no SQLite database, [^\n]*; give another file$"):
        store.open_store(f"sqlite:///{path}")
    assert path.read_text() == "notes"


def test_the_database_of_another_program_is_not_made_anew(tmp_path):
    path = tmp_path / "other.db"
    execute(path, "CREATE TABLE studies (a INTEGER)")
    assert not sqlite.is_whole(path)
    assert not sqlite.is_left_over(path)


def test_a_store_is_made_aside_and_a_failure_leaves_nothing(tmp_path):
    path = tmp_path / "mlflow.db"

    def fails(uri):
        assert uri != f"sqlite:///{path}"
        make(uri)
        raise sqlite3.OperationalError("database or disk is full")

    with pytest.raises(RunError, match=rf"^{path}: no space left on the device"):
        sqlite.make_whole(path, fails)
    assert not list(tmp_path.iterdir())
    sqlite.make_whole(path, make)
    assert path.read_bytes() == b"whole"


def test_a_store_in_an_impossible_place_is_one_line_at_once():
    with pytest.raises(ConfigError, match=r"^tracking\.uri: [^\n]*/proc/x\.db cannot be opened: [^\n]*$"):
        store.open_store("sqlite:////proc/x.db")
