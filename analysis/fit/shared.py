"""One law fitted to groups of runs at once, with some of its parameters shared by all groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from openr1.analysis.fit.fit import fit
from openr1.analysis.fit.resampling import Bootstrap
from openr1.analysis.fit.result import Fit
from openr1.analysis.laws import TrainingFlops
from openr1.analysis.laws.base import Parameter, Solution
from openr1.analysis.laws.curve_regression import CurveRegression
from openr1.analysis.laws.points import Inputs, Points
from openr1.analysis.laws.regression import CurveLaw
from openr1.analysis.warning import RankedWarning, Severity
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

GROUP = "_group"  # predictor: the place of a row's group


class SharedLaw(CurveLaw):
    """A law of several groups: its shared parameters once, the others once for each group, such as ``A[llama]``."""

    def __init__(self, base: CurveLaw, groups: Sequence[str], shared: Sequence[str]) -> None:
        super().__init__(base.objective, base.delta, base.overprediction)
        self.base, self.groups, self.shared = base, list(groups), list(shared)
        self.name, self.title, self.source = base.name, base.title, base.source  # type: ignore[misc]
        self.response = base.response  # type: ignore[misc]
        self._parameters = tuple(
            replace(p, name=name, linear=False) for p in base.parameters for name in self._names_of(p.name)
        )

    def _names_of(self, name: str) -> list[str]:
        return [name] if name in self.shared else [f"{name}[{group}]" for group in self.groups]

    @property
    def formula(self) -> str:
        return f"{self.base.formula}, with {', '.join(self.shared)} in common"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return self._parameters

    @property
    def predictors(self) -> tuple[str, ...]:
        return (*self.base.predictors, GROUP)

    @property
    def needs(self) -> tuple[str, ...]:
        return (*self.base.needs, GROUP)

    @property
    def uses(self) -> tuple[str, ...]:
        return self.base.uses

    def inputs(self, frame: pd.DataFrame) -> dict[str, np.ndarray]:
        return {**self.base.inputs(frame), GROUP: frame[GROUP].to_numpy()}

    def fixed(self, frame: pd.DataFrame) -> dict[str, float]:
        return {name: value for key, value in self.base.known(frame).items() for name in self._names_of(key)}

    def strata(self, frame: pd.DataFrame) -> np.ndarray:
        return frame[GROUP].to_numpy()

    def curve(self, x: Inputs, *params: Any, **_: Any) -> np.ndarray:
        return self.base.curve(x, *self._by_row(x, params))

    def slopes(self, x: Inputs, *params: Any, **_: Any) -> tuple[np.ndarray, list[np.ndarray]]:
        values, slopes = self.base.slopes(x, *self._by_row(x, params))
        place, spread = getattr(x, GROUP), []
        for p, slope in zip(self.base.parameters, slopes, strict=True):
            if p.name in self.shared:
                spread.append(slope)
            else:
                spread += [np.where(place == group, slope, 0) for group in range(len(self.groups))]
        return values, spread

    def _by_row(self, x: Inputs, params: Sequence[Any]) -> list[Any]:
        """Return the parameters of the base law, one value a row (m, n) where groups differ."""
        given, place, result = iter(params), getattr(x, GROUP).astype(int), []
        for p in self.base.parameters:
            if p.name in self.shared:
                result.append(next(given))
            else:
                result.append(np.concatenate([next(given) for _ in self.groups], axis=1)[:, place])
        return result

    def rescaled(self, params: dict[str, np.ndarray], scale: Mapping[str, float]) -> dict[str, np.ndarray]:
        changed = {}
        for place in range(len(self.groups)):
            own = {p.name: params[self._name(p.name, place)] for p in self.base.parameters}
            for name, value in self.base.rescaled(own, scale).items():
                changed[self._name(name, place)] = value
        return changed

    def _name(self, name: str, place: int) -> str:
        return name if name in self.shared else f"{name}[{self.groups[place]}]"

    def solve(self, points: Points, fixed: dict[str, float], weights: np.ndarray | None = None) -> Solution:
        """Refine the fits of single groups: each of them gives a start of the shared parameters."""
        problem, place = CurveRegression(self, points, fixed, 1), getattr(points.x, GROUP)
        singles = []
        for group in range(len(self.groups)):
            rows = place == group
            x = Inputs(**{name: values[rows] for name, values in vars(points.x).items() if name != GROUP})
            part = Points(x, points.y[rows], points.weights[rows], {k: v for k, v in points.scale.items() if k != GROUP})
            own = {p.name: fixed[self._name(p.name, group)] for p in self.base.parameters if self._name(p.name, group) in fixed}
            singles.append(self.base.solve(part, own).params[0])
        estimates = np.array(singles)
        centres = [np.median(estimates, axis=0), *estimates]
        starts = np.array([self._joined(estimates, centre) for centre in centres])
        theta, values = problem.minimise(problem.to_theta(starts), points.weights[None])
        best = int(np.argmin(values))
        agreeing = float(np.mean(values <= values[best] * (1 + 1e-4)))
        return Solution(problem.to_params(theta[best : best + 1]), values[best : best + 1], agreeing=agreeing)

    def _joined(self, estimates: np.ndarray, shared: np.ndarray) -> np.ndarray:
        """Return one start: own parameters of estimates (groups, p), shared ones of a vector (p,)."""
        parts = [[shared[j]] if p.name in self.shared else estimates[:, j].tolist() for j, p in enumerate(self.base.parameters)]
        return np.concatenate(parts)


def fit_shared(
    groups: Mapping[str, pd.DataFrame], law: CurveLaw, share: Sequence[str], bootstrap: Bootstrap | None = None, **options: Any
) -> dict[str, Fit]:
    """Fit a law to all groups at once; return the fit of each, with the shared parameters equal in all.

    :param groups: label -> tidy rows.
    :param share: names of the shared parameters.
    :raises ConfigError: for a parameter that the law does not have, or fewer than two groups.
    """
    import pandas as pd

    known = [p.name for p in law.parameters]
    if unknown := [name for name in share if name not in known]:
        raise ConfigError(f"share: {law.name} has no parameter {unknown[0]!r}; it has {', '.join(known)}")
    if len(groups) < 2:
        raise ConfigError("share: needs at least two groups")
    frame = pd.concat([rows.assign(**{GROUP: place}) for place, rows in enumerate(groups.values())], ignore_index=True)
    joint_law = SharedLaw(law, list(groups), share)
    joint = fit(frame, joint_law, bootstrap=bootstrap, **options)
    starts = np.cumsum([0, *map(len, groups.values())]).tolist()
    return {label: _part(joint, joint_law, place, groups[label], starts[place]) for place, label in enumerate(groups)}


def _part(joint: Fit, law: SharedLaw, place: int, rows: pd.DataFrame, start: int) -> Fit:
    """Return the fit of one group as one of the base law.

    :param start: the place of the first of its rows among all.
    """
    names = {p.name: law._name(p.name, place) for p in law.base.parameters}
    columns = [law.names.index(name) for name in names.values()]

    def own(values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: values[long] for name, long in names.items() if long in values}

    shared = f"{', '.join(law.shared)} {'is' if len(law.shared) == 1 else 'are'} shared with the other groups"
    return replace(
        joint,
        law=law.base,
        params=own(joint.params),
        se=own(joint.se),
        ci95=own(joint.ci95),
        intervals={kind: own(values) for kind, values in joint.intervals.items()},
        n_points=len(rows),
        runs={name: [float(rows[name].min()), float(rows[name].max())] for name in joint.runs if name in rows},
        flops_of=TrainingFlops.of(rows) if {"N", "D"} <= set(rows) else TrainingFlops(),
        diagnostics={
            **joint.diagnostics,
            "influence": _own_influence(
                joint.diagnostics["influence"], {long: name for name, long in names.items()}, rows, start
            ),
            "warnings": [*joint.diagnostics["warnings"], RankedWarning(shared, Severity.DATA)],
        },
        draws=None if joint.draws is None else joint.draws[:, columns],
        left_out=None if joint.left_out is None else joint.left_out[:, columns],
        frontier_table=[],
        frame=rows,
    )


def _own_influence(
    influence: list[dict[str, Any]], names: Mapping[str, str], rows: pd.DataFrame, start: int
) -> list[dict[str, Any]]:
    """Return the influence of runs on the parameters of a group, where the runs are named or among its rows.

    :param names: parameter of all groups -> that of the group.
    """
    own = []
    for row in influence:
        run = row["run"]
        if run.isdigit() and "run" not in rows:  # a row of all groups
            place = int(run) - start
            if not 0 <= place < len(rows):
                continue
            run = str(place)
        if row["parameter"] in names:
            own.append({**row, "parameter": names[row["parameter"]], "run": run})
    return own
