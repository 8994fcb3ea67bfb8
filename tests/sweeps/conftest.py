"""A study of four runs, planned and not made."""

from dataclasses import replace

import pytest
from helpers.configs import composed

from openr1.sweeps.planning.plan import plan_runs

TINY = ["data=files", "data.tokenizer.vocab_size=300", "data.context=32", "data.eval_fraction=0.1", "data.eval_tokens=512"]
TINY += ["scale=30k", "budget.steps=12", "optim.batch_tokens=128", "stage.eval_points=2", "study=half"]


@pytest.fixture(scope="session")
def configs(tmp_path_factory, text_file):
    """Configs of the runs, whose data are prepared once."""
    given = [*TINY, f"data.sources.files.path={text_file}", f"paths.outputs={tmp_path_factory.mktemp('half')}"]
    config = composed(*given)
    return [replace(config, seed=seed) for seed in range(4)]


@pytest.fixture
def study(tmp_path, configs):
    """Planned runs of the study ``half``, under ``tmp_path``."""
    outputs = f"{tmp_path}/outputs"
    places = {"outputs": outputs, "artifacts": f"{outputs}/artifacts", "studies": f"{outputs}/studies"}
    moved = [replace(config, paths=replace(config.paths, **places)) for config in configs]
    return plan_runs([(f"seed={config.seed}", config) for config in moved])
