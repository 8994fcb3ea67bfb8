"""Generation speed of the project's engine beside ``model.generate``, and whether completions are repeated."""

import sys
from argparse import Namespace
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import torch
from generation_speed import DTYPES, Plain, measured, prompts
from helpers.configs import composed
from helpers.models import write_model

from openr1.engines import Request, Sampling, open_engine
from openr1.engines.options import TransformersEngine

ROUNDS = 2


def run(setting, figures) -> None:
    args = Namespace(device=setting.device, batch=setting.batch, prompts=setting.prompts, samples=1, tokens=setting.tokens)
    scale, dtype = composed(f"scale={setting.generated}").scale, DTYPES[setting.device]
    folder = write_model(figures.folder / "generated", scale=scale, context=512, std=None)
    name = f"{setting.generated}, {dtype}, batch {setting.batch}"
    config = TransformersEngine(model=folder, device=setting.device, dtype=dtype, batch_size=setting.batch)
    engine = open_engine(config)
    speeds = {"engine": speed(lambda: measured(engine, args))}
    figures.add(f"{name}: engine", speeds["engine"], "tokens/s")
    with figures.attempt(f"{name}: model.generate"):
        plain = Plain(folder, args)
        speeds["plain"] = speed(plain)
        figures.add(f"{name}: model.generate", speeds["plain"], "tokens/s")
        figures.add(f"{name}: beside model.generate", speeds["engine"] / speeds["plain"], at_least=1.0)
        del plain
    with figures.attempt(f"{name}: repeated"):
        first = completions(engine, args)
        figures.add(f"{name}: completions that a second run repeats", same(first, completions(engine, args)), at_least=1.0)
        other = open_engine(TransformersEngine(**{**vars(config), "batch_size": max(1, setting.batch // 4)}), None)
        share = same(first, completions(other, args))
        note = "rounding of other kernels may change a token; on a processor in float32 it does not"
        figures.add(f"{name}: completions that batches of a quarter repeat", share, note=note)


def speed(one_round) -> float:
    """Return the median tokens a second of a few rounds, after one that warms up."""
    rounds = []
    for i in range(ROUNDS + 1):
        tokens, seconds = one_round()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        if i:
            rounds.append(tokens / seconds)
    return median(rounds)


def completions(engine, args) -> list[tuple[int, ...]]:
    requests = [Request(f"again {i}", prompt=prompt) for i, prompt in enumerate(prompts(args.prompts))]
    replies = {reply.id: reply for reply in engine.generate(requests, Sampling(max_tokens=args.tokens))}
    return [replies[request.id].completions[0].token_ids for request in requests]


def same(first: list, second: list) -> float:
    return sum(one == other for one, other in zip(first, second, strict=True)) / len(first)
