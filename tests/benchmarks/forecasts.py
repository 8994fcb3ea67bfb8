"""Forecasts of published runs, beside two customary ones: how far off they are, and how often their intervals hold.

    python tests/benchmarks/forecasts.py FOLDER [--tables kyo porian] [--stack]

FOLDER holds the tables of ``tests/benchmarks/published.py``, or any CSV files with columns params, tokens and loss, and perhaps
flops. Of each table the runs of most compute are held out, 10, 25 and 50 % of them, and predicted at their own N and D from the
others:

- ``forecast``: law, objective and weights chosen by rolling origins, as ``openr1-fit forecast=FLOPs`` does;
- ``huber``: the parametric law of Chinchilla by the Huber loss (delta 1e-3) of log loss, as everybody fits it: the best of
  SciPy's L-BFGS-B from 40 starts, in the coordinates of arXiv 2203.15556. The last line says how far the optimum of
  ``openr1-fit law=chinchilla`` is from it;
- ``parabola``: the best runs of IsoFLOP budgets only, by parabolas in log N and a power law through their minima.

An error is the mean of |predicted / measured - 1| over the held-out runs. A ratio below 1 is better than ``huber``.
"""

import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from fit_speed import baseline

from openr1.analysis.fit.fit import fit
from openr1.analysis.fit.resampling import Bootstrap
from openr1.analysis.forecast.forecast import forecast
from openr1.analysis.laws import Chinchilla, IsoFlop
from openr1.analysis.laws.base import best_runs
from openr1.analysis.sources.frame import Columns, tidy
from openr1.system.errors import ConfigError

CUTS = (0.10, 0.25, 0.50)
STARTS = 40  # of SciPy
NO_RESAMPLES = Bootstrap(resamples=0)
# file -> columns whose values are studies of their own, and the column of the loss
STUDIES = {
    "gadre_overtraining": (["train_dataset"], "loss_c4_val"),
    "gemstones": (["subset"], "loss"),
    "porian_isoflops": (["dataset", "hparams", "warmup", "decay", "param_count", "loss_split"], "loss"),
}
SKIPPED = ("porian_optima", "porian_reference_exponents", "scalerl_curves")  # no runs with a loss


