"""Disturbs each kind of command at random moments and prints how many times it lost nothing.

    PYTHONPATH=tests python tests/chaos/reliability.py --faults 240 --seed 0

A life of a command is some faults, each at a moment drawn between its start and its end, and then the command twice,
undisturbed. It survives if the command ends well with the bytes, curves, tracked figures and files of a command that
nothing disturbed, nothing is left under way, and no process is left.
"""

import argparse
import random
import sys
import tempfile
import traceback
from collections import Counter
from pathlib import Path

from helpers.chaos import FAULTS, Whole, live, undisturbed
from helpers.chaos_kinds import kinds
from helpers.configs import write_text
from helpers.servers import sums_server

FAULTS_OF_A_LIFE = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", type=int, default=240, help="number of faults, all kinds of commands together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="*", help="only these kinds of commands")
    given = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory(prefix="reliability-") as folder, sums_server() as server:
        found = kinds(write_text(Path(folder) / "documents.jsonl"), f"http://127.0.0.1:{server.server_port}/v1")
        chosen = {name: kind for name, kind in found.items() if name in (given.kinds or found)}
        print(f"| command | seconds | {' | '.join(FAULTS)} | lives | survived |")
        print("|---|---:|" + "---:|" * (len(FAULTS) + 2))
        total, lives, survived = Counter[str](), 0, 0
        for name, kind in chosen.items():
            rng = random.Random(f"{name} {given.seed}")
            server.failures = None
            whole = undisturbed(kind, Path(folder) / name)
            server.failures = rng
            met, tried, good = Counter[str](), 0, 0
            while met.total() * len(chosen) < given.faults:
                tried += 1
                good += survives(whole, rng, met)
            print(f"| {name} | {whole.seconds:.0f} | {row(met)} | {tried} | {good} |", flush=True)
            total, lives, survived = total + met, lives + tried, survived + good
            failed |= good < tried
        print(f"| all: {total.total()} faults | | {row(total)} | {lives} | {survived} |")
    sys.exit(failed)


def survives(whole: Whole, rng: random.Random, met: Counter[str]) -> bool:
    """Live once, and count the faults."""
    try:
        live(whole, rng, rng.choices(list(FAULTS), k=FAULTS_OF_A_LIFE), met)
    except AssertionError:
        print(f"\n{whole.kind.name} does not survive:", file=sys.stderr)
        traceback.print_exc()
        return False
    return True


def row(counts: Counter[str]) -> str:
    return " | ".join(str(counts[fault]) for fault in FAULTS)


if __name__ == "__main__":
    main()
