"""The wheel, installed outside of the checkout, has its configs and commands, also in a project with such packages."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("wheel")]
ROOT = Path(__file__).parents[2]
COMMANDS = ("openr1", "openr1-fit", "openr1-plan", "openr1-ui", "openr1-reproduce", "openr1-verify")
SMALL = ["scale=30k", "budget.steps=5", "stage.eval_points=1", "stage.log_points=1"]
TAKEN = ("analysis", "conf", "sweeps")  # names of folders of the repository that a project may have too
LAW = """
from dataclasses import dataclass

from openr1.analysis.laws.power_law import PowerLaw

@dataclass
class Mine(PowerLaw):
    x: str = "N"
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Make a fresh environment that has the wheel made from the sdist, and the dependencies of this one."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT], check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel], check=True)
    packages = subprocess.check_output(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
    ).strip()
    ours = next(path for path in sys.path if path.endswith("site-packages"))
    # the editable install of the checkout is a path file there, which a path entry does not read
    Path(packages, "dependencies.pth").write_text(f"{ours}\n")
    return folder


@pytest.fixture
def run(installed):
    """Return a function that runs a command of the installed wheel in a folder."""

    def run(name, *words, cwd, **variables):
        env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | variables
        command = [installed / "venv" / "bin" / name, *words]
        return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)

    return run


@pytest.fixture(params=["packages", "modules"])
def workspace(request, tmp_path):
    """Return a project with packages, or modules, of its own by the names of our folders; none is imported unasked."""
    for name in TAKEN:
        if request.param == "packages":
            (tmp_path / name).mkdir()
        file = f"{name}/__init__.py" if request.param == "packages" else f"{name}.py"
        (tmp_path / file).write_text(LAW if name == "analysis" else f"raise RuntimeError('{name} of the project')\n")
    rows = [f"{n},{1.7 + 400 * n**-0.34}" for n in (1e6, 2e6, 4e6, 8e6, 16e6, 32e6)]
    (tmp_path / "points.csv").write_text("\n".join(["N,loss", *rows]) + "\n")
    return tmp_path


def test_a_wheel_installed_elsewhere_runs(installed, run, tmp_path):
    where = run("python", "-c", "import openr1; print(openr1.__file__)", cwd=tmp_path)
    assert str(installed) in where.stdout
    done = run("openr1", *SMALL, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "outputs" / "mlflow.db").exists()
    fitted = run("openr1-fit", "law=chinchilla", "runs.study=none", cwd=tmp_path)
    assert fitted.returncode == 2
    assert len(fitted.stderr.splitlines()) == 1


def test_a_wheel_installs_no_name_that_projects_have(installed):
    packages = next((installed / "venv").glob("lib/python*/site-packages"))
    assert not {path.name for path in packages.iterdir()} & {*TAKEN, "tests", "docs"}
    assert (packages / "openr1" / "conf" / "config.yaml").exists()


def test_commands_start_in_a_project_with_the_same_names(run, workspace):
    path = str(workspace)  # before all else on the path of imports
    for name in COMMANDS:
        done = run(name, "--help", cwd=workspace, PYTHONPATH=path)
        assert done.returncode == 0, (name, done.stderr)
    done = run("python", "-c", "from openr1 import analysis, sweeps; import analysis as mine; print(mine.Mine)", cwd=workspace)
    assert done.returncode == 0, done.stderr
    fitted = run("openr1-fit", "law=analysis:Mine", "runs=csv", "runs.path=points.csv", cwd=workspace, PYTHONPATH=path)
    assert fitted.returncode == 0, fitted.stderr


@pytest.mark.parametrize("workspace", ["packages"], indirect=True)
def test_a_study_in_a_project_with_the_same_names(run, workspace):
    path = str(workspace)
    study = ["-m", *SMALL, "seed=0,1", "study=both", "hydra.launcher.n_jobs=2"]
    for name, *words in (
        ["openr1-plan", *study],
        ["openr1", *study],
        ["openr1-plan", "status=both"],
        ["openr1-verify", "1/2", "0.5"],
        ["openr1-reproduce", "both/seed=0"],
    ):
        done = run(name, *words, cwd=workspace, PYTHONPATH=path)
        assert done.returncode == 0, (name, done.stdout, done.stderr)
