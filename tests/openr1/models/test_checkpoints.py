"""Checkpoints of others: code and pickles that they bring are refused in one line, and never run."""

import json
import os
import pickle

import numpy as np
import pytest
import torch
from helpers.models import TINY, write_model

from openr1.data.tokenizer import load_checkpoint
from openr1.engines.options import TransformersEngine
from openr1.engines.transformers import Engine
from openr1.models.checkpoints import checkpoint_shape, load, load_model
from openr1.models.options import ModelConfig
from openr1.system.errors import ConfigError


class Attack:
    """An object whose pickle makes a file when it is loaded."""

    def __init__(self, made):
        self.made = str(made)

    def __reduce__(self):
        return os.mkdir, (self.made,)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("sound"))


@pytest.fixture
def folder(sound, tmp_path):
    """Return a copy of a sound checkpoint."""
    copy = tmp_path / "model"
    copy.mkdir()
    for name in os.listdir(sound):
        os.link(f"{sound}/{name}", copy / name)
    return copy


def edit(folder, name, **values):
    content = json.loads((folder / name).read_text()) | values
    (folder / name).unlink()
    (folder / name).write_text(json.dumps(content))


def attempts(folder):
    """Every way in which a checkpoint's weights, config or tokenizer are loaded."""
    model = ModelConfig(checkpoint=str(folder))
    return (
        {
            "the weights": lambda: load(model, TINY),
            "an engine": lambda: Engine(TransformersEngine(model=str(folder), device="cpu")),
        },
        {"the shape": lambda: checkpoint_shape(model, TINY, 64)},
        {"the tokenizer": lambda: load_checkpoint.__wrapped__(str(folder), None)},
    )


def refused(attempts, match):
    for what, attempt in attempts.items():
        with pytest.raises(ConfigError, match=match) as error:
            attempt()
        assert "\n" not in str(error.value), what


@pytest.mark.parametrize("attack", ["tensors and an object", "an object", "no pickle"])
def test_pickled_weights_with_more_than_tensors_are_not_loaded(folder, attack, tmp_path):
    (folder / "model.safetensors").unlink()
    weights, object_ = folder / "pytorch_model.bin", Attack(tmp_path / "made")
    if attack == "tensors and an object":
        torch.save({"a": torch.zeros(2), "b": object_}, weights)
    else:
        weights.write_bytes(pickle.dumps(object_) if attack == "an object" else b"no pickle")
    refused(
        attempts(folder)[0], r"pytorch_model\.bin of .* is damaged or holds more than tensors, .* give a checkpoint in safe"
    )
    assert not (tmp_path / "made").exists()


def test_pickled_tensors_are_loaded_and_safetensors_come_first(folder, tmp_path):
    expected = load_model("model.checkpoint", str(folder), None).state_dict()
    torch.save(Attack(tmp_path / "made"), folder / "pytorch_model.bin")
    load_model("model.checkpoint", str(folder), None)
    assert not (tmp_path / "made").exists()
    (folder / "model.safetensors").unlink()
    torch.save(expected, folder / "pytorch_model.bin")
    loaded = load_model("model.checkpoint", str(folder), None).state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in expected.items())


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_code_of_a_checkpoint_is_refused(folder, name, known, tmp_path, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda *_: "y")  # at a terminal transformers would ask
    (folder / "evil.py").write_text(f"import os\nos.mkdir({str(tmp_path / 'made')!r})\n")
    codes = {"AutoConfig": "evil.A", "AutoModelForCausalLM": "evil.B", "AutoTokenizer": ["evil.C", None]}
    edit(folder, name, auto_map=codes)
    if not known:
        edit(folder, "config.json", model_type="evil")
    weights, shape, tokens = attempts(folder)
    refused(
        weights | tokens, rf"model\.checkpoint: {name} of {folder} names code of its own \(auto_map\), which is never run; "
    )
    if name == "config.json":
        refused(shape, r"names code of its own")
    assert not (tmp_path / "made").exists()


def test_states_of_training_are_not_unpickled(tmp_path):
    """The trainer of transformers reads its optimiser, schedule and random state in this way, and this project arrays."""
    attack = Attack(tmp_path / "made")
    torch.save({"state": attack}, tmp_path / "optimizer.pt")
    np.save(tmp_path / "tokens.npy", np.array([attack], dtype=object), allow_pickle=True)
    with pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / "optimizer.pt")
    for mode in (None, "r"):
        with pytest.raises(ValueError, match=r"[Oo]bject"):
            np.load(tmp_path / "tokens.npy", mmap_mode=mode)
    assert not (tmp_path / "made").exists()
