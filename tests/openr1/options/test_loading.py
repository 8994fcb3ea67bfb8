from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest
from helpers.configs import composed
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import MISSING, OmegaConf

from openr1.config.load import load_run_config
from openr1.config.schema import register, to_dict
from openr1.options import RENAMED_KEYS, flatten, load_config, load_options, one_line
from openr1.options.loading import _may_be_added
from openr1.system.errors import ConfigError


@dataclass
class Shape:
    kind: str = MISSING
    kinds: ClassVar[dict[str, type[Shape]]]
    size: float = 1.0


@dataclass
class Square(Shape):
    kind: str = "square"
    tilt: float = 0.0


@dataclass
class Circle(Shape):
    kind: str = "circle"

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ConfigError("shape.size: must not be negative")


Shape.kinds = {"square": Square, "circle": Circle}


@dataclass
class Drawing:
    title: str = MISSING
    shape: Shape = field(default_factory=Shape)
    more: dict[str, Shape] = field(default_factory=dict)
    frame: Shape | None = None
    free: Any = None


def test_a_node_becomes_the_subclass_that_its_kind_names():
    given = {"title": "a", "shape": {"kind": "square", "tilt": 0.5}, "more": {"x": {"kind": "circle", "size": 2}}}
    drawing = load_config(Drawing, {**given, "frame": {"kind": "circle"}, "free": {"any": [1]}})
    assert drawing == Drawing("a", Square(tilt=0.5), {"x": Circle(size=2.0)}, Circle(), {"any": [1]})


def test_a_node_that_has_its_type_already_keeps_it():
    cfg = OmegaConf.create({"title": "a", "shape": OmegaConf.structured(Square(tilt=0.25))})
    assert load_config(Drawing, cfg).shape == Square(tilt=0.25)


def test_interpolations_are_resolved():
    given = {"title": "${shape.kind}", "shape": {"kind": "circle"}}
    assert load_config(Drawing, given).title == "circle"


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"shape": {"kind": "square"}}, "title: no value is given"),
        ({"title": "a", "shape": {"kind": "blob"}}, "shape.kind: 'blob' is not one of square, circle"),
        ({"title": "a", "shape": {}}, "shape.kind: '???' is not one of square, circle"),
        ({"title": "a", "shape": {"kind": "circle", "tilt": 1}}, "shape.tilt: no such key; there are kind, size"),
        ({"title": "a", "shape": {"kind": "circle"}, "more": {"x": {"kind": "o"}}}, "more.x.kind: 'o' is not one of"),
        ({"title": "a", "shape": {"kind": "circle", "size": -1}}, "shape.size: must not be negative"),
        ({"title": "a", "shape": {"kind": "circle", "size": "big"}}, "shape.size: Value 'big'"),
    ],
)
def test_a_wrong_config_is_one_line_that_begins_with_its_key(given, line):
    with pytest.raises(ConfigError) as error:
        load_config(Drawing, given)
    assert str(error.value).startswith(line)
    assert "\n" not in str(error.value)


def test_options_name_the_key_that_they_stand_at():
    assert load_options(Square, {"tilt": 2}, "drawing.shape") == Square(tilt=2.0)
    with pytest.raises(ConfigError, match=r"^drawing\.shape\.tlit: no such key; there are kind, size, tilt$"):
        load_options(Square, {"tlit": 2}, "drawing.shape")
    with pytest.raises(ConfigError, match=r"^drawing\.shape\.kind: no value is given$"):
        load_options(Shape, {}, "drawing.shape")


def test_nested_keys_are_dotted():
    assert flatten({"a": {"b": {"c": 1}, "d": {}}, "e": [2]}) == {"a.b.c": 1, "a.d": {}, "e": [2]}


STAGE_OF = dict.fromkeys(RENAMED_KEYS, "grpo") | {"stage.evals": "pretrain", "stage.logs": "pretrain", "stage.keep": "pretrain"}


@pytest.mark.parametrize("old", [key for key in RENAMED_KEYS if key.startswith("stage.")])
def test_a_renamed_key_is_refused_with_its_new_name(old):
    with pytest.raises(Exception, match=r"no such key|Could not override|is not in struct") as error:
        composed(f"stage={STAGE_OF[old]}", f"{old}=1")
    assert one_line(error.value) == f"{old}: this key is now called {RENAMED_KEYS[old]}"


def test_a_renamed_step_of_a_recipe_is_refused_with_its_new_name():
    with pytest.raises(Exception, match="exam_base") as error:
        composed("recipe=r1_zero", "data=sums", "scale=500k", "recipe.steps.exam_base.stage.samples=2")
    assert one_line(error.value) == "recipe.steps.exam_base: this key is now called recipe.steps.eval_base"


def test_a_renamed_key_of_a_saved_config_is_refused_with_its_new_name():
    resolved = to_dict(composed("stage=pretrain"))
    resolved["stage"]["evals"] = resolved["stage"].pop("eval_points")
    with pytest.raises(ConfigError, match=r"^stage\.evals: this key is now called stage\.eval_points$"):
        load_run_config(resolved)


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("optim.lr", "optim.lr: is not KEY=VALUE, such as scale=100k"),
        ("optim.lr=[1", "[1: cannot be read; close its brackets"),
        ("model.checkpoint=~/x", "model.checkpoint=~/x: cannot be read; close its brackets and quotes, or put a text"),
        ("+", "an override: cannot be read; close its brackets"),
    ],
)
def test_an_override_that_cannot_be_parsed_is_named(word, line):
    with pytest.raises(HydraException) as error:
        OverridesParser.create().parse_overrides([word])
    assert one_line(error.value).startswith(line)


@dataclass
class Section:
    name: str | None = None


@dataclass
class Lists:
    one: str | None = None
    number: float = 1.0
    flat: list[str] = field(default_factory=list)
    section: Section = field(default_factory=Section)
    entries: dict[str, Section] = field(default_factory=dict)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"flat": "E"}, "flat: is a list"),
        ({"one": ["a", "b"]}, "one: takes one value, not a list"),
        ({"number": [1.0]}, "number: takes one value, not a list"),
        ({"section": 3}, "section: holds several options; set one as section.NAME=VALUE"),
        ({"section": [3]}, "section: holds several options; set one as section.NAME=VALUE"),
        ({"entries": 3}, "entries: holds several entries; add one as +entries.NAME=VALUE"),
    ],
)
def test_a_value_a_list_and_a_section_in_the_place_of_another_are_one_line(given, line):
    with pytest.raises(ConfigError) as error:
        load_config(Lists, given)
    assert str(error.value) == line


@pytest.mark.parametrize(
    ("key", "may"),
    [
        ("recipe.steps.base.optim.lr", True),
        ("recipe.steps.base.optim.lrr", False),
        ("recipe.steps.base.optimm.lr", False),
        ("recipe.steps.base.stage.eval.every", True),
        ("recipe.steps.base.model.options.x", True),
        ("model.options.x", True),
    ],
)
def test_a_plus_is_offered_for_keys_that_may_be_added(key, may):
    register()
    assert _may_be_added(key) is may
