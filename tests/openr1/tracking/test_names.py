import re
from itertools import product

import pytest
from helpers.configs import composed
from mlflow.utils.validation import _validate_metric_name

from openr1.system.errors import ConfigError
from openr1.tracking.names import KEY_LENGTH, check_folder, check_name, from_key, query_condition, to_key

NAMES = [
    *(
        "loss",
        "data.sources.a.weight",
        "a/b",
        "MATH: algebra",
        "c++",
        "q&a",
        "Counting & Probability",
        "it's",
        'a "b"',
        "é 中",
        "😀",
    ),
    *(
        "..",
        "a/../b",
        "a//b",
        "/a",
        "a/",
        "./a",
        ":2B:",
        "c:2B::2B:",
        ":2b:",
        "a:b",
        ":",
        "::",
        "x?y#z%w",
        "a\tb",
        "a\\b",
        "[0]",
    ),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_a_key_that_mlflow_takes_and_is_read_back(name):
    if name != "..":  # which no metric is called
        _validate_metric_name(to_key(name))
        _validate_metric_name(to_key(f"pass_at_1_{name}"))
    assert from_key(to_key(name)) == name


def test_a_usual_name_is_its_own_key():
    for name in ("eval_loss", "data.sources.a.weight", "pass_at_1/MATH: algebra 3", "é"):
        assert to_key(name) == name


def test_different_names_have_different_keys():
    names = {"".join(parts) for n in range(1, 5) for parts in product(["a", "+", ":", "2B", "/", "."], repeat=n)}
    assert len({to_key(name) for name in names}) == len(names)


def test_a_name_that_is_too_long_has_a_key_of_its_own():
    keys = {to_key("c" * 300 + ending) for ending in "abc"} | {to_key("+" * 100 + ending) for ending in "abc"}
    assert len(keys) == 6
    assert {len(key) for key in keys} == {KEY_LENGTH}
    for key in keys:
        _validate_metric_name(key)


@pytest.mark.parametrize(
    "name", ["demo", "rené's test", "a b", "c++", "q&a?", "中文", "a..b", ".hidden", "a" * 200, '"', "x' OR tags.study != '"]
)
def test_what_a_folder_may_be_called(name):
    check_folder(name, "study")
    check_folder(f"{name[:90]}/{name[:90]}", "study", nested=True)


@pytest.mark.parametrize(
    "name", ["", " ", ".", "..", "../a", "/a", "a/", "a//b", "a/../b", "a/./b", "a\nb", "a\0b", "a" * 201, "é" * 101]
)
def test_what_no_folder_may_be_called(name):
    with pytest.raises(ConfigError, match=r"^study: [^\n]*$"):
        check_folder(name, "study", nested=True)


def test_a_name_need_be_no_folder():
    check_name("a/../b", "data.name")
    with pytest.raises(ConfigError, match=r"^data\.sources\.a/b: 'a/b' is the name of a folder, without /"):
        check_folder("a/b", "data.sources.a/b")


def test_a_condition_holds_for_its_value_and_cannot_end_early():
    for value in ("demo", "it's", 'a "b"', "x' OR tags.study != '", "50%", "a\\", "中", "a;b--c"):
        written = query_condition("tags.study", value)
        inner = re.fullmatch(r"tags\.study (?:=|LIKE) '([^'\"\\%;]*)'", written)
        assert inner
        assert re.fullmatch(re.escape(inner[1]).replace("_", "."), value)


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("study=..", "study"),
        ("study=../x", "study"),
        ("study=", "study"),
        (f"study={'x' * 300}", "study"),
        (f"data.name={'x' * 600}", "data.name"),
        ("scale.name=", "scale.name"),
        (f"tracking.experiment={'x' * 600}", "tracking.experiment"),
        ("+data.sources={..:{kind:python_stdlib}}", "data.sources..."),
        ("+data.sources={a/b:{kind:python_stdlib}}", "data.sources.a/b"),
        ("+data.held_out={a/b:{kind:python_stdlib}}", "data.held_out.a/b"),
        (f"+data.held_out={{{'x' * 300}:{{kind:python_stdlib}}}}", f"data.held_out.{'x' * 20}"),
        ("paths.outputs='a?b'", "paths.outputs"),
        ("paths.outputs='a%20b'", "paths.outputs"),
    ],
)
def test_a_name_that_cannot_be_is_refused_with_its_key(override, key):
    with pytest.raises(ConfigError, match=rf"^{re.escape(key)}: [^\n]*$"):
        composed("data=python_stdlib", override)
