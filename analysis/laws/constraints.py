"""Constraints on the parameters of a law: fixed values, parameters tied to one another, and priors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np

from openr1.analysis.laws.base import Parameter
from openr1.options import check_ranges
from openr1.options.ranges import Positive
from openr1.system.errors import ConfigError

PRIOR = "{alpha: {mean: 0.34, sd: 0.02}}"


@dataclass(frozen=True)
class Prior:
    """A normal prior on a parameter, by ``mean`` and ``sd``; or a log-normal one, by ``median`` and ``log_sd``."""

    mean: float | None = None
    sd: Positive | None = None
    median: Positive | None = None
    log_sd: Positive | None = None  # standard deviation of the natural logarithm: 0.1 is about 10 %

    def __post_init__(self) -> None:
        check_ranges(self, "priors")
        given = {name for name, value in vars(self).items() if value is not None}
        if given not in ({"mean", "sd"}, {"median", "log_sd"}):
            raise ConfigError("priors: give mean and sd of a normal prior, or median and log_sd of a log-normal one")

    @property
    def is_log(self) -> bool:
        """True for a log-normal prior."""
        return self.median is not None

    @property
    def centre(self) -> float:
        """The mean, or the logarithm of the median."""
        return float(np.log(self.median)) if self.median is not None else float(self.mean or 0)

    @property
    def value(self) -> float:
        """The mean, or the median."""
        return float(self.median if self.median is not None else self.mean or 0)

    @property
    def spread(self) -> float:
        """The standard deviation, of the logarithm for a log-normal prior."""
        return float(self.log_sd if self.log_sd is not None else self.sd or 1)


@dataclass
class Constraints:
    """Options of a fit: what is known about the parameters of its law.

    ``fix`` gives values. The parameters of each list of ``tie`` are equal. ``priors`` pull parameters towards values.
    """

    fix: dict[str, float] = field(default_factory=dict)  # parameter -> its value
    tie: list[list[str]] = field(default_factory=list)  # lists of parameters that are equal
    priors: dict[str, Prior] = field(default_factory=dict)  # parameter -> its prior
    # standard normals (m, priors) that move the centres of the priors in each of m resamples; null for none
    noise: np.ndarray | None = None

    def __bool__(self) -> bool:
        return bool(self.fix or self.tie or self.priors)

    def check(self, law: str, parameters: Sequence[Parameter]) -> None:
        """Check that the parameters exist, and that no parameter is constrained twice.

        :raises ConfigError: naming the key.
        """
        known = {p.name: p for p in parameters}
        for key, names in (("fix", self.fix), ("priors", self.priors), ("tie", [name for group in self.tie for name in group])):
            for name in names:
                if name not in known:
                    raise ConfigError(f"{key}: {law} has no parameter {name!r}; it has {', '.join(known)}")
        for name, value in self.fix.items():
            if not np.isfinite(value) or (known[name].positive and value < 0):
                least = "0 or a positive number" if known[name].positive else "a finite number"
                raise ConfigError(f"fix.{name}: must be {least}, not {value:g}")
            # a range without an upper end is that of an amount, which may be 0, such as an irreducible loss
            if np.isfinite(known[name].upper) and not known[name].lower <= value <= known[name].upper:
                raise ConfigError(f"fix.{name}: must be {_range(known[name])}, the range of {name} in {law}, not {value:g}")
        for group in self.tie:
            if len(group) < 2 or len(set(group)) < len(group):
                raise ConfigError(f"tie: each list names two or more different parameters, unlike [{', '.join(group)}]")
            if units := [name for name in group if known[name].coefficient]:
                raise ConfigError(f"tie: {units[0]} depends on the units of the runs, and cannot be tied")
        _check_once("tie", [*(name for group in self.tie for name in group), *self.fix])
        _check_once("priors", [*self.priors, *self.fix])
        _check_once("priors", [*self.priors, *(name for group in self.tie for name in group[1:])])
        for name, prior in self.priors.items():
            if prior.is_log and not known[name].positive:
                raise ConfigError(f"priors.{name}: {name} may be negative, so that its prior is normal: give mean and sd")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON, of the constraints that there are."""
        priors = {name: {k: v for k, v in vars(prior).items() if v is not None} for name, prior in self.priors.items()}
        return {key: value for key, value in (("fix", self.fix), ("tie", self.tie), ("priors", priors)) if value}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Constraints:
        """Invert :meth:`to_dict`."""
        return cls(values.get("fix", {}), values.get("tie", []), read_priors(values.get("priors", {})))

    @property
    def tied(self) -> dict[str, str]:
        """Each tied parameter -> the first of its list, whose value it takes."""
        return {name: group[0] for group in self.tie for name in group[1:]}


def _range(parameter: Parameter) -> str:
    low, high = parameter.lower, parameter.upper
    return f"from {low:g} to {high:g}" if np.isfinite(low) else f"at most {high:g}"


def _check_once(key: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ConfigError(f"{key}: {name} is constrained twice")
        seen.add(name)


def read_values(values: Any) -> dict[str, float]:
    """Return parameters and their values, from a mapping such as ``{"alpha": 0.35}``.

    :raises ConfigError: for anything else.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"fix: give parameters and their values, such as {{alpha: 0.35}}, not {values!r}")
    for name, value in values.items():
        if not is_number(value):
            raise ConfigError(f"fix.{name}: must be a finite number, not {value!r}")
    return {name: float(value) for name, value in values.items()}


def read_priors(values: Any) -> dict[str, Prior]:
    """Return priors from mappings such as ``{"alpha": {"mean": 0.34, "sd": 0.02}}``, or from priors.

    :raises ConfigError: for anything else.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"priors: give parameters and their priors, such as {PRIOR}, not {values!r}")
    priors = {}
    for name, value in values.items():
        if isinstance(value, Prior):
            priors[name] = value
            continue
        if not isinstance(value, Mapping) or not set(value) <= set(Prior.__dataclass_fields__):
            raise ConfigError(f"priors.{name}: must be like {PRIOR} or {{E: {{median: 1.7, log_sd: 0.1}}}}, not {value!r}")
        try:
            priors[name] = Prior(**value)
        except ConfigError as error:
            raise ConfigError(f"priors.{name}{str(error).removeprefix('priors')}") from error
    return priors


def is_number(value: Any) -> bool:
    """Return True for a finite number of Python or NumPy."""
    return isinstance(value, Real) and not isinstance(value, bool) and bool(np.isfinite(float(value)))
