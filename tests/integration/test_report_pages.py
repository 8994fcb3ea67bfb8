"""Reports as a person sees them, in Chromium, opened from a file and without a network.

``OPENR1_SCREENSHOTS=FOLDER pytest tests/integration/test_report_pages.py -m integration`` saves what the pages look like.
"""

import os
from pathlib import Path

import pandas as pd
import pytest
from helpers.studies import budgets, study_of_kind

from openr1.analysis.charts import chart_study
from openr1.analysis.charts.groups import chart_groups
from openr1.analysis.config import compose
from openr1.analysis.report.html import render
from openr1.analysis.study import analyse_groups

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("report_pages")]
KINDS = ("budgets", "rl_sigmoid", "rl_isocompute", "test_time", "overoptimisation")
MOST = 2e6  # bytes of a page
WAIT = 120_000  # milliseconds, for machines that are busy
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
# of the elements that are wider than the window, those that do not scroll on their own
WIDE = """
[...document.querySelectorAll('main *')].filter((part) => part.getBoundingClientRect().right > innerWidth + 1
    && !part.closest('.scroll')).map((part) => part.outerHTML.slice(0, 80))
"""
BACKGROUND = "getComputedStyle(document.body).backgroundColor"


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Write the pages of several kinds of studies; return their paths by kind."""
    folder = tmp_path_factory.mktemp("pages")
    html = {kind: render(study, chart_study(study)) for kind in KINDS for study in [study_of_kind(kind)]}
    grouped = _grouped(folder)
    html["grouped"] = render(grouped, chart_groups(grouped))
    for kind, text in html.items():
        (folder / f"{kind}.html").write_text(text, encoding="utf-8")
    return {kind: folder / f"{kind}.html" for kind in html}


def _grouped(folder):
    factors = {"qwen3": 1.0, "llama": 1.03}
    pd.concat(budgets().assign(family=name, loss=budgets()["loss"] * factor) for name, factor in factors.items()).to_csv(
        folder / "points.csv", index=False
    )
    overrides = [f"runs.path={folder}/points.csv", "runs=csv", "by=family", "bootstrap.resamples=20", f"out={folder}/out"]
    return analyse_groups(compose(overrides), overrides)


@pytest.fixture
def opened(browser, pages):
    """Open a page of a kind, without a network; return it once its figures are drawn."""
    contexts = []

    def open_page(kind, viewport, scheme="light"):
        context = browser.new_context(viewport=viewport, color_scheme=scheme, offline=True)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT)
        page.faults = []
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.on("console", lambda line: page.faults.append(line.text) if line.type == "error" else None)
        page.goto(pages[kind].as_uri())
        for place in page.query_selector_all(".panels > div"):
            page.wait_for_selector(f"#{place.get_attribute('id')} .main-svg")
        _picture(page, f"{kind}-{viewport['width']}-{scheme}")
        return page

    yield open_page
    for context in contexts:
        context.close()


def _picture(page, name):
    if folder := os.environ.get("OPENR1_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True, timeout=WAIT)


@pytest.mark.parametrize("kind", [*KINDS, "grouped"])
def test_a_page_is_small_and_fits_a_phone(kind, opened, pages):
    assert pages[kind].stat().st_size < MOST
    page = opened(kind, PHONE)
    assert page.faults == []
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert page.evaluate(WIDE) == []


def test_every_link_of_the_contents_leads_to_its_place(opened):
    page = opened("budgets", DESKTOP)
    links = page.eval_on_selector_all("nav a", "links => links.map((link) => link.hash)")
    assert {"#figures", "#laws", "#fits", "#runs", "#again"} <= set(links)
    for link in links:
        assert page.query_selector(link) is not None
    page.click('nav a[href="#again"]')
    assert page.evaluate("scrollY") > 0


def test_the_page_and_its_figures_are_dark_where_the_browser_is(opened):
    light, dark = opened("overoptimisation", DESKTOP), opened("overoptimisation", DESKTOP, "dark")
    assert light.evaluate(BACKGROUND) == "rgb(255, 255, 255)"
    assert dark.evaluate(BACKGROUND) == "rgb(21, 21, 21)"
    filters = [page.evaluate("getComputedStyle(document.querySelector('.panels')).filter") for page in (light, dark)]
    assert filters[0] == "none"
    assert filters[1].startswith("invert(0.93)")


def test_three_warnings_are_shown_and_the_others_open(opened):
    page = opened("budgets", DESKTOP)
    assert len([line for line in page.query_selector_all(".warnings li") if line.is_visible()]) == 3
    page.click(".warnings summary")
    assert len([line for line in page.query_selector_all(".warnings li") if line.is_visible()]) > 3


def test_a_browser_that_cannot_unpack_says_so(browser, pages):
    page = browser.new_page()
    page.add_init_script("delete window.DecompressionStream")
    page.goto(pages["overoptimisation"].as_uri(), timeout=WAIT)
    assert page.is_visible("#undrawn")
    page.close()
