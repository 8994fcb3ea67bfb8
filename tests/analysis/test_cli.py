import json
import subprocess
import sys
import warnings
from datetime import UTC, datetime
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from openr1.analysis import Fit, cli
from openr1.analysis.config import compose
from openr1.analysis.formatting import percent
from openr1.analysis.laws import LAWS
from openr1.analysis.report import terminal
from openr1.analysis.report.narrative import answer
from openr1.analysis.study import analyse
from openr1.system.errors import ConfigError
from openr1.tracking.mlflow import TrackedRun

FAST = ["bootstrap.resamples=20"]
FILE = ["runs=csv", "runs.path=points.csv"]
FIGURES = ("summary", "isoflop", "frontier", "allocation", "surface", "parameters", "residuals")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Change to an empty working directory without a store."""
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "OPENR1_OUTPUTS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def points(here, table):
    path = here / "points.csv"
    table(noise=0.003).to_csv(path, index=False)
    return path


def run(monkeypatch, *words):
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    monkeypatch.setattr(sys, "argv", ["openr1-fit", *words])
    cli.main()


@pytest.mark.slow
def test_the_demo_is_reported(here, table, monkeypatch, capsys):
    def tracked(index, row):
        metrics = {"params_non_embedding": row["N"], "tokens": row["D"], "flops": row["C"], "eval_loss": row["loss"]}
        tags = {"stage": "pretrain", "family": "qwen2"}
        times = (datetime.now(UTC), datetime.now(UTC))
        return TrackedRun(f"id{index}", f"<b>{index}", "FINISHED", *times, tags, {}, metrics, f"http://host/run/{index}")

    rows = table(noise=0.003).to_dict("records")
    monkeypatch.setattr("openr1.tracking.mlflow.read_runs", lambda uri, study: [tracked(i, row) for i, row in enumerate(rows)])
    run(monkeypatch, "experiment=demo", *FAST)

    out = here / "outputs/studies/demo"
    written = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert written == {
        "report.html",
        "points.csv",
        "fit.json",
        *(
            f"{law}/{name}"
            for law in ("isoflop", "chinchilla", "power_law")
            for name in ("fit.json", "bootstrap.csv", "jackknife.csv")
        ),
        *(f"figures/{name}.{suffix}" for name in FIGURES for suffix in ("png", "svg")),
    }
    assert [path.name for path in here.iterdir()] == ["outputs"]
    assert len(pd.read_csv(out / "points.csv")) == 25
    for figure in FIGURES:
        ElementTree.parse(out / f"figures/{figure}.svg")

    html = (out / "report.html").read_text()
    assert all(f"http://host/run/{index}" in html for index in range(25))
    assert "openr1-fit experiment=demo bootstrap.resamples=20" in html

    fit = Fit.load(out / "chinchilla")
    printed = capsys.readouterr().out
    assert percent(fit.holdout["best_runs_error"]) in printed
    assert f"alpha {fit.params['alpha']:.3f}" in printed
    assert "report: outputs/studies/demo/report.html" in printed


def test_groups_of_runs_are_reported_side_by_side(here, table, monkeypatch, capsys):
    pd.concat([table(noise=0.003).assign(family=name) for name in ("qwen2", "llama")]).to_csv(here / "points.csv", index=False)
    run(monkeypatch, "by=family", *FILE, *FAST)
    out = here / "outputs/studies/points/chinchilla_by_family"
    assert (out / "family=qwen2/fit.json").exists()
    assert pd.read_csv(out / "groups.csv")["family"].tolist() == ["llama", "qwen2"]
    assert "openr1-fit by=family runs=csv" in (out / "report.html").read_text()
    assert "report: outputs/studies/points/chinchilla_by_family/report.html" in capsys.readouterr().out


def study_of(*words):
    return analyse(compose([*FILE, *FAST, *words]))


def test_a_law_that_cannot_be_fitted_does_not_stop_the_others(points, capsys):
    pd.read_csv(points).iloc[:10].to_csv(points, index=False)
    study = study_of("compare=[power_law,chinchilla]")
    assert list(study.fits) == ["chinchilla"]
    terminal.show(study)
    text = " ".join(capsys.readouterr().out.split())
    assert "The law power_law was not fitted: power_law needs at least 3 budgets" in text


def test_laws_are_ranked_by_what_they_were_not_shown(points):
    study = study_of("compare=[power_law,isoflop,chinchilla]", "holdout.fraction=0.2")
    errors = [study.held_out_error(fit) for fit in study.ranked]
    assert errors == sorted(errors)
    assert len(errors) == 3
    assert study.main.law.name == "chinchilla"


def test_a_law_with_fixed_parameters_is_compared_with_the_free_one(points):
    study = study_of("fix={E: 0}", "tie=[[alpha,beta]]", "holdout.largest_budgets=0")
    assert study.main.params["E"] == 0
    assert study.comparison.freedom == 2
    assert str(study.comparison) in answer(study)
    assert study_of("holdout.largest_budgets=0").comparison is None


@pytest.mark.slow
def test_a_forecast_is_in_the_report_and_beside_it(here, points, monkeypatch, capsys):
    run(monkeypatch, "runs=csv", f"runs.path={points}", "forecast=1e15", "out=fits/far", *FAST)
    assert "A run of 10¹⁵ FLOPs is forecast to have a loss of" in " ".join(capsys.readouterr().out.split())
    known = json.loads((here / "fits/far/forecast.json").read_text())
    assert known["runs"][0]["C"] == 1e15
    page = (here / "fits/far/report.html").read_text()
    assert "Mean error beyond the origins" in page
    assert known["chosen"][0] in page


def test_any_table_is_fitted_with_its_columns_named(here, table, monkeypatch, capsys):
    other = table(noise=0.003).rename(columns={"N": "params", "D": "tokens", "C": "flops", "loss": "ppl"})
    other.loc[3, "ppl"] = -1
    other.to_csv(here / "other.csv", index=False)
    columns = [f"runs.columns.{pair}" for pair in ("N=params", "D=tokens", "C=flops", "loss=ppl")]
    run(monkeypatch, "runs=csv", "runs.path=other.csv", *columns, "holdout.above_flops=4e12", "out=fits/mine", *FAST)
    out = here / "fits/mine"
    assert {"fit.json", "points.csv", "figures", "report.html", "chinchilla"} == {path.name for path in out.iterdir()}
    fit = json.loads((out / "fit.json").read_text())
    assert fit == json.loads((out / "chinchilla/fit.json").read_text())
    assert (fit["law"], fit["n_points"], fit["holdout"]["n"]) == ("chinchilla", 24, 5)
    assert {path.suffix for path in (out / "figures").iterdir()} == {".png", ".svg"}
    assert "loss is not positive and finite" in capsys.readouterr().out
    assert "loss is not positive and finite" in (out / "report.html").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["runs.stdy=demo"], "runs.stdy"),
        (["+extra=1", "runs.study=demo"], "extra: no such key"),
        (["+runs.extra=1", "runs.study=demo"], "runs.extra: no such key"),
        (["law=nothing"], "law=nothing"),
        (["holdout.largest_budgets=many"], "holdout.largest_budgets"),
        (["holdout.largest_budgets=-1", "runs.study=demo"], "holdout.largest_budgets: must be from 0 to 10000"),
        ([], "runs.study: no value is given"),
        (["runs.study=demo"], "runs.uri: "),
        (["runs=csv"], "runs.path: no value is given"),
        (["runs=csv", "runs.path=none.csv"], "runs.path: there is no file none.csv"),
        (
            [*FILE, "runs.columns.N=n"],
            "runs.columns.N: there is no column 'n'; there are N, D, C, loss",
        ),
        ([*FILE, "compare=[nothing]"], "compare[0]: 'nothing' is not one of power_law, envelope, isoflop"),
        ([*FILE, "law=power_law", "law.x=Q"], "law.x: 'Q' is not one of C, N, D"),
        ([*FILE, "law.delta=0"], "law.delta: must be above 0"),
        ([*FILE, "holdout.above_flops=1e28"], "holdout.above_flops: holds out 0 of 25 runs"),
        ([*FILE, "holdout.query='Q>1'"], "holdout.query: 'Q>1' selects no rows"),
        ([*FILE, "holdout.fraction=2"], "holdout.fraction: must be above 0 and below 1"),
        ([*FILE, "bootstrap.interval=t"], "bootstrap.interval: 't' is not one of bca, percentile"),
        ([*FILE, "law.objective=l2"], "law.objective: 'l2' is not one of huber, lad, log_mse, mse"),
        ([*FILE, "target_loss=0"], "target_loss: must be above 0"),
        ([*FILE, "by=scale"], "by: there is no column 'scale'; there are no columns to group by"),
        ([*FILE, "by=N", "compare=[power_law,isoflop]"], "by: one law is fitted to each group; leave compare out"),
        ([*FILE, "tie=[alpha,beta]"], "tie: is a list of lists; write tie=[[alpha,beta]]"),
        ([*FILE, "share=E"], "share: is a list; write share=[E]"),
        ([*FILE, "compare=chinchilla"], "compare: is a list; write compare=[chinchilla]"),
        ([*FILE, "by=[N,D]"], "by: takes one value, not a list such as [N,D]"),
        ([*FILE, "law=rl_sigmoid"], "runs.columns.pass_at_1: rl_sigmoid needs this column; name it; there are N, D, C, loss"),
        ([*FILE, "runs.sheet=Runs"], "runs.sheet: points.csv is CSV, which has no sheets; leave it out"),
        ([*FILE, "stack=true"], "stack: is for a forecast; add its compute, such as forecast=1e24"),
        ([*FILE, "+runs.where.N=1"], "runs.where.N: no row has 1; the column has "),
        ([*FILE, "runs.format=parquet"], "runs.path: points.csv is not a Parquet file"),
        ([*FILE, "runs.decimal=x"], "runs.decimal: 'x' is not one of point, comma"),
        ([*FILE, "runs.decimal=','", "runs.thousands=comma"], "runs.thousands: must differ from runs.decimal"),
        ([*FILE, "runs.layout=wide"], "runs.layout: 'wide' is not one of wandb_chart"),
        ([*FILE, "runs.units.N=Q"], "runs.units.N: 'Q' is no unit of N; write a factor"),
        ([*FILE, "runs.units.N=1e-6"], "runs.columns: C is 2e+06 times 6ND"),
        ([*FILE, "runs.units.X=1"], "runs.units.X"),
    ],
)
def test_a_users_error_is_one_line_and_nothing_is_written(here, points, monkeypatch, capsys, words, message):
    with pytest.raises(SystemExit) as stopped:
        run(monkeypatch, *words)
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert list(here.iterdir()) == [points]


@pytest.mark.slow
def test_points_before_training_are_fitted_and_have_no_place_on_a_logarithmic_axis(here, monkeypatch, capsys):
    compute = np.append([0.0, 0.0], np.geomspace(0.3, 50, 30))
    rate = 0.3 + 0.35 * compute**1.5 / (6**1.5 + compute**1.5)
    noise = np.random.default_rng(0).normal(0, 0.003, len(compute))
    curve = pd.DataFrame({"gpu_hours": compute, "pass_at_1": rate + noise, "N": 1e8, "D": 1e6 * compute})
    pd.concat([curve.assign(seed=seed) for seed in (0, 1)]).to_csv(here / "points.csv", index=False)
    words = ["law=rl_sigmoid", *FILE, "runs.columns.C=gpu_hours", *FAST]
    for more, rows in (["out=all"], 64), (["by=seed", "out=groups"], 32):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            run(monkeypatch, *words, *more)
        fit = json.loads(next((here / more[-1][4:]).rglob("fit.json")).read_text())
        assert (fit["n_points"], fit["runs"]["C"][0]) == (rows, 0)
        assert fit["params"]["R0"] == pytest.approx(0.3, abs=0.01)
    assert "Not shown: 4 runs before training." in (here / "all/report.html").read_text()


@pytest.mark.slow
def test_what_was_read_otherwise_is_said_on_the_terminal_and_in_the_report(here, table, monkeypatch, capsys):
    given = table(noise=0.003)
    given["N"] = given["N"].map("{:,.0f}".format)
    given.assign(weight=1000).to_csv(here / "points.csv", index=False)
    run(monkeypatch, *FILE, *FAST)
    printed = " ".join(capsys.readouterr().out.split())
    html = (here / "outputs/studies/points/report.html").read_text()
    for said in ("N: 25 values such as", "the column 'weight' is not used"):
        assert said[3:] in printed
        assert said[3:] in html.replace("&#39;", "'")


def test_every_shipped_config_composes():
    for law in LAWS:
        for source in ("file", "csv", "parquet"):
            config = compose([f"law={law}", f"runs={source}", "runs.path=points"])
            assert (config.law.name, config.runs.study) == (law, "points")
    assert [law.name for law in compose(["experiment=demo"]).laws] == ["isoflop", "chinchilla", "power_law"]


def test_options_of_the_law_hold_where_it_is_compared():
    config = compose(["runs.study=x", "law=power_law", "law.x=D", "compare=[chinchilla,power_law]"])
    assert [getattr(law, "x", None) for law in config.laws] == [None, "D"]


def test_an_override_that_does_not_compose_is_a_config_error():
    with pytest.raises(ConfigError, match="nothing"):
        compose(["law=nothing"])


def test_composing_imports_nothing_heavy():
    code = (
        "import sys; from openr1.analysis.config import compose; compose(['runs.study=x']); import openr1.analysis.cli;"
        "print(*sorted({name.split('.')[0] for name in sys.modules}"
        " & {'torch', 'transformers', 'mlflow', 'matplotlib', 'pandas', 'scipy', 'datasets', 'jinja2'}))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == ""
