"""What ``sweep=trunk`` saves, and whether the law is another: sizes x durations from trunks, and from separate runs.

    python tests/benchmarks/trunk_saving.py [--outputs outputs]

Makes four studies, those that are there already not again: ``experiment=trunk_micro``; the same runs, each from its start; runs
of the ordinary design, whose warm-up is a share of each; and these with another seed, which says what is noise. Prints
Markdown tables: FLOPs trained and the fitted law of each study, and how far its losses are from those of the trunks' runs. The
budget of the prediction is ten times the largest run's.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from analysis.config import compose
from analysis.study import Study, analyse

COMMAND = str(Path(sys.executable).with_name("openr1"))
EXPERIMENT = Path(__file__).parents[2] / "conf" / "experiment" / "trunk_micro.yaml"
PARAMETERS = ("E", "A", "alpha", "B", "beta")


def commands() -> dict[str, list[str]]:
    """Title -> what makes the study, whose name is the last word."""
    node = yaml.safe_load(EXPERIMENT.read_text())
    options = [f"{group}.{key}={value}" for group in ("model", "data", "stage") for key, value in node[group].items()]
    axes = [f"{key}={','.join(map(str, node['sweep'][of]))}" for key, of in (("scale", "scales"), ("budget.tokens", "tokens"))]
    ordinary = ["model=qwen3", *options, *axes]
    return {
        "trunks and branches": ["experiment=trunk_micro", "study=trunk_micro"],
        "the same runs, separate": ["experiment=trunk_micro", "sweep.separate=true", "study=trunk_micro_separate"],
        "warm-up a share of each": [*ordinary, "study=trunk_micro_shares"],
        "the same, another seed": [*ordinary, "seed=1", "study=trunk_micro_seed"],
    }


def flops(study: Study) -> float:
    frame = study.runs.frame
    return frame["flops_new"].fillna(frame["C"]).sum() if "flops_new" in frame else frame["C"].sum()


def losses(study: Study) -> pd.Series:
    """By size and duration."""
    return study.runs.frame.set_index(["N", "D"])["loss"].sort_index()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outputs", default="outputs")
    outputs = parser.parse_args().outputs
    studies = {}
    for title, words in commands().items():
        subprocess.run([COMMAND, "-m", *words, f"paths.outputs={outputs}"], check=True)
        studies[title] = analyse(compose([f"outputs={outputs}", "runs." + words[-1], "holdout.largest_budgets=0"]))
    trunks, *_ = studies.values()
    print(f"| study | FLOPs | {' | '.join(PARAMETERS)} | loss at {trunks.target_flops:.3g} FLOPs (95 %) |")
    print("|---" * (len(PARAMETERS) + 3) + "|")
    for title, study in studies.items():
        best = study.main.frontier(trunks.target_flops).iloc[0]
        params = " | ".join(f"{study.main.params[name]:.3g}" for name in PARAMETERS)
        print(f"| {title} | {flops(study):.3g} | {params} | {best.loss:.3f} ({best.loss_low:.3f} to {best.loss_high:.3f}) |")
    print("\n| beside the runs of trunks | mean difference of loss | root mean square | largest |")
    print("|---|---|---|---|")
    for title, study in list(studies.items())[1:]:
        apart = np.asarray(losses(study)) - np.asarray(losses(trunks))
        print(f"| {title} | {apart.mean():+.4f} | {np.sqrt((apart**2).mean()):.4f} | {np.abs(apart).max():.4f} |")
    print(f"\n{1 - flops(trunks) / flops(studies['the same runs, separate']):.1%} of the FLOPs are saved.")


if __name__ == "__main__":
    main()
