"""The best number of rollouts of a problem against the compute of reinforcement learning (arXiv 2603.12151)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from annotated_types import Interval

from openr1.analysis.formatting import compute, short
from openr1.analysis.laws.allocation import weighted_line
from openr1.analysis.laws.base import Law, Parameter, Solution
from openr1.analysis.laws.group_sizes import Budgets
from openr1.analysis.laws.saturation import fit_saturation, saturation
from openr1.analysis.numerics.optimise import Objective
from openr1.analysis.warning import RankedWarning, Severity
from openr1.options.ranges import OneOf
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

FORMS = ("power", "saturating")
LEAST_BUDGETS = {"power": 2, "saturating": 4}
TARGETS = {"rollouts": "rollouts of a problem", "prompts": "problems of a step"}


@dataclass
class RlIsocompute(Law):
    """The number of rollouts of a problem with the highest pass rate at equal compute, as a function of compute; with
    ``prompts``, the best number of problems of a step as well, and the steps follow.

    A step answers ``prompts`` problems ``rollouts`` times each, so that compute is in proportion to ``prompts rollouts steps``.
    At each budget, pass rates are fitted by a parabola in the logarithm of the rollouts, and of the problems where there are
    three or more numbers of them. A budget whose best number is at an edge of its grid is left out of the law, and named. A
    resample whose best number is beyond the grid has it at the edge, so that intervals know of it.

    ``power`` is ``rollouts* = coefficient C^exponent``; ``saturating`` is ``rollouts* = max/(1 + (C_half/C)^s)``, for four
    budgets or more. Both are fitted by least squares of logarithms over the budgets.

    Of the paper, its abstract and first figure were read: compute is problems times rollouts times iterations, the best number
    of rollouts rises with compute and then saturates, and the number of problems hardly matters within a broad range. The
    parabolas and both formulas are this project's own; a summary by others calls the paper's curve a sigmoid.
    """

    name: ClassVar[str] = "rl_isocompute"
    title: ClassVar[str] = "Rollouts at equal compute"
    source: ClassVar[str] = "Cheng et al. 2026 (IsoCompute Playbook), arXiv 2603.12151"
    response: ClassVar[str] = "rollouts"

    form: Annotated[str, OneOf(FORMS)] = "power"  # power, or saturating
    prompts: bool = False  # fit the best number of problems of a step too
    # numbers of rollouts, and of problems, around the best that are fitted
    nearest: Annotated[int, Interval(ge=3, le=10**6)] = 7
    budget: str | None = None  # column of the budgets, such as budget.flops; null for C of runs within 5 %

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.prompts and self.form != "power":
            raise ConfigError("law.prompts: the best number of problems has a power law; set law.form=power")

    @property
    def targets(self) -> dict[str, str]:
        """The columns whose best values are fitted, with their names in words."""
        return {name: words for name, words in TARGETS.items() if name == "rollouts" or self.prompts}

    @property
    def needs(self) -> tuple[str, ...]:
        return ("C", "pass_at_1", *self.targets)

    @property
    def uses(self) -> tuple[str, ...]:
        return ("prompts",)

    @property
    def formula(self) -> str:
        if self.form == "saturating":
            return "rollouts*(C) = rollouts_max/(1 + (C_half/C)^steepness)"
        return ", ".join(f"{name}*(C) = {name}_coefficient C^{name}_exponent" for name in self.targets)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        if self.form == "saturating":
            return (
                Parameter("rollouts_max", "best number of rollouts of endless compute"),
                Parameter("C_half", "compute at half of it", coefficient=True),
                Parameter("steepness", "exponent of the rise before it", lower=0.05, upper=8),
            )
        parameters = []
        for name, words in self.targets.items():
            parameters.append(Parameter(f"{name}_coefficient", f"best {words} at one unit of compute", coefficient=True))
            meaning = f"exponent of the best {words} in compute"
            parameters.append(Parameter(f"{name}_exponent", meaning, lower=-3, upper=3, positive=False))
        return tuple(parameters)

    @property
    def loss(self) -> Objective:
        return Objective("log_mse", None)

    def budgets(self, frame: pd.DataFrame) -> Budgets:
        """Return the runs by budget.

        :raises ConfigError: for values that are no compute, no pass rates or no counts.
        """
        if self.budget is not None and self.budget not in frame:
            raise ConfigError(f"law.budget: there is no column {self.budget!r}")
        rate = frame["pass_at_1"].to_numpy(dtype=float)
        if not ((rate >= 0) & (rate <= 1)).all():
            raise ConfigError(f"runs.columns.pass_at_1: must be from 0 to 1; it ranges from {rate.min():g} to {rate.max():g}")
        for name in ("C", *self.targets):
            if not (frame[name] > 0).all():
                raise ConfigError(f"runs.columns.{name}: must be above 0 in every run")
        return Budgets(frame, tuple(self.targets), self.nearest, self.budget)

    def estimate(self, frame: pd.DataFrame) -> Solution:
        budgets = self.budgets(frame)
        left_out = _exclusions(budgets)
        least = LEAST_BUDGETS[self.form]
        if budgets.determined.sum() < least:
            counted = f"there {'is' if budgets.determined.sum() == 1 else 'are'} {budgets.determined.sum()}"
            why = f"; {'; '.join(left_out)}" if left_out else ""
            raise ConfigError(
                f"law: rl_isocompute needs {least} budgets, each with a best number of {TARGETS['rollouts']} between others;"
                f" {counted}{why}"
            )
        params, squares = self._fit(budgets, budgets.optima(np.ones((1, len(frame)))))
        warnings = left_out
        if budgets.determined.sum() == least and self.form == "power":
            exact = "two budgets determine the law exactly, so that nothing shows if it is one"
            warnings = [*warnings, RankedWarning(exact, Severity.MISLEADING)]
        if self.form == "saturating" and params[0, 1] > budgets.flops[budgets.determined].max():
            unsaturated = "the best number of rollouts does not saturate within the runs; law.form=power says as much of them"
            warnings = [*warnings, RankedWarning(unsaturated, Severity.PARAMETER)]
        return Solution(params, squares, tables={"budgets": budgets.table}, warnings=warnings)

    def resample(self, frame: pd.DataFrame, params: np.ndarray, weights: np.ndarray) -> np.ndarray:
        budgets = self.budgets(frame)
        return self._fit(budgets, budgets.optima(weights))[0]

    def _fit(self, budgets: Budgets, optima: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Fit the law to logarithms of optima (m, budgets, targets); return parameters (m, p) and sums (m,) of squares."""
        log_c = np.log(budgets.flops[budgets.determined])
        if self.form == "saturating":
            return fit_saturation(log_c, optima[:, :, 0])
        params, squares = [], np.zeros(len(optima))
        for target in optima.transpose(2, 0, 1):
            there = np.isfinite(target)
            intercept, slope = weighted_line(log_c, target, there.astype(float))
            residuals = target - intercept[:, None] - slope[:, None] * log_c
            squares += np.nansum(residuals**2, axis=1)
            params += [np.exp(intercept), slope]
        every = np.stack(params, axis=1)
        every[~np.isfinite(every).all(axis=1)] = np.nan
        return every, squares

    def predict(self, params: np.ndarray, frame: pd.DataFrame) -> np.ndarray:
        """Predict the best numbers of rollouts (m, n) at the compute of each row."""
        return self.optimum(params, "rollouts", frame["C"].to_numpy(dtype=float))

    def optimum(self, params: np.ndarray, target: str, flops: np.ndarray | float) -> np.ndarray:
        """Return the best ``rollouts`` or ``prompts`` (m, n) at compute (n,)."""
        at = np.atleast_1d(flops)
        if self.form == "saturating":
            return np.exp(saturation(np.log(at), *(column[:, None] for column in params.T)))
        first = 2 * list(self.targets).index(target)
        coefficient, exponent = (column[:, None] for column in params.T[first : first + 2])
        return coefficient * at**exponent

    def fitted_rows(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return a row per budget with an optimum: ``C``, ``rollouts``, ``prompts`` if it is fitted, and ``pass_at_1``
        there."""
        import pandas as pd

        table = pd.DataFrame(self.budgets(frame).table)
        return table[table["excluded"] == ""].drop(columns="excluded").reset_index(drop=True)

    def strata(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the budgets (n,), each of which has its own parabola."""
        return self.budgets(frame).label


def _exclusions(budgets: Budgets) -> list[RankedWarning]:
    """Return a warning for each budget that is left out."""
    return [
        RankedWarning(
            f"the budget of {compute(row['C'])} is left out, since {row['excluded']} (of {short(row['runs'])} runs)",
            Severity.DATA,
        )
        for row in budgets.table
        if row["excluded"]
    ]
