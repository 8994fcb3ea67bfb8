"""The notebooks: each ``.py`` has its ``.ipynb``, and answers its question on small studies that are really trained."""

import importlib.util
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from helpers.cli import succeed
from helpers.configs import tiny_run
from helpers.shown_studies import r1_zero
from nbclient.exceptions import CellExecutionError

from openr1.tracking.options import TrackingConfig

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "notebooks"
SPEC = importlib.util.spec_from_file_location("execute_notebooks", FOLDER / "execute.py")
notebooks = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(notebooks)
PATHS = notebooks.list_notebooks()

IN_PROCESS = "hydra/launcher=basic"  # saves the start of a pool
group = partial(pytest.mark.xdist_group, "notebooks")  # of the tests that share a study


@pytest.fixture(scope="module")
def outputs(tmp_path_factory, text_file):
    """Train a small study under the name of that of the demo, and log a made-up R1-Zero; return the folder of outputs."""
    folder = tmp_path_factory.mktemp("notebooks")
    run = [word for word in tiny_run(text_file, folder) if not word.startswith(("scale=", "budget."))]
    grid = ["study=demo", "scale=30k,50k,70k", "budget.tokens=2e3,3e3,4500,7e3", IN_PROCESS, "sweep.calibrate=false"]
    succeed("openr1", "-m", *run, *grid, cwd=folder)
    store = TrackingConfig(uri=f"sqlite:///{folder}/outputs/mlflow.db", artifacts=f"{folder}/outputs/mlartifacts")
    r1_zero(store, "r1_zero_micro")
    return folder / "outputs"


@pytest.fixture
def execute(monkeypatch, tmp_path):
    """Return a function that executes a notebook on runs under a folder of outputs, and returns it."""

    def of(name, folder=None, **parameters):
        monkeypatch.setenv("OPENR1_OUTPUTS", str(folder or tmp_path / "outputs"))
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
        (path,) = notebooks.list_notebooks([name])
        notebook = notebooks.read(path)
        notebooks.execute(notebook, ROOT, parameters)
        return notebook

    return of


