"""What ``sweep=trunk`` saves, and whether the law is another: sizes x durations from trunks, and from separate runs.

    python tests/benchmarks/trunk_saving.py [--outputs outputs]

Makes four studies, those that are there already not again: ``experiment=trunk_micro``; the same runs of its smallest size, each
from its start; runs of the ordinary design, whose warm-up is a share of each; and these with another seed, which says what is
noise. Prints Markdown tables: the FLOPs trained and the law fitted in each study, and how far its losses are from those of the
trunks' runs. The budget of the prediction is ten times the largest run's.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from analysis.config import compose
from analysis.frame import read
from analysis.study import Study, analyse

COMMAND = str(Path(sys.executable).with_name("openr1"))
EXPERIMENT = Path(__file__).parents[2] / "conf" / "experiment" / "trunk_micro.yaml"
PARAMETERS = ("E", "A", "alpha", "B", "beta")
TRUNKS, SEPARATE, SHARES, SEED = (f"trunk_micro{end}" for end in ("", "_separate", "_shares", "_seed"))
TITLES = {
    TRUNKS: "trunks and branches",
    SEPARATE: "the same runs, from their starts",
    SHARES: "warm-up a share of each run",
    SEED: "and another seed",
}


def commands() -> dict[str, list[str]]:
    """What makes each study."""
    node = yaml.safe_load(EXPERIMENT.read_text())
    options = [f"{group}.{key}={value}" for group in ("model", "data", "stage") for key, value in node[group].items()]
    axes = [f"{key}={','.join(map(str, node['sweep'][of]))}" for key, of in (("scale", "scales"), ("budget.tokens", "tokens"))]
    smallest = f"sweep.scales=[{node['sweep']['scales'][0]}]"
    return {
        TRUNKS: ["experiment=trunk_micro"],
        SEPARATE: ["experiment=trunk_micro", "sweep.separate=true", smallest],
        SHARES: ["model=qwen3", *options, *axes],
        SEED: ["model=qwen3", *options, *axes, "seed=1"],
    }


def trained(frame: pd.DataFrame) -> float:
    """FLOPs of all runs together."""
    return (frame["flops_new"].fillna(frame["C"]) if "flops_new" in frame else frame["C"]).sum()


def losses(frame: pd.DataFrame) -> pd.Series:
    """By size and duration."""
    return frame.set_index(["N", "D"])["loss"]


def rms(values: pd.Series) -> float:
    return float(np.sqrt((values**2).mean()))


def law(study: Study, target: float) -> str:
    """The cells of its row."""
    best = study.main.frontier(target).iloc[0]
    params = [f"{study.main.params[name]:.3g}" for name in PARAMETERS]
    return " | ".join([*params, f"{best.loss:.3f} ({best.loss_low:.3f} to {best.loss_high:.3f})"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outputs", default="outputs")
    outputs = parser.parse_args().outputs
    for name, words in commands().items():
        subprocess.run([COMMAND, "-m", *words, f"study={name}", f"paths.outputs={outputs}"], check=True)
    configs = {name: compose([f"outputs={outputs}", f"runs.study={name}", "holdout.largest_budgets=0"]) for name in TITLES}
    frames = {name: read(config.runs, ["N", "D", "C", "loss"]).frame for name, config in configs.items()}
    studies = {name: analyse(config) for name, config in configs.items() if name != SEPARATE}
    target = studies[TRUNKS].target_flops
    print(f"| study | FLOPs | {' | '.join(PARAMETERS)} | loss at {target:.3g} FLOPs (95 %) |")
    print("|---" * (len(PARAMETERS) + 3) + "|")
    for name, study in studies.items():
        print(f"| {TITLES[name]} | {trained(frames[name]):.3g} | {law(study, target)} |")
    ours = losses(frames[TRUNKS])
    print("\n| beside the runs of trunks | runs | mean difference of loss | root mean square | largest |")
    print("|---|---|---|---|---|")
    for name in list(TITLES)[1:]:
        apart = (losses(frames[name]) - ours).dropna()
        print(f"| {TITLES[name]} | {len(apart)} | {apart.mean():+.4f} | {rms(apart):.4f} | {apart.abs().max():.4f} |")
    apart = losses(frames[SEED]) - losses(frames[SHARES])
    print(f"\nSeeds differ by {rms(apart):.4f}, root mean square.")
    print(f"Trunks save {1 - trained(frames[TRUNKS]) / frames[TRUNKS]['C'].sum():.1%} of the FLOPs.")


if __name__ == "__main__":
    main()
