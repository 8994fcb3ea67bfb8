import json

import pytest

from openr1.config.schema import Config, PathsConfig
from openr1.data.options import DataConfig, FilesSource, TokenizerConfig
from openr1.models.options import ModelConfig, ScaleConfig
from openr1.stages.options import StageConfig


@pytest.fixture
def configure(tmp_path):
    """A config of the given sources; further keyword arguments go to the data config."""

    def configure(sources, vocab_size=300, stage="pretrain", checkpoint=None, **data):
        data = {"context": 16, "eval_fraction": 0.1, "eval_tokens": 256, **data}
        return Config(
            model=ModelConfig(family="qwen2", checkpoint=checkpoint),
            scale=ScaleConfig("30k", 30e3, 32, 2, 1, 1),
            data=DataConfig("test", sources, TokenizerConfig(vocab_size=vocab_size), **data),
            stage=StageConfig(stage),
            paths=PathsConfig(cache=str(tmp_path / "cache")),
        )

    return configure


@pytest.fixture
def write_rows(tmp_path):
    def write_rows(name, rows):
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return write_rows


@pytest.fixture
def texts(write_rows):
    """A source of 300 different texts."""
    return FilesSource(path=str(write_rows("texts.jsonl", [{"text": f"text {i} has {i * i} words"} for i in range(300)])))


@pytest.fixture
def pairs(write_rows):
    """A source of 300 prompts, of which every third has a second, longer completion."""
    rows = [{"q": f"what is {i}?", "a": "it is " + "one more than " * (1 + i % 3) + str(i - 1)} for i in range(300)]
    rows += [{"q": row["q"], "a": row["a"] + ", as said"} for row in rows[::3]]
    return FilesSource(path=str(write_rows("pairs.jsonl", rows)), prompt="q", completion="a")
