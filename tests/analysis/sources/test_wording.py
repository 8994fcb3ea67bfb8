import numpy as np
import pandas as pd
import pytest

from openr1 import analysis
from openr1.analysis import Bootstrap, Columns, Holdout, read_csv, read_file, read_mlflow, tidy
from openr1.analysis.sources.wording import in_python
from openr1.system.errors import ConfigError

NONE = Bootstrap(resamples=0)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (
            "runs.columns.N: chinchilla needs this column; name it, or set runs.flops_6nd=true; there are a, b",
            "columns={'N': ...}: chinchilla needs this column; name it by tidy(frame, columns={'N': NAME}), or set"
            " flops_6nd=True; there are a, b",
        ),
        ("law.x: choose one by runs.where, or law.x=C", "law.x: choose one by where, or law.x='C'"),
        ("runs.columns.batch: law.batch=true needs it", "columns={'batch': ...}: law.batch=True needs it"),
        ("choose one, such as +runs.where.stage=sft", "choose one, such as where={'stage': 'sft'}"),
        ("+runs.where.State=[finished,crashed] keeps", "where={'State': ['finished', 'crashed']} keeps"),
        ("write runs.units.N=1e6", "write units={'N': 1e6}"),
        ("runs.thousands: must differ from runs.decimal", "thousands: must differ from decimal"),
        ("runs.curve: none of 3 runs has a curve", "curve: none of 3 runs has a curve"),
        ("path: there is no file /data/runs.path/runs.csv", "path: there is no file /data/runs.path/runs.csv"),
        ("runs: all 3 rows have the same loss", "runs: all 3 rows have the same loss"),
    ],
)
def test_keys_of_the_config_become_arguments(message, words):
    assert in_python(message) == words


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda frame: analysis.fit(frame.drop(columns="N"), bootstrap=NONE),
            r"^columns=\{'N': \.\.\.\}: chinchilla needs this col",
        ),
        (
            lambda frame: analysis.fit(frame, "hyperparameter", bootstrap=NONE),
            r"name it by tidy\(frame, columns=\{'lr': NAME\}\)",
        ),
        (
            lambda frame: analysis.fit(frame.drop(columns=["C", "budget"]), holdout=Holdout(above_flops=1e12), bootstrap=NONE),
            r"^holdout\.above_flops: the runs have no FLOPs \(columns=\{'C': \.\.\.\}\); .* set flops_6nd=True$",
        ),
        (
            lambda frame: analysis.fit_by(frame.drop(columns="D").assign(group=1), "group", bootstrap=NONE),
            r"columns=\{'D': \.\.\.\}: chinchilla needs this column",
        ),
        (
            lambda frame: analysis.forecast(frame.drop(columns=["C", "budget"]), 1e20),
            r"name columns=\{'C': \.\.\.\}, or set flops_6nd",
        ),
        (lambda frame: analysis.forecast(frame, at=frame.assign(N=np.nan)), "^at: N must hold positive finite numbers$"),
        (lambda frame: analysis.forecast(frame, at=frame[["N"]]), "^at: lacks the columns C, D, which"),
        (lambda frame: tidy(frame.to_dict("list")), r"^table: must be a DataFrame, .*, not a dict$"),
        (lambda frame: tidy(frame, where="N > 3"), r"^where: must be a mapping, such as \{'COLUMN': 'value'\}, not 'N > 3'"),
        (lambda frame: tidy(frame, units="M"), r"^units: must be a mapping, such as \{'N': 1000000\.0\}, not 'M'$"),
        (lambda frame: tidy(frame, decimal="x"), r"^decimal: must be a mark such as '\.' or ',', not 'x'$"),
    ],
)
def test_errors_of_the_python_functions_name_their_arguments(runs, call, message):
    with pytest.raises(ConfigError, match=message) as caught:
        call(runs())
    assert "runs." not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"decimal": ",", "thousands": ","}, "^thousands: must differ from decimal$"),
        ({"where": "x"}, "^where: must be a mapping"),
        ({"units": "M"}, "^units: must be a mapping"),
        ({"columns": "params"}, "^columns: must be a mapping"),
        ({"columns": {"N": "parms"}}, "^N: there is no column 'parms'"),
    ],
)
def test_errors_of_readers_name_their_arguments(tmp_path, options, message):
    path = tmp_path / "points.csv"
    path.write_text("params,D,loss\n20000000,1000000000,3.5\n30000000,2000000000,3.25\n")
    with pytest.raises(ConfigError, match=message):
        read_csv(path, **options)


def test_readers_take_columns_as_tidy_does(tmp_path):
    path = tmp_path / "points.csv"
    path.write_text("params,tokens,loss\n20000000,1000000000,3.5\n30000000,2000000000,3.25\n")
    for columns in ({"N": "params"}, Columns(N="params")):
        assert read_file(path, columns=columns, D="tokens").frame["N"].tolist() == [2e7, 3e7]


def test_a_study_in_mlflow_that_has_no_curve_is_an_argument(monkeypatch):
    def fail(*arguments):
        raise ConfigError("runs.curve: none of 2 runs has a curve of eval_loss")

    monkeypatch.setattr("openr1.tracking.mlflow.read_runs", fail)
    with pytest.raises(ConfigError, match=r"^(uri: )?curve: none of 2 runs has a curve"):
        read_mlflow("sqlite:///x", "demo", curve=True)
    with pytest.raises(ConfigError, match=r"^where: must be a mapping"):
        read_mlflow("sqlite:///x", "demo", where="stage")


def test_whole_numbers_of_a_plain_frame_do_not_overflow():
    n, d = (grid.ravel() for grid in np.meshgrid([10**8, 10**9, 10**10], [10**9, 10**10, 10**11, 10**12]))
    frame = pd.DataFrame({"N": n, "D": d, "C": 6.0 * n * d, "loss": 1.8 + 480 * n**-0.35 + 2100.0 * d**-0.37})
    assert frame["N"].dtype == "int64"
    assert analysis.fit(frame, bootstrap=NONE).params["E"] == pytest.approx(1.8, abs=0.1)
