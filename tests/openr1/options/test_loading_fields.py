"""Fields of configs that were built before are copied; what a copy is changed into changes no other config."""

from dataclasses import dataclass, field

import pytest

from openr1.options import load_config
from openr1.system.errors import ConfigError


@dataclass
class Rates:
    lr: float = 0.1
    weights: dict[str, float] = field(default_factory=dict)


@dataclass
class Job:
    name: str
    rates: Rates = field(default_factory=Rates)


def test_equal_values_give_equal_fields_that_are_not_shared():
    first, second = (load_config(Job, {"name": "a", "rates": {"lr": 1, "weights": {"b": 2}}}) for _ in range(2))
    assert first == second == Job("a", Rates(1.0, {"b": 2.0}))
    first.rates.weights["c"] = 3.0
    assert load_config(Job, {"name": "a", "rates": {"lr": 1, "weights": {"b": 2}}}) == second


def test_values_that_are_written_alike_are_told_apart():
    assert load_config(Job, {"name": "1"}).name == "1"
    given = ({"weights": {"a": 1.0, "b": 2.0}}, {"weights": {"b": 2.0, "a": 1.0}})
    assert [list(load_config(Job, {"name": "x", "rates": rates}).rates.weights) for rates in given] == [["a", "b"], ["b", "a"]]


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"name": "a", "rates": {"lr": "fast"}}, "rates.lr: Value 'fast' of type 'str' could not be converted to Float"),
        ({"name": "a", "rates": {"rate": 1}}, "rates.rate: no such key; there are lr, weights"),
        ({"name": "a", "rate": 1}, "rate: no such key; there are name, rates"),
        ({"rates": {}}, "name: no value is given"),
    ],
)
def test_a_wrong_field_is_refused_every_time(given, line):
    for _ in range(2):
        with pytest.raises(ConfigError) as error:
            load_config(Job, given)
        assert str(error.value) == line
