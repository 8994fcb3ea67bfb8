"""The FLOPs that ``sweep=trunk`` saves, and its effect on the law: sizes x durations from trunks, and from separate runs.

    python tests/benchmarks/trunk_saving.py [--outputs outputs]

Runs four studies, unless they are done: ``experiment=trunk_micro``; the ordinary design, in which warm-up is a share of each
run; and for the smallest size the runs of trunks each from its own start, and the ordinary design with another seed, which
measures the noise. Prints Markdown tables: the FLOPs trained and the law fitted in the first two, and differences of losses.
The budget of the prediction is ten times that of the largest run.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import pandas as pd
import yaml

from openr1.analysis.config import compose
from openr1.analysis.sources.frame import read
from openr1.analysis.study import Study, analyse

COMMAND = str(Path(sys.executable).with_name("openr1"))
EXPERIMENT = Path(__file__).parents[2] / "conf" / "experiment" / "trunk_micro.yaml"
PARAMETERS = ("E", "A", "alpha", "B", "beta")
TRUNKS, SEPARATE, SHARES, SEED = (f"trunk_micro{end}" for end in ("", "_separate", "_shares", "_seed"))
TITLES = {TRUNKS: "trunks and branches", SHARES: "separate, warm-up a share of each"}
PAIRS = {
    (SEPARATE, TRUNKS): "of trunks, from their starts",
    (SHARES, TRUNKS): "warm-up a share of each, and of trunks",
    (SEED, SHARES): "two seeds, warm-up a share of each",
}


def study_overrides() -> dict[str, list[str]]:
    """Return the overrides of each study."""
    node = yaml.safe_load(EXPERIMENT.read_text())
    options = [f"{group}.{key}={value}" for group in ("model", "data", "stage") for key, value in node[group].items()]
    scales, tokens = ([str(value) for value in node["sweep"][key]] for key in ("scales", "tokens"))
    ordinary = ["model=qwen3", *options, f"budget.tokens={','.join(tokens)}"]
    return {
        TRUNKS: ["experiment=trunk_micro"],
        SEPARATE: ["experiment=trunk_micro", "sweep.separate=true", f"sweep.scales=[{scales[0]}]"],
        SHARES: [*ordinary, f"scale={','.join(scales)}"],
        SEED: [*ordinary, f"scale={scales[0]}", "seed=1"],
    }


def total_flops(frame: pd.DataFrame) -> float:
    """Sum the new FLOPs of all runs."""
    return (frame["flops_new"].fillna(frame["C"]) if "flops_new" in frame else frame["C"]).sum()


def losses(frame: pd.DataFrame) -> pd.Series:
    """Return the losses by size and duration."""
    return frame.set_index(["N", "D"])["loss"]


def law_cells(study: Study, target: float) -> str:
    """Format the parameters of the law and its prediction as the cells of a row."""
    best = study.main.frontier(target).iloc[0]
    params = [f"{study.main.params[name]:.3g}" for name in PARAMETERS]
    return " | ".join([*params, f"{best.loss:.3f} ({best.loss_low:.3f} to {best.loss_high:.3f})"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outputs", default="outputs")
    outputs = parser.parse_args().outputs
    for name, words in study_overrides().items():
        subprocess.run([COMMAND, "-m", *words, f"study={name}", f"paths.outputs={outputs}"], check=True)
    names = (TRUNKS, SEPARATE, SHARES, SEED)
    configs = {name: compose([f"outputs={outputs}", f"runs.study={name}", "holdout.largest_budgets=0"]) for name in names}
    frames = {name: read(config.runs, ["N", "D", "C", "loss"]).frame for name, config in configs.items()}
    studies = {name: analyse(configs[name]) for name in TITLES}
    target = studies[TRUNKS].target_flops
    print(f"| study | FLOPs | {' | '.join(PARAMETERS)} | loss at {target:.3g} FLOPs (95 %) |")
    print("|---" * (len(PARAMETERS) + 3) + "|")
    for name, study in studies.items():
        print(f"| {TITLES[name]} | {total_flops(frames[name]):.3g} | {law_cells(study, target)} |")
    print("\n| the same size and duration | pairs | mean difference of loss | root mean square | largest |")
    print("|---|---|---|---|---|")
    for (first, second), title in PAIRS.items():
        difference = (losses(frames[first]) - losses(frames[second])).dropna()
        square, largest = (difference**2).mean() ** 0.5, difference.abs().max()
        print(f"| {title} | {len(difference)} | {difference.mean():+.4f} | {square:.4f} | {largest:.4f} |")
    ours, whole = total_flops(frames[TRUNKS]), frames[TRUNKS]["C"].sum()
    print(f"\nTrunks take {ours:.3g} of {whole:.3g} FLOPs: {1 - ours / whole:.1%} are saved.")


if __name__ == "__main__":
    main()
