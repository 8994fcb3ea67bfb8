import pytest

from openr1.tracking import mlflow as tracking
from openr1.tracking.options import TrackingConfig


@pytest.fixture
def config(tmp_path):
    return TrackingConfig(uri=f"sqlite:///{tmp_path}/mlflow.db", artifacts=f"{tmp_path}/artifacts")


def test_the_ui_shows_few_params_and_readers_get_all(config):
    values = {
        "optim": {"lr": 0.1},
        "data": {"sources": {"c++": {"weight": 1}}},
        "text": "ü" * 3000,
        "many": dict.fromkeys("abc"),
    }
    with tracking.track(config, "s", "n", {"stage": "sft"}, values, {}, shown=["optim.lr"]) as run:
        pass
    stored = tracking.client(config.uri).get_run(run.run_id).data
    assert stored.params == {"optim.lr": "0.1"}
    assert all(len(value) <= 5000 for value in stored.tags.values())
    (read,) = tracking.read_runs(config.uri, "s")
    assert read.params["data.sources.c++.weight"] == "1"
    assert (read.params["text"], read.params["many.b"]) == ("ü" * 3000, "None")
    assert not [key for key in read.tags if key.startswith("mlflow.openr1")]


def test_facts_are_no_charts_and_are_still_metrics_for_readers(config):
    with tracking.track(config, "s", "n", {"stage": "sft"}, {}, {}) as run:
        run.log_results({"epochs": 0.25, "params_total": 10, "eval_loss": 2.0}, 4)
    stored = tracking.client(config.uri).get_run(run.run_id).data
    assert (set(stored.metrics), stored.params["epochs"]) == ({"eval_loss"}, "0.25")
    (read,) = tracking.read_runs(config.uri, "s")
    assert read.metrics == {"epochs": 0.25, "params_total": 10.0, "eval_loss": 2.0}
    assert read.params == {}


def test_curves_against_flops_and_tokens_are_for_the_ui_only(config):
    with tracking.track(config, "s", "n", {"stage": "sft"}, {}, {}) as run:
        run.log({"flops": 2.4e9, "tokens": 4e13, "eval_loss": 3.0, "pass_at_1": 0.5}, 7)
        run.log({"flops": 5e9, "tokens": 5e13, "train_loss": 3.0}, 8)
    for name, value in {"eval_loss": 3.0, "pass_at_1": 0.5}.items():
        for ending, step in {"by_gflops": 2, "by_tokens": 40_000_000_000_000}.items():
            (point,) = tracking.client(config.uri).get_metric_history(run.run_id, f"{name}_{ending}")
            assert (point.step, point.value) == (step, value)
    (read,) = tracking.read_runs(config.uri, "s")
    assert set(read.metrics) == {"flops", "tokens", "eval_loss", "pass_at_1", "train_loss"}


def test_more_tags_than_one_request_may_have_are_sent(config):
    with tracking.track(config, "s", "n", {"stage": "sft"}, {}, {}) as run:
        run.tag(**{f"t{i}": i for i in range(250)})
    (read,) = tracking.read_runs(config.uri, "s")
    assert sum(key.startswith("t") and key[1:].isdigit() for key in read.tags) == 250
