"""A law given as text, such as ``E + A*N**-a + B*(D/U)**-b``."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from openr1.analysis.laws.base import Parameter
from openr1.analysis.laws.points import Inputs
from openr1.analysis.laws.regression import CurveLaw
from openr1.analysis.sources.frame import Columns
from openr1.system.errors import ConfigError

FUNCTIONS = {
    name: getattr(np, name) for name in ("exp", "log", "log2", "log10", "log1p", "expm1", "sqrt", "tanh", "sin", "cos")
}
OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.USub, ast.UAdd)
STARTS = (0.02, 2.0)  # starts of a parameter that the curve is not linear in, unless it has bounds
PROBES = 5  # points at which the curve is probed for the parameters that it is linear in


@dataclass
class FormulaLaw(CurveLaw):
    """A curve of one's own through all points: columns of the runs, parameters, numbers, ``+ - * / **`` and functions.

    A name that is a quantity of the runs, such as N, D, C, U, k, lr or batch, is its column, as is every name in ``columns``.
    All other names are parameters, each above 0 unless it has ``bounds``, within which it stays. The starts of a parameter that
    the curve is not linear in go over its bounds, or from 0.02 to 2.
    """

    name: ClassVar[str] = "formula"
    title: ClassVar[str] = "Formula"
    source: ClassVar[str] = "given by the user"

    formula: str = "E + A*N**-a + B*D**-b"  # columns of the runs, parameters and numbers
    bounds: Any = None  # parameters -> their lower and upper bounds, such as {a: [0.01, 3]}
    columns: list[str] = field(default_factory=list)  # more names that are columns of the runs
    response: str = "loss"  # type: ignore[misc]  # column that the formula predicts

    def __post_init__(self) -> None:
        super().__post_init__()
        names = self._names
        if not isinstance(self._bounds, Mapping):
            raise ConfigError(f"law.bounds: give parameters and their bounds, such as {{a: [0.01, 3]}}, not {self.bounds!r}")
        for name, ends in self._bounds.items():
            if name not in names or name in self.predictors:
                raise ConfigError(f"law.bounds: {name} is no parameter of {self.formula}")
            if not _are_ends(ends):
                raise ConfigError(f"law.bounds.{name}: give a lower and a higher number, such as [0.01,3]")
        if unused := [name for name in self.columns if name not in names]:
            raise ConfigError(f"law.columns: {unused[0]} does not stand in {self.formula}; leave it out")
        if not self.predictors:
            raise ConfigError(
                f"law.formula: {self.formula} has no column of the runs, such as N, D or C; name others in law.columns"
            )
        if self.response in names:
            raise ConfigError(f"law.formula: {self.response} is what the formula predicts, and cannot stand in it")
        try:
            parameters = self.parameters
        except ArithmeticError as error:
            raise ConfigError(f"law.formula: {self.formula} cannot be computed: {error.args[-1]}") from error
        if not parameters:
            raise ConfigError(f"law.formula: {self.formula} has no parameter to fit")

    @property
    def _bounds(self) -> dict[str, list[float]]:
        return self.bounds or {}

    @cached_property
    def _names(self) -> list[str]:
        """The names in the formula that are no functions, in their order.

        :raises ConfigError: for anything but arithmetic.
        """
        try:
            tree = ast.parse(self.formula, mode="eval")
        except SyntaxError as error:
            raise ConfigError(f"law.formula: {self.formula!r} cannot be read: {error.msg}") from error
        names: dict[str, int] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Name):
                names.setdefault(node.id, node.col_offset)
                names[node.id] = min(names[node.id], node.col_offset)
            _check_node(node)
        return sorted(names.keys() - FUNCTIONS.keys(), key=names.__getitem__)

    @cached_property
    def _compiled(self) -> Any:
        tree = ast.parse(self.formula, mode="eval")
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
                node.value = float(node.value)  # powers of whole numbers of Python may be of any length
        return compile(tree, "law.formula", "eval")

    @property
    def predictors(self) -> tuple[str, ...]:
        known = {column.name for column in fields(Columns)} | set(self.columns)
        return tuple(name for name in self._names if name in known)

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:  # type: ignore[override]
        names = [name for name in self._names if name not in self.predictors]
        plain = [self._parameter(name, linear=False) for name in names]
        linear = {name for name in names if self._is_linear(name, plain)}
        together = [name for name in names if name in linear and self._are_linear([*linear], plain)]
        return tuple(self._parameter(name, linear=name in together and name not in self._bounds) for name in names)

    def _parameter(self, name: str, linear: bool) -> Parameter:
        low, high = self._bounds.get(name, (0.0, np.inf))
        positive = low >= 0
        starts = STARTS if name not in self._bounds else (max(low, 1e-3 * high), high) if positive else (low, high)
        return Parameter(name, "parameter of the formula", low, high, linear=linear, positive=positive, starts=starts)

    def _is_linear(self, name: str, parameters: list[Parameter]) -> bool:
        return self._are_linear([name], parameters)

    def _are_linear(self, names: list[str], parameters: list[Parameter]) -> bool:
        """Return True if the curve is linear in these parameters together: its second differences vanish at a few points."""
        rng = np.random.default_rng(0)
        x = Inputs(**{name: rng.uniform(1.5, 9, PROBES) for name in self.predictors})
        base = {p.name: rng.uniform(*p.starts) for p in parameters}
        values = [self.evaluate(x, {**base, **{n: t * (1 + i) for i, n in enumerate(names)}}) for t in (1.0, 2.0, 3.0)]
        return bool(np.allclose(values[0] + values[2], 2 * values[1], rtol=1e-9))

    def evaluate(self, x: Inputs, params: Mapping[str, Any]) -> np.ndarray:
        """Return the values of the formula."""
        with np.errstate(all="ignore"):
            return eval(self._compiled, {"__builtins__": {}}, {**FUNCTIONS, **vars(x), **params}) + 0 * getattr(
                x, self.predictors[0]
            )

    def curve(self, x: Inputs, *params: Any, **_: Any) -> np.ndarray:
        return self.evaluate(x, self._within(dict(zip(self.names, params, strict=True))))

    def rescaled(self, params: dict[str, np.ndarray], scale: Mapping[str, float]) -> dict[str, np.ndarray]:
        return self._within(params)

    def _scale(self, values: np.ndarray) -> float:
        return 1.0  # it is not known what other units do to the parameters of any formula

    def _within(self, params: dict[str, Any]) -> dict[str, Any]:
        """Return parameters that have bounds at the nearest value within them."""
        for name, (low, high) in self._bounds.items():
            value = params[name]
            params = {**params, name: np.where(np.real(value) < low, low, np.where(np.real(value) > high, high, value))}
        return params


def _are_ends(ends: Any) -> bool:
    """Return True for a list of two finite numbers in ascending order."""
    numbers = isinstance(ends, list) and len(ends) == 2 and all(isinstance(end, int | float) for end in ends)
    return numbers and bool(np.isfinite(ends).all()) and ends[0] < ends[1]


def _check_node(node: ast.AST) -> None:
    """Refuse everything that is not arithmetic of names and numbers."""
    if isinstance(node, ast.BitXor):
        raise ConfigError("law.formula: write ** for powers, not ^")
    if isinstance(node, ast.Call):
        if not isinstance(node.func, ast.Name) or node.func.id not in FUNCTIONS or len(node.args) != 1 or node.keywords:
            raise ConfigError(f"law.formula: the functions are {', '.join(FUNCTIONS)}, each of one value")
    elif isinstance(node, ast.Constant):
        if not isinstance(node.value, int | float) or isinstance(node.value, bool):
            raise ConfigError(f"law.formula: {node.value!r} is not a number")
    elif not isinstance(node, (ast.Expression, ast.BinOp, ast.UnaryOp, ast.Name, ast.Load, *OPERATORS)):
        raise ConfigError(
            f"law.formula: {ast.unparse(node) or type(node).__name__} is not arithmetic: + - * / ** and functions"
        )
