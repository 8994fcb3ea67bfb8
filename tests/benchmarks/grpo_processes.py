"""Time of a GRPO step on two processes beside one: the same model, problems and loss, with one thread for each process.

    python tests/benchmarks/grpo_processes.py
    python tests/benchmarks/grpo_processes.py --strategy zero3

Both are measured in turn, several times, and the medians compared, since the speed of a shared machine wanders. On a machine
with two idle cores the least possible ratio is 0.5. Seconds are those of the curves, without evaluations.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

from helpers.configs import composed
from rich.console import Console
from rich.table import Table

from openr1.runs.stage_run import run_stage, silence_third_party

PROMPTS, SAMPLES, TOKENS = 32, 8, 96
WARM = 2  # steps that are not counted


def seconds_per_step(config) -> float:
    """Return the median seconds of a step of a run, from its curve."""
    history = run_stage(config, quiet=True).artifact.history()
    ends = [row["seconds"] for row in history if "policy_loss" in row]
    return median(after - before for before, after in zip(ends[WARM - 1 :], ends[WARM:], strict=False))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--scale", default="500k")
    parser.add_argument("--strategy", default="ddp", choices=("ddp", "zero2", "zero3"))
    parser.add_argument("--base", help="a model that answers data=sums; one is trained where none is given")
    args = parser.parse_args()
    silence_third_party()
    with tempfile.TemporaryDirectory() as folder:
        common = ["data=sums", f"scale={args.scale}", f"paths.outputs={folder}"]
        sft = ["stage=sft", "budget.steps=200", "optim.batch_tokens=4096", "stage.eval_points=1"]
        base = args.base or str(run_stage(composed(*common, *sft), quiet=True).artifact.model)
        rl = [*common, "stage=grpo", "optim=rl", "optim.lr=1e-5", f"budget.steps={args.steps}", f"model.checkpoint={base}"]
        rl += [f"stage.prompts={PROMPTS}", f"stage.samples={SAMPLES}", f"stage.sampling.max_tokens={TOKENS}"]
        rl += ["stage.eval.every=1000", "stage.eval.problems=10", "stage.preflight=false", "reward.workers=1"]
        times: dict[int, list[float]] = {1: [], 2: []}
        for repeat in range(args.repeats):
            for processes, measured in times.items():
                several = [f"compute={args.strategy}"] if processes > 1 else []
                own = [f"paths.artifacts={folder}/of-{processes}", f"study=of-{processes}", f"seed={repeat}"]
                measured.append(seconds_per_step(composed(*rl, *several, *own)))
    one, two = median(times[1]), median(times[2])
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    table = Table(title=f"GRPO, {PROMPTS} x {SAMPLES} answers a step, {args.scale}, {args.repeats} measurements each")
    for name in ("one process, s a step", f"two by {args.strategy}, s a step", "ratio", "cores", "load"):
        table.add_column(name, justify="right")
    table.add_row(f"{one:.2f}", f"{two:.2f}", f"{two / one:.2f}", str(cores), f"{load:.1f}")
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
