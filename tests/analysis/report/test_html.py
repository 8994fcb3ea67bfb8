"""The report as a file: its content, and that it needs no other file."""

import base64
import gzip
import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from helpers.studies import KINDS, budgets, study_of, study_of_kind

from openr1.analysis.charts import chart_study, plotly
from openr1.analysis.formatting import number, percent, scientific, short, times
from openr1.analysis.report import fit_tables, tables
from openr1.analysis.report.html import render


class Page(HTMLParser):
    """Links of a page, its text, and the text of its scripts."""

    def __init__(self, html):
        super().__init__()
        self.links, self.tags, self.ids, self.scripts, self.words, self.policy, self.inside = [], [], [], [], [], "", ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        known = dict(attributes)
        self.tags.append(tag)
        self.inside = tag
        self.links += [known[name] for name in ("src", "href", "action", "poster", "srcset") if name in known]
        self.ids += [known["id"]] if "id" in known else []
        if known.get("http-equiv") == "Content-Security-Policy":
            self.policy = known["content"]

    def handle_endtag(self, tag):
        self.inside = ""

    def handle_data(self, data):
        if self.inside != "style":
            (self.scripts if self.inside == "script" else self.words).append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.words))


@pytest.fixture(scope="module")
def study():
    return study_of_kind("budgets")


@pytest.fixture(scope="module")
def html(study):
    return render(study, chart_study(study))


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def unpacked(html, name):
    """Return what a packed script of a page contains."""
    packed = re.search(rf'<script type="application/octet-stream" id="packed-{name}">([^<]*)</script>', html)[1]
    return gzip.decompress(base64.b64decode(packed)).decode()


def rendered(study):
    return Page(render(study, chart_study(study)))


def test_nothing_is_loaded_from_elsewhere(page, html):
    assert all(link.startswith("#") for link in page.links)
    assert "default-src 'none'" in page.policy
    assert not re.search(r"@import|url\(\s*['\"]?http", html.split("<script>")[0])
    script = page.scripts[-1]
    assert "showSendToCloud: false" in script
    assert 'plotlyServerURL: ""' in script


def test_plotly_is_in_the_page_with_its_licence(html):
    plotly_js = unpacked(html, "plotly")
    assert plotly_js.startswith("/**\n* plotly.js (basic")
    assert "Licensed under the MIT license" in plotly_js
    assert len(html) < 2e6


def test_every_link_of_the_contents_has_its_place(page, study):
    links = [link.removeprefix("#") for link in page.links]
    assert set(links) <= set(page.ids)
    assert {"figures", "laws", "budgets", "fits", "runs", "again", "figure-isoflop", "fit-0"} <= set(links)


def test_equal_reports_have_equal_bytes(study, html):
    assert render(study, chart_study(study)) == html


def test_a_figure_says_what_to_see_in_the_numbers_of_the_fit(page, study):
    table = study.main.frontier([study.target_flops / 10, study.target_flops])
    n, d = (times(table[name].iloc[1] / table[name].iloc[0]) for name in ("N", "D"))
    assert f"ten times the compute calls for {n} times the parameters and {d} times the tokens." in page.text
    rows = study.fits["isoflop"].tables["budgets"]
    ends = [f"{short(row['N'])} at {scientific(row['C'])} FLOPs" for row in (rows[0], rows[-1])]
    assert f"The size of lowest loss moves from {ends[0]} to {ends[1]}." in page.text


def test_every_figure_has_its_place_and_its_data(html, page, study):
    embedded = json.loads(unpacked(html, "figures"))
    shown = {name: chart for name, chart in chart_study(study).items() if name != "summary"}
    assert list(embedded) == list(shown)
    for name, chart in shown.items():
        assert len(embedded[name]) == len(chart.panels)
        assert embedded[name] == json.loads(json.dumps(plotly.panels(chart)))
        assert {f"{name}-{index}" for index in range(len(chart.panels))} <= set(page.ids)
        assert chart.caption in page.text


def test_text_of_runs_is_text(tmp_path):
    study = study_of(tmp_path, budgets().assign(name="</script><b onload=x>"), "law=chinchilla", "bootstrap.resamples=0")
    page = rendered(study)
    assert "b" not in page.tags
    assert page.tags.count("script") == 3


def test_the_answer_comes_first_and_then_the_warnings(page, study):
    best = study.main.frontier(study.target_flops).iloc[0]
    answer = page.text.index(f"train {short(best['N'])} (")
    warning = page.text.index(study.fits["isoflop"].diagnostics["warnings"][0].sentence)
    assert answer < warning < page.text.index("Contents")


def test_laws_are_ranked_by_what_was_held_out(study):
    table = tables.ranking(study)
    assert [row[0].text for row in table.rows] == ["Parametric law", "IsoFLOP profiles", "Power law"]
    assert [row[1].text for row in table.rows] == [percent(study.held_out_error(fit)) for fit in study.ranked]
    assert table.rows[-1][3].text == "\u2013"  # a power law does not divide compute


