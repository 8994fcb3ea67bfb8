from helpers.cli import succeed


def test_commands_fork_from_a_process_with_the_slow_imports(tmp_path):
    script = tmp_path / "imported.py"
    script.write_text("import sys\nprint(sorted({'mlflow', 'optuna', 'torch', 'transformers'} & set(sys.modules)))\n")
    assert succeed(script, cwd=tmp_path).stdout.strip() == "['mlflow', 'optuna', 'torch', 'transformers']"
