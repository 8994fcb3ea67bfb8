"""The artifact store: what it accepts as made."""

import json

import pytest
from helpers.damage import FAULTS

from openr1.system.artifacts import RECORD, Artifact, Store, check_artifact
from openr1.system.errors import RunError
from openr1.system.records import DamagedFile

NAME = "pretrain-0123456789abcdef"


@pytest.fixture
def store(tmp_path):
    """Return a store with one artifact."""
    store = Store(tmp_path / "artifacts")
    folder = store.partial("pretrain", "0123456789abcdef")
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "model.safetensors").write_bytes(b"weights")
    (folder / "history.jsonl").write_text('{"step": 1}\n')
    store.publish(Artifact("pretrain", "0123456789abcdef", {"data": "d"}, {"eval_loss": 2.5}))
    return store


def test_an_artifact_is_as_it_was_published(store):
    artifact = store.get(NAME)
    assert (artifact.metrics, artifact.inputs, artifact.name) == ({"eval_loss": 2.5}, {"data": "d"}, NAME)
    assert set(artifact.hashes) == {"model/model.safetensors", "history.jsonl"}
    assert artifact.sha256() == Artifact("pretrain", "", path=artifact.path).sha256()
    assert store.folders() == [artifact.path]
    check_artifact(artifact.path)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", [RECORD, "model/model.safetensors", "history.jsonl"])
def test_a_damaged_artifact_is_neither_done_nor_used(store, name, fault):
    path = store.root / NAME / name
    FAULTS[fault](path)
    ways = [
        lambda: store.find("pretrain", "0123456789abcdef"),
        lambda: store.get(NAME),
        lambda: store.get(str(store.root / NAME)),
    ]
    for use in ways:
        with pytest.raises(RunError) as refusal:
            use()
        assert str(refusal.value).startswith(str(path))
        assert f"; delete the folder {store.root / NAME}, and the command that made it makes it again" in str(refusal.value)
        assert "\n" not in str(refusal.value)
    with pytest.raises(DamagedFile):
        check_artifact(store.root / NAME)


def test_a_folder_of_an_artifact_without_anything_in_it_is_damaged(store):
    (store.root / "sft-0123456789abcdef").mkdir()
    with pytest.raises(RunError, match=r"artifact\.json is missing; delete the folder"):
        store.find("sft", "0123456789abcdef")


def test_a_folder_that_is_no_artifact_is_none(store, tmp_path):
    assert store.get(str(tmp_path)) is None
    assert store.name_of("HuggingFaceTB/SmolLM2-135M") is None


def test_an_artifact_of_version_0_2_is_used(store):
    path = store.root / NAME / RECORD
    old = {"kind": "pretrain", "fingerprint": "0123456789abcdef", "inputs": {}, "metrics": {"eval_loss": 2.5}}
    path.write_text(json.dumps(old))
    (store.root / NAME / "model" / "model.safetensors").unlink()
    assert store.get(NAME).metrics == {"eval_loss": 2.5}
    (store.root / NAME / "history.jsonl").write_text('{"step": ')
    with pytest.raises(RunError, match=r"history\.jsonl is cut short; delete"):
        store.get(NAME)
    (store.root / NAME / "history.jsonl").unlink()
    path.write_text("{}")
    with pytest.raises(RunError, match=r"artifact\.json is not the record of an artifact; delete"):
        store.get(NAME)
