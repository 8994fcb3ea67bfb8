"""What a person waits for before and around training.

    python tests/benchmarks/startup.py

Prints the time of ``openr1 --help`` beside that of importing Hydra and composing the same config, and the overhead of a run in
a multirun: the time of all but training and evaluation, in a process that has already made one run.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from helpers.configs import composed

COMPOSE = (
    "import hydra.main\nfrom hydra import compose, initialize_config_module\nfrom openr1.config.schema import register\n"
    "register()\n"
    "with initialize_config_module('openr1.conf', version_base='1.3'): compose('config')"
)


def seconds(command: list[str], repeats: int = 7) -> float:
    """Median wall-clock time of a command."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def overhead(folder: str, runs: int = 5) -> list[float]:
    """Seconds of each run that are neither training nor evaluation; the first has the imports and the data in it."""
    from openr1.runs.stage_run import run_stage
    from openr1.training import trainer

    evaluating = []
    evaluate = trainer.HeldOutEvaluation.evaluate

    def timed(self, *args, **kwargs):
        start = time.perf_counter()
        metrics = evaluate(self, *args, **kwargs)
        evaluating.append(time.perf_counter() - start)
        return metrics

    trainer.HeldOutEvaluation.evaluate = timed
    spent = []
    for seed in range(runs):
        evaluating.clear()
        config = composed(f"seed={seed}", "scale=50k", "budget.steps=100", f"paths.outputs={folder}")
        start = time.perf_counter()
        result = run_stage(config, quiet=True)
        spent.append(time.perf_counter() - start - sum(evaluating) - result.artifact.metrics["wall_seconds"])
    return spent


def main() -> None:
    base, command = seconds([sys.executable, "-c", COMPOSE]), seconds([str(Path(sys.executable).parent / "openr1"), "--help"])
    print(f"import hydra.main and compose  {base:.2f} s")
    print(f"openr1 --help                  {command:.2f} s, ratio {command / base:.2f}")
    with tempfile.TemporaryDirectory() as folder:
        first, *later = overhead(folder)
    print(f"overhead of the first run      {first:.2f} s, imports and tokenising included")
    print(f"overhead of each later run     {statistics.median(later):.2f} s (median of {len(later)})")


if __name__ == "__main__":
    main()
