"""What a person sees on the terminal when a run ends."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from openr1.config import Config
from openr1.run import Result


def show_result(result: Result, config: Config) -> None:
    metrics, budget = result.artifact.metrics, result.budget
    table = Table(
        title=f"{budget.shape.family} {config.scale.name}, {config.stage.kind} on {config.data.name}", title_justify="left"
    )
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_row("parameters N (non-embedding)", f"{metrics['params_non_embedding']:,.0f}")
    table.add_row("tokens D", f"{metrics['tokens']:,.0f} in {budget.steps:,} steps ({metrics['epochs']:.3g} epochs)")
    table.add_row("training FLOPs C", f"{metrics['flops']:.3g}  (6ND: {metrics['flops_6nd']:.3g})")
    table.add_row("peak learning rate, batch", f"{budget.lr:.3g}, {budget.batch_tokens:,.0f} tokens")
    table.add_row("eval_loss", f"{metrics['eval_loss']:.4f} nats a token")
    if "eval_bits_per_byte" in metrics:
        table.add_row("bits per byte", f"{metrics['eval_bits_per_byte']:.4f}")
    table.add_row("training time", f"{metrics['wall_seconds']:.1f} s, {metrics['tokens_per_second']:,.0f} tokens a second")
    console = Console()
    console.print(table)
    if result.reused:
        console.print("Nothing was trained: this run was already done.")
    console.print(f"model    {result.artifact.model}", soft_wrap=True)
    console.print(f"tracked  run {result.run_id} of study {config.study!r} in {config.tracking.uri}", soft_wrap=True)
