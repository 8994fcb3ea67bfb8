"""Time of a GRPO step of `openr1` beside TRL's own GRPOTrainer: the same model, problems, sizes, loss and thread count.

    python tests/benchmarks/grpo_speed.py

Both are measured in turn in one process, several times, and the medians compared, since the speed of a shared machine wanders.
Steps of `openr1` have everything in them that a tracked run does: scoring in processes of their own, curves, accounts.
"""

import argparse
import sys
import tempfile
import time
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

PROMPTS, SAMPLES, TOKENS = 32, 8, 96
WARM = 2  # steps that no one counts


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


def plain(config, base, steps, folder):
    """Seconds a step of TRL alone."""
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
            per_device_train_batch_size=PROMPTS * SAMPLES,
            num_generations=SAMPLES,
            max_completion_length=TOKENS,
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
    """Seconds a step of a tracked run, from its curve; evaluations are not in it."""
    history = run_stage(config, quiet=True).artifact.history()
    ends = [row["seconds"] for row in history if "policy_loss" in row]
    return median(after - before for before, after in zip(ends[WARM - 1 :], ends[WARM:], strict=False))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--base", help="a model that answers data=sums; one is trained where none is given")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    silence_third_party()
    with tempfile.TemporaryDirectory() as folder:
        common = ["data=sums", "scale=500k", f"compute.threads={args.threads}", f"paths.outputs={folder}"]
        base = args.base or str(
            run_stage(
                composed(*common, "stage=sft", "budget.steps=200", "optim.batch_tokens=4096", "stage.eval_points=1")
            ).artifact.model
        )
        rl = [*common, "stage=grpo", "optim=rl", "optim.lr=1e-5", f"budget.steps={args.steps}", f"model.checkpoint={base}"]
        rl += [f"stage.prompts={PROMPTS}", f"stage.samples={SAMPLES}", f"stage.sampling.max_tokens={TOKENS}"]
        rl += ["stage.eval.every=1000", "stage.eval.problems=10", "stage.preflight=false", "engine.batch_size=128"]
        ours, theirs = [], []
        for repeat in range(args.repeats):
            config = composed(*rl, f"seed={repeat}")
            theirs.append(plain(config, base, args.steps, Path(folder) / "trl"))
            ours.append(framework(config))
    table = Table(title=f"GRPO, {PROMPTS} x {SAMPLES} answers a step, {args.threads} threads, {args.repeats} measurements each")
    for name in ("TRL, s a step", "openr1, s a step", "ratio"):
        table.add_column(name, justify="right")
    table.add_row(f"{median(theirs):.2f}", f"{median(ours):.2f}", f"{median(ours) / median(theirs):.2f}")
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
