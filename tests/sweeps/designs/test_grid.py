import pytest
from helpers.sweep_designs import study

from openr1.sweeps.designs.grid import Grid, GridSweep
from openr1.system.errors import ConfigError


def test_every_combination_in_one_round_the_last_axis_fastest():
    sweep = GridSweep(axes={"scale": ["30k", "50k"], "budget.tokens": [1e5, 2e5]})
    rounds, finished, design = study(sweep, lambda config: config.budget.tokens)
    assert rounds == [
        [
            ("scale=30k", "budget.tokens=100000.0"),
            ("scale=30k", "budget.tokens=200000.0"),
            ("scale=50k", "budget.tokens=100000.0"),
            ("scale=50k", "budget.tokens=200000.0"),
        ]
    ]
    assert [run.config.budget.tokens for run in finished] == [1e5, 2e5] * 2
    assert design.report(finished) == []


def test_without_axes_there_is_one_run():
    assert Grid(GridSweep(), None).next([]) == [()]


def test_values_are_words_of_the_grammar():
    axes = {"data.sources.files.path": ["a b,c.txt"], "model.checkpoint": [None], "model.options": [{"rope": [1, 2]}]}
    (run,) = Grid(GridSweep(axes=axes), None).next([])
    assert run == (r"data.sources.files.path=a\ b\,c.txt", "model.checkpoint=null", "model.options={rope:[1,2]}")


@pytest.mark.parametrize(
    ("axes", "line"),
    [
        ("scale", r"^sweep\.axes: must name a list"),
        ({"scale": "30k"}, r"^sweep\.axes\.scale: must be a list of values, not '30k'"),
        ({"scale": []}, r"^sweep\.axes\.scale: "),
    ],
)
def test_axes_that_are_none_are_refused(axes, line):
    with pytest.raises(ConfigError, match=line):
        GridSweep(axes=axes)
