"""Records of folders, and the damage that they show."""

import json
import os
import zipfile

import pytest
from helpers.damage import FAULTS

from openr1.system.records import DamagedFile, read_record, read_sealed, write_record, write_sealed

REASONS = {
    "empty": "is empty",
    "cut": "has 8 of 17 bytes",
    "delete": "is missing",
    "zero": "was changed",
    "alter": "was changed",
}


@pytest.fixture
def record(tmp_path):
    """Return the path of the record of a folder with two files."""
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "weights.bin").write_bytes(b"weights of a part")
    (tmp_path / "notes.txt").write_text("notes")
    write_record(tmp_path / "record.json", {"kind": "part", "loss": 2.5})
    return tmp_path / "record.json"


def test_a_sound_folder_gives_its_content(record):
    for thorough in (False, True):
        found = read_record(record, thorough)
        assert found.content == {"kind": "part", "loss": 2.5}
        assert {name: state.size for name, state in found.files.items()} == {"notes.txt": 5, "part/weights.bin": 17}


@pytest.mark.parametrize("fault", FAULTS)
def test_damage_of_a_file_is_found(record, fault):
    path = record.parent / "part" / "weights.bin"
    FAULTS[fault](path)
    with pytest.raises(DamagedFile, match=f"^{path} {REASONS.get(fault, 'was changed')}"):
        read_record(record)


@pytest.mark.parametrize("fault", FAULTS)
def test_damage_of_the_record_is_found(record, fault):
    FAULTS[fault](record)
    with pytest.raises(DamagedFile, match=f"^{record} "):
        read_record(record)


def test_values_that_are_changed_in_the_record_are_found(record):
    record.write_text(record.read_text().replace("2.5", "2.4"))
    with pytest.raises(DamagedFile, match=r"record\.json was changed after it was written"):
        read_record(record)


def test_a_file_that_is_older_than_the_record_is_hashed_only_on_demand(record):
    path, before = record.parent / "notes.txt", (record.parent / "notes.txt").stat()
    path.write_text("other")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    read_record(record)
    with pytest.raises(DamagedFile, match=r"notes\.txt was changed"):
        read_record(record, thorough=True)


def test_a_copy_whose_times_are_new_is_sound(record):
    for path in record.parent.rglob("*"):
        os.utime(path)
    os.utime(record, ns=(0, 0))
    assert read_record(record).content["kind"] == "part"


@pytest.mark.parametrize("fault", ["empty", "cut"])
@pytest.mark.parametrize("name", ["model.safetensors", "rows.parquet", "config.json", "tokens.npy", "state.pt"])
def test_the_formats_of_files_show_damage_to_records_without_a_list(tmp_path, name, fault):
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
    from safetensors.numpy import save_file

    save_file({"a": np.arange(9.0)}, tmp_path / "model.safetensors")
    pq.write_table(pa.table({"a": [1, 2]}), tmp_path / "rows.parquet")
    (tmp_path / "config.json").write_text('{"a": [1, 2]}')
    np.save(tmp_path / "tokens.npy", np.arange(9))
    with zipfile.ZipFile(tmp_path / "state.pt", "w") as archive:  # as torch.save writes it
        archive.writestr("state/data.pkl", "tensors")
    record = tmp_path / "artifact.json"
    record.write_text(json.dumps({"kind": "old"}))
    assert read_record(record).content == {"kind": "old"}
    FAULTS[fault](tmp_path / name)
    with pytest.raises(DamagedFile, match=f"{name} is (cut short|empty)"):
        read_record(record)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_sealed_value_is_whole_or_none(tmp_path, fault):
    path = tmp_path / "verdicts.json"
    write_sealed(path, [True, "time limit", None])
    assert read_sealed(path) == [True, "time limit", None]
    FAULTS[fault](path)
    assert read_sealed(path) is None
