"""Fits of published points, beside the published results.

    python tests/benchmarks/published.py FOLDER [--only kyo gadre ...]

FOLDER has the points of the papers as CSV files, which this project does not ship:

- ``kyo_chinchilla_points``: github.com/kyo-takano/chinchilla
- ``gadre_overtraining``: github.com/mlfoundations/scaling, arXiv 2403.08540
- ``datablations_c4``: github.com/huggingface/datablations, arXiv 2305.16264
- ``porian_isoflops``, ``porian_optima``, ``porian_reference_exponents``: github.com/formll/resolving-scaling-law-discrepancies,
  arXiv 2406.19146
- ``gemstones``: github.com/mcleish7/gemstone-scaling-laws, arXiv 2502.06857
- ``scalerl_curves``: figure 1 of arXiv 2510.13786, digitised

Prints the Markdown table of docs/analysis.md. Objectives are sums.
"""

import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from openr1.analysis import Bootstrap, Fit, fit
from openr1.analysis.laws import Chinchilla, DataConstrained, IsoFlop, Law, Overtraining, RlSigmoid, TaskError
from openr1.analysis.laws.allocation import weighted_line
from openr1.analysis.sources.frame import Columns, tidy

NO_BOOTSTRAP = Bootstrap(resamples=0)
Row = tuple[str, float, float]  # quantity, published, fitted


def fit_table(table: pd.DataFrame, law: Law, **columns: str) -> Fit:
    return fit(tidy(table, Columns(**columns), needs=law.needs).frame, law, bootstrap=NO_BOOTSTRAP)


def params(what: str, fitted: Fit, published: dict[str, float]) -> list[Row]:
    values = {**fitted.params, "objective": fitted.objective["value"]}
    values |= {f"log {name}": np.log(value) for name, value in fitted.params.items() if value > 0}
    return [(f"{what} {name}", value, values[name]) for name, value in published.items()]


def kyo(folder: Path) -> Iterator[Row]:
    fitted = fit_table(pd.read_csv(folder / "kyo_chinchilla_points.csv"), Chinchilla(), N="params", D="tokens", C="flops")
    published = {"E": 1.78389, "A": 442.16, "alpha": 0.34263, "B": 1271.8, "beta": 0.34200, "objective": 0.000840093}
    yield from params("parametric", fitted, published)


def gemstones(folder: Path) -> Iterator[Row]:
    points = pd.read_csv(folder / "gemstones.csv")
    known = {
        ("hot", 1e-3): (0.29287, 0.71287, 5.3613, 15.4160, 0.76226, 0.0019816129),
        ("cool_end", 1e-3): (0.30027, 0.58024, 5.4197, 12.5139, 0.72979, 0.0019640865),
    }
    names = ("alpha", "beta", "log A", "log B", "log E", "objective")
    for (subset, delta), values in known.items():
        fitted = fit_table(points[points["subset"] == subset], Chinchilla(delta=delta), N="params", D="tokens")
        yield from params(f"{subset}, delta {delta:g},", fitted, dict(zip(names, values, strict=True)))
    for subset, value in (("hot", 0.0002075052), ("cool_end", 0.0002047791)):
        fitted = fit_table(points[points["subset"] == subset], Chinchilla(delta=1e-4), N="params", D="tokens")
        yield from params(f"{subset}, delta 0.0001,", fitted, {"objective": value})


GADRE = {  # E, a, b, eta; k, gamma, epsilon
    "c4_original": ((1.5083, 141.28, 189.52, 0.12124), (2.0789, 0.75612, 0.84974)),
    "rpj": ((1.8366, 212.24, 366.69, 0.13643), (2.2065, 0.71459, 0.85699)),
    "rw_original": ((1.7345, 157.12, 246.21, 0.12720), (2.2148, 0.70705, 0.86528)),
}


def gadre(folder: Path) -> Iterator[Row]:
    table = pd.read_csv(folder / "gadre_overtraining.csv")
    columns = {"N": "params", "D": "tokens", "C": "flops", "loss": "loss_c4_val", "error": "err_avg17"}
    small = table[~table["arch"].str.startswith("open_lm")]
    first = (small["tokens_per_param"] == 20) | (small["arch"].str.startswith("d=96") & (small["tokens_per_param"] == 320))
    one_b = (table["arch"] == "open_lm_1b") & (table["tokens_per_param"] == 20)
    for data, (loss_params, error_params) in GADRE.items():
        chosen = small[first & (small["train_dataset"] == data)]
        loss = fit_table(chosen, Overtraining(), **columns)
        yield from params(data, loss, dict(zip(("E", "a", "b", "eta"), loss_params, strict=True)))
        error = fit_table(pd.concat([chosen, table[one_b & (table["train_dataset"] == data)]]), TaskError(), **columns)
        yield from params(f"{data}, error:", error, dict(zip(("k", "gamma", "epsilon"), error_params, strict=True)))
        if data == "rpj":
            for arch, ratio, loss_error, task_error in (
                ("open_lm_1b", 640, 0.7103, 3.6365),
                ("open_lm_7b", 20, 0.7320, 0.0464),
            ):
                row = table[(table["train_dataset"] == data) & (table["arch"] == arch) & (table["tokens_per_param"] == ratio)]
                held = tidy(row, Columns(**columns)).frame
                off = 100 * abs(loss.predict(held)[0] / held["loss"][0] - 1)
                yield f"{data}, held-out {arch} at M = {ratio}: loss off by, %", loss_error, off
                chained = error.law.predict_from_law(error.vector, loss.law, loss.vector, held)[0, 0]
                yield (
                    f"{data}, held-out {arch} at M = {ratio}: error off by, %",
                    task_error,
                    100 * abs(chained / held["error"][0] - 1),
                )


