"""Forecasts in a report: sentences, the table of the rule that chose the law, and what became of registered forecasts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from openr1.analysis.forecast.forecast import RULE
from openr1.analysis.forecast.noise import LEVELS
from openr1.analysis.forecast.registry import Outcome, calibration
from openr1.analysis.formatting import DASH, compute, percent, quantity, scientific, times, with_interval
from openr1.analysis.report.tables import Cell, Table

if TYPE_CHECKING:
    from openr1.analysis.forecast.forecast import Forecast

SHOWN = 12  # candidates in the table of the rule


def sentences(forecast: Forecast, unit: str = "FLOPs") -> list[str]:
    """Return sentences on the predicted response, its intervals, the recipe that it assumes, and the choice of the law.

    :param unit: the unit of compute.
    """
    lines = []
    for row in forecast.table.to_dict("records"):
        value, curve, run = (
            quantity(forecast.response, row["predicted"]),
            *(
                f"{quantity(forecast.response, row[low])} to {quantity(forecast.response, row[high])}"
                for low, high in (("curve_low", "curve_high"), ("run_low_95", "run_high_95"))
            ),
        )
        nats = " nats per token" if forecast.response == "loss" else ""
        sizes = [f"{quantity(name, row[name])} {what}" for name, what in (("N", "parameters"), ("D", "tokens")) if name in row]
        lines.append(
            f"A run of {compute(row['C'])} {unit} is forecast to have a {_name(forecast.response)} of {value}{nats}"
            f" (95 %: {run} for a new run, {curve} for the curve)."
        )
        lines.append(
            f"It assumes {' on '.join(sizes) + ' and otherwise ' if sizes else ''}the recipe of the runs"
            f"{_describe_line(forecast)}, and is for {times(row['C'] / forecast.largest)} times the {unit} of the largest run."
        )
        if sizes and (unknown := forecast.fit.unknown_at(row["C"])):
            lines.append(f"These N and D are those of the law, although {unknown}.")
    first = forecast.chosen[0]
    also = f" and {len(forecast.chosen) - 1} more candidates (their median)" if len(forecast.chosen) > 1 else ""
    lines.append(
        f"It is by {first}{also}, whose mean error on runs beyond {len(forecast.origins)} earlier origins was smallest:"
        f" {_error(forecast, forecast.scores[first])}."
    )
    return lines


def _describe_line(forecast: Forecast) -> str:
    """Return what the forecast takes for granted of N and D if those of the runs lie on one line."""
    return ", whose N and D lie on one line, continued to that compute" if forecast.along_line else ""


def _name(response: str) -> str:
    return {"pass_at_1": "pass rate"}.get(response, response)


def _error(forecast: Forecast, score: float) -> str:
    return percent(score) if forecast.response == "loss" else f"{score:.3f}"


def rule(forecast: Forecast) -> Table:
    """Return a table of the candidates by their mean error beyond the origins, and at the nearest and the farthest runs."""
    rows = []
    validation = forecast.validation
    for name, score in list(forecast.scores.items())[:SHOWN]:
        own = validation[validation["candidate"] == name]
        near = own["reach"] <= own["reach"].median()
        parts = [float(own.loc[mask, "error"].abs().mean()) for mask in (near, ~near)]
        mark = "chosen" if name in forecast.chosen else ""
        rows.append([Cell(name, mark), *(Cell(_error(forecast, value)) for value in (score, *parts))])
    heads = ("Candidate", "Mean error beyond the origins", "Nearer half of the runs", "Farther half")
    return Table(heads, rows, frozenset({1, 2, 3}), len(forecast.scores) - len(rows))


def describe_rule(forecast: Forecast) -> str:
    """Return the rule and the noise of runs in sentences."""
    noise = forecast.noise
    kind = "log loss" if noise.logs else f"the {_name(forecast.response)}"
    return (
        f"{RULE} Origins: {', '.join(scientific(origin) for origin in forecast.origins)} FLOPs. A new run is expected about the"
        f" forecast as Student's t with a scale of {noise.scale:.4f} in {kind} near the runs, growing by {noise.growth:.4f} for"
        f" each factor of e in compute, widened by {noise.widening:.2f} since there are {noise.origins} origins."
    )


def outcome_sentences(outcomes: Iterable[Outcome]) -> list[str]:
    """Return a sentence for each registered forecast whose run exists: a hit or a miss of its 95 % interval."""
    lines = []
    for outcome in outcomes:
        if outcome.measured is None:
            continue
        known = outcome.forecast
        low, high = known["intervals"]["95"]
        write = {"loss": lambda value: f"{value:.3f}"}.get(known["response"], lambda value: f"{value:.1%}")
        lines.append(
            f"{'Hit' if outcome.is_within(0.95) else 'Miss'}: {known['run']['name']} was forecast on {known['written'][:10]} to"
            f" have a {_name(known['response'])} of {with_interval(known['predicted'], low, high, write)}; it has"
            f" {write(outcome.measured)}, off by {percent(abs(outcome.error or 0))}."
        )
    return lines


def outcomes_table(outcomes: list[Outcome]) -> Table | None:
    """Return a table of registered forecasts and their outcomes; null if there are none."""
    if not outcomes:
        return None
    rows = []
    for outcome in outcomes:
        known, run = outcome.forecast, outcome.forecast["run"]
        low, high = known["intervals"]["95"]
        cells = [Cell(known["study"]), Cell(run["name"]), Cell(known["written"].replace("T", " ").removesuffix("+00:00"))]
        cells += [Cell(quantity("C", run.get("C"))), Cell(times(run["C"] / known["fitted"]["largest"]) if "C" in run else DASH)]
        predicted = quantity(known["response"], known["predicted"])
        ends = f"({quantity(known['response'], low)} to {quantity(known['response'], high)})"
        cells += [Cell(predicted, ends), Cell(quantity(known["response"], outcome.measured)), Cell(percent(outcome.error))]
        within = [level for level in LEVELS if outcome.is_within(level)]
        verdict = "" if outcome.measured is None else f"{within[0]:.0%}".replace("%", " %") if within else "none"
        rows.append([*cells, Cell(verdict or "no run yet")])
    heads = (
        "Study",
        "Run",
        "Registered (UTC)",
        "C (FLOPs)",
        "Reach",
        "Forecast",
        "Measured",
        "Error",
        "Within the interval of",
    )
    return Table(heads, rows, frozenset({3, 4, 5, 6, 7}))


def calibration_table(outcomes: list[Outcome]) -> Table:
    """Return a table of how many runs were within the intervals of their forecasts."""
    rows = [
        [Cell(f"{level:.0%}".replace("%", " %")), Cell(f"{inside} of {made}"), Cell(percent(inside / made) if made else DASH)]
        for level, (inside, made) in calibration(outcomes).items()
    ]
    return Table(("Interval", "Runs within it", "Share"), rows, frozenset({1, 2}))
