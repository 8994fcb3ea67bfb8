"""Multi-token prediction: a training step with a module beside one without, and generation with drafts beside plain generation.

    python tests/benchmarks/mtp_step.py              # 50k and 200k parameters
    python tests/benchmarks/mtp_step.py --scales 1m

Models are trained on sums with a module and without, in turn, and those with one answer held-out problems. Each speed is the
median of several rounds, since the speed of a shared machine wanders; the tokens of both ways of generation are compared.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

from helpers.configs import composed
from rich.console import Console
from rich.table import Table

from openr1.data import problems
from openr1.engines import Sampling, open_engine
from openr1.engines.generate import build_request
from openr1.engines.options import TransformersEngine
from openr1.runs.stage_run import run_stage

WARM = 10  # steps that no one counts


def tuned(scale: str, depth: int, steps: int, folder: str, number: int):
    """Train on sums, and return the artifact and the tokens a second of its steps after the first ones."""
    options = [f"scale={scale}", "data=sums", "stage=sft", f"budget.steps={steps}", "optim.batch_tokens=1024", f"seed={number}"]
    config = composed(*options, f"model.mtp.depth={depth}", "stage.eval_points=1", f"paths.outputs={folder}")
    result = run_stage(config, quiet=True)
    rows = [row for row in result.artifact.history() if "train_loss" in row and row["step"] >= WARM]
    speed = (rows[-1]["tokens"] - rows[0]["tokens"]) / (rows[-1]["seconds"] - rows[0]["seconds"])
    return result, speed


def asked(scale: str, model: Path, speculative: str | None, temperature: float, count: int):
    """Answer held-out sums, and return the texts, the tokens a second, and what the engine measured."""
    config = composed(f"scale={scale}", "data=sums", "stage=evaluate", f"model.checkpoint={model}")
    chosen = problems.read(config.data, config.paths, held_out=True, limit=count)
    requests = [build_request(problem, config.data, 4, 0) for problem in chosen]
    with open_engine(TransformersEngine(model=str(model), speculative=speculative)) as engine:
        start = time.perf_counter()
        replies = list(engine.generate(requests, Sampling(temperature=temperature, max_tokens=96)))
        seconds = time.perf_counter() - start
        texts = {reply.id: [completion.token_ids for completion in reply.completions] for reply in replies}
        return texts, sum(reply.completion_tokens for reply in replies) / seconds, engine.metrics()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scales", nargs="+", default=["50k", "200k"])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--problems", type=int, default=48)
    args = parser.parse_args()
    steps = Table(title=f"training step, {args.repeats} rounds of {args.steps} steps each")
    for name in ("scale", "without, tokens/s", "with a module, tokens/s", "ratio", "ratio of FLOPs"):
        steps.add_column(name, justify="right")
    drafts = Table(title="generation, four answers to each problem")
    for name in ("scale", "temperature", "plain, tokens/s", "with drafts, tokens/s", "ratio", "accepted", "same tokens"):
        drafts.add_column(name, justify="right")
    with tempfile.TemporaryDirectory() as folder:
        for scale in args.scales:
            rounds = [[tuned(scale, depth, args.steps, folder, number) for depth in (0, 1)] for number in range(args.repeats)]
            plain, mtp = (median(pair[depth][1] for pair in rounds) for depth in (0, 1))
            cost = rounds[0][1][0].budget.flops_per_token / rounds[0][0][0].budget.flops_per_token
            steps.add_row(scale, f"{plain:,.0f}", f"{mtp:,.0f}", f"{mtp / plain:.3f}", f"{1 / cost:.3f}")
            model = rounds[0][1][0].artifact.model
            for temperature in (0.0, 1.0):
                options = (temperature, args.problems)
                measured = [[asked(scale, model, kind, *options) for kind in (None, "mtp")] for _ in range(args.repeats)]
                before, after = (median(pair[kind][1] for pair in measured) for kind in (0, 1))
                same = all(pair[0][0] == pair[1][0] for pair in measured)
                rate = measured[0][1][2]["acceptance_rate"]
                row = (scale, f"{temperature:g}", f"{before:,.0f}", f"{after:,.0f}", f"{after / before:.3f}", f"{rate:.1%}")
                drafts.add_row(*row, "yes" if same else "NO")
    for table in (steps, drafts):
        Console(width=110).print(table)


if __name__ == "__main__":
    main()
