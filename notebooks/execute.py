"""Execute the notebooks on the studies of ``make demo`` and write them with their figures; ``make notebooks`` runs this.

    python notebooks/execute.py           # all of them, to dist/notebooks
    python notebooks/execute.py 02 06     # those whose names begin so
    python notebooks/execute.py --pair    # execute nothing: write each .ipynb anew from its .py

The ``.py`` of a notebook is what is edited. Its ``.ipynb`` is the same without outputs, for Jupyter and for GitHub.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter

from openr1 import analysis
from openr1.system.errors import ConfigError

HERE = Path(__file__).parent
OUT = Path("dist/notebooks")
DEMO = {"01": "demo", "02": "demo", "03": "r1_zero_micro", "07": "demo"}  # notebook -> the study that it reads
TIMEOUT = 3600  # seconds of a cell
WORDS_STAY_WHOLE = "<style>.jp-OutputArea-output pre { word-break: normal; overflow-wrap: anywhere }</style>"


def list_notebooks(names: Sequence[str] = ()) -> list[Path]:
    """Return the ``.py`` files of the notebooks, in order.

    :param names: beginnings of their names; all notebooks without any.
    """
    return [path for path in sorted(HERE.glob("[0-9]*.py")) if not names or path.name.startswith(tuple(names))]


def read(path: Path) -> nbformat.NotebookNode:
    """Return a ``.py`` as a notebook without outputs, the same each time."""
    notebook = jupytext.read(path)
    notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"], "language_info": {"name": "python"}}
    notebook.nbformat_minor = 5
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"
    return notebook


def execute(notebook: nbformat.NotebookNode, folder: Path, parameters: Mapping[str, Any] | None = None) -> None:
    """Execute a notebook in a folder.

    :param parameters: values in place of those of the cell with the tag ``parameters``.
    :raises CellExecutionError: for a cell that fails.
    """
    given = "\n".join(f"{name} = {value!r}" for name, value in (parameters or {}).items())
    for place, cell in enumerate(notebook.cells):
        if given and "parameters" in cell.metadata.get("tags", []):
            notebook.cells.insert(place + 1, nbformat.v4.new_code_cell(given, metadata={"tags": ["injected-parameters"]}))
            break
    client = NotebookClient(
        notebook,
        resources={"metadata": {"path": str(folder)}},
        timeout=TIMEOUT,
        coalesce_streams=True,
        extra_arguments=["--IPKernelApp.log_level=ERROR"],  # the kernel and its client are of one machine
    )
    client.execute()


def answer(notebook: nbformat.NotebookNode) -> str:
    """Return what the last cell of an executed notebook printed."""
    return "".join(output.get("text", "") for output in notebook.cells[-1].get("outputs", [])).strip()


def missing_study(paths: Sequence[Path]) -> str:
    """Return the first study that the notebooks read and the store does not have; an empty text if it has all."""
    for study in dict.fromkeys(DEMO[path.name[:2]] for path in paths if path.name[:2] in DEMO):
        try:
            analysis.read_study(study)
        except ConfigError:
            return study
    return ""


def write_executed(path: Path) -> bool:
    """Execute one notebook, write it as a notebook and as a page, and print its answer; False if a cell failed."""
    notebook, start = read(path), time.monotonic()
    try:
        execute(notebook, Path.cwd())
        error = ""
    except CellExecutionError as failed:
        error = f"{failed.ename}: {failed.evalue}"
    nbformat.write(notebook, OUT / f"{path.stem}.ipynb")
    page = OUT / f"{path.stem}.html"
    page.write_text(HTMLExporter().from_notebook_node(notebook)[0].replace("</head>", f"{WORDS_STAY_WHOLE}</head>", 1))
    print(f"{page}, {time.monotonic() - start:.0f} s", error or answer(notebook), sep="\n", end="\n\n", flush=True)
    return not error


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="beginnings of names, such as 02")
    parser.add_argument("--pair", action="store_true", help="write each .ipynb anew from its .py")
    options = parser.parse_args()
    paths = list_notebooks(options.names)
    if options.pair:
        for path in paths:
            nbformat.write(read(path), path.with_suffix(".ipynb"))
        return
    if study := missing_study(paths):
        sys.exit(f"The store has no finished runs of the study {study}: run make demo first.")
    OUT.mkdir(parents=True, exist_ok=True)
    failed = [path.stem for path in paths if not write_executed(path)]
    if failed:
        sys.exit(f"A cell failed in {', '.join(failed)}; the pages in {OUT} show where.")
    print(f"The executed notebooks are in {OUT}.")


if __name__ == "__main__":
    main()
