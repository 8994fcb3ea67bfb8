"""Rows of a table: which are left out, which a condition selects, and which belong to one run."""

import numpy as np
import pandas as pd
import pytest

from openr1.analysis.sources.frame import Columns, tidy
from openr1.system.errors import ConfigError


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0, "OOM"])
def test_rows_without_flops_are_left_out_although_the_law_needs_none(value):
    table = pd.DataFrame({"N": [1e8, 2e8, 4e8], "D": [1e10, 2e10, 4e10], "loss": [3.0, 2.8, 2.6]})
    flops = (6 * table["N"] * table["D"]).astype(object)
    flops[1] = value
    runs = tidy(table.assign(C=flops), needs=["N", "D", "loss"])
    assert len(runs.frame) == 2
    assert runs.dropped["reason"].iloc[0].startswith("C is")


def test_a_column_without_any_flops_is_left_out_and_said():
    table = pd.DataFrame({"N": [1e8, 2e8], "D": [1e10, 2e10], "loss": [3.0, 2.8], "C": ["n/a", "n/a"]})
    runs = tidy(table, needs=["N", "D", "loss"])
    assert len(runs.frame) == 2
    assert "C" not in runs.frame
    assert "the column 'C' has no usable FLOPs, and is left out" in runs.warnings


def test_weights_that_are_all_0_are_refused(table):
    with pytest.raises(ConfigError, match=r"columns\.weight: the column 'w' is 0 in every row"):
        tidy(table().assign(w=0), Columns(weight="w"))


@pytest.mark.parametrize("wanted", [1, 1.0, "1", [1, 5]])
def test_a_condition_compares_numbers_as_numbers(table, wanted):
    given = table().assign(seed=[np.nan, *([0.0, 1.0] * 12)])
    assert len(tidy(given, where={"seed": wanted}).frame) == 12
    assert len(tidy(given.assign(seed=given["seed"].map(str)), where={"seed": wanted}).frame) == 12


def test_a_condition_that_no_row_meets_is_named_with_values_that_there_are(table):
    given = table().assign(seed=[np.nan, *([0.0, 1.0] * 12)], kind="a", data=[[1]] * 25)
    for where, line in (
        ({"seed": 3}, "where.seed: no row has 3; the column has 0, 1"),
        ({"kind": "a", "seed": [3, 4]}, "where.seed: no row has 3 or 4; the column has 0, 1"),
        ({"kind": 1}, "where.kind: no row has 1; the column has a"),
        ({"data": 1}, "where.data: no row has 1; the column has [1]"),
    ):
        with pytest.raises(ConfigError) as error:
            tidy(given, where=where)
        assert str(error.value) == line


def test_rows_without_a_run_are_runs_of_their_own(table):
    for empty in (np.nan, None, " "):
        runs = tidy(table().assign(run=empty))
        assert (len(runs.frame), "run" in runs.frame) == (25, False)
        assert runs.warnings == ["run: the column 'run' is empty; each row is a run of its own"]
        runs = tidy(table().assign(run=[*map("r{}".format, range(20)), *([empty] * 5)]))
        assert (len(runs.frame), runs.frame["run"].nunique()) == (25, 25)
        assert runs.warnings == ["run: 5 rows have no run; each is a run of its own"]
    numbered = tidy(table().assign(run=[*np.arange(20.0), *([np.nan] * 5)])).frame["run"]
    assert numbered.tolist() == [*map(str, range(20)), "row 20", "row 21", "row 22", "row 23", "row 24"]


def test_rows_without_a_run_or_a_run_id_that_repeat_others_are_left_out(table):
    given = table().assign(run=[*map("r{}".format, range(20)), *([None] * 5)])
    assert len(tidy(pd.concat([given, given.iloc[-1:]], ignore_index=True)).frame) == 25
    points = pd.concat([table(), table().assign(D=lambda frame: frame["D"] / 2)], ignore_index=True)
    points["run_id"] = [*map("r{}".format, range(20)), *([None] * 5)] * 2
    assert tidy(points).frame["run"].nunique() == 30


def test_a_law_of_runs_leaves_out_rows_without_one(table):
    runs = tidy(table().assign(run=[*(["r0"] * 20), *([None] * 5)]), needs=["run", "N", "D", "C", "loss"])
    assert len(runs.frame) == 20


@pytest.mark.parametrize(("name", "step"), [("Name", "Step"), ("run_name", "_step"), ("name", "iteration")])
def test_the_rows_of_a_name_beside_a_step_are_points_of_one_run(name, step):
    table = pd.DataFrame(
        {name: ["a", "a", "b", "b"], step: [1, 2, 1, 2], "N": 1e8, "D": [1e10, 2e10] * 2, "loss": [3.0, 2.8, 3.1, 2.9]}
    )
    runs = tidy(table)
    assert runs.frame["run"].tolist() == ["a", "a", "b", "b"]
    assert any(f"rows with the same {name} are points of one run" in line for line in runs.warnings)
    assert "run" not in tidy(table.assign(**{name: list("abcd")})).frame