def datablations(folder: Path) -> Iterator[Row]:
    table = pd.read_csv(folder / "datablations_c4.csv")
    columns = {"N": "params", "D": "tokens", "U": "unique_tokens"}
    inner = {"E": np.exp(0.6254804), "A": np.exp(6.255414), "alpha": 0.3526596, "B": np.exp(7.3049974), "beta": 0.3526596}
    law = DataConstrained(**inner)
    fitted = fit_table(table[table["in_fit_182"] == 1], law, **columns)
    yield from params("182 runs,", fitted, {"R_D": 95.37, "R_N": 1.706, "objective": 0.0158046625})
    frame = tidy(table[table["in_fit_182"] == 1], Columns(**columns), needs=law.needs).frame
    published = np.array([[15.387756, 5.309743, *(inner[name] for name in ("E", "A", "alpha", "B", "beta"))]])
    yield "objective at the published R_D, R_N", 0.0158259366, float(law.loss.losses(law.residuals(published, frame)).sum())
    spread = np.sum((frame["loss"] - frame["loss"].mean()) ** 2)
    yield "R2 there", 0.7722047, 1 - np.sum((frame["loss"] - law.predict(published, frame)[0]) ** 2) / spread
    for name, ends in fitted.diagnostics["flat"].items():
        low, high = ends
        yield f"smallest {name} within 0.5 % of the objective", np.nan, np.nan if low is None else low
        yield f"largest {name} within 0.5 % of the objective", np.nan, np.nan if high is None else high


def porian(folder: Path) -> Iterator[Row]:
    keys = ["dataset", "hparams", "warmup", "decay", "param_count", "loss_split"]
    runs, optima, known = (
        pd.read_csv(folder / f"porian_{name}.csv").set_index(keys) for name in ("isoflops", "optima", "reference_exponents")
    )
    worst = {"akima": 0.0, "parabola": 0.0}
    for setting, row in known.iterrows():
        points = runs.loc[[setting]].reset_index(drop=True)
        for curve in worst:
            law = IsoFlop(curve=curve, weighted=False, nearest=5 if curve == "parabola" else None)
            fitted = fit_table(points, law, N="params", D="tokens", C="flops")
            worst[curve] = max(worst[curve], abs(fitted.params["N_exponent"] - row["n_exponent_unweighted"]))
        best = optima.loc[[setting]].dropna(subset=["n_star"])
        _, exponent = weighted_line(
            np.log(best["flops"].to_numpy()),
            np.log(best[["n_star"]].to_numpy().T),
            1 / best[["n_star_log_std"]].to_numpy().T ** 2,
        )
        yield f"{' '.join(setting)}: weighted exponent of N*", row["n_exponent_weighted"], float(np.squeeze(exponent))
    yield "isoflop, akima: largest error of 15 unweighted exponents", 0.004, worst["akima"]
    yield "isoflop, parabola of 5 sizes: the same", 0.03, worst["parabola"]


def scalerl(folder: Path) -> Iterator[Row]:
    table = pd.read_csv(folder / "scalerl_curves.csv").rename(columns={"run": "model"})
    columns = {"C": "kgpu_hours", "pass_at_1": "pass_rate"}
    known = {"8B_dense": (0.3961, 0.6336, 9.944, 1.778, 0.0106), "moe": (0.5101, 0.7012, 6.444, 1.731, 0.0098)}
    for model, values in known.items():
        points = table[table["model"].str.contains(model, case=False)]
        fitted = fit_table(points[points["split"] == "train"], RlSigmoid(), **columns)
        yield from params(model, fitted, dict(zip(("R0", "A", "C_mid", "B"), values[:4], strict=True)))
        later = tidy(points[points["split"] == "extended"], Columns(**columns), needs=fitted.law.needs).frame
        yield (
            f"{model}: mean absolute error beyond",
            values[4],
            float(np.mean(np.abs(fitted.predict(later) - later["pass_at_1"]))),
        )


SOURCES = {paper.__name__: paper for paper in (kyo, gemstones, gadre, datablations, porian, scalerl)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", choices=SOURCES, default=list(SOURCES))
    chosen = parser.parse_args()
    print("| source | quantity | published | found |\n|---|---|---|---|")
    for name in chosen.only:
        for what, published, value in SOURCES[name](chosen.folder):
            known = "" if np.isnan(published) else f"{published:.9g}"
            print(f"| {name} | {what} | {known} | {value:.{max(6, len(known.lstrip('0.')))}g} |")


if __name__ == "__main__":
    main()
