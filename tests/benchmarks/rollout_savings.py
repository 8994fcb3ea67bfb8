"""Savings that a rollout could have: from prompts that a group shares, and from stopping a group once it is decided.

    python tests/benchmarks/rollout_savings.py                     # a model of 0.5M parameters that has learned sums
    python tests/benchmarks/rollout_savings.py --base DIRECTORY    # a model of yours that answers data=sums

A group is decided once one of its answers that ended is right and another wrong: its rewards differ, whatever the others do.
The answers that have not ended by then could be stopped. The table has the tokens that this saves, and what it costs: the
answers that are left are shorter, and more or less often right, than all. Nothing here depends on the speed of the machine.
"""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from helpers.configs import composed
from rich.console import Console
from rich.table import Table

from openr1.data import problems
from openr1.data.tasks.completions import extract_answer
from openr1.engines import Sampling, open_engine
from openr1.engines.generate import build_request
from openr1.engines.options import TransformersEngine
from openr1.runs.stage_run import run_stage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base")
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--samples", type=int, default=8)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        common = ["data=sums", "scale=500k", f"paths.outputs={folder}"]
        sft = composed(*common, "stage=sft", "budget.steps=200", "optim.batch_tokens=4096", "stage.eval_points=1")
        base = args.base or str(run_stage(sft, quiet=True).artifact.model)
        asked = problems.read(sft.data, sft.paths, limit=args.prompts)[: args.prompts]
        engine = open_engine(TransformersEngine(model=base))
        requests = {str(i): build_request(one, sft.data, args.samples, 0) for i, one in enumerate(asked)}
        replies = {reply.id: reply for reply in engine.generate(list(requests.values()), Sampling(max_tokens=96))}
    prompt_tokens = total = saved = decided = 0
    kept_lengths, lengths, kept_right, right = [], [], [], []
    for one, request in zip(asked, requests.values(), strict=True):
        reply = replies[request.id]
        group = [(answer.tokens, extract_answer(answer.text) == one.answer) for answer in reply.completions]
        prompt_tokens += reply.prompt_tokens
        total += sum(tokens for tokens, _ in group)
        lengths += [tokens for tokens, _ in group]
        right += [is_right for _, is_right in group]
        firsts = [min((tokens for tokens, is_right in group if is_right == kind), default=None) for kind in (True, False)]
        end = None if None in firsts else max(firsts)  # all answers of a group begin together
        decided += end is not None
        for tokens, is_right in group:
            if end is not None and tokens > end:
                saved += tokens - end
            else:
                kept_lengths.append(tokens)
                kept_right.append(is_right)
    shared = (args.samples - 1) * prompt_tokens
    table = Table(title=f"{len(asked)} groups of {args.samples} answers, {decided} of them decided before they end")
    for name in ("", "tokens saved, of all that a model reads or writes", "what it costs"):
        table.add_column(name)
    everything = args.samples * prompt_tokens + total
    table.add_row("a prompt is computed once for its group", f"{shared / everything:.1%}", "nothing: the answers are the same")
    bias = f"length {np.mean(lengths):.1f} -> {np.mean(kept_lengths):.1f} tokens"
    bias += f", right {np.mean(right):.1%} -> {np.mean(kept_right):.1%}"
    table.add_row("a decided group stops", f"{saved / everything:.1%}", bias)
    Console(width=130).print(table)


if __name__ == "__main__":
    main()
