"""Numbers and findings as people write them: for the terminal, the report and the axes of figures."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analysis.fitting import Fit
    from analysis.study import Study

DASH, TIMES = "\u2013", "\u00d7"
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def short(value: float) -> str:
    """A count: 50k, 1.2M, 3B, 4T; in powers of ten beyond, and below one."""
    for unit, suffix in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"), (1, "")):
        if unit <= round(abs(value), 9) < 1000 * unit:
            return f"{value / unit:.3g}{suffix}"
    return scientific(value)


def scientific(value: float) -> str:
    """Two digits and a power of ten, in Unicode; a dash where the runs leave it free."""
    if not math.isfinite(value):
        return DASH
    mantissa, exponent = f"{value:.1e}".split("e")
    factor = mantissa.removesuffix(".0")
    power = "10" + str(int(exponent)).translate(SUPERSCRIPT)
    return power if factor == "1" else f"{factor}{TIMES}{power}"


def number(value: float | None) -> str:
    """Four digits, in powers of ten where it is very large or small; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return DASH
    return f"{value:#.4g}".removesuffix(".") if value == 0 or 1e-3 <= abs(value) < 1e5 else scientific(value)


def interval(low: float | None, high: float | None, write=number) -> str:
    """Both ends, or nothing without a bootstrap."""
    return "" if low is None or low != low else f"{write(low)} to {write(high)}"


def percent(value: float | None) -> str:
    return DASH if value is None else f"{value:.2%}".replace("%", " %")


def answer(study: Study) -> list[str]:
    """What the study found, in sentences: advice for the target budget, how far it reaches, and how well it was checked."""
    return [*_advice(study), *_checked(study.main)]


def _advice(study: Study) -> list[str]:
    fit, target = study.main, study.target_flops
    best = fit.frontier(target) if target else ()
    if not len(best):
        values = ", ".join(f"{name} = {number(value)}" for name, value in fit.params.items())
        return [f"{fit.law.formula} with {values}."]
    row = best.iloc[0]
    if fit.law.allocates and not (1 <= row["N"] < math.inf and 1 <= row["D"] < math.inf):
        return [f"The runs do not determine how to spend {scientific(target)} FLOPs: the fitted exponents leave it free."]

    def with_interval(name: str, write) -> str:
        ends = interval(row[f"{name}_low"], row[f"{name}_high"], write)
        return write(row[name]) + (f" ({ends})" if ends else "")

    loss = f"{with_interval('loss', lambda value: f'{value:.3f}')} nats a token"
    if fit.law.allocates:
        size, tokens = with_interval("N", short), with_interval("D", short)
        found = [f"With {scientific(target)} FLOPs, train {size} parameters on {tokens} tokens; expect a loss of {loss}."]
    else:
        found = [f"With {scientific(target)} FLOPs, expect a loss of {loss}."]
    factor = target / fit.runs["C"][1]
    if factor > 1.05:
        found.append(f"That is extrapolated: {factor:.3g} times the compute of the largest run.")
    return found


def _checked(fit: Fit) -> list[str]:
    if not fit.holdout:
        return ["Nothing was held out: how well the law predicts a larger budget is not known."]
    runs = (
        f"{fit.holdout['n']} run{'s' if fit.holdout['n'] > 1 else ''} above {scientific(fit.holdout['largest_fitted'])} FLOPs"
    )
    if not fit.holdout["budgets"]:
        return [f"Fitted without the {runs}, the law predicts them with a mean error of {percent(fit.error)}."]
    row = fit.holdout["budgets"][-1]
    ends = interval(row["low"], row["high"], lambda value: f"{value:.3f}")
    prediction = f"{row['predicted']:.3f}" + (f" ({ends})" if ends else "")
    side = "above" if row["relative_error"] < 0 else "below"
    return [
        f"Fitted without the {runs}, the law predicts {prediction} for the best run of {scientific(row['C'])} FLOPs;"
        f" {row['loss']:.3f} was measured, {percent(abs(row['relative_error']))} {side} that."
    ]
