"""The wheel, installed outside of the checkout, has its configs and commands."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("wheel")]
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Make a fresh environment that has the wheel, and the dependencies of this one."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT], check=True, capture_output=True
    )
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


def test_a_wheel_installed_elsewhere_runs(installed):
    binaries = installed / "venv" / "bin"
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    where = subprocess.check_output(
        [binaries / "python", "-c", "import conf, openr1; print(conf.__file__, openr1.__file__)"],
        cwd=installed,
        env=env,
        text=True,
    )
    assert str(ROOT) not in where
    arguments = ["scale=30k", "budget.steps=5", "stage.eval_points=1", "stage.log_points=1"]
    done = subprocess.run(
        [binaries / "openr1", *arguments], cwd=installed, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (installed / "outputs" / "mlflow.db").exists()
    for name in ("openr1-fit", "openr1-reproduce"):
        assert (
            subprocess.run([binaries / name, "--help"], cwd=installed, env=env, capture_output=True, check=False).returncode
            == 0
        )
    fitted = subprocess.run(
        [binaries / "openr1-fit", "law=chinchilla", "runs.study=none"],
        cwd=installed,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert fitted.returncode == 2
    assert len(fitted.stderr.splitlines()) == 1
