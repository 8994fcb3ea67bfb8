"""Seconds of an optimiser step: Muon beside AdamW, over models of the ladder, and beside a forward and backward pass.

    python tests/benchmarks/muon_step.py                       # processor: 50k, 1m and 8m
    python tests/benchmarks/muon_step.py --device cuda         # GPU: 30m and 125m

The baseline is torch's fused AdamW over the same parameters. The third figure is torch.optim.Muon over the matrices of the same
model, with AdamW for the other tensors; it works in bfloat16 and takes one matrix at a time. Medians of several steps.
"""

import argparse
import sys
import time
from pathlib import Path
from statistics import median

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from helpers.configs import composed

from openr1.models.build import build
from openr1.models.shape import count, solve_shape
from openr1.training.optimisers import optimiser_of
from openr1.training.options import OptimConfig

SCALES = {"cpu": ["50k", "1m", "8m"], "cuda": ["30m", "125m"]}
LR, TOKENS = 1e-3, 512


def seconds(step, device: str, repeats: int) -> float:
    """Return the median time of a call, without the first ones."""
    times = []
    for _ in range(repeats + 2):
        start = time.perf_counter()
        step()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return median(times[2:])


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--repeats", type=int, default=10)
    args = parser.parse_args()
    heads = ("size", "N", "pass of 512 tokens (ms)", "AdamW (ms)", "Muon (ms)", "torch.optim.Muon (ms)", "Muon / pass")
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for scale in SCALES[args.device]:
        config = composed("model=qwen3", f"scale={scale}")
        shape = solve_shape(config.model, config.scale, 512, 128)
        model = build(config.model, shape, seed=0).to(args.device)
        ids = torch.randint(512, (TOKENS // 128, 128), device=args.device)

        def forward_and_backward(model=model, ids=ids):
            model.zero_grad()
            model(input_ids=ids, labels=ids).loss.backward()

        passing = seconds(forward_and_backward, args.device, args.repeats)
        adamw = torch.optim.AdamW(model.parameters(), lr=LR, fused=True)
        muon_class, arguments = optimiser_of(OptimConfig(kind="muon"), model, shape, LR, set(), None)
        muon = muon_class(**arguments)
        groups = arguments["params"]
        rest = torch.optim.AdamW([p for group in groups if not group.get("muon") for p in group["params"]], lr=LR, fused=True)
        plain = torch.optim.Muon([p for group in groups if group.get("muon") for p in group["params"]], lr=LR)

        def both(rest=rest, plain=plain):
            rest.step()
            plain.step()

        measured = [passing, *(seconds(step, args.device, args.repeats) for step in (adamw.step, muon.step, both))]
        cells = " | ".join(f"{1000 * value:.1f}" for value in measured)
        print(f"| {scale} | {count(shape).non_embedding:,} | {cells} | {measured[2] / passing:.2f} |", flush=True)


if __name__ == "__main__":
    main()
