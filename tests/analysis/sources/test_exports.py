import numpy as np
import pandas as pd
import pytest

from openr1.analysis.sources.columns import Columns, Units
from openr1.analysis.sources.frame import FileRuns, read, tidy
from openr1.system.errors import ConfigError

NEEDS = ("D", "loss")


def chart(metrics=("train/loss",)):
    """Return a chart as W&B exports it: two runs, of which the second ends early."""
    table = pd.DataFrame({"Step": [100, 200, 300]})
    for run, shift in (("small - 10m", 0.0), ("large", 1.0)):
        for metric in metrics:
            values = np.array([6.0, 5.0, 4.5 if shift == 0 else np.nan]) - shift
            for end in ("", "__MIN", "__MAX"):
                table[f"{run} - {metric}{end}"] = values
    return table


@pytest.fixture
def path(tmp_path):
    """Return the path of a chart."""
    path = tmp_path / "wandb.csv"
    chart(("train/loss", "lr")).to_csv(path, index=False)
    return str(path)


def test_a_chart_of_wandb_is_refused_with_how_to_read_it(path):
    with pytest.raises(
        ConfigError, match=r"^runs\.columns\.D: the table is a chart of W&B, .*; write runs\.layout=wandb_chart"
    ):
        read(FileRuns(path=path), NEEDS)


def test_a_chart_of_wandb_becomes_a_row_per_run_and_step(path):
    columns, units = Columns(D="Step", loss="train/loss"), Units(D="524288")
    frame = read(FileRuns(path=path, layout="wandb_chart", columns=columns, units=units), NEEDS).frame
    assert frame["run"].tolist() == ["small - 10m"] * 3 + ["large"] * 2
    assert frame["D"].tolist() == [524288 * step for step in (100, 200, 300, 100, 200)]
    assert frame["loss"].tolist() == [6.0, 5.0, 4.5, 5.0, 4.0]
    assert not any(name.endswith(("__MIN", "__MAX")) for name in frame)


def test_the_metric_of_a_chart_is_suggested(path):
    with pytest.raises(ConfigError, match=r"^runs\.columns\.loss: name the column of loss; train/loss looks like it"):
        read(FileRuns(path=path, layout="wandb_chart"), ("loss",))


def test_other_tables_are_no_charts(tmp_path):
    path = tmp_path / "points.csv"
    pd.DataFrame({"N": [1e8, 2e8], "loss": [3.0, 2.0]}).to_csv(path, index=False)
    with pytest.raises(ConfigError, match=r"^runs\.layout: no column is named 'RUN - METRIC'"):
        read(FileRuns(path=str(path), layout="wandb_chart"), ("N", "loss"))


@pytest.mark.parametrize(
    ("column", "states"), [("State", ["finished", "crashed", "running"]), ("Status", ["FINISHED", "FAILED", "RUNNING"])]
)
def test_runs_that_have_not_finished_are_left_out(column, states):
    table = pd.DataFrame({"Name": ["a", "b", "c"], column: states, "N": [2e7, 3e7, 4e7], "D": 1e9, "loss": [3.5, 3.4, 3.3]})
    runs = tidy(table, needs=("N", "D", "loss"))
    assert runs.frame["name"].tolist() == ["a"]
    assert runs.dropped["reason"].tolist() == [f"{column} is {state}" for state in states[1:]]
    # unless the user chooses by that column
    assert len(tidy(table, needs=("N", "D", "loss"), where={column: states[:2]}).frame) == 2


def test_a_column_of_other_states_is_not_touched():
    table = pd.DataFrame({"State": ["Texas", "finished"], "N": [2e7, 3e7], "D": 1e9, "loss": [3.5, 3.4]})
    assert len(tidy(table, needs=("N", "D", "loss")).frame) == 2
