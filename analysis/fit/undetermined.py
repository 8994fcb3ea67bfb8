"""Reasons why runs cannot tell how to spend a larger budget, whatever the fit says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from openr1.analysis.formatting import percent, times
from openr1.analysis.laws.base import Law
from openr1.analysis.laws.regression import CurveLaw
from openr1.analysis.sources.budgets import group_budgets

if TYPE_CHECKING:
    import pandas as pd

WIDEST = 100  # factor from the lower to the upper end of a 95 % interval, beyond which an amount is no advice
UNBOUNDED = 1e100  # amounts that no run can have
ALIKE = np.log(1.05)  # range of the logarithm of values that are one value, as in a compute budget
NOISY = 0.5  # share of the variance of the losses that the law may leave unexplained
EXPONENTS = {"alpha": "sizes", "beta": "numbers of tokens", "eta": "budgets"}  # what tells more of each exponent


def undetermined(law: Law, frame: pd.DataFrame, params: np.ndarray, at_bound: Sequence[str], flat: Sequence[str]) -> str:
    """Return why the runs give no advice on larger budgets and what to add, or an empty text.

    :param params: the estimate (1, p).
    :param at_bound: parameters at the edge of their plausible range.
    :param flat: parameters that can change threefold at nearly the same objective.
    """
    if not isinstance(law, CurveLaw) or law.response != "loss":
        return ""
    if law.allocates and {"N", "D"} <= set(frame):
        reason = one_direction(frame) or _two_values(law, frame)
        if reason:
            return reason
    if law.best_runs_only and "N" in frame and np.ptp(np.log(frame["N"].to_numpy(dtype=float))) < ALIKE:
        return (
            "the runs have one model size, so that their best loss is that of more tokens and not of more compute: add runs of"
            " other sizes, or fit law.x=D"
        )
    if not (law.allocates or law.best_runs_only):
        return ""
    residuals, logs = law.residuals(params, frame), np.log(law.observed(law.fitted_rows(frame)))
    noise = residuals if law.loss.logs else residuals / law.observed(law.fitted_rows(frame))
    if np.var(noise) > NOISY * np.var(logs):
        left, differ = percent(float(np.var(noise) / np.var(logs))), percent(float(np.expm1(np.ptp(logs))))
        return (
            f"the losses of the runs differ by {differ}, and the law leaves {left} of their variance unexplained: it does not"
            " describe these runs, or they hardly differ but for noise; add runs that differ more in size and in tokens"
        )
    if "E" in at_bound:
        return (
            "the runs do not show an irreducible loss (E is next to 0), so that they cannot tell what more compute buys: add"
            " runs of larger budgets"
        )
    free = [name for name in EXPONENTS if name in {*at_bound, *flat}]
    if law.allocates and free:
        return (
            f"the runs do not determine {' and '.join(free)}, so that they cannot tell how to divide compute: add runs of"
            f" other {' and '.join(EXPONENTS[name] for name in free)}"
        )
    return ""


def too_wide(name: str, value: float, low: float, high: float) -> str:
    """Return why an amount that is to be advised, such as N*, is not determined, or an empty text.

    :param low: the lower end of its 95 % interval, and ``high`` the upper one; NaN without an interval.
    """
    if not 0 < value < UNBOUNDED:
        return f"by the law, {name} is {'infinite' if value > 0 else '0'}"
    if not (low <= 0 or high > WIDEST * low):  # False for NaN
        return ""
    span = f"a factor of {times(high / low)}" if low > 0 and high < UNBOUNDED else "all magnitudes"
    return f"the 95 % interval of {name} spans {span}"


def _two_values(law: CurveLaw, frame: pd.DataFrame) -> str:
    """Return the reason if two values of N, or of D, are to determine a floor, a coefficient and an exponent."""
    free = {*law.free(frame)} - {*law.constraints.priors}
    for name, what, unknown in (("N", "model sizes", ("E", "A", "alpha")), ("D", "numbers of tokens", ("E", "B", "beta"))):
        levels = len(np.unique(group_budgets(frame[name].to_numpy(dtype=float))))
        if levels == 2 and {*unknown} <= free and not {"alpha", "beta"} & {*law.constraints.tied}:
            return (
                f"the runs have two {what}, which do not determine {unknown[0]}, {unknown[1]} and {unknown[2]} together: add a"
                " third one"
            )
    return ""


def one_direction(frame: pd.DataFrame) -> str:
    """Return the reason if all runs lie on one line of log N and log D."""
    log_n, log_d = (np.log(frame[name].to_numpy(dtype=float)) for name in ("N", "D"))
    cannot = "so that they cannot tell how to divide compute"
    if np.ptp(log_n) < ALIKE:
        return f"the runs have one model size, {cannot}: add runs of other sizes"
    if np.ptp(log_d) < ALIKE:
        return f"the runs have one number of tokens, {cannot}: add runs with other numbers of tokens"
    slope, intercept = np.polyfit(log_n, log_d, 1)
    if np.ptp(log_d - slope * log_n - intercept) > ALIKE:
        return ""
    if np.ptp(log_n + log_d) < ALIKE:
        return "the runs have one budget, so that they cannot tell how the best size changes with compute: add other budgets"
    ratio = f"{times(float(np.exp(np.median(log_d - log_n))))} N" if np.ptp(log_d - log_n) < ALIKE else f"N^{slope:.2f}"
    relation = f"D = {ratio}" if ratio.endswith(" N") else f"D in proportion to {ratio}"
    return (
        f"the runs all have {relation}, so that the effects of N and D cannot be told apart: add runs of these sizes with more"
        " and with fewer tokens"
    )
