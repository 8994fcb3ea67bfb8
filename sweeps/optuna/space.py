"""Search spaces: sweeps in Hydra's override grammar, or structured configs, as distributions of Optuna.

``interval(a, b)`` is continuous, both ends included; ``range(a, b, step)`` leaves out its end, as Hydra's does;
``tag(log, ...)`` puts either on a logarithmic scale; ``choice(a, b)``, ``a,b`` and ``glob(*)`` are categories. An axis is of
integers if its bounds are declared so, ``int(interval(1, 8))`` or ``tag(int, interval(1, 8))``, or if its key in the config is.
``shuffle`` and ``sort`` have no effect, since the sampler decides on the order: an axis is the same in every process.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias, cast

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.types import IntervalSweep, Override, QuotedString, RangeSweep
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from openr1.options import one_line
from openr1.sweeps.compat import is_integer_key, quoted_value
from openr1.sweeps.optuna.compat import contains
from openr1.sweeps.optuna.config import AxisConfig
from openr1.sweeps.planning.grammar import format_value, is_nested, parse_overrides, range_length, without_shuffle
from openr1.system.errors import ConfigError

TAGS = ("log", "int")
Distribution: TypeAlias = CategoricalDistribution | FloatDistribution | IntDistribution


@dataclass(frozen=True)
class Axis:
    """One key that differs between trials.

    :ivar texts: of a categorical axis, each choice in the grammar of overrides.
    """

    key: str
    distribution: Distribution
    texts: tuple[str, ...] = ()

    def override(self, value: Any) -> str:
        """Return ``key=value`` in Hydra's grammar."""
        if isinstance(self.distribution, CategoricalDistribution):
            return f"{self.key}={self.texts[int(self.distribution.to_internal_repr(value))]}"
        return f"{self.key}={value!r}"

    def all_values(self) -> list[Any] | None:
        """Return every value of the axis; None for a continuous one."""
        axis = self.distribution
        if isinstance(axis, CategoricalDistribution):
            return list(axis.choices)
        if axis.step is None or axis.log:
            return list(range(axis.low, axis.high + 1)) if isinstance(axis, IntDistribution) else None
        return [axis.low + i * axis.step for i in range(round((axis.high - axis.low) / axis.step) + 1)]

    def end_values(self) -> list[Any]:
        """Return both ends, or every choice: values that show whether the config takes the axis."""
        axis = self.distribution
        return list(axis.choices) if isinstance(axis, CategoricalDistribution) else [axis.low, axis.high]

    def contains(self, value: Any) -> bool:
        """Return True where a trial may have this value."""
        axis = self.distribution
        if isinstance(axis, CategoricalDistribution):
            return value in axis.choices
        return isinstance(value, int | float) and math.isfinite(value) and contains(axis, value)

    def convert(self, value: Any) -> Any:
        """Return a value with the type that a trial has it in: 1 rather than true or 1.0 on an axis of integers."""
        return self.distribution.to_external_repr(self.distribution.to_internal_repr(value))

    def describe(self) -> str:
        axis = self.distribution
        if isinstance(axis, CategoricalDistribution):
            return f"choice({', '.join(self.texts)})"
        kind = "int" if isinstance(axis, IntDistribution) else "float"
        step = f", step {axis.step:g}" if axis.step and not axis.log else ""
        return f"{kind} from {axis.low:g} to {axis.high:g}{step}{', log' if axis.log else ''}"


@dataclass(frozen=True)
class Space:
    """The axes by key, and the overrides that all trials share."""

    axes: dict[str, Axis]
    fixed: list[str]

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        return {key: axis.distribution for key, axis in self.axes.items()}

    def overrides(self, params: Mapping[str, Any]) -> list[str]:
        """Return the overrides of a trial with these parameters."""
        return [*self.fixed, *(self.axes[key].override(value) for key, value in params.items())]


def parse_space(params: Mapping[str, Any], arguments: Iterable[str], config: DictConfig, loader: ConfigLoader) -> Space:
    """Parse the search space of ``hydra.sweeper.params`` and of the command line, which takes precedence.

    :param config: composed without the sweeps; the types of its keys count.
    :raises ConfigError: for an axis that is not valid, or where there is none.
    """
    structured = {key: value for key, value in params.items() if isinstance(value, Mapping | DictConfig)}
    lines = [f"{key}={value}" for key, value in params.items() if key not in structured]
    axes = {key: _parse_axis_config(key, value) for key, value in structured.items()}
    fixed: dict[str, str] = {}
    for override in parse_overrides([*lines, *arguments], loader):
        key, target = override.get_key_element(), override.key_or_group
        for earlier in [axis for axis in axes if axis.lstrip("+~") == key.lstrip("+~")]:
            del axes[earlier]
        fixed.pop(key, None)
        if override.is_sweep_override():
            if override.is_hydra_override() or target == "study" or target.startswith("sweep."):
                raise ConfigError(f"{target}: belongs to the search, not to a trial; give one value")
            axes[key] = _parse_sweep(key, override, _is_integer(config, target))
        elif not (override.is_hydra_override() or target.startswith("sweep.")):
            fixed[key] = str(override.input_line) if override.is_delete() else f"{key}={format_value(quoted_value(override))}"
    if not axes:
        raise ConfigError(
            "hydra/sweeper=optuna: nothing is swept; give an axis, such as 'optim.lr=tag(log,interval(1e-4,1e-2))'"
        )
    return Space(axes, list(fixed.values()))


