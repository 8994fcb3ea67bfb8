"""Power laws of the best learning rate and batch size from a grid of runs (arXiv 2503.04715; arXiv 2406.19146)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Protocol

import numpy as np
from annotated_types import Interval

from openr1.analysis.formatting import short
from openr1.analysis.laws.base import Law, Parameter, Solution
from openr1.analysis.numerics.optimise import Objective
from openr1.analysis.numerics.quadratic_surfaces import Surface, least_squares
from openr1.analysis.sources.frame import group_budgets
from openr1.analysis.warning import RankedWarning, Severity
from openr1.options.ranges import OneOf
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

OBJECTIVES = ("loss", "error")
SAME = 0.1  # range of log N or log D below which it counts as constant
TOGETHER = 1e-3  # 1 - r^2 of log N and log D below which their exponents cannot be told apart


class LawOfCells(Protocol):
    """A law of the best value of a setting in each cell, the runs of one N and one D."""

    nearest: int  # values of the setting, and batch sizes, that a cell is fitted to

    @property
    def targets(self) -> dict[str, str]:
        """The predicted columns, with their names in words; the batch size is the second one, if it is one."""


@dataclass
class Hyperparameter(Law):
    """The learning rate of lowest loss as a power law of N and D; with ``batch``, the best batch size as well.

    A cell is the runs of one N and one D, within 5 %. Its optimum is the minimum of a parabola of loss in log learning rate,
    or, for three or more batch sizes, of a quadratic surface in log learning rate and log batch size. With fewer batch sizes,
    only the runs at the best run's batch size count. Only the ``nearest`` values of each to the best run are fitted, since
    farther away the loss rises faster towards large learning rates. A cell whose optimum is not inside its grid is left out,
    and named in the warnings.

    The power laws are fitted by least squares of logarithms over the cells; the objective is the sum of squared residuals.
    """

    name: ClassVar[str] = "hyperparameter"
    title: ClassVar[str] = "Optimal learning rate and batch size"
    source: ClassVar[str] = "Li et al. 2025 (Step Law), arXiv 2503.04715; Porian et al. 2024, arXiv 2406.19146"
    response: ClassVar[str] = "lr"

    objective: Annotated[str, OneOf(OBJECTIVES)] = "loss"  # column that is lowest at the best learning rate: loss, or error
    batch: bool = False  # fit the best batch size, in tokens, too
    nearest: Annotated[int, Interval(ge=3, le=10**6)] = 5  # learning rates, and batch sizes, that a cell is fitted to

    @property
    def targets(self) -> dict[str, str]:
        """The predicted columns, with their names in words."""
        return {"lr": "learning rate"} | ({"batch": "batch size"} if self.batch else {})

    @property
    def needs(self) -> tuple[str, ...]:
        return ("N", "D", self.objective, *self.targets)

    def prepare(self, frame: pd.DataFrame) -> tuple[Law, pd.DataFrame]:
        """Return rows with the objective in the place of the loss."""
        return self, self._with_objective(frame)

    def _with_objective(self, frame: pd.DataFrame) -> pd.DataFrame:
        is_other = self.objective != "loss" and self.objective in frame
        return frame.assign(loss=frame[self.objective]) if is_other else frame

    @property
    def formula(self) -> str:
        return ", ".join(f"{y}*(N, D) = {y}_coefficient N^{y}_N_exponent D^{y}_D_exponent" for y in self.targets)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        parameters = []
        for y, what in self.targets.items():
            parameters.append(Parameter(f"{y}_coefficient", f"best {what} at one parameter and one token", coefficient=True))
            for x, of in (("N", "parameters"), ("D", "tokens")):
                meaning = f"exponent of the best {what} in {of}"
                parameters.append(Parameter(f"{y}_{x}_exponent", meaning, lower=-3, upper=3, positive=False))
        return tuple(parameters)

    @property
    def loss(self) -> Objective:
        return Objective("mse", None)

    def estimate(self, frame: pd.DataFrame) -> Solution:
        cells = Cells(frame, self)
        left_out = exclusion_warnings(cells)
        if not cells.determined.any():
            raise ConfigError(
                f"law: hyperparameter needs a cell (one N and one D) with an inner optimum; {'; '.join(left_out)}"
            )
        _, unvaried = cells.exponents()
        params, squares = cells.powers(cells.optima(np.ones((1, len(frame)))))
        return Solution(params, squares, tables={"cells": cells.table}, warnings=left_out + unvaried)

    def resample(self, frame: pd.DataFrame, params: np.ndarray, weights: np.ndarray) -> np.ndarray:
        cells = Cells(frame, self)
        return cells.powers(cells.optima(weights))[0]

    def predict(self, params: np.ndarray, frame: pd.DataFrame) -> np.ndarray:
        """Predict the best learning rates (m, n) at the N and D of each row."""
        return self.optimum(params, "lr", frame["N"].to_numpy(dtype=float), frame["D"].to_numpy(dtype=float))

    def optimum(self, params: np.ndarray, target: str, n: np.ndarray | float, d: np.ndarray | float) -> np.ndarray:
        """Predict the best ``lr`` or ``batch`` (m, n) at sizes (n,) and tokens, (n,) or one number."""
        first = 3 * list(self.targets).index(target)
        coefficient, by_n, by_d = (column[:, None] for column in params.T[first : first + 3])
        return coefficient * np.atleast_1d(n) ** by_n * d**by_d

    def fitted_rows(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return a row per cell with an optimum: ``N``, ``D``, and ``lr``, ``batch`` and ``loss`` there; ``C`` if it is
        known.
        """
        import pandas as pd

        frame = self._with_objective(frame)
        cells = Cells(frame, self)
        known = ["N", "D", "lr", *(["batch"] if "batch" in frame else []), "loss"]
        table = pd.DataFrame(cells.table)[known]
        if "C" in frame:
            log_c = np.log(frame["C"].to_numpy(dtype=float))
            table.insert(2, "C", [float(np.exp(log_c[cells.label == i].mean())) for i in range(len(table))])
        return table[cells.determined].reset_index(drop=True)

    def strata(self, frame: pd.DataFrame) -> np.ndarray:
        """Return labels (n,) of cells, with the fitted runs of a cell apart from its other runs."""
        return Cells(frame, self).strata()


