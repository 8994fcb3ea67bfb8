import numpy as np
import pytest

from openr1.analysis import report
from openr1.analysis.config import compose
from openr1.analysis.report import tracked
from openr1.analysis.study import analyse
from openr1.tracking import mlflow as tracking
from openr1.tracking.options import TrackingConfig


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Return the address of a store with a study over four sizes and three amounts of data."""
    folder, rng = tmp_path_factory.mktemp("tracked"), np.random.default_rng(0)
    config = TrackingConfig(uri=f"sqlite:///{folder}/mlflow.db", artifacts=str(folder / "artifacts"))
    for n in np.geomspace(1e5, 1e7, 4):
        for d in np.geomspace(1e6, 1e8, 3):
            loss = (1.7 + 30 * n**-0.35 + 126 * d**-0.4) * np.exp(rng.normal(0, 0.0003))
            with tracking.track(config, "sizes", f"{n:.0f}", {"stage": "pretrain", "role": "stage"}, {}, {}) as run:
                run.summarise({"params_non_embedding": n, "tokens": d, "flops": 6 * n * d, "eval_loss": loss}, 1)
    return config.uri


@pytest.mark.slow
def test_a_report_is_found_in_the_run_of_its_study(store, tmp_path):
    words = ["runs.study=sizes", f"runs.uri={store}", "bootstrap.resamples=20", f"out={tmp_path}"]
    study = analyse(compose(words))
    report.write(study)
    tracked.log(study)
    client = tracking.client(store)
    (parent,) = client.search_runs(["1"], "tags.role = 'study'")
    assert parent.data.metrics["fit.chinchilla.alpha"] == study.main.params["alpha"]
    assert parent.data.metrics["runs_finished"] == 12
    assert "| [chinchilla](" in parent.data.tags["mlflow.note.content"]
    files = {file.path for file in client.list_artifacts(parent.info.run_id, "report")}
    assert {"report/report.html", "report/fit.json"} <= files
    figures = client.list_artifacts(parent.info.run_id, "report/figures")
    assert figures
    assert all(file.path.endswith(".svg") for file in figures)


@pytest.mark.slow
def test_a_store_that_refuses_the_report_is_a_warning(store, tmp_path, capsys, monkeypatch):
    from openr1.system.errors import StoreError
    from openr1.tracking import study_run

    def refuse(*_):
        raise StoreError("tracking.uri: read-only")

    monkeypatch.setattr(study_run, "log_report", refuse)
    study = analyse(compose(["runs.study=sizes", f"runs.uri={store}", "bootstrap.resamples=0", f"out={tmp_path}"]))
    tracked.log(study)
    assert capsys.readouterr().err == "warning: tracking.uri: read-only; the report is not in MLflow\n"
