"""Configs composed as the command line composes them, and a small one with its text."""

import random
from pathlib import Path

from hydra import compose, initialize_config_module

from openr1.config.load import load_run_config
from openr1.config.schema import Config, register


def composed(*overrides: str) -> Config:
    """Compose and check the config of a run."""
    register()
    with initialize_config_module("openr1.conf", version_base="1.3"):
        cfg = compose("config", overrides=list(overrides))
    return load_run_config(cfg)


WORDS = tuple("the of and to in is that for it as was with be by on not he his but at are this have from or".split())  # noqa: SIM905


def write_text(path: Path) -> Path:
    """Write 200 short documents of made-up text, one a line."""
    rng = random.Random(0)
    documents = [" ".join(rng.choices(WORDS, k=80)) for _ in range(200)]
    path.write_text("".join(f'{{"text": "{document}"}}\n' for document in documents))
    return path


def tiny_run(text_file: Path, folder: Path) -> list[str]:
    """Return overrides of a run that trains in about a second, all of it under ``folder``."""
    return [
        "data=files",
        f"data.sources.files.path={text_file}",
        "data.tokenizer.vocab_size=300",
        "data.context=32",
        "data.eval_fraction=0.1",
        "data.eval_tokens=512",
        "scale=30k",
        "budget.steps=12",
        "optim.batch_tokens=128",
        "stage.eval_points=2",
        "stage.log_points=4",
        f"paths.outputs={folder}/outputs",
    ]
