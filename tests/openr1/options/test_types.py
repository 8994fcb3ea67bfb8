"""Values of other types than their hints declare: one line that names the place, what is allowed there, and what was given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import pandas as pd
import pytest

from openr1.options import check_ranges, check_type, load_options, typed
from openr1.options.ranges import Count, Typed
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    from nowhere import Nothing


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (np.int64(3), int),
        (3, float),
        (np.float32(0.5), float | None),
        (None, float | None),
        (np.str_("a"), str),
        (Path("a"), str | Path),
        (("a", "b"), Sequence[str]),
        (pd.Index(["a"]), Sequence[str]),
        (["low", "high"], tuple[str, str] | None),
        ({"a": {"b": 1}}, Mapping[str, Any]),
        ("run", Literal["curve", "run"]),
        (object(), pd.DataFrame | str),  # a class is left to whoever uses the value
    ],
)
def test_what_a_hint_declares_is_taken(value, hint):
    check_type(value, hint, "x")


@pytest.mark.parametrize(
    ("value", "hint", "line"),
    [
        (10.0, int, "x: must be a whole number, not 10.0"),
        (True, int, "x: must be a whole number, not True"),
        (True, float | None, "x: must be a finite number, not True"),
        (1, bool, "x: must be true or false, not 1"),
        (None, str, "x: must be a text, not None"),
        ("a", Sequence[str], "x: must be a list of texts, not 'a'"),
        (["a", "b"], Sequence[Sequence[str]], "x[0]: must be a list of texts, not 'a'"),
        ({"a": "b"}, Mapping[str, float], "x.a: must be a finite number, not 'b'"),
        ({1: 2.0}, dict[str, float], "x: must be a mapping of texts to finite numbers, not {1: 2.0}"),
        ({"a": 1}, str | list[str], "x: must be a text or a list of texts, not {'a': 1}"),
        (["a", 1], str | list[str], "x[1]: must be a text, not 1"),
        (("a",), tuple[str, str], "x: must be a tuple of 2 texts, not ('a',)"),
        ("row", Literal["curve", "run"], "x: must be one of curve, run, not 'row'"),
        (list(range(99)), str, "x: must be a text, not a list"),
    ],
)
def test_anything_else_is_refused(value, hint, line):
    with pytest.raises(ConfigError) as caught:
        check_type(value, hint, "x")
    assert str(caught.value) == line


@typed("own")
def call(frame: "Nothing", name: str, *keys: str, own: int = 0, **labels: str) -> tuple[Any, ...]:
    return frame, name, keys, own, labels


def test_arguments_are_checked_but_for_those_that_a_function_checks_itself():
    assert call(1, "a", "b", own="c", d="e") == (1, "a", ("b",), "c", {"d": "e"})
    for arguments, labels, name in (((1, 2), {}, "name"), ((1, "a", 2), {}, "keys"), ((1, "a"), {"d": 2}, "d")):
        with pytest.raises(ConfigError, match=f"^{name}: must be a text, not 2$"):
            call(*arguments, **labels)
    with pytest.raises(TypeError, match=r"missing 1 required positional argument: 'name'"):
        call(1)


@dataclass
class Example:
    names: Annotated[Any, Typed(str | list[str])] = "a"
    bounds: Annotated[Any, Typed(dict[str, float] | None)] = None
    count: Count = 1


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"names": None}, "x.names: must be a text or a list of texts, not None"),
        ({"names": {"a": 1}}, "x.names: must be a text or a list of texts, not {'a': 1}"),
        ({"bounds": {"a": "b"}}, "x.bounds.a: must be a finite number, not 'b'"),
        ({"bounds": {1: 2}}, "x.bounds: must be a mapping of texts to finite numbers, not {1: 2}"),
    ],
)
def test_an_option_of_several_types_is_checked_in_a_config_and_in_python(given, line):
    for build in (lambda: load_options(Example, given, "x"), lambda: check_ranges(Example(**given), "x")):
        with pytest.raises(ConfigError) as caught:
            build()
        assert str(caught.value) == line
    check_ranges(load_options(Example, {"names": ["a", "b"], "bounds": {"c": 1}}, "x"), "x")


def test_an_instance_has_the_types_that_it_declares():
    with pytest.raises(ConfigError, match=r"^x\.count: must be a whole number, at least 1, at most 1e\+09, not '3'$"):
        check_ranges(Example(count="3"), "x")
    with pytest.raises(ConfigError, match=r"^x\.count: must be at least 1, not 0$"):
        check_ranges(Example(count=np.int64(0)), "x")
