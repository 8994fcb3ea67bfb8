"""A law for each group of runs: fits, sentences, figures and files."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from helpers.studies import KINDS

from openr1.analysis import Groups, Holdout, fit, fit_by, report
from openr1.analysis.charts.groups import HUES, assign_colours, chart_groups
from openr1.analysis.charts.matplotlib import draw, to_bytes
from openr1.analysis.config import compose
from openr1.analysis.fit.groups import split_by
from openr1.analysis.fit.labels import sort_key
from openr1.analysis.fit.resampling import Bootstrap
from openr1.analysis.formatting import percent
from openr1.analysis.report import terminal
from openr1.analysis.report.group_tables import optimum, parameters
from openr1.analysis.report.html import render
from openr1.analysis.sources.frame import tidy
from openr1.analysis.study import analyse_groups
from openr1.system.errors import ConfigError

FAST = Bootstrap(resamples=20)
# laws of several variables, which have no curve of each group
SEVERAL = ("data_constrained", "hyperparameter", "distillation", "downstream, N and D", "data_mixing", "moe", "moe_leverage")
SEVERAL += ("batch_size", "weight_decay", "observational", "schedule", "rl_isocompute", "rl_isocompute, saturating")
SEVERAL += ("rl_isocompute, problems too", "rl_data_reuse", "test_time", "test_time, N and D")
TRUTH = {"300k": (0.05, 0.45), "1m": (0.15, 0.62), "2.5m": (0.25, 0.78)}  # R0 and A


def curves():
    """Return the pass rates of three scales, of one with too few points, and a point without a scale."""
    rng, rows = np.random.default_rng(0), []
    for scale, (low, high) in TRUTH.items():
        for c in np.geomspace(1e12, 1e15, 20):
            rate = low + (high - low) / (1 + 3e13 / c) + rng.normal(0, 0.002)
            rows.append({"scale": scale, "N": 1e6 * high, "C": c, "pass_at_1": rate, "seed": 0})
    rows += [{"scale": "7m", "N": 7e6, "C": c, "pass_at_1": 0.5, "seed": 0} for c in (1e13, 1e14)]
    return pd.DataFrame([*rows, {"scale": None, "N": 7e6, "C": 2e14, "pass_at_1": 0.5, "seed": 1}])


def study_of(folder, table, *words):
    path = folder / "points.csv"
    table.to_csv(path, index=False)
    result = ["runs=csv", f"runs.path={path}", "bootstrap.resamples=20", f"out={folder / 'out'}", *words]
    return analyse_groups(compose(result), result)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return study_of(tmp_path_factory.mktemp("groups"), curves(), "law=rl_sigmoid", "by=scale", "holdout.fraction=0.3")


def test_each_group_has_the_fit_that_it_has_alone():
    frame = tidy(curves(), needs=("C", "pass_at_1")).frame
    result = fit_by(frame, "scale", "rl_sigmoid", Holdout(fraction=0.3), FAST)
    assert list(result.fits) == list(TRUTH)
    alone = fit(frame[frame["scale"] == "1m"].reset_index(drop=True), "rl_sigmoid", Holdout(fraction=0.3), FAST)
    together = result.fits["1m"]
    assert (together.params, together.ci95, together.holdout) == (alone.params, alone.ci95, alone.holdout)
    for scale, (low, high) in TRUTH.items():
        assert [result.fits[scale].params[name] for name in ("R0", "A")] == pytest.approx([low, high], abs=0.02)


def test_a_group_that_cannot_be_fitted_does_not_stop_the_others(study):
    assert study.groups.failed == {"7m": "rl_sigmoid has 4 parameters and needs at least 5 points; there are 2"}
    assert study.groups.unlabelled == 1


def test_groups_stand_in_the_order_of_what_they_are_called():
    labels = ["1.5b", "300k", "llama", "2", "gemma", "70m", "1e3"]
    assert sorted(labels, key=sort_key) == ["2", "1e3", "300k", "70m", "1.5b", "gemma", "llama"]
    frame = pd.DataFrame({"seed": [10.0, 2.0, np.nan, 2.0]})
    assert {label: len(rows) for label, rows in split_by(frame, "seed").items()} == {"2": 2, "10": 1}


def test_what_is_held_out_is_chosen_within_each_group(study):
    for part in study.parts.values():
        unseen = sorted(part.runs.frame["C"])[-part.main.holdout["n"] :]
        assert sorted(row["C"] for row in part.main.holdout["points"]) == pytest.approx(unseen)


def test_a_group_in_which_nothing_can_be_held_out_is_fitted_with_a_warning():
    frame = tidy(curves().query("scale != '7m'"), needs=("C", "pass_at_1")).frame
    result = fit_by(frame, "scale", "rl_sigmoid", Holdout(query="scale != '1m' and C > 3e14"), FAST)
    assert result.fits["1m"].holdout is None
    assert result.fits["1m"].diagnostics["warnings"][-1] == "nothing was held out: holdout.query: holds out 0 of 20 runs, " + (
        "whose FLOPs are 1e+12 to 1e+15"
    )
    assert result.fits["300k"].holdout


@pytest.mark.parametrize(
    ("by", "words", "message"),
    [
        ("scal", [], "by: there is no column 'scal'; there are seed, N, scale"),
        ("scale", ["holdout.above_flops=1e28"], "holdout.above_flops: holds out 0 of 20 runs"),
        ("C", [], "by: rl_sigmoid can be fitted to none of the 63 groups by C; 1000000000000: rl_sigmoid has 4 parameters"),
        ("empty", [], "by: no row has a value of empty"),
        ("scale", ["compare=[rl_sigmoid,rl_power]"], "by: one law is fitted to each group; leave compare out"),
    ],
)
def test_errors_name_the_key_and_what_there_is(tmp_path, by, words, message):
    table = curves().assign(empty=np.nan)
    table["C"] *= 1 + np.arange(len(table)) * 1e-3
    with pytest.raises(ConfigError, match="^" + message.replace("(", r"\(")):
        study_of(tmp_path, table, "law=rl_sigmoid", f"by={by}", *words)


def test_a_group_without_a_usable_row_is_reported(tmp_path):
    table = curves()
    table.loc[table["scale"] == "1m", "pass_at_1"] = np.nan
    study = study_of(tmp_path, table, "law=rl_sigmoid", "by=scale")
    assert list(study.groups.failed) == ["1m", "7m"]
    assert study.groups.failed["1m"] == "none of its 20 rows can be used: pass_at_1 is missing or not a number"


def test_a_column_of_a_quantity_may_be_called_as_in_the_source(tmp_path):
    study = study_of(tmp_path, curves().rename(columns={"N": "params"}), "law=rl_sigmoid", "by=params", "runs.columns.N=params")
    assert study.groups.by == "N"
    assert list(study.groups.fits) == ["450000", "620000", "780000"]


def test_a_column_of_a_quantity_that_is_found_by_its_header_may_be_called_as_there(tmp_path):
    table = curves().rename(columns={"N": "N_M"})
    study = study_of(tmp_path, table.assign(N_M=table["N_M"] / 1e6), "law=rl_sigmoid", "by=N_M")
    assert study.groups.by == "N"
    assert list(study.groups.fits) == ["450000", "620000", "780000"]


def test_groups_are_read_as_they_were_written(study, tmp_path):
    study.groups.save(tmp_path)
    read = Groups.load(tmp_path)
    assert read.to_dict() == study.groups.to_dict()
    assert np.array_equal(read.fits["1m"].draws, study.groups.fits["1m"].draws)


def test_the_table_has_a_row_a_group(study, tmp_path):
    table = study.groups.table()
    assert table["scale"].tolist() == [*TRUTH, "7m"]
    assert table["rows"].tolist()[:3] == [20, 20, 20]
    assert table["N"].tolist()[:3] == [450000, 620000, 780000]
    assert (table["A_low"] <= table["A"])[:3].all()
    assert table["reason"].tolist()[:3] == [""] * 3
    assert "needs at least 5 points" in table["reason"].iloc[3]


def test_what_is_written(study):
    report.write(study)
    out = study.config.directory
    written = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert written == {
        "report.html",
        "points.csv",
        "groups.json",
        "groups.csv",
        *(f"scale={scale}/{name}" for scale in TRUTH for name in ("fit.json", "bootstrap.csv", "jackknife.csv")),
        *(f"figures/{name}.{end}" for name in ("groups", "parameters", "predictions") for end in ("png", "svg")),
    }
    assert json.loads((out / "groups.json").read_text())["groups"][1]["folder"] == "scale=1m"


def test_the_folder_of_a_report_by_groups_is_not_that_of_the_study():
    config = compose(["runs.study=x", "by=optim.lr", "law=chinchilla"])
    assert config.directory.as_posix().endswith("studies/x/chinchilla_by_optim.lr")
    assert Groups("data/mix", {}).folder("a b") == "data%2Fmix=a%20b"


def test_the_terminal_has_a_row_a_group(study, capsys):
    terminal.show(study)
    text = " ".join(capsys.readouterr().out.split())
    for result in study.groups.fits.values():
        assert f"{result.params['A']:.3f}" in text
        assert percent(result.error) in text
    assert "7m was not fitted: rl_sigmoid has 4 parameters" in text
    assert "1 of 63 runs has no scale and is in no group." in text
    assert "…" not in text


def test_all_curves_stand_in_one_set_of_axes(study):
    (panel,) = chart_groups(study)["groups"].panels
    assert panel.legend_title == "scale"
    assert {mark.name for mark in panel.marks} == set(TRUTH)
    assert len({mark.colour for mark in panel.marks} - {"#ffffff"}) == 3
    assert all(mark.hover is None or all(text.startswith("<b>") for text in mark.hover) for mark in panel.marks)


def test_groups_of_words_have_hues_and_numbers_have_shades(study, tmp_path):
    other = study_of(tmp_path, curves().replace({"scale": {"300k": "qwen", "1m": "llama"}}), "law=rl_sigmoid", "by=scale")
    assert list(assign_colours(other).values()) == list(HUES[:3])
    assert not set(assign_colours(study).values()) & set(HUES)


def test_the_report_names_every_group(study):
    html = render(study, chart_groups(study))
    for scale in TRUTH:
        assert re.search(f'<h3 id="[^"]+">{scale}</h3>', html)
    assert "7m was not fitted: rl_sigmoid has 4 parameters" in html
    assert "1 of 63 runs has no scale" in html
    assert len(parameters(study).rows) == 4
    assert optimum(study) is None


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_law_has_a_report_by_groups(kind, tmp_path):
    make, words, _ = KINDS[kind]
    words = [f"law={kind}" if word.startswith("compare") else word for word in words]
    words = ["law=isoflop" if word == "law=budgets" else word for word in words]
    table = pd.concat([make().assign(family=family) for family in ("llama", "qwen2")])
    study = study_of(tmp_path, table, *words, "by=family")
    drawn = chart_groups(study)
    assert ("groups" in drawn) == (kind not in SEVERAL)
    for chart in drawn.values():
        assert to_bytes(draw(chart), "svg")
    html = render(study, drawn)
    assert study.law.formula.replace("'", "&#39;").replace("<", "&lt;") in html
    assert (optimum(study) is None) == (study.target_flops is None)
