"""The demo itself on a reduced grid: a study, its fit and its report, by the commands that `make demo` runs."""

import json
import os
import subprocess
import time

import pytest
from helpers.cli import BIN, succeed

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("demo")]
GRID = ["budget.flops=1.2e11,6e10,3e10", "scale=50k,30k,100k"]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    return folder, succeed("openr1", "-m", "experiment=demo", *GRID, cwd=folder)


def test_the_study_is_priced_and_says_how_far_it_is(study):
    _, done = study
    assert "9 runs, 0 done" in done.stderr
    assert "9 of 9 runs" in done.stderr


def test_the_fit_writes_a_report_that_needs_no_network(study):
    folder, _ = study
    done = succeed("openr1-fit", "experiment=demo", cwd=folder)
    results = folder / "outputs" / "studies" / "demo"
    assert "report.html" in done.stdout
    # models that have seen so little are on a plateau: their IsoFLOP curves have no minimum, which is said and not fitted
    assert "The law isoflop was not fitted" in " ".join(done.stdout.split())
    for law in ("power_law", "chinchilla"):
        fit = json.loads((results / law / "fit.json").read_text())
        assert fit["law"] == law
        assert fit["n_points"] == 9
        assert {"params", "se", "ci95", "objective", "holdout", "diagnostics", "seconds"} <= set(fit)
    page = (results / "report.html").read_text()
    assert 'id="packed-figures"' in page
    assert not [word for word in ('src="http', "src='http", 'href="//', "@import") if word in page]


def test_run_again_it_trains_nothing_and_takes_seconds(study):
    folder, _ = study
    start = time.monotonic()
    done = succeed("openr1", "-m", "experiment=demo", *GRID, cwd=folder)
    assert "9 runs, 9 done; 0 training FLOPs to go" in done.stderr
    assert time.monotonic() - start < 60


def test_the_mlflow_ui_shows_the_study(study):
    """Open the store of the study as `make ui` opens it."""
    import socket
    import urllib.request

    folder, _ = study
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    store = ["--backend-store-uri", "sqlite:///outputs/mlflow.db", "--port", str(port), "--workers", "1"]
    server = subprocess.Popen(
        [str(BIN / "mlflow"), "ui", *store],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(120):
            try:
                assert urllib.request.urlopen(f"{url}/health", timeout=2).status == 200
                break
            except OSError:
                time.sleep(1)
        body = json.dumps({"experiment_ids": ["1"], "filter": "tags.study = 'demo' AND tags.stage = 'pretrain'"}).encode()
        search = urllib.request.Request(
            f"{url}/api/2.0/mlflow/runs/search", data=body, headers={"Content-Type": "application/json"}, method="POST"
        )
        runs = json.load(urllib.request.urlopen(search, timeout=60))["runs"]
        assert len(runs) == 9
        names = [run["info"]["run_name"].split() for run in runs]
        assert {(name[1], name.count("FLOPs"), name[-1]) for name in names} == {("FLOPs", 1, "qwen3")}
    finally:
        os.killpg(server.pid, 15)
        server.wait()
