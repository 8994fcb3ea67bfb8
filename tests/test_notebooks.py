import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


@pytest.fixture
def points(tmp_path, monkeypatch):
    """Write a study of five budgets and five sizes with a known law, as a CSV file that the notebooks read."""
    import numpy as np
    import pandas as pd

    flops, shift = np.meshgrid(np.geomspace(3e11, 5e12, 5), np.geomspace(0.3, 3.3, 5), indexing="ij")
    n = 1e5 * np.sqrt(flops / 1e12) * shift
    d = flops / (12 * n)
    table = pd.DataFrame({"N": n.ravel(), "D": d.ravel(), "C": flops.ravel()})
    table["loss"] = 1.9 + 30 * table["N"] ** -0.35 + 126 * table["D"] ** -0.4
    path = tmp_path / "points.csv"
    table.to_csv(path, index=False)
    monkeypatch.setenv("OPENR1_RUNS", str(path))
    monkeypatch.setenv("OPENR1_RESAMPLES", "20")
    return path


def execute(path):
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, resources={"metadata": {"path": str(path.parent)}}, timeout=300).execute()
    return notebook


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_kept_without_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)


@pytest.mark.integration
def test_the_scaling_notebook_runs_and_answers(points):
    notebook = execute(NOTEBOOKS[0].with_name("scaling.ipynb"))
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any(re.search("FLOPs, .*train .* parameters", output.get("text", "")) for output in outputs)
    assert sum("image/svg+xml" in output.get("data", {}) for output in outputs) == 6


@pytest.mark.integration
def test_the_scaling_notebook_says_where_there_are_no_runs(monkeypatch, tmp_path):
    monkeypatch.delenv("OPENR1_RUNS", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/none.db")
    with pytest.raises(CellExecutionError, match=r"runs.uri: there is no store"):
        execute(NOTEBOOKS[0].with_name("scaling.ipynb"))