def test_budgets_stand_side_by_side(study):
    table = tables.budgets(study)
    flops = [row[0].text for row in table.rows if row[0].text]
    assert scientific(study.target_flops) in flops
    assert [row[1].text for row in table.rows] == ["Parametric law", "IsoFLOP profiles"] * len(flops)
    row = study.main.frontier(study.target_flops).iloc[0]
    cells = table.rows[2 * flops.index("10\u00b2\u00b9")]
    assert cells[0].quiet == "10 times the largest run"
    assert cells[2].text == short(row["N"])
    assert cells[2].quiet == f"({short(row['N_low'])} to {short(row['N_high'])})"


def test_other_sizes_cost_more(study):
    table = tables.off_optimum(study, study.main)
    assert [row[0].text for row in table.rows] == ["0.25 N*", "0.5 N*", "2 N*", "4 N*"]
    assert all(float(row[4].text) > 0 for row in table.rows)
    assert tables.off_optimum(study, study.fits["isoflop"]) is None


def test_parameters_have_every_kind_of_interval(tmp_path):
    study = study_of(tmp_path, budgets(), "bootstrap.profile=true")
    table = fit_tables.parameters(study.main, study.words)
    assert table.columns[3:6] == ("95 %, percentile", "95 %, BCa", "95 %, profile")
    study.main.intervals["profile"]["alpha"] = [None, 0.5]
    cells = next(row for row in fit_tables.parameters(study.main, study.words).rows if row[0].text == "alpha")
    assert cells[5].text == "open to 0.5000"


def test_any_table_of_an_estimate_is_shown(study):
    table = fit_tables.records(
        [{"C": 1e20, "N": 1e9, "N_low": 5e8, "N_high": 2e9, "note": "x"}, {"C": 1e21, "N": None, "note": ""}]
    )
    assert table.columns == ("C (FLOPs)", "N", "Note")
    assert (table.rows[0][1].text, table.rows[0][1].quiet) == ("1B", "500M to 2B")
    assert table.rows[1][1].text == "\u2013"
    assert table.numeric == {0, 1}
    assert "Minima of the budgets" in rendered(study).text


def test_held_out_rows_and_influence_are_listed(study, page):
    table = fit_tables.held_out(study.main)
    assert len(table.rows) == len(study.main.holdout["points"])
    assert table.columns[-4:] == ("Measured", "Predicted", "95 % interval", "Relative error")
    assert fit_tables.influence(study, study.main).rows[0][1].text.startswith("the run with N = ")
    assert "Most influential run for each parameter" in page.text


def test_a_coefficient_that_is_hardly_known_is_given_by_its_logarithm(study):
    fit = replace(study.main, ci95={**study.main.ci95, "A": [10.0, 1000.0], "B": [900.0, 1100.0]})
    rows = {row[0].text: row for row in fit_tables.parameters(fit, study.words).rows}
    assert {"log A", "B"} <= set(rows)
    assert rows["log A"][1].text == number(math.log(fit.params["A"]))
    assert rows["log A"][1].quiet == f"(A = {number(fit.params['A'])})"
    assert rows["log A"][2].text == number(float(np.log(fit.draws[:, list(fit.params).index("A")]).std(ddof=1)))


def test_runs_are_linked_and_dropped_ones_are_listed_with_the_reason(tmp_path):
    table = budgets().assign(run_id=[f"id{index:02}" for index in range(20)])
    table["url"] = "http://host/run/" + table["run_id"]
    table.loc[3, "loss"] = np.nan
    table.loc[4, "D"] = -5
    study = study_of(tmp_path, table, "law=chinchilla", "bootstrap.resamples=0")
    page = rendered(study)
    assert [link for link in page.links if not link.startswith("#")] == [
        f"http://host/run/id{i:02}" for i in range(20) if i not in (3, 4)
    ]
    rows = [[cell.text for cell in row[:2]] for row in tables.dropped(study).rows]
    assert rows == [["id03", "loss is missing or not a number"], ["id04", "D is not positive and finite"]]
    assert "18 runs, 2 left out" in page.text
    assert "1 left out: D is not positive and finite" in page.text


def test_a_long_table_of_runs_is_cut(study, monkeypatch):
    monkeypatch.setattr(tables, "MOST", 7)
    assert len(tables.runs(study).rows) == 7
    assert "The first 7 of 20 runs; all are in points.csv" in rendered(study).text


def test_warnings_of_the_runs_and_failed_laws_are_told(tmp_path):
    table = budgets()
    table.loc[0, "C"] *= 30
    study = study_of(tmp_path, table, "compare=[chinchilla,isoflop,hyperparameter]", "bootstrap.resamples=0")
    text = rendered(study).text
    assert "C differs from 6ND by more than a factor of ten in 1 of 20 rows" in text
    assert "The law hyperparameter was not fitted:" in text
    assert study.command in text


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_law_has_a_report(kind):
    study = study_of_kind(kind)
    page = rendered(study)
    assert study.main.law.formula in page.text
    assert study.main.law.title in page.text
    assert not re.search(r"\bnan\b|\bNone\b|\binf\b", page.text)
    assert page.ids == list(dict.fromkeys(page.ids))