class Cell:
    """The runs of one N and one D, and the surface of loss through the runs near the best of them.

    :param target: the column whose best value is looked for; after it, the batch size.
    """

    def __init__(self, frame: pd.DataFrame, rows: np.ndarray, nearest: int, target: str = "lr") -> None:
        loss, lr = (frame[name].to_numpy(dtype=float)[rows] for name in ("loss", target))
        batch = frame["batch"].to_numpy(dtype=float)[rows] if "batch" in frame else np.full(len(rows), np.nan)
        best, logs, near = loss.argmin(), {target: np.log(lr)}, np.ones(len(rows), dtype=bool)
        self.batch = float(batch[best])
        if (batch > 0).all():  # known for every run
            if len(np.unique(batch)) >= 3:
                logs["batch"] = np.log(batch)
            else:
                near = batch == batch[best]
        for values in logs.values():
            levels = np.unique(values[near])
            levels = levels[np.argsort(np.abs(levels - values[best]), kind="stable")[:nearest]]
            near &= np.isin(values, levels)
        self.axes, self.runs, self.rows = list(logs), len(rows), rows[near]
        coordinates = np.stack([values[near] for values in logs.values()], axis=1)
        self.rates = len(np.unique(coordinates[:, 0]))
        self.surface = Surface(coordinates, loss[near])

    def row(self, weights: np.ndarray, targets: dict[str, str]) -> dict:
        """Return the optimum for weights (n,) of the runs of the frame; ``excluded`` is the reason if there is none."""
        minimum = self.surface.minimum(weights[None, self.rows])
        reason = self._reason(float(minimum.curvature[0]), targets)
        if not reason and np.isnan(minimum.value[0]):
            reason = "the minimum is beyond the grid"
        if reason:
            return {self.axes[0]: np.nan, "batch": np.nan, "loss": np.nan, "runs": self.runs, "excluded": reason}
        best, *batch = np.exp(minimum.place[0]).tolist()
        value = float(minimum.value[0])
        known = {self.axes[0]: best, "batch": batch[0] if batch else self.batch}
        return {**known, "loss": value, "runs": self.runs, "excluded": ""}

    def _reason(self, curvature: float, targets: dict[str, str]) -> str:
        """Return the reason why a cell has no optimum, or an empty string."""
        words = {"batch": "batch size", **targets}
        if self.rates < 3:
            return f"fewer than three {words[self.axes[0]]}s"
        if len(self.axes) < len(targets):
            return "fewer than three batch sizes"
        for name, inner in zip(self.axes, self.surface.inner, strict=True):
            if not inner:
                return f"the best {words[name]} is at the edge of the grid"
        if np.isnan(curvature):
            return "too few runs near the best one"
        return "" if curvature > 0 else "the loss does not curve upward"


