"""A fit for a person with a notebook: as text, as LaTeX, as HTML, as a table, and drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from openr1.analysis.formatting import interval, number, percent
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from openr1.analysis.laws.base import Law

GREEK = ("alpha", "beta", "gamma", "delta", "epsilon", "eta", "tau")
CURVE = 100  # points of a curve in a figure


class Fitted(Protocol):
    """The parts of a :class:`openr1.analysis.fit.result.Fit` that are shown."""

    law: Law
    params: dict[str, float]
    se: dict[str, float]
    objective: dict[str, Any]
    n_points: int
    diagnostics: dict[str, Any]
    frame: pd.DataFrame | None

    @property
    def error(self) -> float | None: ...

    def ends(self, name: str) -> tuple[float | None, float | None]: ...

    def predict(self, frame: pd.DataFrame) -> np.ndarray: ...

    def frontier(self, flops: np.ndarray | float) -> pd.DataFrame: ...


def to_frame(fit: Fitted) -> pd.DataFrame:
    """Return a row per parameter: ``estimate``, ``se``, ``low``, ``high`` and ``meaning``; ends are missing where open."""
    import pandas as pd

    rows = []
    for p in fit.law.parameters:
        low, high = fit.ends(p.name)
        rows.append((p.name, fit.params[p.name], fit.se.get(p.name), low, high, p.meaning))
    table = pd.DataFrame(rows, columns=["parameter", "estimate", "se", "low", "high", "meaning"]).set_index("parameter")
    return table.astype(dict.fromkeys(("estimate", "se", "low", "high"), float))


def text(fit: Fitted) -> str:
    """Return the law, a line per parameter with its 95 % interval, and the warnings."""
    width = max(len(name) for name in fit.params)
    lines = [f"{fit.law.title} ({fit.law.name}): {fit.law.formula}", f"{fit.n_points} points, {_objective(fit)}"]
    for name, value in fit.params.items():
        ends = interval(*fit.ends(name))
        lines.append(f"  {name:{width}}  {number(value)}" + (f"  ({ends})" if ends else ""))
    if fit.error is not None:
        lines.append(f"held-out error {percent(fit.error)}")
    return "\n".join([*lines, *(f"warning: {warning}" for warning in fit.diagnostics["warnings"])])


def html(fit: Fitted) -> str:
    """Return the same as a table for a notebook."""
    from markupsafe import Markup

    rows = Markup().join(
        Markup("<tr><td><code>{}</code></td><td>{}</td><td>{}</td><td>{}</td></tr>").format(
            p.name, number(fit.params[p.name]), interval(*fit.ends(p.name)), p.meaning
        )
        for p in fit.law.parameters
    )
    warnings = Markup().join(Markup("<li>{}</li>").format(warning) for warning in fit.diagnostics["warnings"])
    error = Markup(", held-out error {}").format(percent(fit.error)) if fit.error is not None else ""
    heads = Markup("<tr><th>Parameter</th><th>Estimate</th><th>95 % interval</th><th>Meaning</th></tr>")
    return Markup("<b>{}</b> <code>{}</code><br>{} points, {}{}<table>{}{}</table><ul>{}</ul>").format(
        fit.law.title, fit.law.formula, fit.n_points, _objective(fit), error, heads, rows, warnings
    )


def latex(fit: Fitted) -> str:
    """Return a ``tabular`` of the parameters with their 95 % intervals, for a paper with ``booktabs``."""
    lines = [r"\begin{tabular}{lrl}", r"\toprule", r"Parameter & Estimate & 95\,\% interval \\", r"\midrule"]
    for name, value in fit.params.items():
        low, high = fit.ends(name)
        ends = "--" if low is None or high is None else rf"$[{_latex_number(low)}, {_latex_number(high)}]$"
        lines.append(rf"${_latex_name(name)}$ & ${_latex_number(value)}$ & {ends} \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])


def plot(fit: Fitted, ax: Axes | None = None, x: str | None = None) -> Axes:
    """Draw the measured and the predicted responses of the runs, and the best response of each budget where the law has one.

    :param x: the column along the axis; by default C, or else the first predictor.
    :returns: the axes, with logarithmic scales except for rates.
    :raises ConfigError: for a fit that was loaded from a file, which has no runs, or a missing column.
    """
    import matplotlib.pyplot as plt

    if fit.frame is None:
        raise ConfigError("plot: a fit that was loaded has no runs to draw; fit them again")
    rows = fit.law.fitted_rows(fit.frame)
    column = x or ("C" if "C" in rows else fit.law.predictors[0])
    if column not in rows:
        raise ConfigError(f"x: there is no column {column!r}; there are {', '.join(rows.select_dtypes('number'))}")
    ax = plt.gca() if ax is None else ax
    values = rows[column].to_numpy(dtype=float)
    ax.scatter(values, fit.law.observed(rows), s=14, color="#0072b2", label="measured")
    ax.scatter(values, fit.predict(rows), s=26, facecolors="none", edgecolors="#d55e00", linewidths=0.8, label="predicted")
    if column == "C" and not (frontier := fit.frontier(np.geomspace(values.min(), 10 * values.max(), CURVE))).empty:
        response = fit.law.response
        ax.plot(frontier["C"], frontier[response], color="#1b1b1b", linewidth=1, label="best allocation")
        ax.fill_between(
            frontier["C"], frontier[f"{response}_low"], frontier[f"{response}_high"], color="#1b1b1b", alpha=0.15, linewidth=0
        )
    ax.set(xlabel=column, ylabel=fit.law.response, xscale="log")
    if fit.law.response == "loss":
        ax.set_yscale("log")
    ax.legend(frameon=False)
    return ax


def _objective(fit: Fitted) -> str:
    known = fit.objective
    delta = f" (delta {known['delta']:g})" if known.get("delta") else ""
    return f"{known['name']}{delta} sum {number(known['value'])}"


def _latex_name(name: str) -> str:
    base, _, rest = name.partition("_")
    base = rf"\{base}" if base in GREEK else base
    return base + (rf"_{{\mathrm{{{rest.replace('_', ' ')}}}}}" if rest else "")


def _latex_number(value: Any) -> str:
    shown = f"{float(value):.4g}"
    mantissa, _, exponent = shown.partition("e")
    return rf"{mantissa} \times 10^{{{int(exponent)}}}" if exponent else mantissa
