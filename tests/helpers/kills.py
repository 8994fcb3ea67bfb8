"""Runs that are killed in this process, at a step."""

from pathlib import Path

import pytest

from openr1.config.schema import Config
from openr1.runs.prepare import prepare
from openr1.runs.stage_run import run_stage
from openr1.training.callback import TrainingCallback


class Killed(BaseException):
    """Stands for a kill, which no code catches."""


def killed(monkeypatch, config: Config, callback: type[TrainingCallback], step: int) -> Path:
    """Kill a run when it writes the row of a step, and return the folder that it leaves."""
    write = callback.write_row

    def dies(self, metrics, at):
        write(self, metrics, at)
        if at == step:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(callback, "write_row", dies)
        with pytest.raises(Killed):
            run_stage(config, quiet=True)
    return prepare(config).partial
