"""The shipped configs of studies of reinforcement learning, on runs in a real store as the stages log them."""

import os
from pathlib import Path

import numpy as np
import pytest
from helpers.law_runs import answering, group_sizes, reused_problems

from openr1.analysis.cli import _compare_variants
from openr1.analysis.config import compose
from openr1.analysis.report.advice_of_rl import advise_test_time
from openr1.analysis.study import analyse
from openr1.tracking import mlflow as tracking
from openr1.tracking.options import TrackingConfig

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a store of the studies."""
    folder = tmp_path_factory.mktemp("studies")
    before = Path.cwd()
    os.chdir(folder)  # where MLflow keeps the artifacts of a store
    config = TrackingConfig(uri=f"sqlite:///{folder}/mlflow.db")
    number = iter(range(10**6))

    def log(study, stage, params, metrics, points=(), role="stage"):
        tags = {"role": role, "stage": stage, "seed": params.get("seed", 0), "fingerprint": f"f{next(number)}"}
        with tracking.track(config, study, f"{stage}-{tags['fingerprint']}", tags, params, params) as run:
            for step, point in enumerate(points):
                run.log(point, step)
            run.summarise(metrics, len(points))

    for row in group_sizes(budgets=3, seeds=1, noise=0).to_dict("records"):
        params = {"budget": {"flops": row["C"]}, "stage": {"samples": int(row["rollouts"]), "prompts": int(row["prompts"])}}
        log("rl_isocompute_micro", "grpo", params, {"flops": 1.02 * row["C"], "pass_at_1": row["pass_at_1"]})
    for (unique, _), rows in reused_problems(seeds=1).groupby(["U", "run"]):
        rows = rows.iloc[::3]
        points = [
            {"completions": d, "flops": 1e7 * d, "pass_at_1": p} for d, p in zip(rows["D"], rows["pass_at_1"], strict=True)
        ]
        params = {"stage": {"problems": int(unique), "samples": 4}}
        log("rl_reuse_micro", "grpo", params, points[-1], points)
    for row in answering().to_dict("records"):
        rates = {name: value for name, value in row.items() if name.startswith("pass_at")}
        size = {"params_non_embedding": row["N"], "tokens": row["D"], "flops": row["C"]}
        log("test_time_micro", "evaluate", {}, size | rates | {"samples": 32, "response_tokens": 40.0})
        log("test_time_micro", "evaluate", {}, size | {"samples": 4, "response_tokens": 12.0, "pass_at_1": 0.1})
    rng = np.random.default_rng(0)
    for beta, high, effect in ((0.0, None, 0.0), (0.1, None, -0.2), (0.0, 0.28, 0.001)):
        for seed in (0, 1, 2):
            loss = {"loss": {"beta": beta, "epsilon_high": high}}
            params = {"seed": seed, "recipe": {"steps": {"zero": {"stage": loss, "seed": seed}, "eval": {"seed": seed}}}}
            rate = 0.8 + effect + 0.01 * seed + 0.01 * rng.standard_normal()
            log("rl_ablations_micro", "recipe", params, {"pass_at_1": rate, "flops": 1e12}, role="trial")
    os.chdir(before)
    return folder


def study(folder, name, *overrides):
    words = [f"experiment={name}", f"runs.uri=sqlite:///{folder}/mlflow.db", f"outputs={folder}", "bootstrap.resamples=20"]
    return compose([*words, *overrides])


def test_rollouts_at_equal_compute(folder):
    result = analyse(study(folder, "rl_isocompute_micro")).main
    assert result.params["rollouts_exponent"] == pytest.approx(0.35, abs=0.1)
    assert len(result.tables["budgets"]) == 3  # those that were planned


def test_reuse_of_problems(folder):
    result = analyse(study(folder, "rl_reuse_micro")).main
    assert result.law.last_paying(result.vector)[0] == pytest.approx(1 + 6 * np.log(2), rel=0.3)


def test_training_and_answering(folder):
    result = analyse(study(folder, "test_time_micro")).main
    assert result.params["gamma"] == pytest.approx(0.6, abs=0.1)
    assert result.law.cost_of_one(result.frame) == pytest.approx(2 * 3e5 * 40)


@pytest.mark.parametrize(("questions", "beyond"), [(10, True), (1e6, False)])
def test_more_answers_than_any_run_gave_are_an_extrapolation(folder, questions, beyond):
    found = analyse(study(folder, "test_time_micro", f"law.questions={questions}"))
    text = " ".join(advise_test_time(found, found.main))
    assert ("No run has more than 64 answers on a question, so that this extrapolates." in text) is beyond


def test_ablations_are_a_table_and_a_figure(folder, capsys):
    _compare_variants(study(folder, "rl_ablations_micro"))
    shown = capsys.readouterr().out
    text = (folder / "studies" / "rl_ablations_micro" / "ablation.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith(("| beta", "| epsilon"))]
    assert [line.split(" | ")[-1] for line in rows] == ["no difference shown |", "lower |"]
    assert rows[0].startswith("| epsilon_high=0.28 | 3 |")
    assert rows[1].startswith("| beta=0.1 | 3 |")
    assert "1 of 2 intervals leave out 0" in text
    assert "base line" in shown
    assert (folder / "studies" / "rl_ablations_micro" / "figures" / "ablation.svg").exists()
