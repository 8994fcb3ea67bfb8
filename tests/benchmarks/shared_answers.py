"""Speed of `stage=evaluate` on several processes beside one, each with one thread: the same model, problems and sampling.

    python tests/benchmarks/shared_answers.py                  # two processes, a model of 1M parameters
    python tests/benchmarks/shared_answers.py --processes 4 --scale 500k

The runs take turns, and the medians are compared. "Answering" is the time from the start of the stage to the last answer, with
the loading of the model; "command" also has what comes before and after: the preparation of the run, the start of the
processes, and the grading. Both ratios are at most the number of processors that are free.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).parents[1]))

from helpers.configs import composed
from helpers.models import write_model
from rich.console import Console
from rich.table import Table

from openr1.runs.stage_run import run_stage


def measured(overrides: list[str]) -> tuple[float, float, str]:
    """Return the seconds of answering and of the whole run, and a hash of its answers."""
    start = time.perf_counter()
    result = run_stage(composed(*overrides), quiet=True)
    assert not result.reused
    return result.metrics["wall_seconds"], time.perf_counter() - start, result.artifact.sha256()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--scale", default="1m")
    parser.add_argument("--problems", type=int, default=200)
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = write_model(Path(folder, "model"), scale=composed(f"scale={args.scale}").scale, context=512, std=None)
        asked = ["stage=evaluate", "data=sums", "data.eval_fraction=0.5", f"data.sources.sums.problems={4 * args.problems}"]
        asked += [f"model.checkpoint={model}", f"stage.problems={args.problems}", f"stage.samples={args.samples}"]
        asked += [f"stage.sampling.max_tokens={args.tokens}", "compute.threads=1"]
        kinds = {1: ["compute=cpu"], args.processes: ["compute=ddp", f"compute.processes={args.processes}"]}
        rounds: dict[int, list[tuple[float, float, str]]] = {count: [] for count in kinds}
        for seed in range(args.repeats + 1):
            for count, options in kinds.items():
                figures = measured([*asked, *options, f"seed={seed}", f"paths.outputs={folder}/{count}"])
                if seed:  # the first one warms up
                    rounds[count].append(figures)
    assert len({tuple(sha256 for *_, sha256 in figures) for figures in rounds.values()}) == 1  # the same answers
    answers = args.problems * args.samples
    table = Table(title=f"{args.scale}: {answers} answers of up to {args.tokens} tokens, {os.cpu_count()} processors")
    for column in ("processes", "answering, s", "beside one", "command, s", "beside one"):
        table.add_column(column, justify="right")
    times = {count: [median(figure[i] for figure in figures) for i in range(2)] for count, figures in rounds.items()}
    for count, (answering, command) in times.items():
        ratios = [f"{times[1][i] / seconds:.2f}" for i, seconds in enumerate((answering, command))]
        table.add_row(str(count), f"{answering:.1f}", ratios[0], f"{command:.1f}", ratios[1])
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