def figures(notebook):
    """Return the number of figures of an executed notebook."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return sum(not {"image/svg+xml", "image/png"}.isdisjoint(output.get("data", {})) for output in outputs)


def answer(notebook):
    """Return what the last cell printed, on one line."""
    return " ".join(notebooks.answer(notebook).split())


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_as_a_pair_without_outputs(path):
    kept, source = nbformat.read(path.with_suffix(".ipynb"), as_version=4), notebooks.read(path)
    nbformat.validate(kept)
    assert kept == source, "python notebooks/execute.py --pair writes the .ipynb anew"
    code = [cell for cell in kept.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_notebook_opens_with_one_question_and_is_short(path):
    notebook = notebooks.read(path)
    title, question = notebook.cells[0].source.split("\n\n")[:2]
    assert re.fullmatch(rf"# {int(path.name[:2])}\. .+", title)
    assert re.fullmatch(r"\*\*[^?]+\?\*\*", question)
    assert [cell.cell_type for cell in notebook.cells[-2:]] == ["markdown", "code"]
    assert notebook.cells[-2].source == "## The answer"
    assert sum("parameters" in cell.metadata.get("tags", []) for cell in notebook.cells) == 1
    assert 6 <= sum(cell.cell_type == "code" for cell in notebook.cells) <= 12


def test_there_are_seven_pairs():
    assert [path.name[:2] for path in PATHS] == [f"{number:02}" for number in range(1, 8)]
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == {path.stem for path in PATHS}


def test_without_the_demo_one_line_says_to_make_it(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/none.db")
    done = subprocess.run([sys.executable, FOLDER / "execute.py", "01"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "The store has no finished runs of the study demo: run make demo first.\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.integration
@group()
def test_the_first_look(execute, outputs):
    notebook = execute("01", outputs)
    assert figures(notebook) == 3
    assert re.search(r"^Of 12 runs, .* has the lowest loss, \d\.\d{3} nats a token\. The best size is ", answer(notebook))


@pytest.fixture
def points(tmp_path):
    """Write a study of five budgets and five sizes with a known law, as a CSV file."""
    flops, shift = np.meshgrid(np.geomspace(3e11, 5e12, 5), np.geomspace(0.3, 3.3, 5), indexing="ij")
    n = 1e5 * np.sqrt(flops / 1e12) * shift
    d = flops / (12 * n)
    table = pd.DataFrame({"N": n.ravel(), "D": d.ravel(), "C": flops.ravel()})
    table["loss"] = 1.9 + 30 * table["N"] ** -0.35 + 126 * table["D"] ** -0.4
    path = tmp_path / "points.csv"
    table.to_csv(path, index=False)
    return path


@pytest.mark.integration
def test_compute_optimal_sizes(execute, points):
    laws = ["compare=[isoflop,chinchilla,power_law]", "holdout.largest_budgets=1", "bootstrap.resamples=20"]
    notebook = execute("02", WORDS=["runs=csv", f"runs.path={points}", *laws])
    assert figures(notebook) == 3
    assert re.search(r"FLOPs, .*train .* parameters", answer(notebook))


@pytest.mark.integration
def test_a_notebook_says_where_there_are_no_runs(execute):
    with pytest.raises(CellExecutionError, match=r"runs.uri: there is no store"):
        execute("02")


@pytest.mark.integration
@group()
def test_what_reinforcement_learning_buys(execute, outputs):
    notebook = execute("03", outputs, WORDS=["experiment=r1_zero_micro", "bootstrap.resamples=20"])
    assert figures(notebook) == 5
    assert re.search(r"takes \d+% of the FLOPs of the base model, and raises the pass rate from .* to ", answer(notebook))


@pytest.mark.integration
def test_data(execute):
    sizes = {"TOKENS": 8000, "UNIQUE": [4000, 8000], "TRACES": [8000], "PROBLEMS": 300, "ASKED": 10}
    notebook = execute("04", **sizes, MORE=IN_PROCESS)
    assert figures(notebook) == 4
    assert re.search(
        r"^Verified answers teach a loss of .*, all answers .* The best mix has a share of sums of 0\.\d", answer(notebook)
    )


@pytest.mark.integration
def test_which_hyperparameters_transfer(execute):
    small = f"{IN_PROCESS} optim.batch_tokens=512"
    notebook = execute("05", SCALES=["50k", "100k"], TOKENS=5000, RATES=[0.25, 1, 4], EXTEND=2, MORE=small)
    assert figures(notebook) == 3
    assert "learning rate" in answer(notebook)


@pytest.mark.integration
def test_a_published_table(execute):
    notebook = execute("06", RESAMPLES=20)
    assert figures(notebook) == 3
    # as Besiroglu et al. found, the published law does not fit, and its optimum is far from 20 tokens a parameter
    assert re.search(
        r"would train 32\.\dB parameters, at 93 tokens a parameter; the fit 64\.\dB .*, at 23\.$", answer(notebook)
    )


@pytest.mark.integration
@group()
def test_a_plan_and_a_forecast_that_is_registered_once(execute, outputs, text_file):
    run = [word for word in tiny_run(text_file, outputs.parent) if not word.startswith(("scale=", "budget."))]
    planned = {"RECIPE": " ".join(run), "SCALES": ["50k", "70k"], "BUDGETS": ["6e9", "8e9"], "MORE": "sweep.calibrate=false"}
    first = execute("07", outputs, **planned)
    assert figures(first) == 2
    assert re.search(r"^Within 10 minutes, make the run .* Its loss is forecast as \d", answer(first))
    (path,) = (outputs / "studies" / "demo_next" / "forecasts").glob("*.json")
    before = path.read_bytes()
    assert answer(execute("07", outputs, **planned)) == answer(first)
    assert path.read_bytes() == before
