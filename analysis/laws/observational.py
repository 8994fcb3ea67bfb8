"""Benchmark scores of models of many families by a few shared skills (arXiv 2412.06540; arXiv 2405.10938)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge, Interval, Le

from openr1.analysis.formatting import join_names
from openr1.analysis.laws.base import Law, Parameter, Solution
from openr1.analysis.laws.own_columns import own_numbers
from openr1.analysis.laws.points import Inputs, Points
from openr1.analysis.laws.regression import CurveLaw
from openr1.analysis.numerics.optimise import OBJECTIVES
from openr1.analysis.warning import RankedWarning, Severity
from openr1.options.ranges import OneOf
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

SIZE, TOKENS = 1e9, 1e12  # a model whose skills are the intercepts of its family
EDGE = 0.01  # scores this near to chance or to 1 are moved by as much for the starts, which take logits
SPARE = 3  # models beyond the slopes and families from which on intervals cover
PERTURBED = 8  # starts beside the first
FEATURES = {"ND": ("log N", "log D", "log N log D"), "N": ("log N",), "D": ("log D",)}


@dataclass
class Observational(CurveLaw):
    """Scores of benchmarks by latent skills, which families of models buy with size and tokens at their own efficiency.

    Skill k of a model is ``alpha[family, k] + sum_x beta[k, x] x``, with x the logarithms of N in billions and D in trillions
    and their product (Sloth); the efficiency alpha is the family's alone, beta is shared by all. Benchmark b scores
    ``chance + (1 - chance) sigmoid(intercept[b] + sum_k loading[b, k] skill_k)``. Skills are known up to a linear map only:
    here skill k is the logit of benchmark k in ``benchmarks``, so that its loadings are 0 and 1.

    The runs have a row a model with a column a benchmark, ``law.benchmarks=[...]``, or a row a model and benchmark, with
    ``benchmark`` and ``score``. Missing scores are left out. All scores of a model are resampled together, within its family,
    so that every resample knows all families.
    """

    name: ClassVar[str] = "observational"
    title: ClassVar[str] = "Skills of model families"
    source: ClassVar[str] = "Maia Polo et al. 2024 (Sloth), arXiv 2412.06540; Ruan et al. 2024, arXiv 2405.10938"
    formula: ClassVar[str] = (
        "score = chance + (1 - chance) sigmoid(intercept + sum_k loading_k skill_k), skill_k = alpha_family,k + beta_k x(N, D)"
    )
    predictors: ClassVar[tuple[str, ...]] = ("N", "D", "family", "benchmark")
    response: ClassVar[str] = "score"

    objective: Annotated[str, OneOf(OBJECTIVES)] = "mse"
    benchmarks: list[str] = field(default_factory=list)  # columns of scores; the first ones are the skills
    families: list[str] = field(default_factory=list)  # filled from the runs
    skills: Annotated[int, Interval(ge=1, le=20)] = 1  # number of latent skills
    x: Annotated[str, OneOf(FEATURES)] = "ND"  # what skills depend on: ND, N or D
    # benchmark -> score of guessing; 0 if absent
    chance: dict[str, Annotated[float, Ge(0), Le(0.99)]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.benchmarks:
            if self.benchmarks.count(name) > 1:
                raise ConfigError(f"law.benchmarks: {name!r} stands there twice")

    @property
    def needs(self) -> tuple[str, ...]:
        return ("family", "N", "D")

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        free: dict[str, Any] = {"lower": -np.inf, "positive": False}
        names, rest = self.benchmarks, self.benchmarks[self.skills :]
        skills = [
            (k, f"of skill {k + 1}, the logit of {names[k]}" if names else f"of skill {k + 1}") for k in range(self.skills)
        ]
        return (
            *(Parameter(f"{x}: skill {k + 1}", f"slope {of}, in {x}", **free) for k, of in skills for x in FEATURES[self.x]),
            *(
                Parameter(
                    f"{family}: skill {k + 1}",
                    f"value {of}, of a model of 1B parameters on 1T tokens",
                    coefficient=True,
                    **free,
                )
                for family in self.families
                for k, of in skills
            ),
            *(Parameter(f"{b}: loading {k + 1}", f"loading {of}", coefficient=True, **free) for b in rest for k, of in skills),
            *(Parameter(f"{b}: intercept", "logit at skills of 0", coefficient=True, **free) for b in rest),
        )

    def prepare(self, frame: pd.DataFrame) -> tuple[Law, pd.DataFrame]:
        """Return the law with the families and benchmarks of the runs, and a row a score, in which ``run`` names the model."""
        if "family" not in frame:
            return self, frame
        rows = self._scores(frame)
        names = self.benchmarks or sorted(rows["benchmark"].astype(str).unique())
        if len(names) < self.skills:
            raise ConfigError(f"law.skills: {self.skills} skills need as many benchmarks; there are {len(names)}")
        known = set(rows["benchmark"].astype(str))
        missing = [name for name in names if name not in known]
        if missing:
            raise ConfigError(f"law.benchmarks: no row has a score of {join_names(missing)}")
        if other := [name for name in self.chance if name not in names]:
            raise ConfigError(f"law.chance.{other[0]}: is no benchmark of these runs; there are {join_names(names, 20)}")
        return replace(self, benchmarks=list(names), families=sorted(rows["family"].astype(str).unique())), rows

    def fitted_rows(self, frame: pd.DataFrame) -> pd.DataFrame:
        return self._scores(frame)

    def _scores(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return a row a score, from a table of either shape."""
        if {"benchmark", "score"} <= set(frame):
            rows = frame if not self.benchmarks else frame[frame["benchmark"].astype(str).isin(self.benchmarks)]
            if "run" not in rows:
                rows = rows.assign(run=rows["family"].astype(str) + " " + rows["N"].map("{:g}".format))
        else:
            absent = [name for name in self.benchmarks if name not in frame]
            if absent or not self.benchmarks:
                what = (
                    f"there is no column {absent[0]!r}" if absent else "name the columns of scores, or give benchmark and score"
                )
                raise ConfigError(f"law.benchmarks: {what}")
            label = next((name for name in ("run", "name", "Model", "model") if name in frame), None)
            scores = {name: own_numbers(frame, name) for name in self.benchmarks}
            models = frame.assign(run=frame[label].astype(str) if label else frame.index.map("row {}".format), **scores)
            kept = [name for name in models if name not in self.benchmarks]
            rows = models.melt(id_vars=kept, value_vars=self.benchmarks, var_name="benchmark", value_name="score")
        rows = rows.assign(score=own_numbers(rows, "score")).dropna(subset="score").reset_index(drop=True)
        if not rows["score"].between(0, 1).all():
            low, high = rows["score"].min(), rows["score"].max()
            raise ConfigError(f"law.benchmarks: scores must be shares from 0 to 1; they range from {low:g} to {high:g}")
        return rows

    def inputs(self, frame: pd.DataFrame) -> dict[str, np.ndarray]:
        """Return the features (n,) by name, the places of ``family`` and ``benchmark``, and ``chance``.

        :raises ConfigError: for a family or benchmark that the law was not fitted to.
        """
        places = {}
        for name, known in (("family", self.families), ("benchmark", self.benchmarks)):
            at = {label: place for place, label in enumerate(known)}
            unknown = [label for label in frame[name].astype(str).unique() if label not in at]
            if unknown:
                raise ConfigError(
                    f"law: observational was fitted without the {name} {join_names(unknown)}, and cannot predict it"
                )
            places[name] = frame[name].astype(str).map(at).to_numpy()
        n, d = np.log(frame["N"].to_numpy(dtype=float) / SIZE), np.log(frame["D"].to_numpy(dtype=float) / TOKENS)
        values = {"log N": n, "log D": d, "log N log D": n * d}
        chance = np.array([self.chance.get(name, 0.0) for name in self.benchmarks])[places["benchmark"]]
        return {**{x: values[x] for x in FEATURES[self.x]}, **places, "chance": chance}

    def points(self, frame: pd.DataFrame) -> Points:
        columns = self.inputs(frame)
        weights = frame["weight"].to_numpy(dtype=float) if "weight" in frame else np.ones(len(frame))
        return Points(Inputs(**columns), self.observed(frame), weights, dict.fromkeys(columns, 1.0))

    def curve(self, x: Inputs, *params):
        return self.slopes(x, *params)[0]

    def slopes(self, x: Inputs, *params):
        features = [getattr(x, name) for name in FEATURES[self.x]]
        beta, alpha, loading, intercept = self._blocks(params, len(features))
        family, benchmark = np.asarray(x.family, dtype=int), np.asarray(x.benchmark, dtype=int)
        skills = alpha[:, family] + np.stack([sum(b * v for b, v in zip(bk, features, strict=True)) for bk in beta], axis=-1)
        logit = intercept[:, benchmark] + np.sum(loading[:, benchmark] * skills, axis=-1)
        share = 1 / (1 + np.exp(-logit))
        by_logit = (1 - x.chance) * share * (1 - share)
        by_skill = by_logit[..., None] * loading[:, benchmark]  # (m, n, skills)
        k_of = range(self.skills)
        slopes = [by_skill[..., k] * v for k in k_of for v in features]
        slopes += [by_skill[..., k] * (family == f) for f in range(len(self.families)) for k in k_of]
        rest = range(self.skills, len(self.benchmarks))
        slopes += [by_logit * skills[..., k] * (benchmark == b) for b in rest for k in k_of]
        slopes += [by_logit * (benchmark == b) for b in rest]
        return x.chance + (1 - x.chance) * share, slopes

    def _blocks(self, params: tuple, features: int) -> tuple[list[list[np.ndarray]], np.ndarray, np.ndarray, np.ndarray]:
        """Return beta, a list of (m, 1) per skill; alpha (m, families, skills); loadings (m, benchmarks, skills); and
        intercepts (m, benchmarks).
        """
        d, families, rest = self.skills, len(self.families), len(self.benchmarks) - self.skills
        beta = [list(params[k * features : (k + 1) * features]) for k in range(d)]
        flat = np.concatenate(params[d * features :], axis=1)
        alpha, loading, intercept = np.split(flat, [families * d, (families + rest) * d], axis=1)
        anchors = np.broadcast_to(np.eye(d), (len(flat), d, d))
        loadings = np.concatenate([anchors, loading.reshape(len(flat), rest, d)], axis=1)
        return beta, alpha.reshape(len(flat), families, d), loadings, np.pad(intercept, ((0, 0), (d, 0)))

    def starts(self, points: Points, fixed: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Return least squares of logits: of each skill from its benchmark, then of the other benchmarks from the skills."""
        x, d = points.x, self.skills
        share = np.clip((points.y - x.chance) / (1 - x.chance), EDGE, 1 - EDGE)
        logit = np.log(share / (1 - share))
        features = np.stack([getattr(x, name) for name in FEATURES[self.x]], axis=1)
        design = np.concatenate([features, np.eye(len(self.families))[x.family]], axis=1)
        fits = [_ridge(design[x.benchmark == k], logit[x.benchmark == k]) for k in range(d)]
        skills = design @ np.stack(fits, axis=1)
        rest = [x.benchmark == b for b in range(d, len(self.benchmarks))]
        loads = [_ridge(np.column_stack([skills, np.ones(len(skills))])[rows], logit[rows]) for rows in rest]
        width = features.shape[1]
        alphas = np.stack([fit[width:] for fit in fits], axis=1).ravel()
        betas, loadings = [fit[:width] for fit in fits], [load[:d] for load in loads]
        first = np.concatenate([*betas, alphas, *loadings, [load[d] for load in loads]])
        rng = np.random.default_rng(0)
        spread = np.vstack([np.zeros(len(first)), rng.normal(0, 0.2, (PERTURBED, len(first)))])
        return dict(zip(self.names, (first * np.exp(spread)).T, strict=True))

    def strata(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the families (n,), since each has parameters of its own."""
        return frame["family"].astype(str).to_numpy()

    def _spare_models(self, frame: pd.DataFrame) -> int:
        """Return the number of models beyond the slopes and the families, which each skill is fitted by."""
        return frame["run"].nunique() - len(FEATURES[self.x]) - len(self.families)

    def check_runs(self, frame: pd.DataFrame) -> None:
        super().check_runs(frame)
        if self._spare_models(frame) < 1:
            slopes, families = len(FEATURES[self.x]), len(self.families)
            raise ConfigError(
                f"law: {self.name} needs more models than the {slopes} slopes and {families} families of a skill; there are"
                f" {frame['run'].nunique()}: add models, or depend on less by law.x=N"
            )

    def estimate(self, frame: pd.DataFrame) -> Solution:
        solution = super().estimate(frame)
        if self._spare_models(frame) < SPARE:
            solution.warnings.append(
                RankedWarning(
                    f"{frame['run'].nunique()} models hardly determine the {len(FEATURES[self.x])} slopes and"
                    f" {len(self.families)} families of a skill: intervals are too narrow",
                    Severity.INTERVAL,
                )
            )
        models = frame.groupby("family")["run"].nunique()
        single = [str(family) for family in models.index[models == 1]]
        if single:
            solution.warnings.append(
                RankedWarning(
                    f"{len(single)} of {len(models)} families have one model, which every resample has, so that intervals of"
                    f" their skills are too narrow: {join_names(single)}",
                    Severity.INTERVAL,
                )
            )
        return solution


def _ridge(design: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return least squares (p,) that stay small where the rows do not determine them."""
    return np.linalg.solve(design.T @ design + 1e-3 * np.eye(design.shape[1]), design.T @ target)
