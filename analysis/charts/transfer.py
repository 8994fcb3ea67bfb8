"""Figures of the transfer of learning rates over sizes."""

from __future__ import annotations

from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from openr1.analysis.charts.marks import BLACK, Axis, Chart, Mark, Panel, Rule, Scatter, span
from openr1.analysis.charts.parts import UNLIMITED, axis, hover_texts, law_marks
from openr1.analysis.formatting import three_decimals, with_interval
from openr1.analysis.laws import Hyperparameter

if TYPE_CHECKING:
    from openr1.analysis.study import GroupedStudy

STEPS = 120  # points of a line


def chart_transfer(study: GroupedStudy, hues: dict[str, str]) -> Chart | None:
    """Chart the best learning rate of each group against model size, and its regret at the largest size.

    None for another law, and where no group has a regret.

    :param hues: the colour of each group.
    """
    law = study.law
    if not isinstance(law, Hyperparameter) or not study.transfers:
        return None
    return Chart(
        f"Transfer of the learning rate by {study.groups.by}",
        "Left: optima of the grids of runs, and the power law of each group. Right: the loss at the largest size that the best "
        "learning rate of the smallest size loses against the best one, with 95 % intervals.",
        (_rates(study, law, hues), _regrets(study, hues)),
        size=(5.6, max(3.6, 1.4 + 0.3 * len(study.parts))),
    )


def _rates(study: GroupedStudy, law: Hyperparameter, hues: dict[str, str]) -> Panel:
    cells = {label: law.fitted_rows(part.runs.frame) for label, part in study.parts.items()}
    limits = span(np.concatenate([rows["N"] for rows in cells.values()]), 0.12, log=True)
    n = np.geomspace(*limits, STEPS)
    marks: list[Mark] = []
    values = []
    for label, hue in hues.items():
        rows, fit = cells[label], study.parts[label].main
        d = float(np.exp(np.log(rows["D"]).mean()))
        known = fit.value_and_interval(partial(law.optimum, target="lr", n=n, d=d))
        look: dict[str, Any] = {"colour": hue, "name": label}
        marks += law_marks(fit, "N", n, known[0], None, UNLIMITED, look, y="lr")
        lr = rows["lr"].to_numpy()
        marks.append(Scatter(x=rows["N"].to_numpy(), y=lr, edge=BLACK, size=6.0, hover=hover_texts(rows), **look))
        values += [known[0], lr]
    y = axis("lr", span(np.concatenate(values), 0.06, log=True), log=True, label="Best learning rate")
    return Panel(axis("N", limits, log=True), y, tuple(marks), legend="", title="Best learning rate")


def _regrets(study: GroupedStudy, hues: dict[str, str]) -> Panel:
    marks: list[Mark | Rule] = [Rule(0.0)]
    ends = [0.0]
    for place, (label, transfer) in enumerate(study.transfers.items()):
        value, low, high = transfer.regret
        text = f"<b>{escape(label)}</b><br>regret {with_interval(value, low, high, three_decimals)}"
        bars = np.array([[low], [high]]) if np.isfinite([low, high]).all() else None
        marks.append(
            Scatter(x=np.array([value]), y=np.array([place]), colour=hues[label], size=6.0, hover=(text,), ends=bars, along="x")
        )
        ends += [end for end in (value, low, high) if np.isfinite(end)]
    of_error = any(transfer.response == "error" for transfer in study.transfers.values())
    x = Axis(
        "Error rate above the best" if of_error else "Loss above the best (nats per token)", limits=span(np.array(ends), 0.06)
    )
    y = Axis("", names=tuple(study.transfers), limits=(len(study.transfers) - 0.4, -0.6))
    return Panel(x, y, tuple(marks), legend="", title="Regret at the largest size")
