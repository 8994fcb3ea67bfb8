import errno
import os

import pytest
from helpers.faults import small_disk

from openr1.options.guard import exiting, guarded
from openr1.sweeps.optuna.trial_task import is_out_of_memory
from openr1.system.errors import ConfigError, Pruned, RunError
from openr1.system.faults import BY_NUMBER, fault_line, is_full, writing


@pytest.mark.parametrize("number", sorted(set(BY_NUMBER) - {errno.ENOMEM}))
def test_a_fault_of_the_machine_is_one_line_that_names_the_file(number):
    error = OSError(number, os.strerror(number), "/a/b")
    line = fault_line(error)
    assert line.startswith("/a/b: ")
    assert ";" in line  # what to do
    assert "\n" not in line
    assert fault_line(OSError(number, os.strerror(number)), "/c").startswith("/c: ")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("Error while serializing: I/O error: No space left on device (os error 28)", errno.ENOSPC),
        ("[enforce fail at inline_container.cc:664] . unexpected pos 704 vs 598", errno.ENOSPC),
        ("(sqlite3.OperationalError) database or disk is full\n[SQL: INSERT]", errno.ENOSPC),
        ("[Errno 28] Error writing bytes to file. Detail: [errno 28] No space left on device", errno.ENOSPC),
        ("Disk quota exceeded (os error 122)", errno.EDQUOT),
        ("attempt to write a readonly database", errno.EROFS),
        ("Too many open files (os error 24)", errno.EMFILE),
        ("disk I/O error", errno.EIO),
        ("unable to open database file", errno.ENOENT),
    ],
)
def test_errors_of_libraries_are_known_by_their_messages(text, number):
    assert fault_line(RuntimeError(text), "/a") == f"/a: {BY_NUMBER[number]}"


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory", "/a"),
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory: you tried it"),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    ],
    ids=repr,
)
def test_memory_that_runs_out_is_one_line_that_a_search_knows(error):
    line = fault_line(error, "/place")
    assert line.startswith("out of memory; ")
    assert is_out_of_memory(RunError(line))


def test_a_folder_that_transformers_takes_for_a_repository_is_named():
    error = OSError("Repo id must be in the form 'repo_name' or 'namespace/repo_name': '/a/b/tokenizer'. Use `repo_type`.")
    assert fault_line(error, "/c").startswith("/a/b/tokenizer: no such file or folder; ")


def test_the_libraries_themselves_say_what_is_known(tmp_path):
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
    import torch
    from safetensors.numpy import save_file

    with small_disk(tmp_path / "disk", "64k") as disk:
        values = np.random.default_rng(0).random(1 << 16)
        for write in (
            lambda: save_file({"a": values}, disk / "a"),
            lambda: pq.write_table(pa.table({"a": values}), disk / "b"),
            lambda: values.tofile(disk / "c"),
            lambda: torch.save(torch.from_numpy(values), disk / "d"),
            lambda: (disk / "e").write_bytes(values.tobytes()),
        ):
            with pytest.raises(Exception) as raised:  # noqa: PT011  # each library has its own
                write()
            assert is_full(raised.value), repr(raised.value)
            for path in disk.iterdir():
                path.unlink()


def test_a_file_that_was_looked_for_in_vain_does_not_explain_another_error():
    def looks_in_vain(cause):
        try:
            raise cause
        except OSError:
            raise ValueError("a defect")  # noqa: B904

    for cause, explains in ((FileNotFoundError(errno.ENOENT, "x"), False), (OSError(errno.ENOSPC, "x"), True)):
        with pytest.raises(ValueError, match="a defect") as raised:
            looks_in_vain(cause)
        assert (fault_line(raised.value) is not None) == explains


@pytest.mark.parametrize("error", [ValueError("x"), ConfigError("x"), RunError("x"), Pruned("x"), KeyboardInterrupt()])
def test_other_errors_pass(error):
    with pytest.raises(type(error)) as raised, writing("/a"):
        raise error
    assert raised.value is error


@pytest.mark.parametrize("command", [guarded, lambda task: exiting()(task)()])
def test_a_command_ends_with_one_line_and_status_1(command, capsys):
    def task():
        raise OSError(errno.ENOSPC, "No space left on device", "/a/b")

    with pytest.raises(SystemExit) as exit_:
        command(task)
    assert exit_.value.code == 1
    assert capsys.readouterr().err.endswith(": /a/b: no space left on the device; make room, and the same command goes on\n")


def test_a_defect_shows_its_stack_trace():
    def task():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        guarded(task)


def test_stack_traces_of_all_errors_can_be_asked_for(monkeypatch):
    def task():
        with exiting():
            raise ConfigError("x")

    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(ConfigError):
        guarded(task)
    monkeypatch.delenv("HYDRA_FULL_ERROR")
    with pytest.raises(SystemExit):
        guarded(task)
