"""Made-up studies in a store, for tests of what the MLflow UI shows of them. Their losses follow a formula."""

import html
import random
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

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


def r1_zero(config: TrackingConfig, study: str) -> None:
    """Log a trial of R1-Zero: a base model, reinforcement learning along a sigmoid in compute, and an evaluation of each."""
    tags = {"role": "trial", "stage": "recipe", "recipe": "r1_zero", "seed": 0, "scale": "500k", "fingerprint": "trial"}
    ended = {"base.flops": 1e13, "zero.flops": 2e12}
    rates = [0.2 + 0.7 / (1 + (8 / step) ** 2) if step else 0.2 for step in range(41)]
    for step, rate in (("base", rates[0]), ("zero", rates[-1])):
        ended |= {f"eval_{step}.pass_at_1{end}": rate + off for end, off in (("", 0), ("_low", -0.04), ("_high", 0.04))}
    with tracking.track(config, study, "r1_zero", tags, {"seed": 0}, {}) as trial:
        about = {"role": "stage", "stage": "grpo", "seed": 0, "scale": "500k", "fingerprint": "grpo"}
        with tracking.track(config, study, "grpo zero", about, {"seed": 0}, {}, parent=trial.run_id) as run:
            for step in range(0, 41, 2):
                shown = {"reasoned_rate": rates[step], "response_tokens": 20 + 10 * rates[step]}
                row = {"tokens": 1e4 * step, "flops": 5e10 * step, "pass_at_1": rates[step], **shown}
                run.log(row, step)
            run.log_results({**row, "params_non_embedding": 5e5}, step)
        trial.tag(**{"step.zero": run.run_id})
        trial.summarise({"flops": 1.2e13, "pass_at_1": rates[-1], **ended}, 0)


def stages(config: TrackingConfig, study: str) -> dict[str, str]:
    """Log the stages of a recipe, each of which starts from the model of the one before; return the ids of their runs."""
    runs, before = {}, []
    for number, stage in enumerate(("pretrain", "sft", "grpo", "evaluate")):
        tags = {"role": "stage", "stage": stage, "scale": "500k", "family": "qwen2", "fingerprint": f"{number:016x}"}
        tags["artifact"] = f"/outputs/artifacts/{stage}-{number:016x}"
        with tracking.track(config, study, f"{stage} 500k s0 qwen2", tags, {"seed": 0}, {"seed": 0}) as run:
            run.log_model_inputs(before)
            run.log_results({"params_non_embedding": 5e5, "flops": 1e12}, 1)
            if stage != "evaluate":
                run.tag(model_sha256="0" * 64)
                run.log_model()
        before = [f"{stage}-{number:016x}"]
        runs[stage] = run.run_id
    return runs


def many_runs(config: TrackingConfig, study: str, count: int) -> None:
    """Log a study of many finished runs. The rows of one run are copied in the database, since requests would take minutes."""
    pretraining(config, study)
    (*_, last) = tracking.read_runs(config.uri, study)
    rng = random.Random(0)
    with closing(sqlite3.connect(config.uri.removeprefix("sqlite:///"))) as database, database:
        database.row_factory = sqlite3.Row
        rows = {
            table: [dict(row) for row in database.execute(f"SELECT * FROM {table} WHERE run_uuid = ?", (last.run_id,))]
            for table in ("runs", "tags", "params", "metrics", "latest_metrics")
        }
        for number in range(count - len(SIZES) * len(RATES)):
            name, factor = f"run {number:03}", rng.uniform(1, 2)
            for table, of_table in rows.items():
                changed = [_copied(row, f"{number:032x}", name, factor) for row in of_table]
                columns = ", ".join(changed[0])
                marks = ", ".join("?" for _ in changed[0])
                database.executemany(
                    f"INSERT INTO {table} ({columns}) VALUES ({marks})", [tuple(row.values()) for row in changed]
                )


def _copied(row: dict[str, Any], run_id: str, name: str, factor: float) -> dict[str, Any]:
    """Return a row of the database for another run, whose losses differ by a factor."""
    copied = {**row, "run_uuid": run_id}
    if "name" in row:
        copied["name"] = name
    if row.get("key") == "mlflow.runName":
        copied["value"] = name
    if row.get("key", "").startswith("eval_loss"):
        copied["value"] = row["value"] * factor
    return copied
