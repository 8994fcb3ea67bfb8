"""The summary of a finished trial on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from openr1.config.schema import Config
from openr1.evaluation.recipe_table import recipe_table
from openr1.models.shape import size_of
from openr1.rl.budget import RolloutBudget
from openr1.runs.stage_run import StageResult
from openr1.runs.trial import TrialResult, finished_stages
from openr1.system.terminal import console as open_console
from openr1.system.terminal import print_table
from openr1.training.budget import TokenBudget

Rows = list[tuple[str, str]]
STEP_PARTS = {"rollout": "rollouts", "score": "rewards", "update": "updates"}  # prefix of a metric -> in the summary


def show_trial(trial: TrialResult, config: Config) -> None:
    """Print the metrics and the artifact of every stage, and where the trial is tracked."""
    console = open_console()
    for name, result in trial.stages.items():
        _show_stage(name, result, console)
    if config.recipe and (stages := recipe_table(finished_stages(trial.stages))).rows:
        table = Table(*stages.heads[:2], title=f"{config.recipe.name}, after each stage", title_justify="left")
        for head in stages.heads[2:]:
            table.add_column(head, justify="right")
        for row in stages.rows:
            table.add_row(*row)
        print_table(table, console)
    tracked = f"run {trial.run_id} of study {config.study!r} in {config.tracking.uri}"
    if trial.reused:
        trained = any(result.config.stage.trains for result in trial.stages.values())
        console.print(f"Nothing was {'trained' if trained else 'done'}: the artifacts of this run exist already.")
    console.print(f"tracked  {tracked}", soft_wrap=True)


def _show_stage(name: str, result: StageResult, console: Console) -> None:
    config, metrics = result.config, result.metrics
    stage = config.stage
    shape = result.estimate.shape
    model = f"{shape.family} {size_of(shape, config.model, config.scale)}, " if shape else ""
    table = Table(title=f"{name + ': ' if name else ''}{model}{stage.kind} on {config.data.name}", title_justify="left")
    table.add_column("metric")
    table.add_column("value", justify="right")
    train = _policy if stage.rollouts else _training
    tables = {"model": train, "reward_model": _reward_model, "answers": _answers, "examples": _examples, "scores": _scores}
    rows = tables[stage.makes](result)
    for row in rows:
        table.add_row(*row)
    verb = "training" if stage.trains else "curation" if stage.makes == "examples" else "answering"
    speed = f", {metrics['tokens_per_second']:,.0f} tokens a second" if "tokens_per_second" in metrics else ""
    table.add_row(f"{verb} time", f"{metrics['wall_seconds']:.1f} s{speed}")
    print_table(table, console)
    path = result.artifact.model if stage.trains else result.artifact.path
    console.print(f"{stage.makes:<8} {path}", soft_wrap=True)


def _training(result: StageResult) -> Rows:
    metrics, budget = result.metrics, result.budget
    assert isinstance(budget, TokenBudget)
    rows = [
        ("parameters N (non-embedding)", f"{metrics['params_non_embedding']:,.0f}"),
        ("tokens D", f"{metrics['tokens']:,.0f} in {budget.steps:,} steps ({metrics['epochs']:.3g} epochs)"),
        ("training FLOPs C", f"{metrics['flops']:.3g}  (6ND: {metrics['flops_6nd']:.3g})"),
        *_branch(result),
        ("peak learning rate, batch", f"{budget.lr:.3g}, {budget.batch_tokens:,.0f} tokens"),
        ("eval_loss", f"{metrics['eval_loss']:.4f} nats a token"),
    ]
    if "eval_bits_per_byte" in metrics:
        rows.append(("bits per byte", f"{metrics['eval_bits_per_byte']:.4f}"))
    return rows


def _reward_model(result: StageResult) -> Rows:
    metrics, rows = result.metrics, _training(result)
    interval = f"{metrics['eval_accuracy_low']:.3f} to {metrics['eval_accuracy_high']:.3f}"
    rows[-1] = ("eval_loss", f"{metrics['eval_loss']:.4f} nats a pair; 0.6931 is chance")
    rows.append(("held-out accuracy (95 % interval)", f"{metrics['eval_accuracy']:.3f} ({interval})"))
    rows.append(("expected calibration error", f"{metrics['calibration_error']:.3f}"))
    if "calibration_slope" in metrics:
        rows.append(("calibration slope (1 is calibrated)", f"{metrics['calibration_slope']:.3f}"))
    return rows


def _branch(result: StageResult) -> Rows:
    if "flops_new" not in result.metrics:
        return []
    return [("new FLOPs", f"{result.metrics['flops_new']:.3g}, after the {result.estimate.first_step:,} steps of the trunk")]


def _policy(result: StageResult) -> Rows:
    metrics, budget = result.metrics, result.budget
    assert isinstance(budget, RolloutBudget)
    apart = f"rollouts {metrics['flops_rollout']:.3g}, updates {metrics['flops_train']:.3g}"
    apart += f", probabilities {metrics['flops_score']:.3g}" if metrics["flops_score"] else ""
    rows = [
        ("parameters N (non-embedding)", f"{metrics['params_non_embedding']:,.0f}"),
        ("answers", f"{metrics['completions']:,.0f} in {metrics['steps']:,.0f} steps, of {metrics['written']:,.0f} written"),
        ("RL FLOPs C", f"{metrics['flops']:.3g}  ({apart})"),
        ("learning rate, answers a step", f"{budget.lr:.3g}, {budget.batch:,}"),
        ("reward", f"{metrics['reward']:.3f}"),
        ("groups with signal", f"{metrics['signal_rate']:.1%}"),
        ("answers that reason first", f"{metrics['reasoned_rate']:.1%}"),
    ]
    if "pass_at_1" in metrics:
        rows.append(("pass@1, held out", f"{metrics['pass_at_1_start']:.3f} -> {metrics['pass_at_1']:.3f}"))
    if "sampler_kl" in metrics:
        found = f"{metrics['sampler_difference']:.2g} nats a token, KL {metrics['sampler_kl']:.2g}"
        rows.append(("sampler and trainer differ by", f"{found}, at most {metrics['sampler_difference_max']:.2g}"))
    if "rollout_share" in metrics:
        shares = (f"{name} {metrics[f'{key}_share']:.1%}" for key, name in STEP_PARTS.items())
        rows.append(("time of a step", ", ".join(shares)))
    return rows


def _answers(result: StageResult) -> Rows:
    metrics = result.metrics
    rows = [("answers", f"{metrics['answers']:,.0f} to {metrics['problems']:,.0f} problems; {metrics['failed']:,.0f} failed")]
    if "completion_tokens" in metrics:
        rows.append(("tokens", f"{metrics['completion_tokens']:,.0f} after {metrics['prompt_tokens']:,.0f} of prompts"))
    if "flops_teacher" in metrics:
        rows.append(("teacher FLOPs", f"{metrics['flops_teacher']:.3g}"))
    return rows


def _examples(result: StageResult) -> Rows:
    metrics = result.metrics
    kept = f"{metrics['rows_after']:,.0f} of {metrics['rows_before']:,.0f} ({metrics['rows_kept']:.1%})"
    return [("examples kept", kept), ("problems", f"{metrics['problems_after']:,.0f} of {metrics['problems_before']:,.0f}")]


def _scores(result: StageResult) -> Rows:
    metrics = result.metrics
    rows = [("answers", f"{metrics['samples']:,.0f} to each of {metrics['problems']:,.0f} problems")]
    if "pass_at_1" in metrics:
        interval = f"{metrics['pass_at_1_low']:.3f} to {metrics['pass_at_1_high']:.3f}"
        rows.append(("pass@1 (95 % interval)", f"{metrics['pass_at_1']:.3f} ({interval})"))
    for name in ("pass", "maj"):
        largest = f"{name}_at_{metrics['samples']:.0f}"
        if largest in metrics and metrics["samples"] > 1:
            rows.append((largest.replace("_at_", "@"), f"{metrics[largest]:.3f}"))
    if (best := f"best_of_{metrics['samples']:.0f}") in metrics:
        rows.append((f"best of {metrics['samples']:.0f}, by the chosen reward", f"{metrics[best]:.3f}"))
    if "mean_score" in metrics:
        rows.append(("mean score", f"{metrics['mean_score']:.3f}"))
    if metrics["unjudged"]:
        rows.append(("problems without a verdict", f"{metrics['unjudged']:,.0f}"))
    rows.append(("answers in the right format", f"{metrics['format_rate']:.1%}"))
    if "readability" in metrics:
        rows.append(("readability", f"{metrics['readability']:.3f}"))
    if "reasoned_rate" in metrics:
        rows.append(("answers that reason first", f"{metrics['reasoned_rate']:.1%}"))
    if "response_tokens" in metrics:
        rows.append(("tokens of an answer", f"{metrics['response_tokens']:,.1f}"))
    if "flops_eval" in metrics:
        rows.append(("evaluation FLOPs", f"{metrics['flops_eval']:.3g}"))
    return rows
