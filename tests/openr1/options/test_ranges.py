"""Every option of every command declares its range: a walk of all schemas, and the rules of ranges themselves."""

from dataclasses import dataclass, field, is_dataclass
from typing import Annotated, Any, get_args, get_origin

import pytest
from annotated_types import Ge, Gt, Interval, Le, MinLen, MultipleOf
from hydra.utils import get_class
from omegaconf import MISSING

from openr1.analysis.config import FitConfig
from openr1.analysis.laws import LAWS
from openr1.analysis.sources.frame import SOURCES as RUNS
from openr1.config.schema import Config
from openr1.curation.options import STEPS
from openr1.data.options import SOURCES
from openr1.data.tasks import TASKS
from openr1.engines.options import ENGINES
from openr1.options import check_ranges, load_options
from openr1.options.ranges import Count, FreeText, MayBeEmpty, OneOf, Or, describe, split, typed_fields
from openr1.rewards.options import RewardConfig
from openr1.rewards.registry import REWARDS
from openr1.rewards.sandbox import PROVIDERS
from openr1.stages.options import STAGES
from openr1.sweeps.active.config import PlanConfig
from openr1.sweeps.designs import DESIGNS
from openr1.sweeps.optuna.config import AxisConfig, SearchConfig
from openr1.sweeps.status.config import StatusConfig
from openr1.system.errors import ConfigError

SCHEMAS = [
    *(Config, FitConfig, PlanConfig, StatusConfig, SearchConfig, AxisConfig, RewardConfig),
    *(*SOURCES.values(), *STAGES.values(), *ENGINES.values(), *LAWS.values(), *RUNS.values(), *STEPS.values()),
    *(options for options, _ in DESIGNS.values()),
    *(task.Options for task in TASKS.values()),
    *(reward.options for reward in REWARDS.values()),
    *(get_class(path.replace(":", ".")).Options for path in PROVIDERS.values()),
]
FREE_NUMBERS = {"AxisConfig.low", "AxisConfig.high", "AxisConfig.step"}  # of the option that the axis is of


def fields_of(schema: type, seen: set[type]):
    """Yield the class, the name and the type of each option of a schema and of the dataclasses within it."""
    if schema in seen:
        return
    seen.add(schema)
    for name, hint in typed_fields(schema).items():
        yield schema, name, hint
        plain, _ = split(hint)
        for inner in (plain, *get_args(plain)):
            if is_dataclass(split(inner)[0]):
                yield from fields_of(split(inner)[0], seen)


def all_fields():
    seen: set[type] = set()
    return [option for schema in SCHEMAS if schema is not None for option in fields_of(schema, seen)]


FIELDS = [pytest.param(*option, id=f"{option[0].__name__}.{option[1]}") for option in all_fields()]


def refusal(schema: type, name: str, value: Any) -> str | None:
    """Return the line that refuses a value of one option of the schema; None if it is accepted."""
    one = dataclass(type(schema.__name__, (), {"__annotations__": {name: typed_fields(schema)[name]}, name: MISSING}))
    try:
        load_options(one, {name: value}, "group")
    except ConfigError as error:
        return str(error)
    return None


@pytest.mark.parametrize(("schema", "name", "hint"), FIELDS)
def test_what_no_option_may_be_is_one_line_that_names_the_key(schema, name, hint):
    plain, declared = split(hint)
    listed = get_origin(plain) is list
    inner, more = split(get_args(plain)[0]) if listed else (plain, declared)
    wrong: list[Any] = []
    if inner in (int, float) and f"{schema.__name__}.{name}" not in FREE_NUMBERS:
        assert describe(more), "a number needs a range"
        wrong = [float("nan"), float("inf"), float("-inf"), 1e30, -1e30, "x"]
    if inner is str:
        wrong = [] if MayBeEmpty() in more else ["", " "]
        wrong += ["no such choice"] if any(isinstance(rule, OneOf) for rule in more) else []
    for value in wrong:
        line = refusal(schema, name, [value] if listed else value)
        assert line, f"{value!r} is accepted"
        assert line.startswith(f"group.{name}"), line
        assert "\n" not in line


@pytest.mark.parametrize(("schema", "name", "hint"), FIELDS)
def test_a_number_has_a_lower_end(schema, name, hint):
    plain, declared = split(hint)
    inner, more = split(get_args(plain)[0]) if get_origin(plain) is list else (plain, declared)
    if inner in (int, float) and f"{schema.__name__}.{name}" not in FREE_NUMBERS:
        limits = [getattr(rule, end, None) for rule in more for end in ("ge", "gt")]
        assert any(limit is not None for limit in limits)


@dataclass
class Inner:
    share: Annotated[float, Interval(ge=0, le=1)] = 0.5


@dataclass
class Example:
    count: Count = 1
    rate: Annotated[float, Gt(0), Le(100)] | None = None
    steps: Annotated[float, Ge(1), MultipleOf(1)] = 1.0
    workers: Annotated[int, Ge(1), Or(-1)] = -1
    colour: Annotated[str, OneOf(("red", "blue"))] = "red"
    name: str = "x"
    note: FreeText = ""
    rates: Annotated[list[Annotated[float, Gt(0)]], MinLen(1)] = field(default_factory=lambda: [1.0])
    inner: Inner = field(default_factory=Inner)
    parts: dict[str, Inner] = field(default_factory=dict)
    anything: Any = None


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"count": 0}, "x.count: must be at least 1, not 0"),
        ({"count": 10**12}, "x.count: must be at most 1e+09, not 1e+12"),
        ({"rate": float("nan")}, "x.rate: must be a finite number, above 0, at most 100, not nan"),
        ({"rate": 0}, "x.rate: must be above 0, not 0"),
        ({"steps": 1.5}, "x.steps: must be a whole number, not 1.5"),
        ({"workers": 0}, "x.workers: must be at least 1, or -1, not 0"),
        ({"colour": "green"}, "x.colour: 'green' is not one of red, blue"),
        ({"name": " "}, "x.name: must not be empty"),
        ({"rates": []}, "x.rates: needs at least 1 value, not 0"),
        ({"rates": [1, -1]}, "x.rates[1]: must be above 0, not -1"),
        ({"inner": {"share": 2}}, "x.inner.share: must be from 0 to 1, not 2"),
        ({"parts": {"a": {"share": -0.1}}}, "x.parts.a.share: must be from 0 to 1, not -0.1"),
        ({"anything": {"deep": [{"x": float("inf")}]}}, "x.anything.deep[0].x: must be a finite number, not inf"),
    ],
)
def test_the_line_says_the_key_what_is_allowed_and_what_was_given(given, line):
    with pytest.raises(ConfigError) as caught:
        load_options(Example, given, "x")
    assert str(caught.value) == line


def test_values_at_the_ends_are_taken():
    given = {"count": 10**9, "rate": 100, "steps": 3.0, "workers": -1, "note": "", "inner": {"share": 1}}
    options = load_options(Example, given, "x")
    check_ranges(options, "x")
    assert options.inner.share == 1


def test_instances_made_in_python_are_checked_too():
    with pytest.raises(ConfigError, match=r"law.delta: must be above 0"):
        LAWS["chinchilla"](delta=0)
