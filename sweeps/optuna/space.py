"""Search spaces: sweeps in Hydra's override grammar, or structured configs, as distributions of Optuna.

``interval(a, b)`` is continuous, both ends included; ``range(a, b, step)`` leaves out its end, as Hydra's does;
``tag(log, ...)`` puts either on a logarithmic scale; ``choice(a, b)``, ``a,b`` and ``glob(*)`` are categories. An axis of
integers is one by its bounds, ``int(interval(1, 8))`` or ``tag(int, interval(1, 8))``, or by the type of its key in the config.
``shuffle`` and ``sort`` say nothing here, where the sampler decides on the order: an axis is the same in every process.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.types import IntervalSweep, Override, QuotedString, RangeSweep
from omegaconf import DictConfig, IntegerNode, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from openr1.errors import ConfigError
from openr1.options import one_line
from sweeps.optuna.config import AxisConfig
from sweeps.planning.grammar import format_value, is_nested, parse_overrides, without_shuffle

TAGS = ("log", "int")


@dataclass(frozen=True)
class Axis:
    """One key that trials differ in.

    :ivar words: of a category, the text of each choice as an override has it.
    """

    key: str
    distribution: BaseDistribution
    words: tuple[str, ...] = ()

    def override(self, value: Any) -> str:
        """``key=value``, in Hydra's grammar."""
        if isinstance(self.distribution, CategoricalDistribution):
            return f"{self.key}={self.words[int(self.distribution.to_internal_repr(value))]}"
        return f"{self.key}={value!r}"

    def values(self) -> list[Any] | None:
        """All that it can be; None where that is without end."""
        axis = self.distribution
        if isinstance(axis, CategoricalDistribution):
            return list(axis.choices)
        if axis.step is None or axis.log:
            return list(range(axis.low, axis.high + 1)) if isinstance(axis, IntDistribution) else None
        return [axis.low + i * axis.step for i in range(round((axis.high - axis.low) / axis.step) + 1)]

    def probes(self) -> list[Any]:
        """Values that show whether the config takes it: its ends, or every choice."""
        axis = self.distribution
        return list(axis.choices) if isinstance(axis, CategoricalDistribution) else [axis.low, axis.high]

    def holds(self, value: Any) -> bool:
        """A trial may have this value."""
        axis = self.distribution
        if isinstance(axis, CategoricalDistribution):
            return value in axis.choices
        return isinstance(value, int | float) and math.isfinite(value) and axis._contains(axis.to_internal_repr(value))

    def drawn(self, value: Any) -> Any:
        """A value as a trial has it: of its own type, 1 rather than true or 1.0 on an axis of whole numbers."""
        return self.distribution.to_external_repr(self.distribution.to_internal_repr(value))

    def describe(self) -> str:
        axis = self.distribution
        if isinstance(axis, CategoricalDistribution):
            return f"choice({', '.join(self.words)})"
        kind = "int" if isinstance(axis, IntDistribution) else "float"
        step = f", step {axis.step:g}" if axis.step and not axis.log else ""
        return f"{kind} from {axis.low:g} to {axis.high:g}{step}{', log' if axis.log else ''}"


@dataclass(frozen=True)
class Space:
    """The axes by key, and the overrides that all trials have."""

    axes: dict[str, Axis]
    fixed: list[str]

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        return {key: axis.distribution for key, axis in self.axes.items()}

    def overrides(self, params: Mapping[str, Any]) -> list[str]:
        return [*self.fixed, *(self.axes[key].override(value) for key, value in params.items())]


def parse(params: Mapping[str, Any], arguments: Iterable[str], config: DictConfig, loader: ConfigLoader) -> Space:
    """The search space of ``hydra.sweeper.params`` and of the command line, whose word on a key is the last.

    :param config: composed without the sweeps; the types of its keys count.
    :raises ConfigError: for an axis that is none.
    """
    structured = {key: value for key, value in params.items() if isinstance(value, Mapping | DictConfig)}
    lines = [f"{key}={value}" for key, value in params.items() if key not in structured]
    axes = {key: _structured(key, value) for key, value in structured.items()}
    fixed: dict[str, str] = {}
    for override in parse_overrides([*lines, *arguments], loader):
        key, target = override.get_key_element(), override.key_or_group
        for earlier in [one for one in axes if one.lstrip("+~") == key.lstrip("+~")]:
            del axes[earlier]
        fixed.pop(key, None)
        if override.is_sweep_override():
            if override.is_hydra_override() or target == "study" or target.startswith("sweep."):
                raise ConfigError(f"{target}: is the search's, not a trial's; give one value")
            axes[key] = _swept(key, override, _whole(config, target))
        elif not (override.is_hydra_override() or target.startswith("sweep.")):
            fixed[key] = override.input_line if override.is_delete() else f"{key}={format_value(override._value)}"
    if not axes:
        raise ConfigError(
            "hydra/sweeper=optuna: nothing is swept; give an axis, such as 'optim.lr=tag(log,interval(1e-4,1e-2))'"
        )
    return Space(axes, list(fixed.values()))


