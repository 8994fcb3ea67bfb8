import os
import subprocess
import sys

from helpers.cli import succeed


def test_commands_fork_from_a_process_with_the_slow_imports(tmp_path):
    script = tmp_path / "imported.py"
    script.write_text("import sys\nprint(sorted({'mlflow', 'optuna', 'torch', 'transformers'} & set(sys.modules)))\n")
    assert succeed(script, cwd=tmp_path).stdout.strip() == "['mlflow', 'optuna', 'torch', 'transformers']"


def test_tests_of_a_group_share_a_process(tmp_path):
    """Tests that share what they train, or count processes, are a group."""
    (tmp_path / "test_group.py").write_text(
        "import os, pytest\npytestmark = pytest.mark.xdist_group('one')\n"
        "@pytest.mark.parametrize('n', range(4))\ndef test_pid(n): open(f'{os.getpid()}.pid', 'w')\n"
    )
    words = ["-c", os.devnull, "--rootdir", str(tmp_path), "-n", "2", "--dist", "loadgroup"]
    env = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    subprocess.run([sys.executable, "-m", "pytest", *words], cwd=tmp_path, env=env, check=True, capture_output=True)
    assert len(list(tmp_path.glob("*.pid"))) == 1
