"""The multi-power law of loss curves under any learning rate schedule (arXiv 2503.12811)."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from annotated_types import Interval

from openr1.analysis.laws.base import Law, Parameter, Solution
from openr1.analysis.laws.points import Inputs, Points
from openr1.analysis.laws.regression import CurveLaw
from openr1.analysis.numerics.rate_changes import RateChanges, rate_changes, warmup_end
from openr1.analysis.sources.schedules import configured, rates_of_runs
from openr1.analysis.warning import RankedWarning, Severity
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

BLOCK = 2_000_000  # changes of the rate, times curves, that are computed at a time


@dataclass
class Schedule(CurveLaw):
    """Loss at every step t of runs of one model and batch size, whose learning rates eta differ in their course.

        L(t) = L0 + A S(t)^-alpha - B sum_k (eta_{k-1} - eta_k) G(eta_k^-gamma S_k(t)),    G(x) = 1 - (C x + 1)^-beta

    S(t) is the sum of the learning rates up to step t, warm-up included (``S1 + S_W`` in the paper), and S_k(t) that from step
    k on. The sum over k is over the changes after the warm-up, up to t; a rise counts as a negative fall. Points within the
    warm-up are left out. The authors' code counts the rise of the warm-up as well, so that its L0 is lower by about
    ``B max eta``.

    Fitted with the Huber loss of log loss to the curves of at least two schedules, it predicts the whole curve of any other.
    """

    name: ClassVar[str] = "schedule"
    title: ClassVar[str] = "Multi-power law"
    source: ClassVar[str] = "Luo et al. 2025, arXiv 2503.12811"
    formula: ClassVar[str] = "L(t) = L0 + A S(t)^-alpha - B sum_k (lr_{k-1} - lr_k) (1 - (C lr_k^-gamma S_k(t) + 1)^-beta)"
    predictors: ClassVar[tuple[str, ...]] = ("step", "lr")
    needs: ClassVar[tuple[str, ...]] = ("run", "step", "loss")
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("L0", "irreducible loss, nats per token", lower=1e-3),
        Parameter("A", "coefficient of the sum of learning rates", coefficient=True),
        Parameter("alpha", "exponent of the sum of learning rates", lower=1e-2, upper=3, starts=(0.2, 1)),
        Parameter("B", "loss that falls in all with the rate, per unit of it", coefficient=True),
        Parameter("C", "speed of that fall", coefficient=True, starts=(1, 1e4)),
        Parameter("beta", "exponent of that fall", lower=1e-2, upper=10, starts=(0.2, 1)),
        Parameter("gamma", "exponent of the learning rate in its speed", lower=1e-2, upper=3, starts=(0.2, 1)),
    )

    # points of a run that the law is fitted to, evenly spread over its rows; all would take long, and their errors are alike
    points_per_run: Annotated[int, Interval(ge=3, le=10**6)] = 100

    def prepare(self, frame: pd.DataFrame) -> tuple[Law, pd.DataFrame]:
        """Add the learning rates of all steps of its run to each row, so that they are known if other rows are held out."""
        if "rates" in frame or not {"run", "step"} <= set(frame):
            return self, frame
        rates = rates_of_runs(frame)
        return self, frame.assign(rates=[rates[run] for run in frame["run"]])

    def fitted_rows(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the rows after the warm-up of their runs, evenly thinned, with the ``lr`` of each step."""
        frame = self.prepare(frame)[1]
        step, kept = frame["step"].to_numpy(dtype=int), []
        lr = np.array([rates[at] for rates, at in zip(frame["rates"], step, strict=True)])
        for rates, rows in _by_schedule(frame):
            after = rows[step[rows] >= max(warmup_end(rates), 1)]
            after = after[np.argsort(step[after], kind="stable")]
            if len(after) > self.points_per_run:
                after = after[np.linspace(0, len(after) - 1, self.points_per_run).round().astype(int)]
            kept.append(after)
        return frame.assign(lr=lr).iloc[np.sort(np.concatenate(kept))]

    def inputs(self, frame: pd.DataFrame) -> dict[str, np.ndarray]:
        """Return ``area`` (n,), and the blocks of changes of :class:`RateChanges`, (p,) each."""
        frame = self.prepare(frame)[1]
        step, groups = frame["step"].to_numpy(dtype=int), _by_schedule(frame)
        changes = [rate_changes(rates, step[rows]) for rates, rows in groups]
        return _join(changes, [rows for _, rows in groups], len(frame))

    def points(self, frame: pd.DataFrame) -> Points:
        """Return the points after the warm-ups, with sums of rates and rates in units of their geometric means."""
        rows = self.fitted_rows(frame)
        columns = self.inputs(rows)
        unit = {"area": float(np.exp(np.log(columns["area"]).mean())), "rate": 1.0}
        if len(columns["rate"]):
            unit["rate"] = float(np.exp(np.log(columns["rate"]).mean()))
        scale = {"area": unit["area"], "reach": unit["area"], "rate": unit["rate"], "drop": unit["rate"], "point": 1.0}
        weights = rows["weight"].to_numpy(dtype=float) if "weight" in rows else np.ones(len(rows))
        x = Inputs(**{name: values if scale[name] == 1 else values / scale[name] for name, values in columns.items()})
        return Points(x, self.observed(rows), weights, scale)

    def curve(self, x: Inputs, L0, A, alpha, B, C, beta, gamma):
        log_rate = np.log(x.rate)

        def falls(rows: slice) -> tuple[np.ndarray]:
            amount = C[rows] * x.reach * np.exp(-gamma[rows] * log_rate)
            return (x.drop * -np.expm1(-beta[rows] * np.log1p(amount)),)

        return L0 + A * x.area**-alpha - B * _sums(x, falls, len(gamma))[0]

    def slopes(self, x: Inputs, L0, A, alpha, B, C, beta, gamma):
        log_rate = np.log(x.rate)

        def falls(rows: slice) -> tuple[np.ndarray, ...]:
            amount = C[rows] * x.reach * np.exp(-gamma[rows] * log_rate)
            log_z = np.log1p(amount)
            left = x.drop * np.exp(-beta[rows] * log_z)
            by_log_c = beta[rows] * left * amount / (1 + amount)
            return x.drop - left, by_log_c, left * log_z, -by_log_c * log_rate

        fall, by_log_c, by_beta, by_gamma = _sums(x, falls, len(gamma))
        by_area = x.area**-alpha
        power = A * by_area
        slopes = [
            np.ones_like(power),
            by_area,
            -power * np.log(x.area),
            -fall,
            -B * by_log_c / C,
            -B * by_beta,
            -B * by_gamma,
        ]
        return L0 + power - B * fall, slopes

    def rescaled(self, params, scale):
        area, rate = scale["area"], scale["rate"]
        return {
            **params,
            "A": params["A"] * area ** -params["alpha"],
            "B": params["B"] * rate,
            "C": params["C"] * area * rate ** -params["gamma"],
        }

    def starts(self, points: Points, fixed: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Return a grid over alpha, C, beta and gamma, each with the least squares of relative residuals in L0, A and B."""
        sizes = {"alpha": 8, "C": 6, "beta": 5, "gamma": 4}
        ranges = {p.name: p.starts for p in self.parameters}
        grid = np.array(list(itertools.product(*(np.geomspace(*ranges[name], size) for name, size in sizes.items()))))
        alpha, c, beta, gamma = (column[:, None] for column in grid.T)
        zero, one = np.zeros_like(alpha), np.ones_like(alpha)
        fall = -self.curve(points.x, zero, zero, alpha, one, c, beta, gamma)
        design = np.stack([np.ones_like(fall), points.x.area**-alpha, -fall], axis=2) / points.y[:, None]
        root = np.sqrt(points.weights)
        values = np.linalg.pinv(design * root[:, None]) @ root
        smallest = 1e-3 * np.abs(np.median(values, axis=0))  # a term that the runs do not show, or with another sign
        l0, a, b = np.maximum(values, np.maximum(smallest, 1e-12)).T
        return {"L0": l0, "A": a, "alpha": grid[:, 0], "B": b, "C": grid[:, 1], "beta": grid[:, 2], "gamma": grid[:, 3]}

    def check_runs(self, frame: pd.DataFrame) -> None:
        for name in ("N", "batch"):
            if name in frame and frame[name].nunique() > 1:
                raise ConfigError(
                    f"law: schedule is a law of runs that differ in their schedule alone; there are {frame[name].nunique()}"
                    f" values of {name}: choose one with runs.where, or fit each with by={name}"
                )
        rows = self.fitted_rows(frame)
        super().check_runs(rows)
        if rows["rates"].map(np.ndarray.tobytes).nunique() < 2 or not len(self.inputs(rows)["drop"]):
            raise ConfigError(
                "law: schedule needs the curves of at least two schedules, one of which changes its learning rate after the"
                " warm-up; for one constant rate, use law=power_law law.x=D"
            )

    def estimate(self, frame: pd.DataFrame) -> Solution:
        frame = self.prepare(frame)[1]
        solution = super().estimate(frame)
        if (frame[~configured(frame)].groupby("run", sort=False)["step"].min() > 1).any():
            solution.warnings.append(
                RankedWarning(
                    "learning rates before the first row of a run are not known, and are taken to rise linearly from 0",
                    Severity.DATA,
                )
            )
        return solution

    def resample(self, frame: pd.DataFrame, params: np.ndarray, weights: np.ndarray) -> np.ndarray:
        rows = self.fitted_rows(frame)
        return super().resample(rows, params, weights[:, frame.index.get_indexer(rows.index)])

    def jacobian(self, params: np.ndarray, frame: pd.DataFrame) -> np.ndarray:
        return super().jacobian(params, self.fitted_rows(frame))

    def residuals(self, params: np.ndarray, frame: pd.DataFrame) -> np.ndarray:
        return super().residuals(params, self.fitted_rows(frame))


def _by_schedule(frame: pd.DataFrame) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the learning rates of each run, and the positions of its rows."""
    groups = frame.groupby("run", sort=False).indices
    return [(frame["rates"].iloc[rows[0]], rows) for rows in groups.values()]


def _join(changes: list[RateChanges], place: list[np.ndarray], count: int) -> dict[str, np.ndarray]:
    """Join the changes of several runs, whose points are the rows ``place``, in the order of the rows."""
    area = np.empty(count)
    for part, rows in zip(changes, place, strict=True):
        area[rows] = part.area
    point = np.concatenate([rows[part.point] for part, rows in zip(changes, place, strict=True)])
    order = np.argsort(point, kind="stable")
    blocks = {name: np.concatenate([getattr(part, name) for part in changes])[order] for name in ("drop", "rate", "reach")}
    return {"area": area, "point": point[order], **blocks}


def _sums(x: Inputs, terms: Any, count: int) -> list[np.ndarray]:
    """Sum terms over the blocks of each point, for ``count`` curves at a time that memory allows.

    :param terms: rows of the curves -> terms (rows, p), several of them.
    :returns: (count, n) each.
    """
    points, first = np.unique(x.point.astype(int), return_index=True)
    step = max(1, BLOCK // max(len(x.point), 1))
    parts: list[list[np.ndarray]] = []
    for start in range(0, count, step):
        rows = slice(start, min(start + step, count))
        sums = []
        for term in terms(rows):
            total = np.zeros((rows.stop - rows.start, len(x.area)), dtype=term.dtype)
            if len(points):
                total[:, points] = np.add.reduceat(term, first, axis=1)
            sums.append(total)
        parts.append(sums)
    return [np.concatenate(columns) for columns in zip(*parts, strict=True)]
