"""``openr1[fit]``: an environment without PyTorch and MLflow fits laws, and says what other commands need."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("wheel")]
ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "transformers", "trl", "datasets", "mlflow", "optuna", "openai", "vllm")
FIT = """
from openr1 import analysis

runs = analysis.read_csv("points.csv")
print(round(analysis.fit(runs.frame, "chinchilla", bootstrap=analysis.Bootstrap(resamples=0)).params["E"], 2))
"""


@pytest.fixture(scope="module")
def light(tmp_path_factory):
    """Make an environment with the wheel and what it needs at least, and return the folder of its commands."""
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if uv is None:
        pytest.skip("uv is not installed")
    folder = tmp_path_factory.mktemp("light")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, folder / "venv"], check=True)
    words = ["--python", folder / "venv" / "bin" / "python", "--constraint", ROOT / "constraints.txt"]
    subprocess.run([uv, "pip", "install", "--quiet", *words, f"openr1[fit] @ {wheel.as_uri()}"], check=True)
    return folder / "venv" / "bin"


@pytest.fixture
def run(light, tmp_path):
    """Return a function that runs a command of the environment beside a table of runs."""
    law = [(n, d, 1.7 + 400 * n**-0.34 + 410 * d**-0.28) for n in (1e6, 4e6, 16e6, 64e6) for d in (2e7, 8e7, 3.2e8, 1.28e9)]
    (tmp_path / "points.csv").write_text("\n".join(["N,D,loss", *(",".join(map(repr, row)) for row in law)]) + "\n")
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

    def run(name, *words):
        return subprocess.run([light / name, *words], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)

    return run


def test_laws_are_fitted_to_a_table(run, tmp_path):
    there = run("python", "-c", f"import importlib.util as u; print([name for name in {HEAVY} if u.find_spec(name)])")
    assert there.stdout == "[]\n"
    words = ["law=chinchilla", "compare=[chinchilla,power_law]", "runs=csv", "runs.path=points.csv", "runs.flops_6nd=true"]
    done = run("openr1-fit", *words, "bootstrap.resamples=10", "out=fits")
    assert done.returncode == 0, done.stderr
    assert "<html" in (tmp_path / "fits" / "report.html").read_text()
    assert json.loads((tmp_path / "fits" / "fit.json").read_text())["params"]["E"] == pytest.approx(1.7, abs=0.05)
    assert run("python", "-c", FIT).stdout == "1.7\n"


def test_the_next_runs_are_proposed_from_a_table(run):
    words = ["replay.path=points.csv", "replay.flops_6nd=true", "replay.seeds=1", "replay.choosers=[random]"]
    done = run("openr1-plan", "propose", *words)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        (["openr1", "scale=30k"], "train"),
        (["openr1", "-m", "scale=30k,50k"], "train"),
        (["openr1", "-m", "sweep=search", "scale=30k", "optim.lr=choice(0.001,0.002)"], "train"),
        (["openr1-plan", "scale=30k,50k"], "train"),
        (["openr1-reproduce", "some/run"], "train"),
        (["openr1-verify", "1/2", "0.5"], "train"),
        (["openr1-fit", "law=chinchilla", "runs.study=mine", "runs.uri=http://127.0.0.1:1"], "mlflow"),
        (["openr1-ui", "--uri", "http://127.0.0.1:1"], "mlflow"),
    ],
)
def test_a_command_that_needs_more_names_the_extra(run, tmp_path, words, extra):
    before = set(tmp_path.rglob("*"))
    done = run(*words)
    assert done.returncode == 2, done.stderr
    [line] = done.stderr.splitlines()
    assert line.startswith(f"{words[0]}: ")
    assert line.endswith(f" is needed and not installed: pip install 'openr1[{extra}]'")
    assert set(tmp_path.rglob("*")) == before