def _is_integer(config: DictConfig, key: str) -> bool:
    """Return True where the config declares an integer at the key."""
    parent, _, last = key.rpartition(".")
    try:
        node = OmegaConf.select(config, parent) if parent else config
        return isinstance(node, DictConfig) and is_integer_key(node, last)
    except OmegaConfBaseException:
        return False


def _parse_sweep(key: str, override: Override, is_integer: bool) -> Axis:
    sweep: Any = override.value()
    tags: set[str] = set() if override.is_choice_sweep() else getattr(sweep, "tags", set())
    if unknown := sorted(tags - set(TAGS)):
        raise ConfigError(f"{key}: tag {unknown[0]!r} is not one of {', '.join(TAGS)}")
    if isinstance(sweep, IntervalSweep):
        low, high = sweep.start or 0, sweep.end or 0
        integers = isinstance(sweep.start, int) or is_integer or "int" in tags
        integers = integers and float(low).is_integer() and float(high).is_integer()
        if "int" in tags and not integers:
            raise ConfigError(f"{key}: the bounds of an axis of integers must be integers, not {low:g} and {high:g}")
        return _numeric_axis(key, low, high, None, "log" in tags, integers)
    if isinstance(sweep, RangeSweep):
        return _parse_range(key, override)
    if is_nested(override):
        raise ConfigError(f"{key}: a sweep cannot be among the choices of another sweep")
    values = list(without_shuffle(override).sweep_iterator())
    choices = [value.text if isinstance(value, QuotedString) else value for value in values]
    return _categorical_axis(key, choices, [format_value(value) for value in values])


def _parse_range(key: str, override: Override) -> Axis:
    count = range_length(key, override)
    sweep, text = cast(RangeSweep, override.value()), override.get_value_string()
    start, step = (Decimal(value or 0) for value in (sweep.start, sweep.step))
    integers = all(isinstance(value, int) for value in (sweep.start, sweep.stop, sweep.step))
    if "int" in sweep.tags and not integers:
        raise ConfigError(f"{key}: {text} is not a range of integers")
    if "log" in sweep.tags and not (integers and abs(step) == 1):
        raise ConfigError(f"{key}: a logarithmic axis has no step; give an interval, or a range of integers")
    low, high = sorted((start, start + (count - 1) * step))
    return _numeric_axis(key, float(low), float(high), float(abs(step)), "log" in sweep.tags, integers)


def _parse_axis_config(key: str, node: Any) -> Axis:
    try:
        axis: Any = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(AxisConfig), node))
    except OmegaConfBaseException as error:
        raise ConfigError(f"hydra.sweeper.params.{key}: {one_line(error)}") from error
    if axis.type == "categorical":
        return _categorical_axis(key, axis.choices, [format_value(choice) for choice in axis.choices])
    if axis.type not in ("float", "int"):
        raise ConfigError(f"hydra.sweeper.params.{key}.type: {axis.type!r} is not one of float, int, categorical")
    if axis.low is None or axis.high is None:
        raise ConfigError(f"hydra.sweeper.params.{key}: low and high are needed")
    return _numeric_axis(key, axis.low, axis.high, axis.step, axis.log, axis.type == "int")


def _numeric_axis(key: str, low: float, high: float, step: float | None, log: bool, integers: bool) -> Axis:
    if log and step not in (None, 1):
        raise ConfigError(f"{key}: a logarithmic axis has no step")
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ConfigError(f"{key}: both ends of an axis must be finite, not {low:g} and {high:g}")
    try:
        if integers:
            return Axis(key, IntDistribution(int(low), int(high), log=log, step=1 if log else int(step or 1)))
        return Axis(key, FloatDistribution(float(low), float(high), log=log, step=None if log or step is None else float(step)))
    except ValueError as error:
        raise ConfigError(f"{key}: {error}") from error


def _categorical_axis(key: str, choices: list[Any], texts: list[str]) -> Axis:
    if not choices:
        raise ConfigError(f"{key}: there is nothing to choose from")
    plain = [choice if isinstance(choice, bool | int | float | str | None) else texts[i] for i, choice in enumerate(choices)]
    return Axis(key, CategoricalDistribution(plain), tuple(texts))
