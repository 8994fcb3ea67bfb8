"""Speed of scoring answers with a reward model: `score_ids` beside plain transformers, one by one and in padded batches.

    python tests/benchmarks/reward_scoring.py                  # processor: 200k and 2M parameters
    python tests/benchmarks/reward_scoring.py --device cuda    # GPU: 30M and 125M

Answers are of very different lengths, as those of a rollout are. The three take turns, and the medians are compared.
"""

import argparse
import sys
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import torch
from helpers.configs import composed
from rich.console import Console
from rich.table import Table

from openr1.models.reward_models import build_reward_model
from openr1.models.reward_scoring import score_ids
from openr1.models.shape import solve_shape

SCALES = {"cpu": ("200k", "2m"), "cuda": ("30m", "125m")}
VOCABULARY, CONTEXT, PAD, BATCH = 512, 512, 1, 32


def drawn_answers(count: int) -> list[list[int]]:
    """Draw answers whose lengths are log-uniform from 16 to the context."""
    rng = np.random.default_rng(0)
    lengths = np.exp(rng.uniform(np.log(16), np.log(CONTEXT), count)).astype(int)
    return [rng.integers(2, VOCABULARY, length).tolist() for length in lengths]


@torch.no_grad()
def one_by_one(model, answers: list[list[int]]) -> list[float]:
    """Score each answer by itself."""
    return [model(torch.tensor([ids], device=model.device), use_cache=False).logits.item() for ids in answers]


@torch.no_grad()
def padded(model, answers: list[list[int]]) -> list[float]:
    """Score batches in the given order, each padded to its longest answer."""
    rewards = []
    for start in range(0, len(answers), BATCH):
        rows = [torch.tensor(ids) for ids in answers[start : start + BATCH]]
        ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PAD).to(model.device)
        rewards += model(ids, attention_mask=(ids != PAD).long(), use_cache=False).logits[:, 0].tolist()
    return rewards


def ours(model, answers: list[list[int]]) -> list[float]:
    """Score with the function of this project."""
    return score_ids(model, answers, BATCH)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=list(SCALES), default="cpu")
    parser.add_argument("--answers", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    answers = drawn_answers(args.answers)
    table = Table(title=f"scoring {args.answers} answers of 16 to {CONTEXT} tokens, {args.device}, answers a second")
    for name in ("scale", "one by one", "padded batches", "openr1", "over padded", "largest difference"):
        table.add_column(name, justify="right")
    for scale in SCALES[args.device]:
        config = composed(f"scale={scale}")
        shape = solve_shape(config.model, config.scale, VOCABULARY, CONTEXT)
        model = build_reward_model(config.model, shape, 0, eos_token_id=0, pad_token_id=PAD).to(args.device).eval()
        seconds: dict[str, list[float]] = {}
        rewards: dict[str, list[float]] = {}
        for repeat in range(args.repeats + 1):
            for way in (one_by_one, padded, ours):
                start = time.perf_counter()
                rewards[way.__name__] = way(model, answers)
                if repeat:  # the first warms up
                    seconds.setdefault(way.__name__, []).append(time.perf_counter() - start)
        speed = {name: len(answers) / median(times) for name, times in seconds.items()}
        apart = max(abs(a - b) for a, b in zip(rewards["ours"], rewards["one_by_one"], strict=True))
        cells = [f"{speed[name]:,.1f}" for name in ("one_by_one", "padded", "ours")]
        table.add_row(scale, *cells, f"{speed['ours'] / speed['padded']:.2f}", f"{apart:.1e}")
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
