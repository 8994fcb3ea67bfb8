"""Figures of runs and laws. Each function draws on the axes that it is given, so that notebooks can combine them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from analysis.laws import Chinchilla, PowerLaw
from analysis.laws.base import best_runs
from analysis.text import percent, scientific, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from analysis.fitting import Fit
    from analysis.study import Study

STYLE = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.6,
    "savefig.dpi": 200,
    "svg.hashsalt": "openr1",  # the same figure has the same bytes
}
# Okabe and Ito: distinct for every kind of colour vision
COLOURS = {"chinchilla": "#D55E00", "isoflop": "#0072B2", "power_law": "#009E73"}
GREY = "#767676"
BUDGET_COLOURS = mpl.colors.ListedColormap(mpl.colormaps["viridis"](np.linspace(0.05, 0.88, 256)))  # no yellow on white
OPAQUE = {"frameon": True, "framealpha": 1, "edgecolor": "white"}
N_LABEL, D_LABEL, C_LABEL, LOSS_LABEL = (
    "Parameters $N$",
    "Training tokens $D$",
    "Training FLOPs $C$",
    "Evaluation loss (nats/token)",
)


def figures(study: Study) -> dict[str, Figure]:
    """Every figure that the fits of a study allow, by name."""
    with mpl.rc_context(STYLE):
        frame, fits, drawn = study.runs.frame, study.fits, {}
        if study.target_flops:
            drawn["summary"], (left, right) = _canvas(10, 4, 2)
            isoflop(left, frame, fits)
            loss_frontier(right, frame, fits, study.main)
            drawn["isoflop"], (axes,) = _canvas(6.4, 4.4)
            isoflop(axes, frame, fits)
            drawn["frontier"], (axes,) = _canvas(6.4, 4.4)
            loss_frontier(axes, frame, fits, study.main)
        for fit in fits.values():
            if isinstance(fit.law, PowerLaw) and fit.law.x != "C":
                drawn["curve"], (axes,) = _canvas(6.4, 4.4)
                power(axes, frame, fit)
        if study.target_flops and any(fit.law.allocates for fit in fits.values()):
            drawn["allocation"], pair = _canvas(10, 4, 2)
            allocation(pair, frame, fits, study.main, study.target_flops)
        drawn["residuals"], panels = _canvas(max(4.6, 3.4 * len(fits)), 3.6, len(fits))
        predicted_against_measured(panels, frame, fits)
        surfaces = [fit for fit in fits.values() if isinstance(fit.law, Chinchilla)]
        if surfaces:
            drawn["surface"], (axes,) = _canvas(6.4, 4.8)
            surface(axes, frame, surfaces[0])
        return drawn


def _canvas(width: float, height: float, panels: int = 1) -> tuple[Figure, np.ndarray]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(1, panels, squeeze=False)[0]


def svg(figure: Figure) -> bytes:
    """The figure as SVG, without a date in it."""
    buffer = io.BytesIO()
    with mpl.rc_context(STYLE):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=200)
    return buffer.getvalue()


def isoflop(axes: Axes, frame: pd.DataFrame, fits: dict[str, Fit]) -> None:
    """Loss against model size, a curve a budget: parabolas and their minima, or slices of the parametric law without them."""
    budgets = np.unique(frame["budget"])
    norm = mpl.colors.LogNorm(budgets[0] / 1.01, budgets[-1] * 1.01)
    profiles, parametric = fits.get("isoflop"), fits.get("chinchilla")
    rows = {row["C"]: row for row in profiles.tables["budgets"]} if profiles else {}
    for budget in budgets:
        runs, colour = frame[frame["budget"] == budget], BUDGET_COLOURS(norm(budget))
        axes.plot(runs["N"], runs["loss"], "o", color=colour, markersize=4.5, label=scientific(budget))
        n = np.geomspace(runs["N"].min() * 0.9, runs["N"].max() * 1.1, 100)
        if budget in rows and not rows[budget]["excluded"]:
            row = rows[budget]
            axes.plot(n, row["loss"] + row["curvature"] * np.log(n / row["N"]) ** 2, color=colour)
            axes.plot(row["N"], row["loss"], "*", color=colour, markersize=12, markeredgecolor="white", zorder=4)
        elif parametric and not profiles and len(runs) > 1:
            axes.plot(n, parametric.predict(_runs(n, budget / parametric.cost(n, 1))), color=colour)
    if rows:
        axes.plot([], [], "*", color=GREY, markersize=10, label="minimum")
    _log(axes, "x")
    axes.set(xlabel=N_LABEL, ylabel=LOSS_LABEL, title="IsoFLOP curves")
    if len(budgets) <= 8:
        axes.legend(title="FLOPs", title_fontsize=8, loc="upper left", bbox_to_anchor=(1, 1), handletextpad=0.2)
    else:
        axes.figure.colorbar(mpl.cm.ScalarMappable(norm, BUDGET_COLOURS), ax=axes, label=C_LABEL)


def loss_frontier(axes: Axes, frame: pd.DataFrame, fits: dict[str, Fit], main: Fit) -> None:
    """Loss against compute: the frontier of each law, fitted without the held-out budgets where there are some."""
    checked = {name: fit.without_holdout or fit for name, fit in fits.items()}
    held = main.holdout["largest_fitted"] if main.holdout else np.inf
    axes.plot(frame["C"], frame["loss"], "o", color="#c4c4c4", markersize=3, label="runs")
    flops = np.geomspace(frame["C"].min() / 1.3, frame["C"].max() * (2 if main.holdout else 4), 120)
    for name, fit in checked.items():
        curve = fit.frontier(flops)
        if curve.empty:
            continue
        axes.plot(curve["C"], curve["loss"], color=COLOURS[name], label=fit.law.title)
        if name == main.law.name:
            axes.fill_between(curve["C"], curve["loss_low"], curve["loss_high"], color=COLOURS[name], alpha=0.15, linewidth=0)
    seen = best_runs(frame[frame["C"] <= held])
    axes.plot(seen["C"], seen["loss"], "o", color="black", markersize=4.5, label="best of its budget")
    if main.holdout:
        target = main.holdout["budgets"] or main.holdout["points"]
        style = {"color": "white", "markeredgecolor": "black", "markersize": 6.5, "zorder": 5}
        axes.plot([row["C"] for row in target], [row["loss"] for row in target], "D", label="held out", **style)
        axes.axvline(held * 1.02, color=GREY, linewidth=0.8, linestyle=":")
    _log(axes, "x", scientific)
    title = "Loss against compute"
    axes.set(xlabel=C_LABEL, ylabel=LOSS_LABEL, title=f"{title}, fitted left of the dotted line" if main.holdout else title)
    axes.legend(loc="upper right", **OPAQUE)


def power(axes: Axes, frame: pd.DataFrame, fit: Fit) -> None:
    """A power law of N or D: the runs, the law through all of them, and its interval."""
    x = fit.law.x
    line = pd.DataFrame({x: np.geomspace(frame[x].min() / 1.3, frame[x].max() * 1.3, 120)})
    axes.plot(frame[x], frame["loss"], "o", color=GREY, markersize=4, label="runs")
    axes.plot(line[x], fit.predict(line), color=COLOURS[fit.law.name], label=fit.law.title)
    axes.fill_between(line[x], *fit.interval(line), color=COLOURS[fit.law.name], alpha=0.15, linewidth=0)
    _log(axes, "x")
    axes.set(xlabel=N_LABEL if x == "N" else D_LABEL, ylabel=LOSS_LABEL, title=fit.law.formula)
    axes.set_ylim(frame["loss"].min() * 0.97, frame["loss"].max() * 1.03)
    axes.legend(loc="upper right", **OPAQUE)


def allocation(pair: np.ndarray, frame: pd.DataFrame, fits: dict[str, Fit], main: Fit, target: float) -> None:
    """Compute-optimal parameters and tokens against compute, up to the target, with the interval of each law."""
    flops = np.geomspace(frame["C"].min() / 1.3, max(target, frame["C"].max()) * 1.3, 120)
    for axes, name, label in zip(pair, ("N", "D"), (N_LABEL, D_LABEL), strict=True):
        for law, fit in fits.items():
            if not fit.law.allocates:
                continue
            curve = fit.frontier(flops)
            axes.plot(curve["C"], curve[name], color=COLOURS[law], label=fit.law.title)
            axes.fill_between(
                curve["C"], curve[f"{name}_low"], curve[f"{name}_high"], color=COLOURS[law], alpha=0.15, linewidth=0
            )
            found = [row for row in fit.tables.get("budgets", []) if not row["excluded"]]
            if found:
                axes.plot(
                    [r["C"] for r in found],
                    [r[name] for r in found],
                    "*",
                    color=COLOURS[law],
                    markersize=10,
                    markeredgecolor="white",
                    label="IsoFLOP minimum",
                    zorder=4,
                )
        axes.axvspan(frame["C"].max(), flops[-1], color="#f4f4f4", zorder=0, linewidth=0)
        axes.set_xlim(flops[0], flops[-1])
        _log(axes, "x", scientific)
        _log(axes, "y")
        axes.set(
            xlabel=C_LABEL,
            ylabel=label,
            title=f"Compute-optimal {'parameters' if name == 'N' else 'tokens'} (shaded: extrapolated)",
        )
    pair[0].legend(loc="upper left")


def predicted_against_measured(panels: np.ndarray, frame: pd.DataFrame, fits: dict[str, Fit]) -> None:
    """What each law says of the runs that it predicts; of held-out runs, what it said without having seen them."""
    for axes, (name, fit) in zip(panels, fits.items(), strict=True):
        held = fit.holdout["points"] if fit.holdout else []
        limit = fit.holdout["largest_fitted"] if fit.holdout else np.inf
        points = fit.law.predicted(frame[frame["C"] <= limit] if fit.holdout else frame)
        known = fit.without_holdout or fit
        axes.plot(points["loss"], known.predict(points), "o", color=COLOURS[name], markersize=4, label="fitted")
        if held:
            axes.plot(
                [row["loss"] for row in held],
                [row["predicted"] for row in held],
                "D",
                color="white",
                markeredgecolor=COLOURS[name],
                markersize=5.5,
                label="held out",
            )
        low, high = frame["loss"].min(), frame["loss"].max()
        ends = [low - 0.03 * (high - low), high + 0.03 * (high - low)]
        axes.plot(ends, ends, color=GREY, linewidth=0.8, zorder=1)
        if held:
            error = f"held out: {percent(fit.holdout['mean_relative_error'])} off on average"
            axes.text(0.97, 0.04, error, transform=axes.transAxes, ha="right", fontsize=8, color=GREY)
        axes.set(xlabel="Measured loss (nats/token)", title=fit.law.title)
        axes.set_aspect("equal", "datalim")
        axes.legend(loc="upper left")
    panels[0].set_ylabel("Predicted loss (nats/token)")


def surface(axes: Axes, frame: pd.DataFrame, fit: Fit) -> None:
    """Contours of the parametric law over parameters and tokens, the runs, and the compute-optimal path."""
    n = np.geomspace(frame["N"].min() / 1.6, frame["N"].max() * 1.6, 120)
    d = np.geomspace(frame["D"].min() / 1.6, frame["D"].max() * 1.6, 120)
    grid_n, grid_d = np.meshgrid(n, d)
    loss = fit.predict(_runs(grid_n.ravel(), grid_d.ravel())).reshape(grid_n.shape)
    axes.set(xlim=(n[0], n[-1]), ylim=(d[0], d[-1]))
    _log(axes, "x")
    _log(axes, "y")
    levels = MaxNLocator(12, steps=[1, 2, 5, 10]).tick_values(frame["loss"].min(), frame["loss"].max())
    norm = mpl.colors.Normalize(levels[0], levels[-1])
    lines = axes.contour(n, d, loss, levels=levels, cmap="viridis", norm=norm, linewidths=1)
    axes.clabel(lines, levels[::2], fmt="%.2f", fontsize=7)
    points = axes.scatter(
        frame["N"], frame["D"], c=frame["loss"], cmap="viridis", norm=norm, s=28, edgecolors="black", linewidths=0.5, zorder=3
    )
    path = fit.frontier(np.geomspace(fit.cost(n[0], d[0]), fit.cost(n[-1], d[-1]), 120))
    axes.plot(path["N"], path["D"], color=COLOURS["chinchilla"], label="compute-optimal", zorder=2)
    axes.set(xlabel=N_LABEL, ylabel=D_LABEL, title=f"{fit.law.title}: loss")
    axes.legend(loc="upper left", **OPAQUE)
    axes.figure.colorbar(points, ax=axes, label=LOSS_LABEL)


def _runs(n: np.ndarray, d: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"N": n, "D": d})


def _log(axes: Axes, which: str, write=short) -> None:
    """A log axis with few labels, as people write them."""
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    axis = axes.xaxis if which == "x" else axes.yaxis
    low, high = axes.get_xlim() if which == "x" else axes.get_ylim()
    decades = np.log10(high / low)
    subs = (1, 2, 3, 5) if decades < 1.2 else (1, 2, 5) if decades < 2.2 else (1, 3) if decades < 3 else (1,)
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter(FuncFormatter(lambda value, _: write(value)))
    axis.set_minor_formatter(NullFormatter())
