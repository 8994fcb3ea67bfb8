"""Parabolas of pass rate in the numbers of rollouts and of problems, one for each budget of reinforcement learning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from openr1.analysis.numerics.quadratic_surfaces import least_squares
from openr1.analysis.sources.budgets import group_budgets

if TYPE_CHECKING:
    import pandas as pd

LEAST = 3  # different values that a parabola needs
ROUNDING = 1e-9  # of a logarithm that is at an edge, and of equal pass rates
WORDS = {"rollouts": "rollouts of a problem", "prompts": "problems of a step"}


class Budgets:
    """The runs of a frame by their budgets.

    :ivar flops: compute (b,) of each budget, in the unit of C.
    :ivar label: the budget (n,) of each run, by number.
    :ivar table: a row per budget: ``C``, the best of each target, ``pass_at_1`` there, ``runs``, and ``excluded``, why there is
        none or an empty text.
    :ivar determined: a mask (b,) of the budgets with an optimum.
    """

    def __init__(self, frame: pd.DataFrame, targets: Sequence[str], nearest: int, column: str | None) -> None:
        """Group the runs.

        :param targets: ``rollouts``, and ``prompts`` if its best value is wanted too.
        :param nearest: different values around the best one that a parabola is fitted to.
        :param column: of the budgets; null for the compute of the runs.
        """
        compute = frame["C"].to_numpy(dtype=float)
        groups = group_budgets(compute) if column is None else frame[column].to_numpy()
        labels, self.label = np.unique(groups, return_inverse=True)
        self.flops = np.array([np.exp(np.log(compute[self.label == i]).mean()) for i in range(len(labels))])
        self.weight = frame["weight"].to_numpy(dtype=float) if "weight" in frame else np.ones(len(frame))
        self.targets = list(targets)
        self.profiles = [Profile(frame, np.flatnonzero(self.label == i), self.targets, nearest) for i in range(len(labels))]
        self.table = [
            {"C": float(flops), **profile.row(self.weight)} for flops, profile in zip(self.flops, self.profiles, strict=True)
        ]
        self.determined = np.array([not row["excluded"] for row in self.table])

    def optima(self, weights: np.ndarray) -> np.ndarray:
        """Return the logarithms (m, determined budgets, targets) of the best values for each row of weights (m, n), at an edge
        where a resample has them beyond; NaN where it draws too few values.
        """
        known = [profile for profile, there in zip(self.profiles, self.determined, strict=True) if there]
        weights = weights * self.weight
        return np.stack([profile.best(weights[:, profile.rows])[0] for profile in known], axis=1)


class Profile:
    """The runs of one budget: ``pass = c + sum over axes of g x + h x^2``, x the logarithm of a number.

    The other of rollouts and problems is an axis too if it varies by itself, so that its effect is not taken for that of a
    target: with a slope alone where there are two values of it. Where it follows from the target, as with equal answers of a
    step, the parabola is of both together.
    """

    def __init__(self, frame: pd.DataFrame, rows: np.ndarray, targets: list[str], nearest: int) -> None:
        self.runs = len(rows)
        self.targets = targets
        rate = frame["pass_at_1"].to_numpy(dtype=float)
        logs = {
            name: np.log(frame[name].to_numpy(dtype=float))
            for name in ("rollouts", "prompts")
            if name in frame and (name in targets or bool((frame[name] > 0).all()))
        }
        near = np.ones(len(rows), dtype=bool)
        for name in targets:
            values = logs[name][rows]
            levels = np.unique(values)
            means = [rate[rows][values == level].mean() for level in levels]
            best = levels[int(np.argmax(means))]
            near &= np.isin(values, levels[np.argsort(np.abs(levels - best), kind="stable")[:nearest]])
        self.rows = rows[near]
        self.rate = rate[self.rows]
        self.logs = {name: values[self.rows] for name, values in logs.items()}
        self.levels = {name: len(np.unique(values)) for name, values in self.logs.items()}
        self.centre = {name: float(values.mean()) for name, values in self.logs.items()}
        columns = [np.ones(len(self.rows))]
        self.place: dict[str, int] = {}
        for name, values in self.logs.items():
            if self.levels[name] > 1:
                self.place[name] = len(columns)
                at = values - self.centre[name]
                own = [at, at**2] if self.levels[name] >= LEAST else [at]
                if name not in targets and _follow(columns, own):
                    continue  # as problems follow from rollouts where a step always has as many answers
                columns += own
        self.design = np.stack(columns, axis=1)

    def row(self, weight: np.ndarray) -> dict[str, Any]:
        """Return the best values for weights (n,) of the runs of the frame, and why there are none if so."""
        few = next((name for name in self.targets if self.levels[name] < LEAST), None)
        reason = f"fewer than three numbers of {WORDS[few]} were tried" if few else ""
        nothing = dict.fromkeys((*self.targets, "pass_at_1"), np.nan)
        if not reason:
            places, value, coefficients = self.best(weight[None, self.rows])
            reason = self._reason(places[0], coefficients[0])
            if not reason:
                best = dict(zip(self.targets, np.exp(places[0]).tolist(), strict=True))
                return {**best, "pass_at_1": float(value[0]), "runs": self.runs, "excluded": ""}
        return {**nothing, "runs": self.runs, "excluded": reason}

    def _reason(self, places: np.ndarray, coefficients: np.ndarray) -> str:
        if np.isnan(coefficients).any():
            return "too few runs differ"
        if np.ptp(self.rate) <= ROUNDING:
            return "all pass rates are the same"
        for name, place in zip(self.targets, places, strict=True):
            if coefficients[self.place[name] + 1] >= 0:
                return f"the pass rate does not curve downward in the {WORDS[name]}"
            ends = self.logs[name].min(), self.logs[name].max()
            if not ends[0] + ROUNDING < place < ends[1] - ROUNDING:
                side = "smallest" if place <= ends[0] + ROUNDING else "largest"
                return f"the best number of {WORDS[name]} is at the {side} that was tried"
        return ""

    def best(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the logarithms (m, targets) of the best values within the grid, the pass rate (m,) there, and the coefficients
        (m, p), for each row of weights (m, rows).
        """
        coefficients = least_squares(self.design, self.rate, weights)
        places, value = [], coefficients[:, 0].copy()
        for name in self.targets:
            slope, bend = coefficients[:, self.place[name]], coefficients[:, self.place[name] + 1]
            low, high = self.logs[name].min() - self.centre[name], self.logs[name].max() - self.centre[name]
            with np.errstate(all="ignore"):
                inner = np.clip(-slope / (2 * bend), low, high)
            edge = np.where(slope * (high - low) + bend * (high**2 - low**2) > 0, high, low)
            at = np.where(bend < 0, inner, edge)
            at = np.where(np.isnan(slope), np.nan, at)
            value += slope * at + bend * at**2
            places.append(at + self.centre[name])
        return np.stack(places, axis=1), value, coefficients


def _follow(columns: list[np.ndarray], more: list[np.ndarray]) -> bool:
    """Return whether further columns of a design depend on those that it has, so that no fit can tell their effects apart."""
    return int(np.linalg.matrix_rank(np.stack([*columns, *more], axis=1))) < len(columns) + len(more)