def tables(folder: Path, wanted: list[str]) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the name and the tidy frame of each study."""
    for path in sorted(folder.glob("*.csv")):
        if path.stem in SKIPPED:
            continue
        keys, loss = STUDIES.get(path.stem, ([], "loss"))
        table = pd.read_csv(path)
        parts = table.groupby(keys) if keys else [((), table)]
        for key, rows in parts:
            name = " ".join([path.stem, *map(str, key)])
            if wanted and not any(word in name for word in wanted):
                continue
            flops = {"C": "flops"} if "flops" in rows else {}
            unique = {"U": "unique_tokens"} if "unique_tokens" in rows else {}
            columns = Columns(N="params", D="tokens", loss=loss, **flops, **unique)
            used = rows[[c for c in ("params", "tokens", "flops", "unique_tokens", loss) if c in rows]]
            yield name, tidy(used, columns, flops_6nd=not flops, units_known=True).frame


def mean_error(predicted: np.ndarray, measured: pd.Series) -> float:
    return float(np.mean(np.abs(predicted / measured.to_numpy() - 1)))


def parabola_error(train: pd.DataFrame, test: pd.DataFrame, customary: np.ndarray) -> tuple[float, float]:
    """Return the errors at the best held-out runs of budgets, by parabolas and by the Huber fit; NaN without parabolas.

    :param customary: the parameters (1, 5) of the Huber fit.
    """
    try:
        isoflop = fit(train, IsoFlop(), bootstrap=NO_RESAMPLES)
    except ConfigError:
        return np.nan, np.nan
    best = best_runs(test)
    return mean_error(isoflop.predict(best), best["loss"]), mean_error(Chinchilla().predict(customary, best)[0], best["loss"])


def huber(train: pd.DataFrame) -> tuple[np.ndarray, float]:
    """Fit the customary law by SciPy; return its parameters (1, 5) and the sum of its losses."""
    low, high = (np.log(1), np.log(1), -1, 0.1, 0.1), (np.log(1e5), np.log(1e5), 1, 1.2, 1.2)
    starts = np.random.default_rng(0).uniform(low, high, (STARTS, 5))  # log A, log B, log E, alpha, beta
    ends = [baseline(train, start, np.ones(len(train))) for start in starts]
    (a, b, e, alpha, beta), value = min(ends, key=lambda end: end[1] if np.isfinite(end[1]) else np.inf)
    return np.array([[np.exp(e), np.exp(a), alpha, np.exp(b), beta]]), value


def measure(name: str, frame: pd.DataFrame, cut: float, stack: bool) -> dict | None:
    held = frame["C"] > frame["C"].quantile(1 - cut)
    train, test = frame[~held].reset_index(drop=True), frame[held].reset_index(drop=True)
    if test.empty:
        return None
    result = forecast(train, at=test, stack=stack, bootstrap=NO_RESAMPLES)
    table, measured = result.table, test["loss"]
    row = {"table": name, "cut": cut, "runs": len(train), "held out": len(test), "reach": test["C"].max() / train["C"].max()}
    row |= {"chosen": "; ".join(result.chosen), "forecast": mean_error(table["predicted"].to_numpy(), measured)}
    customary, value = huber(train)
    row["huber"] = mean_error(Chinchilla().predict(customary, test)[0], measured)
    row["own optimum"] = fit(train, Chinchilla(), bootstrap=NO_RESAMPLES).objective["value"] / value
    row["parabola"], row["huber, best runs"] = parabola_error(train, test, customary)
    for level in (50, 80, 95):
        row[f"within {level}"] = int(measured.between(table[f"run_low_{level}"], table[f"run_high_{level}"]).sum())
    row["width"] = (table["run_high_95"] / table["run_low_95"] - 1).to_numpy()
    return row


def mean_ratio(ratios: pd.Series) -> float:
    return float(np.exp(np.log(ratios.dropna()).mean()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tables", nargs="*", default=[], help="words in the names of the studies; default: all")
    parser.add_argument(
        "--stack", action="store_true", help="predict the median of all candidates within a quarter of the best"
    )
    options = parser.parse_args()
    rows = []
    heads = "table | cut | runs | held out | reach | chosen | forecast | huber | ratio | parabola, best runs | huber, best runs"
    print(f"| {heads} | in 95 % |\n{'|---' * 12}|")
    for name, frame in tables(options.folder, options.tables):
        for cut in CUTS:
            row = measure(name, frame, cut, options.stack)
            if row is None:
                continue
            rows.append(row)
            cells = [name, f"{cut:.0%}", row["runs"], row["held out"], f"{row['reach']:.3g}", row["chosen"]]
            cells += [f"{row['forecast']:.2%}", f"{row['huber']:.2%}", f"{row['forecast'] / row['huber']:.2f}"]
            cells += ["" if np.isnan(row[key]) else f"{row[key]:.2%}" for key in ("parabola", "huber, best runs")]
            print("|", " | ".join(map(str, cells)), f"| {row['within 95']} |", flush=True)
    table = pd.DataFrame(rows)
    ratio = table["forecast"] / table["huber"]
    by_table = np.exp(np.log(ratio).groupby(table["table"]).mean())
    print(f"\nratio of errors to huber: {mean_ratio(ratio):.3f} (geometric mean of {len(table)} splits)")
    print(f"worst table: {by_table.max():.2f} ({by_table.idxmax()})")
    print(f"worst split: {ratio.max():.2f}; splits above 1.25: {(ratio > 1.25).sum()}")
    parabolas = mean_ratio(table["parabola"] / table["huber, best runs"])
    print(f"parabolas, ratio to huber at the best runs of budgets: {parabolas:.3f}")
    total = table["held out"].sum()
    inside = ", ".join(f"{level} %: {table[f'within {level}'].sum() / total:.1%}" for level in (50, 80, 95))
    print(f"held-out runs within the interval of a new run of {inside}; of {total} runs")
    own = table["own optimum"]
    print(f"sum of losses at the optimum of law=chinchilla, over that of SciPy: {own.min():.6f} to {own.max():.6f}")
    print(f"median width of the 95 % interval: {np.median(np.concatenate(table['width'].tolist())):.1%} of the loss")


if __name__ == "__main__":
    main()
