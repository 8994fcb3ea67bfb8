"""The MLflow UI as a person sees it, in Chromium: what ``openr1-ui`` opens, and what is there to click.

The pictures of docs/compare.md are made by
``OPENR1_SCREENSHOTS=docs/compare pytest tests/integration/test_compare.py -m integration``.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.shown_studies import many_runs, pretraining, reinforcement_learning, stages

from openr1.tracking.options import TrackingConfig
from openr1.tracking.study_run import describe_study
from openr1.tracking.views import run_address

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("compare")]
WAIT = 90_000  # milliseconds, for machines that are busy
MANY = 500
# the panel of an assistant opens by itself on the first visit, and hides a quarter of the page
WITHOUT_ASSISTANT = """
if (location.protocol.startsWith('http')) {
localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true');
localStorage.setItem('mlflow.assistant.panelOpen_v1', 'false');
}
"""


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """Return a folder with a store of three studies."""
    folder = tmp_path_factory.mktemp("compare") / "outputs"
    folder.mkdir()
    config = TrackingConfig(uri=f"sqlite:///{folder}/mlflow.db", artifacts=f"{folder}/mlartifacts")
    many_runs(config, "many", MANY)
    reinforcement_learning(config, "learning")
    describe_study(config.uri, "learning")
    stages(config, "recipe")
    pretraining(config, "sizes")
    return folder


@pytest.fixture(scope="module")
def addresses(outputs):
    """Start ``openr1-ui`` and return what it prints: the addresses of the runs and of the charts."""
    command = [sys.executable, "-m", "openr1.tracking.ui", "--outputs", str(outputs), "--no-browser", "--port", "5171"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        lines = [process.stdout.readline().split() for _ in range(2)]
        yield dict(lines)
    finally:
        process.terminate()
        assert process.wait(60) == 0


@pytest.fixture
def page(browser):
    page = browser.new_page(viewport={"width": 1500, "height": 850})
    page.set_default_timeout(WAIT)
    page.add_init_script(WITHOUT_ASSISTANT)
    yield page
    page.close()


def picture(page, name):
    """Save what the page shows, if pictures are asked for."""
    if folder := os.environ.get("OPENR1_SCREENSHOTS"):
        page.wait_for_timeout(3000)  # charts move into place
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / f"{name}.png")


def run_of(outputs, study, **tags):
    from openr1.tracking import mlflow as tracking

    store = tracking.client(f"sqlite:///{outputs}/mlflow.db")
    conditions = " AND ".join(f"tags.{key} = '{value}'" for key, value in {"study": study, **tags}.items())
    experiment = store.get_experiment_by_name("openr1").experiment_id
    return store.search_runs([experiment], conditions)[0]


def root_of(addresses):
    return addresses["runs"].partition("/#")[0]


def shows(page, text):
    page.get_by_text(text, exact=False).first.wait_for()


def test_the_address_shows_the_runs_of_the_newest_study_best_first(page, addresses):
    page.goto(addresses["runs"])
    shows(page, "300k lr=0.01 s0")
    headings = page.locator("[role=columnheader]").all_inner_texts()
    for name in ("params_non_embedding", "tokens", "flops", "eval_loss", "budget.resolved.lr", "scale", "stage", "status"):
        assert any(name in heading for heading in headings), (name, headings)
    names = [text for text in page.locator("[role=row] a").all_inner_texts() if "lr=" in text]
    assert names[0].startswith("300k lr=0.01")
    assert len({name[:20] for name in names}) == 6
    shows(page, "Model registry")  # the side of model training
    assert not page.get_by_text("Prompts", exact=True).count()
    picture(page, "table")


def test_charts_draw_the_loss_against_flops_tokens_and_all_params(page, addresses):
    page.goto(addresses["charts"])
    shows(page, "Scaling")
    shows(page, "Parallel Coordinates")
    page.wait_for_function("document.querySelectorAll('.scatterlayer .trace').length >= 12")
    picture(page, "charts")


def test_two_runs_are_compared(page, addresses):
    page.goto(addresses["runs"])
    shows(page, "300k lr=0.01 s0")
    for row in range(2):
        page.locator(f"[row-index='{row}'] .ag-selection-checkbox input").first.check(force=True)
    page.get_by_role("button", name="Compare", exact=True).first.click()
    shows(page, "Comparing 2 Runs")
    shows(page, "optim.lr")
    picture(page, "two_runs")


def test_the_run_of_a_study_describes_it_and_opens_its_report(page, addresses, outputs):
    run = run_of(outputs, "sizes", role="study")
    page.goto(run_address(root_of(addresses), run.info.experiment_id, run.info.run_id))
    shows(page, "6 runs (6 finished)")
    shows(page, "alpha 0.35 (0.31 to 0.39)")
    shows(page, "best_eval_loss")
    picture(page, "study")
    report = page.get_by_role("link", name="Report", exact=True).get_attribute("href")
    page.goto(f"{root_of(addresses)}/{report}")
    page.frame_locator("iframe").get_by_text("Report of sizes").wait_for()
    picture(page, "report")


def test_completions_are_a_table(page, addresses, outputs):
    run = run_of(outputs, "learning", stage="grpo")
    page.goto(run_address(root_of(addresses), run.info.experiment_id, run.info.run_id, "completions/000040.json"))
    shows(page, "advantage")
    shows(page, "<answer>3</answer>")
    picture(page, "completions")


def test_a_run_shows_the_models_that_it_starts_from_and_leaves(page, addresses, outputs):
    run = run_of(outputs, "recipe", stage="grpo")
    page.goto(run_address(root_of(addresses), run.info.experiment_id, run.info.run_id))
    heading = page.get_by_text("Logged models (2)")
    heading.scroll_into_view_if_needed()
    shows(page, "sft-0000000000000001")
    shows(page, "grpo-0000000000000002")
    page.get_by_role("link", name="sft-0000000000000001").first.click()
    shows(page, "About this logged model")
    shows(page, "sft 500k s0 qwen2")


def test_the_table_of_five_hundred_runs_opens_about_as_fast_as_that_of_six(page, addresses, outputs):
    from openr1.tracking.studies import write_views

    def seconds(address, rows):
        page.goto("about:blank")
        start = time.monotonic()
        page.goto(address)
        page.locator("[role=row] a").nth(rows - 1).wait_for()
        return time.monotonic() - start

    seconds(addresses["runs"], 6)  # the browser keeps the pages themselves
    few = seconds(addresses["runs"], 6)
    shown = write_views(f"sqlite:///{outputs}/mlflow.db", "many")
    many = seconds(shown.address(root_of(addresses)), 20)
    picture(page, "many")
    assert many < max(10, 3 * few)  # on a busy machine, both take long