def _whole(config: DictConfig, key: str) -> bool:
    """Whether the config has a whole number at the key."""
    parent, _, last = key.rpartition(".")
    try:
        node = OmegaConf.select(config, parent) if parent else config
        return isinstance(node, DictConfig) and isinstance(node._get_node(last), IntegerNode)
    except OmegaConfBaseException:
        return False


def _swept(key: str, override: Override, whole: bool) -> Axis:
    sweep = override.value()
    tags = set() if override.is_choice_sweep() else getattr(sweep, "tags", set())
    if unknown := sorted(tags - set(TAGS)):
        raise ConfigError(f"{key}: tag {unknown[0]!r} is not one of {', '.join(TAGS)}")
    if isinstance(sweep, IntervalSweep):
        bounds = (sweep.start, sweep.end)
        ints = isinstance(sweep.start, int) or whole or "int" in tags
        ints = ints and all(float(bound).is_integer() for bound in bounds)
        if "int" in tags and not ints:
            raise ConfigError(f"{key}: the bounds of an axis of whole numbers are whole, not {bounds[0]:g} and {bounds[1]:g}")
        return _numeric(key, *bounds, None, "log" in tags, ints)
    if isinstance(sweep, RangeSweep):
        return _ranged(key, override.get_value_string(), sweep)
    if is_nested(override):
        raise ConfigError(f"{key}: a sweep stands alone, not among the choices of another one")
    values = list(without_shuffle(override).sweep_iterator())
    choices = [value.text if isinstance(value, QuotedString) else value for value in values]
    return _category(key, choices, [format_value(value) for value in values])


def _ranged(key: str, text: str, sweep: RangeSweep) -> Axis:
    start, stop, step = (Decimal(value) for value in (sweep.start, sweep.stop, sweep.step))
    if not all(value.is_finite() for value in (start, stop, step)) or step == 0:
        raise ConfigError(f"{key}: {text} has no end")
    count = math.ceil((stop - start) / step)
    if count <= 0:
        raise ConfigError(f"{key}: {text} is empty")
    ints = all(isinstance(value, int) for value in (sweep.start, sweep.stop, sweep.step))
    if "int" in sweep.tags and not ints:
        raise ConfigError(f"{key}: {text} is not of whole numbers")
    if "log" in sweep.tags and not (ints and abs(step) == 1):
        raise ConfigError(f"{key}: a logarithmic axis has no step; give an interval, or a range of whole numbers")
    low, high = sorted((start, start + (count - 1) * step))
    return _numeric(key, float(low), float(high), float(abs(step)), "log" in sweep.tags, ints)


def _structured(key: str, node: Any) -> Axis:
    try:
        axis = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(AxisConfig), node))
    except OmegaConfBaseException as error:
        raise ConfigError(f"hydra.sweeper.params.{key}: {one_line(error)}") from error
    if axis.type == "categorical":
        return _category(key, axis.choices, [format_value(choice) for choice in axis.choices])
    if axis.type not in ("float", "int"):
        raise ConfigError(f"hydra.sweeper.params.{key}.type: {axis.type!r} is not one of float, int, categorical")
    if axis.low is None or axis.high is None:
        raise ConfigError(f"hydra.sweeper.params.{key}: low and high are needed")
    return _numeric(key, axis.low, axis.high, axis.step, axis.log, axis.type == "int")


def _numeric(key: str, low: float, high: float, step: float | None, log: bool, ints: bool) -> Axis:
    if log and step not in (None, 1):
        raise ConfigError(f"{key}: a logarithmic axis has no step")
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ConfigError(f"{key}: an axis has two ends, not {low:g} and {high:g}")
    try:
        if ints:
            return Axis(key, IntDistribution(int(low), int(high), log=log, step=1 if log else int(step or 1)))
        return Axis(key, FloatDistribution(float(low), float(high), log=log, step=None if log or step is None else float(step)))
    except ValueError as error:
        raise ConfigError(f"{key}: {error}") from error


def _category(key: str, choices: list[Any], words: list[str]) -> Axis:
    if not choices:
        raise ConfigError(f"{key}: there is nothing to choose from")
    plain = [choice if isinstance(choice, bool | int | float | str | None) else words[i] for i, choice in enumerate(choices)]
    return Axis(key, CategoricalDistribution(plain), tuple(words))
