import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from openr1.system.errors import ConfigError, RunError
from openr1.system.files import check_place, locked, replacing, write_json


def until_the_disk_is_full(path):
    with replacing(path) as temporary:
        temporary.write_text("half")
        raise OSError("No space left on device")


def test_a_file_stays_as_it_was_where_writing_fails(tmp_path):
    path = tmp_path / "value.json"
    write_json(path, 1)
    with pytest.raises(TypeError):
        write_json(path, object())
    with pytest.raises(RunError, match=rf"^{path}: no space left"):
        until_the_disk_is_full(path)
    assert json.loads(path.read_text()) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_kill_left_behind_is_overwritten(tmp_path):
    path = tmp_path / "value.json"
    (tmp_path / ".value.json.tmp").write_text("half")
    write_json(path, 1)
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_left_of_a_shared_file_is_deleted(tmp_path):
    path, other = tmp_path / "value[1].json", tmp_path / ".other.json.1234.tmp"
    other.touch()
    write = "import sys, pathlib, openr1.system.files as f\nwith f.replacing(pathlib.Path(sys.argv[1]), shared=True): "
    for end, left in (("import os; os._exit(1)", 1), ("print(flush=True), input()", 1)):
        process = subprocess.Popen(
            [sys.executable, "-c", write + end, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        process.stdout.readline()  # it holds its temporary file, or is dead
        write_json(path, 1, shared=True)
        assert len(list(tmp_path.glob(".value*"))) == (0 if "exit" in end else left)
        process.communicate(b"\n")
    assert sorted(tmp_path.iterdir()) == [other, path]


def test_several_may_write_a_shared_file_at_once(tmp_path):
    path = tmp_path / "value.json"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: write_json(path, [i] * 1000, shared=True), range(200)))
    assert len(set(json.loads(path.read_text()))) == 1
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("place", ["/proc/x", "/proc/x/y", "/dev/null/x", "/etc/passwd", "/tmp/" + "x" * 300])
def test_a_place_that_takes_no_file_is_refused(place):
    with pytest.raises(ConfigError, match=rf"^paths\.a: nothing can be written in {place}: [^\n]*; give another place$"):
        check_place(Path(place), "paths.a")


def test_to_check_a_place_makes_nothing(tmp_path):
    check_place(tmp_path / "a" / "b", "paths.a")
    assert not list(tmp_path.iterdir())


def test_a_lock_in_a_place_that_takes_no_file_is_an_error_at_once(tmp_path):
    with pytest.raises(OSError, match="No such file"), locked(Path("/proc/x.lock")):
        pass
