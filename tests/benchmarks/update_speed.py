"""Time of an update on uneven answers: rows of like length without padding, beside TRL's one rectangle for all of them.

    python tests/benchmarks/update_speed.py

One forward and backward pass of a model of 0.5M parameters over the log-probabilities of answers whose lengths are geometric,
as those of a model are that ends an answer at random. The time is that of one processor in this process, so that other work on
the machine counts for little.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from helpers.configs import composed
from helpers.models import write_model
from rich.console import Console
from rich.table import Table
from transformers import AutoModelForCausalLM
from trl.trainer.utils import add_fused_lm_head

from openr1.rl.answer_scoring import ROWS, score_answers

CASES = ((48, 150, 512), (128, 20, 96))  # answers, their mean length before they are cut off, and the longest
SIZES = (8, 16, 32)


def rectangle(answers: int, mean: int, longest: int) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Return token ids and mask [answers, tokens], prompts padded on the left, and the tokens of the longest answer."""
    generator = torch.Generator().manual_seed(0)
    lengths = torch.empty(answers).geometric_(1 / mean, generator=generator).clamp(1, longest).long().tolist()
    prompts = [5 + i % 10 for i in range(answers)]
    before, after = max(prompts), max(lengths)
    ids = torch.randint(10, 250, (answers, before + after), generator=generator)
    mask = torch.zeros_like(ids)
    for row, (prompt, answer) in enumerate(zip(prompts, lengths, strict=True)):
        mask[row, before - prompt : before + answer] = 1
    return ids, mask, after


def seconds(model, ids, mask, after, size: int | None) -> float:
    """Return the seconds of a forward and backward pass; in one rectangle if there is no ``size``."""

    def score(rows):
        output = model(input_ids=rows.ids, labels=rows.labels, fused_lm_head=True)
        return output.log_probs, output.entropy

    start = time.process_time()
    if size is None:
        labels = ids.masked_fill(mask == 0, -100)
        labels[:, :-after] = -100
        logprobs = model(input_ids=ids, attention_mask=mask, labels=labels, fused_lm_head=True).log_probs
    else:
        logprobs, _ = score_answers(ids, mask, after, score, size)
    logprobs.sum().backward()
    model.zero_grad()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3, help="the fastest counts")
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        write_model(Path(folder), scale=composed("scale=500k").scale, context=1024, std=None)
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    add_fused_lm_head(model, outputs=("log_probs", "entropy"))
    table = Table(title=f"An update, processor seconds; openr1 computes {ROWS} rows at once")
    for name in ("answers", "padding", "one rectangle", *(f"{size} rows" for size in SIZES), f"ratio at {ROWS}"):
        table.add_column(name, justify="right")
    for answers, mean, longest in CASES:
        ids, mask, after = rectangle(answers, mean, longest)
        found = {size: min(seconds(model, ids, mask, after, size) for _ in range(args.repeats)) for size in (None, *SIZES)}
        padding = 1 - mask.sum().item() / mask.numel()
        times = (f"{value:.2f}" for value in found.values())
        table.add_row(f"{answers}, up to {longest} tokens", f"{padding:.0%}", *times, f"{found[ROWS] / found[None]:.2f}")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
