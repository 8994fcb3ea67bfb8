import runpy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from annotated_types import Ge, Interval, Le

from openr1.options.ranges import Count, OneOf, Tokens, Unit
from openr1.options.reference import meanings, write_table

DOCS = Path(__file__).parents[3] / "docs"


@dataclass
class Inner:
    share: Annotated[float, Interval(ge=0, le=1)] = 0.5  # of the tokens


@dataclass
class Example:
    count: Count = 1  # of the runs
    # an amount, whose
    # comment has two lines
    tokens: Tokens | None = None
    colour: Annotated[str, OneOf(("red", "blue"))] = "red"
    rates: list[Annotated[float, Ge(0), Le(10), Unit("steps")]] = field(default_factory=list)
    inner: Inner = field(default_factory=Inner)


def test_a_row_has_the_default_the_range_the_unit_and_the_comment():
    assert write_table(Example, "x.").splitlines()[2:] == [
        "| `x.count` | `1` | whole number, at least 1, at most 1e+09 | of the runs |",
        "| `x.tokens` | null | number, at least 1, at most 1e+17, in tokens | an amount, whose comment has two lines |",
        "| `x.colour` | `red` | one of red, blue |  |",
        "| `x.rates` | `[]` | list of: number, at least 0, at most 10, in steps |  |",
        "| `x.inner.share` | `0.5` | number, from 0 to 1 | of the tokens |",
    ]


def test_meanings_are_inherited():
    @dataclass
    class Child(Inner):
        more: int = 1  # than before

    assert meanings(Child) == {"share": "of the tokens", "more": "than before"}


def test_the_page_is_that_of_the_code():
    page = runpy.run_path(str(DOCS / "options.py"))["page"]()
    assert page == (DOCS / "options.md").read_text(), "run: python docs/options.py"
