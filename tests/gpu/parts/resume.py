"""Exact resume: a run that is killed after some steps and goes on has the losses of one that nothing disturbed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import torch
from helpers.configs import composed, write_text

from openr1.runs.stage_run import run_stage
from openr1.training.callback import TrainingCallback

STEPS, SAVED, KILLED = 20, 8, 12
COMPARED = ("train_loss", "grad_norm", "eval_loss")


def run(setting, figures) -> None:
    torch.use_deterministic_algorithms(True, warn_only=True)
    undisturbed = history(config_of(setting, figures.folder, "undisturbed"))
    with figures.attempt("killed and resumed"):
        words = [sys.executable, __file__, str(figures.folder), setting.device]
        path = os.pathsep.join([str(Path(__file__).parents[1]), str(Path(__file__).parents[2]), os.environ["PYTHONPATH"]])
        status = subprocess.run(words, env=os.environ | {"PYTHONPATH": path}, check=False).returncode
        assert status == -signal.SIGKILL, f"the run to be killed ended with {status}"
        config = config_of(setting, figures.folder, "killed")
        resumed = history(config)
        note = f"killed after step {KILLED} of {STEPS}, resumed from {SAVED}; deterministic algorithms"
        value = difference(undisturbed, resumed)
        figures.add("killed and resumed: largest relative difference of losses", value, at_most=0.0, note=note)
    with figures.attempt("run twice"):
        value = difference(undisturbed, history(config_of(setting, figures.folder, "again")))
        figures.add("run twice: largest relative difference of losses", value, at_most=0.0, note="deterministic algorithms")
    if setting.device == "cuda":
        with figures.attempt("run twice with the usual algorithms"):
            torch.use_deterministic_algorithms(False)
            pair = [history(config_of(setting, figures.folder, f"usual {i}")) for i in range(2)]
            note = "sums of gradients in another order; what a resumed run may differ by"
            figures.add("usual algorithms, run twice: largest relative difference of losses", difference(*pair), note=note)


def config_of(setting, folder: Path, name: str):
    text = folder / "text_resume.jsonl"
    if not text.exists():
        write_text(text)
    words = ["data=files", f"data.sources.files.path={text}", f"paths.outputs='{folder}/{name}'", f"paths.cache={folder}/cache"]
    words += [f"budget.steps={STEPS}", f"stage.log_points={STEPS}", "stage.eval_points=2", f"compute.checkpoint_steps={SAVED}"]
    return composed(*setting.small, *words)


def history(config) -> list[dict]:
    return run_stage(config, quiet=True).artifact.history()


def difference(first: list[dict], second: list[dict]) -> float:
    """Return the largest difference of what was measured at a step, relative to its size."""
    assert [row["step"] for row in first] == [row["step"] for row in second], "the curves have other steps"
    pairs = [(one[key], other[key]) for one, other in zip(first, second, strict=True) for key in COMPARED if key in one]
    return max(abs(one - other) / abs(one) for one, other in pairs)


def die() -> None:
    """Train until a step, and kill this process there."""
    from settings import REAL, TINY

    torch.use_deterministic_algorithms(True, warn_only=True)
    setting = REAL if sys.argv[2] == REAL.device else TINY
    write_row = TrainingCallback.write_row

    def write_row_or_die(self, metrics, step):
        write_row(self, metrics, step)
        if step == KILLED:
            os.kill(os.getpid(), signal.SIGKILL)

    TrainingCallback.write_row = write_row_or_die
    run_stage(config_of(setting, Path(sys.argv[1]), "killed"), quiet=True)


if __name__ == "__main__":
    die()