class Cells:
    """The cells of a frame: ``n`` and ``d`` (cells,), the ``label`` (n,) of each run, and a mask of the ``determined``
    cells.
    """

    def __init__(self, frame: pd.DataFrame, law: LawOfCells) -> None:
        target = next(iter(law.targets))
        if "batch" in law.targets and "batch" not in frame:
            raise ConfigError("runs.columns.batch: law.batch=true needs this column; name it")
        if not (frame["lr"] > 0).all():
            raise ConfigError("runs.columns.lr: must be above 0 in every run")
        n, tokens, d = frame["N"].to_numpy(dtype=float), frame["D"].to_numpy(dtype=float), np.empty(len(frame))
        for size in np.unique(n):
            d[n == size] = group_budgets(tokens[n == size])
        places, label = np.unique(np.stack([n, d], axis=1), axis=0, return_inverse=True)
        (self.n, self.d), self.label, self.targets = places.T, label.ravel(), law.targets
        self.weight = frame["weight"].to_numpy(dtype=float) if "weight" in frame else np.ones(len(frame))
        self.cells = [Cell(frame, np.flatnonzero(self.label == i), law.nearest, target) for i in range(len(places))]
        self.table = [
            {"N": float(size), "D": float(tokens), **cell.row(self.weight, law.targets)}
            for (size, tokens), cell in zip(places, self.cells, strict=True)
        ]
        self.determined = np.array([not row["excluded"] for row in self.table])

    def strata(self) -> np.ndarray:
        """Return labels (n,) of the cells, with the fitted runs of a cell apart from its other runs."""
        labels = 2 * self.label
        for cell in self.cells:
            labels[cell.rows] += 1
        return labels

    def optima(self, weights: np.ndarray) -> np.ndarray:
        """Return the logarithms (m, determined cells, targets) of the optima for each row of weights (m, n); NaN without
        an optimum.
        """
        cells = [cell for cell, determined in zip(self.cells, self.determined, strict=True) if determined]
        weights = weights * self.weight
        places = [cell.surface.minimum(weights[:, cell.rows]).place[:, : len(self.targets)] for cell in cells]
        return np.stack(places, axis=1)

    def exponents(self) -> tuple[list[int], list[RankedWarning]]:
        """Return which of log N (0) and log D (1) vary enough over the cells to have an exponent, and warnings about the
        others.
        """
        logs = np.log(np.stack([self.n, self.d])[:, self.determined])
        same = np.ptp(logs, axis=1) < SAME
        warnings = [
            RankedWarning(
                f"{'ND'[i]} is the same in all cells, so that exponents of {'ND'[i]} are set to 0", Severity.MISLEADING
            )
            for i in np.flatnonzero(same)
        ]
        if not same.any() and 1 - np.corrcoef(logs)[0, 1] ** 2 < TOGETHER:
            same[1] = True
            warnings.append(
                RankedWarning(
                    "N and D vary together over the cells, so that exponents of D are set to 0 and those of N cover both",
                    Severity.MISLEADING,
                )
            )
        return list(np.flatnonzero(~same)), warnings

    def powers(self, optima: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Fit the power laws to logarithms of optima; return parameters (m, 3 targets) and the sums (m,) of squared
        residuals.
        """
        varying, _ = self.exponents()
        logs = np.log(np.stack([self.n, self.d], axis=1)[self.determined])
        mean = logs.mean(axis=0)
        design = np.concatenate([np.ones((len(logs), 1)), (logs - mean)[:, varying]], axis=1)
        there = ~np.isnan(optima[:, :, 0])
        params, squares = [], np.zeros(len(optima))
        for target in np.nan_to_num(optima).transpose(2, 0, 1):
            line = least_squares(design, target, there.astype(float))
            exponents = np.zeros((len(line), 2))
            exponents[:, varying] = line[:, 1:]
            params += [np.exp(line[:, 0] - exponents @ mean), *exponents.T]
            squares += np.sum(there * (target - line @ design.T) ** 2, axis=1)
        all_params = np.stack(params, axis=1)
        all_params[np.isnan(all_params).any(axis=1)] = np.nan
        return all_params, squares


def exclusion_warnings(cells: Cells, shown: int = 3) -> list[RankedWarning]:
    """Return a warning for each reason, with the cells that it excludes."""
    reasons: dict[str, list[str]] = {}
    for row in cells.table:
        if row["excluded"]:
            reasons.setdefault(row["excluded"], []).append(f"{short(row['N'])} on {short(row['D'])} tokens")
    return [
        RankedWarning(
            f"{len(names)} of {len(cells.table)} cells are left out ({reason}):"
            f" {', '.join(names[:shown])}{', ...' if len(names) > shown else ''}",
            Severity.DATA,
        )
        for reason, names in reasons.items()
    ]
