"""Speed and exactness on one GPU, beside their goals, in at most nine minutes; nothing is fetched.

    python tests/gpu/check.py --json out.json            # all parts, on one H100, H200 or another card
    python tests/gpu/check.py --only mfu,resume          # some of them
    python tests/gpu/check.py --tiny                     # all parts on a processor, in a minute or two: shows that they work
    python tests/gpu/check.py --fill out.json            # writes the figures into docs/results/gpu.md

Models are built from scratch and data are made here. Each part runs in a process of its own, with an allowance of time, and
keeps its figures as they come: a part that fails, hangs or runs out of memory loses no figure of another. No figure is
asserted, since speeds are a matter of the machine.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

# in the order in which they run, the short ones first; each has a share of the time that is left
SHARES = {"resume": 1.2, "zero3": 0.8, "generation": 0.8, "grpo": 2.2, "mfu": 5.0}
MINUTES = 9.0
RESERVE = 5.0  # seconds for the report


def run_part(name: str, folder: Path, seconds: float, tiny: bool) -> dict:
    """Run a part in a process of its own, and end it when its time is over.

    :returns: how it ended, its seconds, its figures and what it says about the machine.
    """
    figures, log = folder / f"{name}.figures", folder / f"{name}.log"
    figures.touch()
    words = [sys.executable, __file__, "--part", name, "--folder", str(folder), "--seconds", str(seconds)]
    start = time.perf_counter()
    with log.open("w") as file:
        process = subprocess.Popen(
            words + ["--tiny"] * tiny, stdout=file, stderr=file, env=environment(name, tiny), start_new_session=True
        )
        try:
            status = process.wait(seconds)
            ended = "done" if status == 0 else f"failed: {last_line(log)}"
        except subprocess.TimeoutExpired:
            ended = f"out of time after {seconds:.0f} s"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # with the processes that it started
            process.wait()
    lines = [json.loads(line) for line in figures.read_text().splitlines() if line.endswith("}")]
    machine = next((line for line in lines if "card" in line), {})
    taken = round(time.perf_counter() - start, 1)
    return {"ended": ended, "seconds": taken, "machine": machine, "figures": [line for line in lines if "part" in line]}


def environment(name: str, tiny: bool) -> dict[str, str]:
    """Return the environment of a part: without a network, and on a processor without a GPU."""
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    path = os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])])
    given = {"PYTHONPATH": path}
    if name == "resume":
        given["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # cuBLAS is not deterministic without it, and reads it when it begins
    on_processor = {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", "DS_ACCELERATOR": "cpu"} if tiny else {}
    return {**os.environ, **offline, **given, **on_processor}


def last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1][:300] if lines else "without a word"


def run_parts(names: list[str], minutes: float, tiny: bool, folder: Path, keep) -> dict[str, dict]:
    """Run parts one after the other, or on a processor two at once, and keep what there is after each of them."""
    end, parts = time.monotonic() + 60 * minutes - RESERVE, {}

    def run(name: str) -> None:
        shares = sum(SHARES[other] for other in names[names.index(name) :])
        left = end - time.monotonic()
        seconds = left if tiny else left * SHARES[name] / shares
        parts[name] = run_part(name, folder, seconds, tiny) if seconds > 1 else {"ended": "out of time", "seconds": 0.0}
        keep(parts)

    with ThreadPoolExecutor(2 if tiny else 1) as pool:
        list(pool.map(run, names))
    return {name: parts[name] for name in names}


def run_here(args) -> None:
    """Run one part in this process."""
    import importlib

    from figures import Figures, machine
    from settings import REAL, TINY

    setting = TINY if args.tiny else REAL
    figures = Figures(args.part, Path(args.folder), args.seconds, judged=not args.tiny)
    figures.write(machine())
    importlib.import_module(f"parts.{args.part}").run(setting, figures)


def main() -> int:
    from report import fill, show

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(SHARES), help=f"parts, of {', '.join(SHARES)}")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="the most that all parts take together")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--tiny", action="store_true", help="a tiny form of all parts, on a processor")
    parser.add_argument(
        "--fill", type=Path, metavar="JSON", help="write these figures into docs/results/gpu.md, and run nothing"
    )
    for name in ("--part", "--folder"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.part:
        run_here(args)
        return 0
    if args.fill:
        fill(json.loads(args.fill.read_text()))
        return 0
    names = [name for name in SHARES if name in args.only.split(",")]
    if unknown := set(args.only.split(",")) - set(SHARES):
        parser.error(f"--only: {', '.join(sorted(unknown))} is not one of {', '.join(SHARES)}")
    start = time.time()

    def result(parts: dict[str, dict]) -> dict:
        about = next((part["machine"] for part in parts.values() if part.get("machine")), {})
        ended = {name: {key: part[key] for key in ("ended", "seconds")} for name, part in parts.items()}
        figures = [figure for part in parts.values() for figure in part.get("figures", [])]
        times = {"started": time.strftime("%Y-%m-%d %H:%M", time.gmtime(start)), "seconds": round(time.time() - start, 1)}
        return {"tiny": args.tiny, **times, **about, "parts": ended, "figures": figures}

    def keep(parts: dict[str, dict]) -> None:
        if args.json:
            args.json.write_text(json.dumps(result(parts), indent=1) + "\n")

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        parts = run_parts(names, args.minutes, args.tiny, Path(folder), keep)
    keep(parts)
    show(result(parts))
    return 0 if all(part["ended"] == "done" for part in parts.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
