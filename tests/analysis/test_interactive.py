"""Studies in a notebook: what ``openr1-fit`` fits, its figures, its answer, and the registered forecasts."""

import json

import pandas as pd
import pytest

from openr1 import analysis
from openr1.analysis.fit.ablation import AblationStudy
from openr1.analysis.forecast.registry import register
from openr1.analysis.study import GroupedStudy, Study
from openr1.system.errors import ConfigError


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """Return the words of openr1-fit for a table of two families."""
    from helpers.studies import budgets

    path = tmp_path_factory.mktemp("table") / "points.csv"
    pd.concat([budgets().assign(family="a", seed=0), budgets().assign(family="b", seed=0)]).to_csv(path, index=False)
    return ["runs=csv", f"runs.path={path}", "bootstrap.resamples=20"]


def test_a_study_is_fitted_by_the_words_of_the_command(words):
    study = analysis.fit_study(*words, "+runs.where.family=a", "compare=[chinchilla,power_law]")
    assert isinstance(study, Study)
    assert set(study.fits) == {"chinchilla", "power_law"}
    assert "train" in analysis.tell(study)
    assert len(analysis.draw(study, "frontier").axes) == 1
    beside = analysis.draw(study, "frontier", "rl", "allocation")  # this study has no figure of reinforcement learning
    assert len([axes for axes in beside.axes if axes.get_visible()]) == 3
    with pytest.raises(ConfigError, match=r"^figures: this study has no figure rl; it has .*frontier"):
        analysis.draw(study, "rl")
    with pytest.raises(ConfigError, match=r"^figures: there is no figure 'frontir'; did you mean frontier\?$"):
        analysis.draw(study, "isoflop", "frontir")
    for figure in (1, ["isoflop"]):
        with pytest.raises(ConfigError, match=r"^figures: must be a text, not "):
            analysis.draw(study, figure)


def test_groups_are_fitted_one_by_one(words):
    study = analysis.fit_study(*words, "by=family")
    assert isinstance(study, GroupedStudy)
    assert [line.split(":")[0] for line in analysis.tell(study).splitlines()][-2:] == ["family a", "family b"]
    assert analysis.draw(study).axes


def test_variants_are_compared(words):
    study = analysis.fit_study(*words, "ablation.metric=loss", "ablation.keys=[family]", "ablation.baseline={family: a}")
    assert isinstance(study, AblationStudy)
    with pytest.raises(ConfigError, match=r"^study: must be a Study or GroupedStudy, as fit_study returns it, not a"):
        analysis.tell(study)
    assert analysis.draw(study).axes


def test_registered_forecasts_are_a_table(tmp_path):
    from helpers.studies import budgets

    with pytest.raises(ConfigError, match=r"^study: there is no folder of 'next' at .*next$"):
        analysis.read_forecasts("next", tmp_path)
    (tmp_path / "studies" / "next").mkdir(parents=True)
    assert analysis.read_forecasts("next", tmp_path).empty
    with pytest.raises(ConfigError, match=r"^study: there is no folder of 'nexd' at .*nexd; did you mean next\?$"):
        analysis.read_forecasts("nexd", tmp_path)
    table = analysis.tidy(budgets()).frame
    known = analysis.forecast(
        table, at=pd.DataFrame({"N": [3e9], "D": [2e11], "C": [4e21]}), bootstrap=analysis.Bootstrap(resamples=0)
    )
    run = [{"name": "large", "fingerprint": "f" * 16}]
    register(tmp_path / "studies" / "next", known, run, ("known", table), "next", "unknown")
    (row,) = analysis.read_forecasts("next", tmp_path).to_dict("records")
    assert (row["name"], row["C"], row["measured"]) == ("large", 4e21, None)
    assert row["low"] < row["predicted"] < row["high"]


def test_a_plan_is_a_table(tmp_path):
    with pytest.raises(
        ConfigError, match=r"^study: there is no plan of 'next' at .*plan\.json; openr1-plan OVERRIDES study=next"
    ):
        analysis.read_plan("next", tmp_path)
    run = {"name": "a", "overrides": ["scale=30k"], "state": "waiting", "params": 3e4, "tokens": 1e6, "flops": 1e11}
    stages = [{"fingerprint": "base"}, {"fingerprint": "zero"}]
    path = tmp_path / "studies" / "next" / "plan.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"runs": [{**run, "seconds": None, "stages": stages}]}))
    (row,) = analysis.read_plan("next", tmp_path).to_dict("records")
    assert (row["N"], row["D"], row["C"], row["fingerprint"]) == (3e4, 1e6, 1e11, "zero")
    path.write_text('{"runs": [')
    with pytest.raises(ConfigError, match=r"^study: .*plan\.json .*; openr1-plan OVERRIDES study=next writes it anew$"):
        analysis.read_plan("next", tmp_path)


@pytest.mark.parametrize("read", [analysis.read_plan, analysis.read_forecasts, analysis.read_study])
@pytest.mark.parametrize("study", [None, "", 3])
def test_what_is_no_name_of_a_study_is_one_line(read, study, tmp_path):
    with pytest.raises(ConfigError, match=f"^study: {study!r} is not the name of a study$"):
        read(study, tmp_path)


@pytest.mark.parametrize("read", [analysis.read_plan, analysis.read_forecasts, analysis.read_study])
def test_a_study_lies_in_a_folder(read, tmp_path):
    for study, line in (
        ("x" * 300, "xxx.* has 300 bytes"),
        ("demo\n", r"'demo\\n' has characters"),
        ("../x", "'../x' is the name"),
    ):
        with pytest.raises(ConfigError, match=f"^study: {line}") as caught:
            read(study, tmp_path)
        assert "\n" not in str(caught.value)
    for outputs in (1, [], True):
        with pytest.raises(ConfigError, match=r"^outputs: must be a text or a path, not "):
            read("demo", outputs)
    with pytest.raises(ConfigError, match=r"^(study: there is no|uri: there is no store)"):
        read("demo", tmp_path / "nowhere")


@pytest.mark.parametrize("study", [None, "demo", 1])
def test_what_is_no_study_is_one_line(study):
    for ask in (analysis.draw, analysis.tell):
        with pytest.raises(ConfigError, match=r"^study: must be a Study or .*, as fit_study returns it, not"):
            ask(study)
    with pytest.raises(ConfigError, match=r"^overrides: must be a text, not 1$"):
        analysis.fit_study(1)
