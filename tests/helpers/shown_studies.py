"""Made-up studies in a store, for tests of what the MLflow UI shows of them. Their losses follow a formula."""

import html
import random
from pathlib import Path

from mlflow.entities import Metric, Param, RunTag

from openr1.tracking import mlflow as tracking
from openr1.tracking.observer import RunObserver, observing
from openr1.tracking.options import TrackingConfig
from openr1.tracking.study_run import Law, log_report

SIZES = {"30k": 3e4, "100k": 1e5, "300k": 3e5}
RATES = (0.003, 0.01)
POINTS = 8


def loss(params: float, tokens: float, lr: float) -> float:
    return 1.7 + 30 * params**-0.35 + 90 * tokens**-0.4 + 0.05 * abs(lr - 0.01) / 0.01


def pretraining(config: TrackingConfig, study: str) -> None:
    """Log a study over sizes and learning rates, with a report."""
    for scale, params in SIZES.items():
        for lr in RATES:
            with observing(RunObserver(label=f"scale={scale} lr={lr}")):
                _one_run(config, study, scale, params, lr)
    folder = Path(config.artifacts).parent
    report, figure = folder / "report.html", folder / "isoflop.svg"
    report.write_text(f"<h1>Report of {html.escape(study)}</h1><p>The loss falls as a power of compute.</p>")
    figure.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" width="300" height="200"><path d="M0 0L300 200" stroke="black"/></svg>'
    )
    laws = [Law("chinchilla", "alpha 0.35 (0.31 to 0.39), beta 0.40 (0.35 to 0.44)", "0.004")]
    log_report(config.uri, study, [report, figure], {"fit.chinchilla.alpha": 0.35}, laws)


def _one_run(config: TrackingConfig, study: str, scale: str, params: float, lr: float) -> None:
    flat = {"optim": {"lr": lr}, "scale": {"name": scale}, "seed": 0, "budget.resolved": {"lr": lr}}
    tags = {"role": "stage", "stage": "pretrain", "scale": scale, "family": "qwen2"}
    with tracking.track(config, study, f"{scale} lr={lr:g} s0 qwen2", tags, flat, {"seed": 0}) as run:
        for step in range(1, POINTS + 1):
            tokens = 2.5 * params * step
            row = {"tokens": tokens, "flops": 6 * params * tokens, "eval_loss": loss(params, tokens, lr)}
            run.log(row, step)
        run.log_results({**row, "params_non_embedding": params, "epochs": 0.1}, POINTS)
        run.log_dataset("python_stdlib", "abc", {"tokens": 5}, "training")


def reinforcement_learning(config: TrackingConfig, study: str) -> str:
    """Log a run of reinforcement learning with its completions; return its id."""
    tags = {"role": "stage", "stage": "grpo", "scale": "500k"}
    with tracking.track(config, study, "grpo zero 500k 40 steps", tags, {"seed": 0}, {"seed": 0}) as run:
        for step in (0, 20, 40):
            run.log({"tokens": 1e4 * step, "flops": 1e11 * step, "pass_at_1": 0.5 + step / 200}, step)
        rewards = {"reward": 1.0, "advantage": 0.7, "length": 9}
        rows = [{"step": 40, "prompt": f"{i}+2=", "completion": f"<answer>{i + 2}</answer>", **rewards} for i in range(4)]
        run.log_table(rows, "completions/000040.json", 40)
    return run.run_id


def many_runs(config: TrackingConfig, study: str, count: int) -> None:
    """Log a study of many finished runs, in requests of its own, which take a fraction of the time of tracked runs."""
    pretraining(config, study)  # for the study's own run
    store, rng = tracking.client(config.uri), random.Random(0)
    experiment = store.get_experiment_by_name(config.experiment).experiment_id
    for number in range(count - len(SIZES) * len(RATES)):
        params, lr = 10 ** rng.uniform(4, 6), 10 ** rng.uniform(-3, -1)
        tags = {"study": study, "role": "stage", "stage": "pretrain", "scale": f"{params:.0f}", "status": "finished"}
        run = store.create_run(experiment, run_name=f"run {number:03}", tags=tags)
        values = {"params_non_embedding": params, "tokens": 20 * params, "flops": 120 * params**2}
        values |= {"eval_loss": loss(params, 20 * params, lr)}
        metrics = [Metric(name, value, run.info.start_time, 1) for name, value in values.items()]
        metrics += [Metric("eval_loss_by_gflops", values["eval_loss"], run.info.start_time, round(values["flops"] / 1e9))]
        store.log_batch(run.info.run_id, metrics, [Param("budget.resolved.lr", f"{lr:.4g}")], [RunTag("seed", "0")])
        store.set_terminated(run.info.run_id)
