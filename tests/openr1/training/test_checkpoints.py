"""Checkpoints of a killed run: the newest that is sound is taken."""

from types import SimpleNamespace

import pytest
from helpers.configs import composed
from helpers.damage import FAULTS, files_of
from helpers.kills import killed

from openr1.distributed.options import ComputeConfig
from openr1.runs.stage_run import run_stage
from openr1.training import branching
from openr1.training.callback import CHECKPOINTS, TrainingCallback

COMPUTE = ComputeConfig()


@pytest.fixture
def callback(tmp_path):
    """Return the callback of a killed run with checkpoints after 6 and 9 steps that had to keep its state after 4."""
    for folder, step in ((branching.KEPT, 4), (CHECKPOINTS, 6), (CHECKPOINTS, 9)):
        checkpoint = tmp_path / folder / f"checkpoint-{step}"
        checkpoint.mkdir(parents=True)
        for name in ("model.safetensors", "optimizer.pt", "rng_state.pth", "trainer_state.json"):
            (checkpoint / name).write_text(f"{name} of {step}")
        branching.complete_checkpoint(checkpoint, COMPUTE)
    callback = TrainingCallback.__new__(TrainingCallback)
    callback.context = SimpleNamespace(folder=tmp_path, config=SimpleNamespace(compute=COMPUTE))
    callback.kept_steps = {4, 20}
    return callback


def steps_left(callback):
    return sorted(branching.step_of(path) for path in (callback.context.folder / CHECKPOINTS).iterdir())


def test_the_newest_is_taken_without_a_word(callback, capsys):
    assert callback._newest_checkpoint().name == "checkpoint-9"
    assert capsys.readouterr().err == ""
    assert steps_left(callback) == [6, 9]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("number", range(5))
def test_the_one_before_a_damaged_one_is_taken_and_it_is_said(callback, number, fault, capsys):
    path = files_of(callback.context.folder / CHECKPOINTS / "checkpoint-9")[number]
    FAULTS[fault](path)
    assert callback._newest_checkpoint().name == "checkpoint-6"
    line = capsys.readouterr().err
    if path.name != branching.COMPLETE_FILE:
        assert line.startswith(f"{path} ")
        assert line.endswith("; training resumes from checkpoint-6\n")
        assert line.count("\n") == 1
    assert steps_left(callback) == [6]


@pytest.mark.parametrize("how", ["damaged", "deleted"])
def test_a_run_goes_on_from_before_a_lost_state_that_it_must_keep(callback, how, capsys):
    state = callback.context.folder / branching.KEPT / "checkpoint-4"
    if how == "damaged":
        FAULTS["zero"](state / "optimizer.pt")
    else:
        state.rename(callback.context.folder / "elsewhere")
    assert callback._newest_checkpoint() is None
    assert capsys.readouterr().err.endswith("; training starts anew\n")
    assert steps_left(callback) == []


def test_a_kept_state_is_taken_if_no_other_is_sound(callback):
    for path in (callback.context.folder / CHECKPOINTS).glob("*/optimizer.pt"):
        FAULTS["cut"](path)
    assert callback._newest_checkpoint().parent.name == branching.KEPT


def test_checkpoints_of_version_0_2_and_of_other_layouts(callback, capsys):
    folder = callback.context.folder / CHECKPOINTS
    (folder / "checkpoint-9" / "complete").write_text("zero2 of 8")
    (folder / "checkpoint-6" / "complete").write_text("")
    for path in (folder / "checkpoint-6").glob("*[!e]"):
        path.unlink()
    assert callback._newest_checkpoint().name == "checkpoint-6"
    assert steps_left(callback) == [6, 9]
    (folder / "checkpoint-6" / "model.safetensors").write_bytes(b"cut")
    assert callback._newest_checkpoint().name == "checkpoint-4"
    assert "model.safetensors is cut short; training resumes from checkpoint-4" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("name", ["optimizer.pt", "rng_state.pth"])
def test_a_killed_run_with_a_damaged_checkpoint_ends_with_the_same_bits(tiny, tmp_path, monkeypatch, name, capfd):
    config = composed(*tiny, "compute.checkpoint_steps=4", "stage.log_points=5")
    folder = killed(monkeypatch, config, TrainingCallback, 10)
    FAULTS["delete"](folder / CHECKPOINTS / "checkpoint-8" / name)
    result = run_stage(config, quiet=True)
    assert f"{name} is missing; training resumes from checkpoint-4" in capfd.readouterr().err
    whole = run_stage(composed(*tiny, "stage.log_points=5", f"paths.artifacts={tmp_path}/whole", "study=whole"), quiet=True)
    assert result.artifact.sha256() == whole.artifact.sha256()
    curves = [[{**row, "seconds": 0} for row in run.artifact.history()] for run in (result, whole)]
    assert curves[0] == curves[1]
