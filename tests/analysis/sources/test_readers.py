from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from openr1.analysis import Bootstrap, fit, read_csv, read_file, read_mlflow
from openr1.analysis.sources.readers import TRACKED
from openr1.system.errors import ConfigError
from openr1.tracking.mlflow import TrackedRun


@pytest.fixture
def path(table, tmp_path):
    """Return a German table of runs."""
    path = tmp_path / "points.csv"
    table(noise=0.003).rename(columns={"N": "params", "D": "tokens"}).to_csv(path, index=False, sep=";", decimal=",")
    return path


def test_a_table_is_read_and_fitted(path, table):
    runs = read_csv(path, N="params", D="tokens")
    assert np.allclose(runs.frame[["N", "D", "C", "loss"]], table(noise=0.003))
    assert fit(runs.frame, "chinchilla", bootstrap=Bootstrap(resamples=0)).params["E"] == pytest.approx(1.9, abs=0.2)


def test_runs_say_what_they_are(path):
    text = repr(read_csv(path, N="params", D="tokens"))
    first, *others = text.splitlines()
    assert first.startswith("Runs: 25 rows; N 1.643e+04 to ")
    assert others == ["  the file is read with semicolons between its columns and decimal commas"]


def test_one_column_is_not_two_quantities(path):
    with pytest.raises(ConfigError, match=r"^loss: is 'tokens', the column of D; name that of loss$"):
        read_csv(path, N="params", D="tokens", loss="tokens")


def test_one_column_may_be_two_names_of_a_share(tmp_path):
    path = tmp_path / "answers.csv"
    path.write_text("C,pass_at_1\n1e18,0.2\n1e19,0.3\n1e20,0.45\n")
    frame = read_csv(path, coverage="pass_at_1").frame
    assert frame["coverage"].tolist() == [0.2, 0.3, 0.45]


def test_columns_that_are_not_named_are_suggested(path):
    warnings = read_file(path).warnings
    assert warnings[1:] == [
        "N: name the column of N; params looks like it",
        "D: name the column of D; tokens looks like it",
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"N": "parms"}, "^N: there is no column 'parms'; there are params, tokens"),
        ({"n": "params"}, "^n: there is no such argument or quantity; the quantities are N, D, C"),
        ({"units": {"n": 1}}, "^n: there is no such unit"),
        ({"N": "params", "units": {"N": "Q"}}, "^units.N: 'Q' is no unit of N"),
        ({"N": "params", "D": "tokens", "units": {"D": 1e-9}}, "^N, D, C: C is .*units={'N': 1e6}"),
        ({"decimal": "x"}, "^decimal: 'x' is not one of"),
        ({"where": {"x": 1}}, "^where.x: there is no such column"),
        ({"layout": "wandb_chart"}, "^layout: no column is named"),
        ({"needs": ("N", "loss")}, "^N: name the column of N; params looks like it"),
    ],
)
def test_errors_speak_of_arguments(path, options, message):
    with pytest.raises(ConfigError, match=message):
        read_csv(path, **options)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"^path: there is no file"):
        read_csv(tmp_path / "none.csv")


def test_marks_are_given_as_they_are(tmp_path):
    path = tmp_path / "points.tsv"
    path.write_text("N\tD\tloss\n20.000\t3000000\t3.570\n30.000\t3000000\t3.470\n")
    with pytest.raises(ConfigError, match=r"^N: '20\.000' .*; write decimal='\.' or decimal=','$"):
        read_csv(path, separator="\t", thousands=" ")
    assert read_csv(path, separator="\t", decimal=".", units={"N": 1e6}).frame["N"].tolist() == [2e7, 3e7]


def test_a_quantity_whose_column_is_named_is_needed(tmp_path):
    path = tmp_path / "curve.csv"
    path.write_text("gpu_hours,acc\n0,0.1\n1,0.2\n2,\n4,0.4\n")
    columns = {"C": "gpu_hours", "pass_at_1": "acc"}
    assert read_csv(path, **columns).frame["pass_at_1"].tolist() == [0.2, 0.4]
    assert read_csv(path, zero_compute=True, **columns).frame["C"].tolist() == [0, 1, 4]


def test_a_study_in_mlflow_is_read(monkeypatch, table):
    def tracked(index, row):
        metrics = {"params_non_embedding": row["N"], "tokens": row["D"], "flops": row["C"], "eval_loss": row["loss"]}
        times = (datetime.now(UTC), datetime.now(UTC))
        return TrackedRun(f"id{index}", "x", "FINISHED", *times, {}, {}, metrics, "http://host")

    rows = table().to_dict("records")
    monkeypatch.setattr("openr1.tracking.mlflow.read_runs", lambda uri, study: [tracked(i, row) for i, row in enumerate(rows)])
    assert np.allclose(read_mlflow("sqlite:///x", "demo").frame[["N", "D", "C", "loss"]], table().sort_values("C"))
    with pytest.raises(ConfigError, match=r"^N: there is no column 'n'"):
        read_mlflow("sqlite:///x", "demo", N="n")


def test_a_store_or_a_study_that_is_not_there_is_named(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match=r"^uri: .*none.db"):
        read_mlflow(f"sqlite:///{tmp_path}/none.db", "demo")
    monkeypatch.setattr("openr1.tracking.mlflow.read_runs", lambda uri, study: [])
    monkeypatch.setattr("openr1.tracking.reading.study_names", lambda uri: ["demo2"])
    with pytest.raises(ConfigError, match=r"^study: there are no finished runs of study 'demo'"):
        read_mlflow("sqlite:///x", "demo")


def test_the_names_of_tracked_quantities_are_those_of_the_config():
    conf = OmegaConf.load(Path(__file__).parents[3] / "conf/analysis/runs/mlflow.yaml")
    assert {key: name for key, name in vars(TRACKED).items() if name} == dict(conf.columns)
