"""Time of the curation of 100,000 rows, compared with the same steps written directly with `datasets` in one process.

    python tests/benchmarks/curation_speed.py

Both verify with a trivial exact verifier and drop wrong completions, then equal completions of a problem, problems with nearly
the same prompt, and problems that share an 8-gram of words with an evaluation set. The direct version maps and filters in
batches, uses `datasketch` for near-duplicates and reads each prompt once; row by row, `datasets` needs twenty seconds for the
first step alone. Both must keep the same rows.
"""

import argparse
import itertools
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

import datasets
from datasketch import MinHash, MinHashLSH
from helpers.tables import exact, synthetic
from rich.console import Console
from rich.table import Table

from openr1.curation.options import steps_of
from openr1.curation.pipeline import curate

STEPS = ("verify", "exact_dedupe", "near_dedupe", "decontaminate")


def curate_directly(table, evaluation):
    """Curate with `datasets` alone; return the kept rows, and the seconds of each step."""
    clock = [time.perf_counter()]

    def right(completions, answers):
        texts = [completion.partition("<answer>")[2].partition("</answer>")[0] for completion in completions]
        return {"verified": [text == answer for text, answer in zip(texts, answers, strict=True)]}

    table = table.map(right, batched=True, input_columns=["completion", "answer"])
    table = table.filter(lambda verified: verified, batched=True, input_columns="verified")
    clock.append(time.perf_counter())

    seen = set()

    def unseen(problems, completions):
        keys = [(problem, " ".join(text.lower().split())) for problem, text in zip(problems, completions, strict=True)]
        return [not (key in seen or seen.add(key)) for key in keys]

    table = table.filter(unseen, batched=True, input_columns=["problem_id", "completion"])
    clock.append(time.perf_counter())

    def grams(text, n):
        words = text.lower().split()
        return {" ".join(words[i : i + n]) for i in range(len(words) - n + 1)}

    def prompts(table):
        return dict(zip(table["problem_id"][:], table["prompt"][:], strict=True))

    def keep(table, problems):
        return table.filter(lambda ids: [problem in problems for problem in ids], batched=True, input_columns="problem_id")

    of_problem, index, kept = prompts(table), MinHashLSH(threshold=0.8, num_perm=128), {}
    shingles = ([gram.encode() for gram in grams(prompt, 5)] for prompt in of_problem.values())
    for problem, signature in zip(of_problem, MinHash.generator(shingles, num_perm=128), strict=True):
        if all(signature.jaccard(kept[other]) < 0.8 for other in index.query(signature)):
            index.insert(problem, signature)
            kept[problem] = signature
    table = keep(table, kept)
    clock.append(time.perf_counter())

    lookup = set().union(*(grams(text, 8) for text in evaluation))
    table = keep(table, {problem for problem, prompt in prompts(table).items() if lookup.isdisjoint(grams(prompt, 8))})
    clock.append(time.perf_counter())
    return table, dict(zip(STEPS, (after - before for before, after in itertools.pairwise(clock)), strict=True))


def curate_by_steps(table, steps, processes):
    """Curate by `curate`; return the kept rows, and the seconds of each step."""
    seconds, started = {}, {}

    def progress(name, done, rows):
        if done == 0:
            started[name] = time.perf_counter()
        if done == rows:
            seconds[name] = time.perf_counter() - started[name]

    curated = curate(table, steps, verifier=exact, processes=processes, progress=progress)
    return curated.rows, seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--words", type=int, default=150, help="words per completion; the longer, the more the processes help")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    datasets.disable_progress_bars()
    datasets.disable_caching()
    with tempfile.TemporaryDirectory() as folder:
        samples, evaluation = synthetic(args.rows // 4, completion=args.words)
        samples.save_to_disk(f"{folder}/table")
        Path(f"{folder}/evaluation.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in evaluation))
        sets = {"made_up": {"kind": "files", "path": f"{folder}/evaluation.jsonl"}}
        steps = steps_of("steps", {name: {"sets": sets} if name == "decontaminate" else {} for name in STEPS})
        ways = {
            "datasets, directly": lambda table: curate_directly(table, evaluation),
            "openr1, 1 process": lambda table: curate_by_steps(table, steps, 1),
            f"openr1, {args.processes} processes": lambda table: curate_by_steps(table, steps, args.processes),
        }
        runs, kept = {name: [] for name in ways}, {}
        for _ in range(args.repeats):
            for name, way in ways.items():
                table = datasets.load_from_disk(f"{folder}/table")
                start = time.perf_counter()
                rows, seconds = way(table)
                runs[name].append({**seconds, "all": time.perf_counter() - start})
                kept[name] = list(zip(rows["problem_id"][:], rows["sample"][:], strict=True))
    first, *others = kept.values()
    same = all(other == first for other in others)
    summary = Table(
        title=f"curation of {len(table):,} rows of {args.words} words, {len(first):,} kept; median of {args.repeats}"
    )
    for name in ("", *(f"{step}, s" for step in STEPS), "all, s", "rows/s", "ratio"):
        summary.add_column(name, justify="right")
    times = {name: {key: median(run[key] for run in each) for key in each[0]} for name, each in runs.items()}
    slow = times["datasets, directly"]["all"]
    for name, each in times.items():
        cells = [f"{each[step]:.2f}" for step in (*STEPS, "all")]
        summary.add_row(name, *cells, f"{len(table) / each['all']:,.0f}", f"{slow / each['all']:.1f}")
    Console(width=120).print(summary)
    if not same:
        sys.exit("the versions keep different rows")


if __name__ == "__main__":
    main()
