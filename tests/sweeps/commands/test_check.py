"""``openr1-plan check``: damaged artifacts and tokenised data."""

import pytest
from helpers.damage import zero

from openr1.config.schema import PathsConfig
from openr1.sweeps.commands import check
from openr1.system.artifacts import Artifact, Store
from openr1.system.errors import ConfigError, RunError
from openr1.system.records import write_record

ARTIFACT = "pretrain-0123456789abcdef"


@pytest.fixture
def config(tmp_path):
    """Return options that check a folder of outputs with one artifact and one token cache."""
    store = Store(tmp_path / "artifacts")
    for name in ("model", "data"):
        (store.partial("pretrain", "0123456789abcdef") / name).mkdir(parents=True)
    (store.partial("pretrain", "0123456789abcdef") / "model" / "model.safetensors").write_text("weights")
    store.publish(Artifact("pretrain", "0123456789abcdef"))
    corpus = tmp_path / "cache" / "data" / "0123456789abcdef"
    corpus.mkdir(parents=True)
    (corpus / "tokens.npy").write_text("tokens")
    write_record(corpus / "corpus.json", {})
    return {"paths": {"artifacts": str(store.root), "cache": str(tmp_path / "cache")}}


def run(config, part="all"):
    paths = PathsConfig(**config["paths"])
    check.report(check.CheckConfig(part, paths))


def test_sound_folders(config, tmp_path, capsys):
    run(config)
    assert capsys.readouterr().out.splitlines() == [
        f"sound    {tmp_path}/artifacts/{ARTIFACT}",
        f"sound    {tmp_path}/cache/data/0123456789abcdef",
        "2 folders are sound",
    ]


@pytest.mark.parametrize(("part", "damaged"), [("all", 2), ("artifacts", 1), ("data", 1)])
def test_damaged_folders_are_named_with_the_file(config, part, damaged, tmp_path, capsys):
    weights = tmp_path / "artifacts" / ARTIFACT / "model" / "model.safetensors"
    tokens = tmp_path / "cache" / "data" / "0123456789abcdef" / "tokens.npy"
    zero(weights)
    zero(tokens)
    with pytest.raises(RunError, match=f"^{damaged} of {damaged} folders are damaged; delete each of them"):
        run(config, part)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == damaged
    assert (f"damaged  {weights.parents[1]}: {weights} was changed after it was written" in lines) == (part != "data")
    assert (f"damaged  {tokens.parent}: {tokens} was changed after it was written" in lines) == (part != "artifacts")


def test_nothing_to_check(tmp_path, capsys):
    run({"paths": {"artifacts": str(tmp_path / "none"), "cache": str(tmp_path)}})
    assert capsys.readouterr().out.startswith("there is nothing to check in ")


def test_another_part_is_refused():
    with pytest.raises(ConfigError, match=r"^check: 'model' is not one of all, artifacts, data$"):
        check.CheckConfig("model")
