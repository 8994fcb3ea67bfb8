"""Training speed of `openr1` beside a bare PyTorch loop: the same model, batches, optimizer and thread count, in one process.

    python tests/benchmarks/training_speed.py                  # processor: 50k, 200k and 1M parameters
    python tests/benchmarks/training_speed.py --device cuda    # GPU, bfloat16: 30M, 125M and 350M, with model FLOPs utilisation

Both are measured several times in turn, and the medians compared, since the speed of a shared machine wanders.
"""

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from helpers.configs import composed
from rich.console import Console
from rich.table import Table

from openr1.distributed.devices import wait_for_device
from openr1.distributed.peaks import peak_flops
from openr1.models.build import build
from openr1.runs.dataset import prepare_dataset
from openr1.runs.stage_run import run_stage
from openr1.training.budget import resolve, split_batch
from openr1.training.trainer import collate

GPU = "compute=gpu compute.micro_batch=null data.context=1024 optim.batch_tokens=65536 data.tokenizer.vocab_size=8192"
SETTINGS = {"cpu": (["50k", "200k", "1m"], ["compute=cpu"], 150), "cuda": (["30m", "125m", "350m"], GPU.split(), 60)}
WARM = 10  # steps that no one counts


def bare_loop(config, warm=WARM, backend="inductor") -> float:
    """Tokens a second of the loop that anyone would write, after the first steps.

    :param backend: that compiles the model, with ``compute.compile``.
    """
    dataset = prepare_dataset(config)
    budget = resolve(config, dataset)
    device = config.compute.device
    torch.set_num_threads(config.compute.threads or torch.get_num_threads())
    model = build(config.model, budget.shape, config.seed).to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=budget.lr, fused=True)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / 20))
    sequences = dataset.train(budget.sequences, config.seed)
    forward = torch.compile(model, backend=backend) if config.compute.compile else model
    micro_batch, passes = split_batch(budget.batch, 1, config.compute.micro_batch)
    for step in range(budget.steps):
        if step == warm:
            wait_for_device(device)
            start = time.perf_counter()
        for first in range(step * budget.batch, (step + 1) * budget.batch, micro_batch):
            rows = sequences.__getitems__(list(range(first, first + micro_batch)))
            batch = {key: value.to(device) for key, value in collate(rows).items()}
            with torch.autocast(device, torch.bfloat16, enabled=config.compute.precision == "bfloat16"):
                loss = forward(**batch, use_cache=False).loss / passes
            loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.optim.grad_clip)
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
    wait_for_device(device)
    return (budget.steps - warm) * budget.batch_tokens / (time.perf_counter() - start)


def framework(config, warm=WARM) -> tuple[float, float]:
    """Tokens a second of a tracked run, evaluation left out, from its curve between the first warm steps and the end, and its
    peak memory in bytes."""
    with tempfile.TemporaryDirectory() as folder:
        paths = replace(config.paths, artifacts=f"{folder}/artifacts")
        result = run_stage(replace(config, paths=paths), quiet=True)
        rows = [row for row in result.artifact.history() if "train_loss" in row and row["step"] >= warm]
    speed = (rows[-1]["tokens"] - rows[0]["tokens"]) / (rows[-1]["seconds"] - rows[0]["seconds"])
    return speed, result.metrics["peak_memory_bytes"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=list(SETTINGS), default="cpu")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    scales, settings, steps = SETTINGS[args.device]
    table = Table(title=f"training, {args.device}, {args.repeats} measurements each")
    for name in ("scale", "bare loop, tokens/s", "openr1, tokens/s", "ratio", "GFLOP/s", "MFU"):
        table.add_column(name, justify="right")
    with tempfile.TemporaryDirectory() as folder:
        common = [*settings, f"paths.outputs={folder}", f"budget.steps={steps}", "stage.eval_points=1", "optim.lr=1e-3"]
        for scale in scales:
            config = composed(f"scale={scale}", *common)
            bare, ours = [], []
            for _ in range(args.repeats):
                bare.append(bare_loop(config))
                ours.append(framework(config)[0])
            speed, per_token = median(ours), resolve(config, prepare_dataset(config)).flops_per_token
            peak = peak_flops(config.compute)
            cells = (f"{median(bare):,.0f}", f"{speed:,.0f}", f"{speed / median(bare):.3f}", f"{speed * per_token / 1e9:,.1f}")
            table.add_row(scale, *cells, f"{speed * per_token / peak:.1%}" if peak else "")
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
