"""Accuracy against the compute of training and of answering, and the best division between both."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge, Interval, Le

from openr1.analysis.laws.base import Parameter, Solution, TrainingFlops
from openr1.analysis.laws.per_k import ROW, rows_per_k, scaled_starts
from openr1.analysis.laws.points import Inputs, Points
from openr1.analysis.laws.regression import CurveLaw
from openr1.analysis.numerics.optimise import OBJECTIVES
from openr1.analysis.warning import RankedWarning, Severity
from openr1.options.ranges import Flops, OneOf
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

# how an answer is chosen among k -> columns of a run, one for each k; a single answer needs no choice
CHOICES = {"pass": "pass_at", "majority": "maj_at", "best": "best_of"}
AMOUNTS = {"samples": "k", "tokens": "answer_tokens"}  # measure of answering -> its column
GRID, ZOOMS = 25, 5  # points along an axis of the search for the best division, and how often it is repeated nearer to the best
SIZES = (0.01, 100.0)  # model sizes of that search, over the smallest and the largest of the runs
FORWARD = 2.0  # FLOPs of a token that is written, for each parameter


@dataclass
class TestTime(CurveLaw):
    """Accuracy Q of models of training compute C (or of size N and data D) that give k answers to each question, or think for
    so many tokens, by default fitted by squared residuals.

    ``-log Q = A C^-alpha`` is that of arXiv 2512.08894 for single answers; the factor ``floor + (1 - floor) k^-gamma`` is
    what k answers leave of it, never less than ``floor``, which is 0 if the right answer is among enough of them. ``choice``
    says how one of k answers is chosen: ``pass`` (pass@k, a verifier that finds the right one), ``majority`` (maj@k) or
    ``best`` (best of n by the reward of ``stage.best_of``).

    The question is that of arXiv 2408.03314 and 2604.01411, of both of which only abstracts were read: the latter fits N, D and
    k together, and finds smaller models and more tokens best once answers are counted. The formula here is this project's own.

    Training and ``questions`` answers of k samples cost ``C + questions k F``; F, of one answer, is ``answer_flops``, or 2N a
    token.
    """

    __test__: ClassVar[bool] = False  # is no test, whatever pytest makes of the name

    name: ClassVar[str] = "test_time"
    title: ClassVar[str] = "Training and answering"
    source: ClassVar[str] = (
        "this project; the question: Roberts et al. 2026, arXiv 2604.01411; Snell et al. 2024, arXiv 2408.03314"
    )
    response: ClassVar[str] = "coverage"

    objective: Annotated[str, OneOf(OBJECTIVES)] = "mse"
    x: Annotated[str, OneOf(("C", "ND"))] = "C"  # C at one model size, or ND for model size and data
    choice: Annotated[str, OneOf(tuple(CHOICES))] = "pass"  # of one among k answers: pass, majority or best
    amount: Annotated[str, OneOf(tuple(AMOUNTS))] = "samples"  # of answering: samples (k), or tokens of an answer
    chance: Annotated[float, Interval(ge=0, lt=1)] = 0.0  # accuracy of a guess, such as 0.25 with four choices
    questions: Annotated[float, Ge(1), Le(1e18)] = 1e6  # answered by the model in its life, for the advice
    answer_flops: Flops | None = None  # FLOPs of one answer, for the advice; null for 2N a token, from N and answer_tokens

    @property
    def column(self) -> str:
        """The column of the amount of answering."""
        return AMOUNTS[self.amount]

    @property
    def formula(self) -> str:
        accuracy = "Q" if not self.chance else f"((Q - {self.chance:g})/{1 - self.chance:g})"
        training = "A C^-alpha" if self.x == "C" else "(A N^-alpha + B D^-beta)"
        return f"-log {accuracy} = {training} (floor + (1 - floor) {'k' if self.amount == 'samples' else 't'}^-gamma)"

    @property
    def predictors(self) -> tuple[str, ...]:
        return (*self.x, self.column)

    @property
    def needs(self) -> tuple[str, ...]:
        return tuple(self.x)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        of = "compute" if self.x == "C" else "the model term"
        data = (
            Parameter("B", "coefficient of the data term", coefficient=True, starts=(0.01, 20)),
            Parameter("beta", "exponent of the data term", 1e-3, 3, starts=(0.02, 1.5)),
        )
        one = "answer" if self.amount == "samples" else "token"
        return (
            Parameter("A", f"coefficient of {of}", coefficient=True, starts=(0.01, 20)),
            Parameter("alpha", f"exponent of {of}", 1e-3, 3, starts=(0.02, 1.5)),
            *(data if self.x == "ND" else ()),
            Parameter("floor", f"share of -log Q of one {one} that no number of them removes", upper=1, starts=(1e-3, 0.9)),
            Parameter("gamma", f"exponent of the {one}s", 1e-2, 5, starts=(0.05, 3)),
        )

    # the curve

    def curve(self, x: Inputs, *params):
        return self._accuracy(self._training(x, params)[0] * self._left(x, *params[-2:]))

    def _training(self, x: Inputs, params) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return -log Q of one answer (m, n), and its terms."""
        a, alpha, *more = params[:-2]
        first = a * getattr(x, self.x[0]) ** -alpha
        if self.x == "C":
            return first, [first]
        second = more[0] * x.D ** -more[1]
        return first + second, [first, second]

    def _left(self, x: Inputs, floor, gamma):
        """Return the share of -log Q that the answers leave."""
        return floor + (1 - floor) * getattr(x, self.column) ** -gamma

    def _accuracy(self, exponent):
        return self.chance + (1 - self.chance) * np.exp(-exponent)

    def slopes(self, x: Inputs, *params):
        floor, gamma = params[-2:]
        training, terms = self._training(x, params)
        left = self._left(x, floor, gamma)
        values = self._accuracy(training * left)
        slope = self.chance - values  # by the negative logarithm
        amount = getattr(x, self.column)
        power = amount**-gamma
        by = []
        for place, (name, term) in enumerate(zip(self.x, terms, strict=True)):
            by += [term / params[2 * place] * left, -term * np.log(getattr(x, name)) * left]
        by += [training * (1 - power), -training * (1 - floor) * power * np.log(amount)]
        return values, [slope * value for value in by]

    def rescaled(self, params, scale):
        powers = {"C": ("A", "alpha")} if self.x == "C" else {"N": ("A", "alpha"), "D": ("B", "beta")}
        shifted = {term: params[term] * scale[name] ** -params[power] for name, (term, power) in powers.items()}
        return {**params, **shifted}

    def starts(self, points: Points, fixed: Mapping[str, Any]) -> dict[str, np.ndarray]:
        return scaled_starts(super().starts(points, fixed), points.y, self.chance)

    # the rows

    def fitted_rows(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return rows with the amount of answering and ``coverage``, which is the accuracy of the chosen answer."""
        if {self.column, "coverage"} <= set(frame):
            return frame
        if self.amount == "tokens":
            if {"answer_tokens", "pass_at_1"} <= set(frame):
                return frame.assign(coverage=frame["pass_at_1"])
            raise ConfigError("runs.columns.answer_tokens: law.amount=tokens needs answer_tokens and pass_at_1 of each run")
        prefix = CHOICES[self.choice]
        pattern = re.compile(rf"{prefix}_(\d+)")
        names = {str(name): int(match[1]) for name in frame if (match := pattern.fullmatch(str(name)))}
        if self.choice != "pass" and names and "pass_at_1" in frame:
            names["pass_at_1"] = 1
        if len(names) < 2:
            raise ConfigError(
                f"runs.columns.k: law.choice={self.choice} needs k and coverage, a row per k, or columns"
                f" {'pass_at_1' if self.choice != 'pass' else prefix + '_1'}, {prefix}_4, ... of each run"
            )
        return rows_per_k(frame, names)

    @property
    def independent(self) -> bool:
        """False for several k of the same answers."""
        return self.amount == "tokens"

    def observed(self, frame: pd.DataFrame) -> np.ndarray:
        return self.fitted_rows(frame)["coverage"].to_numpy(dtype=float)

    def inputs(self, frame: pd.DataFrame) -> dict[str, np.ndarray]:
        return super().inputs(frame if set(self.predictors) <= set(frame) else self.fitted_rows(frame))

    def points(self, frame: pd.DataFrame) -> Points:
        points = super().points(self.fitted_rows(frame))
        amount = getattr(points.x, self.column) * points.scale[self.column]  # one answer keeps its meaning
        x = Inputs(**{**vars(points.x), self.column: amount})
        return replace(points, x=x, scale={**points.scale, self.column: 1.0})

    def check_runs(self, frame: pd.DataFrame) -> None:
        rows = self.fitted_rows(frame)
        super().check_runs(rows)
        for name in self.predictors:
            values = rows[name].to_numpy(dtype=float)
            if not (np.isfinite(values).all() and (values > 0).all()):
                raise ConfigError(f"runs.columns.{name}: must be above 0 and finite in every row")
            if len(np.unique(values)) < 2:
                raise ConfigError(f"law: test_time needs runs of several values of {name}; all have {values[0]:g}")
        accuracy = self.observed(rows)
        if not ((accuracy >= 0) & (accuracy <= 1)).all():
            raise ConfigError(
                f"runs.columns.coverage: must be from 0 to 1; it ranges from {accuracy.min():g} to {accuracy.max():g}"
            )
        if np.ptp(accuracy) == 0:
            raise ConfigError(
                f"runs.columns.coverage: all {len(accuracy)} rows have the same accuracy; a law needs rows that differ"
            )
        if accuracy.max() <= self.chance:
            raise ConfigError(f"law.chance: no run is more accurate than {self.chance:g}; the best has {accuracy.max():g}")
        if self.loss.logs and not (accuracy > 0).all():
            raise ConfigError(f"law.objective: {self.objective} takes logarithms; an accuracy of 0 needs mse")

    def estimate(self, frame: pd.DataFrame) -> Solution:
        solution = super().estimate(frame)
        if solution.params[0, -2] >= 1:
            word = "answers" if self.amount == "samples" else "tokens"
            solution.warnings.append(
                RankedWarning(
                    f"more {word} do not raise the accuracy of these runs, so that compute is best spent on training",
                    Severity.MISLEADING,
                )
            )
        return solution

    def resample(self, frame: pd.DataFrame, params: np.ndarray, weights: np.ndarray) -> np.ndarray:
        rows = self.fitted_rows(frame)
        return super().resample(rows, params, weights if ROW not in rows else weights[:, rows[ROW].to_numpy()])

    def residuals(self, params: np.ndarray, frame: pd.DataFrame) -> np.ndarray:
        return super().residuals(params, self.fitted_rows(frame))

    def jacobian(self, params: np.ndarray, frame: pd.DataFrame) -> np.ndarray:
        return super().jacobian(params, self.fitted_rows(frame))

    # the best division

    def cost_of_one(self, frame: pd.DataFrame) -> float | None:
        """Return the FLOPs of one answer, or of one token of it, at each parameter of a model; of the runs' own size if the law
        is of C. Null if neither ``answer_flops`` nor the columns tell.
        """
        tokens = 1.0
        if self.amount == "samples" and self.answer_flops is None:
            if "answer_tokens" not in frame:
                return None
            tokens = float(frame["answer_tokens"].mean())
        if self.x == "ND":
            return FORWARD * tokens if self.answer_flops is None else self.answer_flops / float(frame["N"].median())
        if self.answer_flops is not None:
            return self.answer_flops
        return FORWARD * float(frame["N"].median()) * tokens if "N" in frame else None

    def optimum(
        self, params: np.ndarray, total: float, cost: float, flops_of: TrainingFlops, sizes: tuple[float, float] = (1.0, 1.0)
    ) -> np.ndarray:
        """Return the best division of ``total`` FLOPs between training and the answers to ``questions``, for parameters (m, p):
        FLOPs of training, amount of answering, accuracy, N and D, (m, 5); N and D are NaN for a law of C. All are NaN if not
        even one answer to each question can be paid for.

        :param cost: FLOPs of one answer or token; for a law of N and D, of each parameter.
        :param sizes: the smallest and the largest N of the runs.
        """
        wide = [np.log(sizes[0] * SIZES[0]), np.log(sizes[1] * SIZES[1])] if self.x == "ND" else [0.0, 0.0]
        low = np.tile([0.0, wide[0]], (len(params), 1))
        high = np.tile([1.0, wide[1]], (len(params), 1))
        grid = np.linspace(0, 1, GRID)
        best = np.full((len(params), 5), np.nan)
        for _ in range(ZOOMS):
            # the share of the largest affordable amount, on a logarithmic scale, and the logarithm of the size
            place = low[:, :, None] + (high - low)[:, :, None] * grid
            log_n = place[:, 1, :, None] if self.x == "ND" else np.zeros((len(params), 1, 1))
            most = np.log(total / (self.questions * cost)) - log_n
            amount = np.exp(place[:, 0, None, :] * np.maximum(most, 0))
            training = total - self.questions * cost * np.exp(log_n) * amount
            value = self._at(params, training, log_n, amount, flops_of)
            value = np.where((most >= 0) & (training > 0), value, -np.inf)
            flat = value.reshape(len(params), -1).argmax(axis=1)
            i, j = np.unravel_index(flat, value.shape[1:])
            rows = np.arange(len(params))
            size = np.exp(np.broadcast_to(log_n, value.shape)[rows, i, j])
            spent = training[rows, i, j]
            d = spent / flops_of(size, 1) if self.x == "ND" else np.full(len(params), np.nan)
            found = np.stack(
                [spent, amount[rows, i, j], value[rows, i, j], size if self.x == "ND" else np.full(len(params), np.nan), d],
                axis=1,
            )
            best = np.where(np.isfinite(value[rows, i, j])[:, None], found, np.nan)
            step = (high - low) / (GRID - 1)
            at = np.stack([place[rows, 0, j], place[rows, 1, i]], axis=1)
            low, high = np.maximum(low, at - step), np.minimum(high, at + step)
        return best

    def _at(self, params, training, log_n, amount, flops_of) -> np.ndarray:
        """Return the accuracy (m, sizes, amounts)."""
        columns = [column[:, None, None] for column in params.T]
        with np.errstate(all="ignore"):
            n = np.exp(log_n)
            tokens = training / flops_of(n, 1) if self.x == "ND" else training
            x = Inputs(**{"C": training, "N": n, "D": tokens, self.column: amount})
            return np.where(training > 0, self.curve(x, *columns), np.nan)
