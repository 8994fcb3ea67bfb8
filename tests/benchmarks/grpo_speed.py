"""Time of a GRPO step of `openr1` beside TRL's own GRPOTrainer: the same model, problems, sizes, loss and thread count.

    python tests/benchmarks/grpo_speed.py                              # short and long answers, at once and in micro-batches
    python tests/benchmarks/grpo_speed.py --cases long --repeats 1

Both are measured in turn in one process, several times, and the medians compared, since the speed of a shared machine wanders.
Steps of `openr1` have everything in them that a tracked run does: scoring in processes of their own, curves, accounts.

The short answers are those of a model of 0.5M parameters that has learned sums. The long ones are of the same model before it
has learned anything: it ends an answer at random, so that some have a few tokens and some all 512.
"""

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

import datasets
import torch
from helpers.configs import composed
from rich.console import Console
from rich.table import Table
from transformers import AutoModelForCausalLM, AutoTokenizer, PrinterCallback, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

from openr1.data import problems
from openr1.data.tasks.completions import extract_answer
from openr1.runs.stage_run import run_stage, silence_third_party

WARM = 2  # steps that no one counts


@dataclass(frozen=True)
class Case:
    """Sizes of a step."""

    prompts: int
    tokens: int
    micro_batch: int | None = None
    samples: int = 8
    learned: bool = True  # the model that has learned sums answers, not the one that ends at random


CASES = {
    "short": Case(32, 96),
    "micro-batches": Case(32, 96, micro_batch=32),
    "long": Case(8, 512, learned=False),
    "long, micro-batches": Case(8, 512, micro_batch=16, learned=False),
}


class Steps(TrainerCallback):
    """Seconds of each step."""

    def __init__(self):
        self.ends = []

    def on_step_end(self, args, state, control, **_):
        self.ends.append(time.perf_counter())

    def seconds(self):
        return [after - before for before, after in zip(self.ends[WARM - 1 :], self.ends[WARM:], strict=False)]


def accuracy(completions, answer, **_):
    return [float(extract_answer(text) == right) for text, right in zip(completions, answer, strict=True)]


def plain(config, base, case, steps, folder):
    """Seconds a step of TRL alone."""
    micro_batch = case.micro_batch or case.prompts * case.samples
    torch.set_num_threads(config.compute.threads)
    asked = problems.read(config.data, config.paths, limit=config.stage.problems)
    rows = datasets.Dataset.from_dict({"prompt": [one.prompt for one in asked], "answer": [one.answer for one in asked]})
    watch = Steps()
    trainer = GRPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(base, dtype="float32"),
        reward_funcs=accuracy,
        args=GRPOConfig(
            output_dir=str(folder),
            max_steps=steps,
            per_device_train_batch_size=micro_batch,
            gradient_accumulation_steps=case.prompts * case.samples // micro_batch,
            num_generations=case.samples,
            max_completion_length=case.tokens,
            learning_rate=1e-5,
            lr_scheduler_type="constant",
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            optim="adamw_torch_fused",
            logging_steps=1,
            report_to=[],
            save_strategy="no",
            disable_tqdm=True,
        ),
        train_dataset=rows,
        processing_class=AutoTokenizer.from_pretrained(base),
        callbacks=[watch],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return median(watch.seconds())


def framework(config):
    """Seconds a step of a tracked run, from its curve, and its metrics; evaluations are not in it."""
    result = run_stage(config, quiet=True)
    ends = [row["seconds"] for row in result.artifact.history() if "policy_loss" in row]
    return median(after - before for before, after in zip(ends[WARM - 1 :], ends[WARM:], strict=False)), result.metrics


def base_model(common, learned):
    """Directory of a model of 0.5M parameters that answers data=sums, or that ends its answers at random."""
    steps = ["budget.steps=200"] if learned else ["budget.steps=1", "optim.lr=1e-9"]
    config = composed(*common, "stage=sft", *steps, "optim.batch_tokens=4096", "stage.eval_points=1")
    return str(run_stage(config, quiet=True).artifact.model)


def compare(name, args, folder, table):
    case = CASES[name]
    common = ["data=sums", "scale=500k", f"compute.threads={args.threads}", f"paths.outputs={folder}"]
    if not case.learned:
        common.append(f"data.context={case.tokens + 128}")
    base = args.base if args.base and case.learned else base_model(common, case.learned)
    rl = [*common, "stage=grpo", "optim=rl", "optim.lr=1e-5", f"budget.steps={args.steps}", f"model.checkpoint={base}"]
    rl += [f"stage.prompts={case.prompts}", f"stage.samples={case.samples}", f"stage.sampling.max_tokens={case.tokens}"]
    rl += ["stage.eval.every=1000", "stage.eval.problems=10", "stage.preflight=false", "engine.batch_size=128"]
    rl += [f"compute.micro_batch={case.micro_batch or 'null'}", "stage.loss.type=dapo"]
    ours, theirs = [], []
    for repeat in range(args.repeats):
        config = composed(*rl, f"seed={repeat}")
        theirs.append(plain(config, base, case, args.steps, Path(folder) / "trl"))
        seconds, metrics = framework(config)
        ours.append(seconds)
    shares = " / ".join(f"{metrics[f'{part}_share']:.0%}" for part in ("rollout", "score", "update"))
    sizes = f"{case.prompts} x {case.samples}, {case.tokens} tokens, {case.micro_batch or 'all'} at once"
    ratio = f"{median(ours) / median(theirs):.2f}"
    table.add_row(name, sizes, f"{median(theirs):.2f}", f"{median(ours):.2f}", ratio, shares)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--base", help="a model that answers data=sums; one is trained where none is given")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    silence_third_party()
    table = Table(title=f"GRPO, {args.threads} threads, {args.repeats} measurements each; shares: rollouts / rewards / updates")
    for name in ("case", "answers a step", "TRL, s a step", "openr1, s a step", "ratio", "shares of openr1"):
        table.add_column(name, justify="left" if name in ("case", "answers a step") else "right")
    with tempfile.TemporaryDirectory() as folder:
        for name in args.cases:
            compare(name, args, folder, table)
    Console(width=130).print(table)


if __name__ == "__main__":
    main()
