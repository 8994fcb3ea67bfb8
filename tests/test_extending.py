"""The complete examples of docs/extending.md: their code and configs are taken from the page, registered, and used."""

from __future__ import annotations

import re
import sqlite3
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.configs import composed
from helpers.source import ROOT
from helpers.sweep_designs import study

from openr1.analysis import Bootstrap, fit
from openr1.config.schema import register
from openr1.data.options import SOURCES
from openr1.data.registry import SOURCE_CLASSES, open_sources
from openr1.data.tasks import TASKS
from openr1.data.tasks.problem import Problem
from openr1.models.build import build
from openr1.models.families import FAMILIES
from openr1.models.options import ScaleConfig
from openr1.models.shape import count, solve_shape
from openr1.rewards.base import Sample
from openr1.runs.stage_run import run_stage
from openr1.stages.figures import FIGURES
from openr1.stages.options import STAGES
from openr1.sweeps.designs import DESIGNS

PAGE = (ROOT / "docs" / "extending.md").read_text()
SECTIONS = dict(zip(*[iter(re.split(r"^## (.+)$", PAGE, flags=re.M)[1:])] * 2, strict=True))
REGISTRIES = (FAMILIES, SOURCES, SOURCE_CLASSES, TASKS, STAGES, FIGURES, DESIGNS)


@pytest.fixture(autouse=True)
def registries():
    """Take what an example registers out again."""
    before = [dict(registry) for registry in REGISTRIES]
    yield
    for registry, content in zip(REGISTRIES, before, strict=True):
        registry.clear()
        registry.update(content)


@pytest.fixture
def example(tmp_path, monkeypatch):
    """Return a function that makes a module of the code of a section, and writes its config to a folder of configs."""

    def make(section: str, module: str) -> tuple[ModuleType, str]:
        text = SECTIONS[section]
        made = ModuleType(module)
        monkeypatch.setitem(sys.modules, module, made)
        exec(compile("\n".join(re.findall(r"```python\n(.*?)```", text, re.S)), module, "exec", dont_inherit=True), vars(made))
        for path, content in re.findall(r"```yaml\n# conf/(\S+)\n(.*?)```", text, re.S):
            file = tmp_path / "conf" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
        register.cache_clear()  # the schemas of the example are registered with Hydra too
        return made, f"hydra.searchpath=[file://{tmp_path / 'conf'}]"

    return make


def test_a_family_is_built_with_the_parameters_that_are_counted(example):
    _, path = example("A model family", "my_family")
    model = composed("model=mistral", path).model
    shape = solve_shape(model, ScaleConfig("small", 2e5, 64, 3, 2, 1), 300, 64)
    with torch.device("meta"):
        built = build(model, shape, seed=0)
    assert type(built).__name__ == "MistralForCausalLM"
    assert count(shape).total == sum(parameter.numel() for parameter in built.parameters())


def test_a_source_is_read_and_refused(example, tmp_path):
    _, path = example("A data source", "my_source")
    database = sqlite3.connect(tmp_path / "notes.db")
    database.execute("create table documents (text)")
    database.executemany("insert into documents values (?)", [("one",), ("two",)])
    database.commit()
    config = composed("data=notes", path, f"data.sources.notes.path={tmp_path}/notes.db", f"paths.outputs={tmp_path}")
    source = open_sources(config.data, config.paths)["notes"]
    assert [document.completion for document in source.documents()] == ["one", "two"]
    assert source.content() == source.content()


def test_a_task_has_right_answers_and_wrong_ones(example):
    _, path = example("A task", "my_task")
    composed("data=doubles", path)
    task = TASKS["doubles"]
    problems = task.generate(50, 0, task.Options())
    assert {problem.difficulty for problem in problems} == {1, 2, 3}
    problem = next(problem for problem in problems if problem.difficulty == 2)
    number = int(problem.prompt.split()[1])
    assert problem.answer == str(4 * number)
    assert task.verify(problem, f"<answer>{4 * number}</answer>")
    assert not task.verify(problem, f"<answer>{5 * number}</answer>")


def test_a_reward_gives_a_number_for_each_answer(example):
    made, _ = example("A reward", "my_rewards")
    samples = [Sample(Problem("q", "1"), "x" * length) for length in (10, 400)]
    assert made.brief(samples) == [1.0, 0.5]


def test_a_stage_makes_an_artifact(example, tmp_path):
    _, path = example("A stage", "openr1.stages.describe")
    options = ["data=sums", "data.sources.sums.problems=40", "stage.problems=5", f"paths.outputs={tmp_path}"]
    result = run_stage(composed("stage=describe", path, *options), quiet=True)
    assert result.metrics["mean_length"] > 0
    assert (result.artifact.path / "lengths.md").read_text().startswith("| mean | longest |")


def test_a_law_finds_its_parameters(example):
    made, _ = example("A law", "my_laws")
    n, d = (values.ravel() for values in np.meshgrid(np.geomspace(1e6, 1e8, 5), np.geomspace(1e7, 1e10, 5)))
    frame = pd.DataFrame({"N": n, "D": d, "C": 6 * n * d, "loss": 1.8 + (2e5 / n + 3e6 / d) ** 0.4})
    result = fit(frame, made.Joint(), bootstrap=Bootstrap(resamples=0))
    assert result.params == pytest.approx({"E": 1.8, "A": 2e5, "B": 3e6, "alpha": 0.4}, rel=1e-2)


def test_a_design_ends_where_its_rule_says(example):
    made, path = example("A design of a study", "openr1.sweeps.designs.doubling")
    rounds, finished, _ = study(made.DoublingSweep(name="x"), lambda config: 2 + 1e5 / config.budget.tokens)
    assert [run.config.budget.tokens for run in finished] == [1e5 * 2**step for step in range(len(rounds))]
    assert len(rounds) == 6
    assert Path(path.removeprefix("hydra.searchpath=[file://").rstrip("]"), "sweep", "doubling.yaml").exists()
