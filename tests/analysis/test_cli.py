import subprocess
import sys
from datetime import UTC, datetime
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from analysis import Fit, cli
from analysis.config import compose
from analysis.laws import LAWS
from analysis.plots import figures, svg
from analysis.report import render
from analysis.study import analyse
from openr1.errors import ConfigError
from openr1.tracking import TrackedRun

FAST = ["bootstrap.resamples=20"]
FIGURES = ("summary", "isoflop", "frontier", "allocation", "residuals", "surface")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working directory without a store."""
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


class Links(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.targets, self.tags = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.targets += [value for name, value in attributes if name in ("src", "href")]


def test_the_demo_is_reported(here, table, monkeypatch, capsys):
    def tracked(index, row):
        metrics = {"params_non_embedding": row["N"], "tokens": row["D"], "flops": row["C"], "eval_loss": row["loss"]}
        tags = {"stage": "pretrain", "family": "qwen2"}
        return TrackedRun(
            f"id{index}", f"<b>{index}", "FINISHED", datetime.now(UTC), tags, {}, metrics, f"http://host/run/{index}"
        )

    rows = table(noise=0.003).to_dict("records")
    monkeypatch.setattr("openr1.tracking.read_runs", lambda uri, study: [tracked(i, row) for i, row in enumerate(rows)])
    run(monkeypatch, "experiment=demo", *FAST)

    out = here / "outputs/studies/demo"
    written = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert written == {
        "report.html",
        "points.csv",
        *(f"{law}/{name}" for law in ("isoflop", "chinchilla", "power_law") for name in ("fit.json", "bootstrap.csv")),
        *(f"figures/{name}.{suffix}" for name in FIGURES for suffix in ("png", "svg")),
    }
    assert [path.name for path in here.iterdir()] == ["outputs"]
    assert len(pd.read_csv(out / "points.csv")) == 25
    for figure in FIGURES:
        ElementTree.parse(out / f"figures/{figure}.svg")

    html = (out / "report.html").read_text()
    links = Links(html)
    assert "b" not in links.tags
    assert sum(target.startswith("data:image/svg+xml") for target in links.targets) == 5
    assert {target for target in links.targets if not target.startswith("data:")} == {f"http://host/run/{i}" for i in range(25)}
    assert "openr1-fit experiment=demo bootstrap.resamples=20" in html

    fit = Fit.load(out / "chinchilla")
    printed = capsys.readouterr().out
    assert f"{fit.error:.2%}".replace("%", " %") in printed
    assert f"alpha {fit.params['alpha']:.3f}" in printed
    assert "report: outputs/studies/demo/report.html" in printed


def study_of(*words):
    return analyse(compose(["runs=csv", "runs.path=points.csv", *FAST, *words]))


def test_a_report_is_the_same_when_it_is_made_again(points):
    one, two = (study_of("law=isoflop", "holdout.largest_budgets=0") for _ in range(2))
    assert one.main.params == two.main.params
    assert np.array_equal(one.main.draws, two.main.draws)
    drawn, again = ({name: svg(figure) for name, figure in figures(study).items() if name != "summary"} for study in (one, two))
    assert drawn == again


def test_a_law_that_cannot_be_fitted_does_not_stop_the_others(points, capsys):
    pd.read_csv(points).iloc[:10].to_csv(points, index=False)
    study = study_of("compare=[power_law,chinchilla]")
    assert list(study.fits) == ["chinchilla"]
    study.show()
    assert "power_law was not fitted: law: power_law needs at least 3 budgets" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "drawn"),
    [
        (["law=power_law", "law.x=N"], {"curve", "residuals"}),
        (["bootstrap.resamples=0", "holdout.largest_budgets=0"], {*FIGURES}),
        (["runs.columns.C=null", "holdout.largest_budgets=0"], {"residuals", "surface"}),
        (["runs.flops_6nd=true", "target_flops=1e15", "law=isoflop"], {*FIGURES} - {"surface"}),
    ],
)
def test_every_kind_of_study_has_its_figures_and_a_report(points, capsys, words, drawn):
    study = study_of(*words)
    made = figures(study)
    assert set(made) == drawn
    assert study.config.runs.study in render(study, {"residuals": svg(made["residuals"])})
    study.show()
    assert study.main.law.title in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["runs.stdy=demo"], "runs.stdy"),
        (["+extra=1", "runs.study=demo"], "extra: no such key"),
        (["+runs.extra=1", "runs.study=demo"], "runs.extra: no such key"),
        (["law=nothing"], "law=nothing"),
        (["holdout.largest_budgets=many"], "holdout.largest_budgets"),
        (["holdout.largest_budgets=-1", "runs.study=demo"], "holdout.largest_budgets: must be at least 0"),
        ([], "runs.study: no value is given"),
        (["runs.study=demo"], "runs.uri: "),
        (["runs=csv"], "runs.path: no value is given"),
        (["runs=csv", "runs.path=none.csv"], "runs.path: there is no file none.csv"),
        (
            ["runs=csv", "runs.path=points.csv", "runs.columns.N=n"],
            "runs.columns.N: there is no column 'n'; there are N, D, C, loss",
        ),
        (["runs=csv", "runs.path=points.csv", "compare=[nothing]"], "compare: 'nothing' is not one of isoflop, chinchilla"),
        (["runs=csv", "runs.path=points.csv", "law=power_law", "law.x=Q"], "law.x: 'Q' is not one of C, N, D"),
        (["runs=csv", "runs.path=points.csv", "law.delta=0"], "law.delta: must be above 0"),
        (["runs=csv", "runs.path=points.csv", "holdout.above_flops=1e30"], "holdout.above_flops: holds out 0 of 25 runs"),
    ],
)
def test_a_users_error_is_one_line_and_nothing_is_written(here, points, monkeypatch, capsys, words, message):
    with pytest.raises(SystemExit) as stopped:
        run(monkeypatch, *words)
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert list(here.iterdir()) == [points]


def test_every_shipped_config_composes():
    for law in LAWS:
        for source in ("csv", "parquet"):
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
        "import sys; from analysis.config import compose; compose(['runs.study=x']); import analysis.cli;"
        "print(*sorted({name.split('.')[0] for name in sys.modules}"
        " & {'torch', 'transformers', 'mlflow', 'matplotlib', 'pandas', 'scipy', 'datasets', 'jinja2'}))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == ""
