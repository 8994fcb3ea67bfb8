"""Columns that only some laws use: what is no usable number in them is said, and never changes a fit without a word."""

import numpy as np
import pytest
from helpers.law_runs import LAW_STUDIES, group_sizes, reused_problems

from openr1.analysis import Bootstrap, fit
from openr1.analysis.laws import Observational, RlDataReuse, RlIsocompute
from openr1.analysis.sources.frame import FileRuns, read
from openr1.system.errors import ConfigError

NONE = Bootstrap(0)
OWN = {  # a law -> a column that it names itself
    "test_time": "pass_at_4",
    "data_mixing": "data.sources.b.weight",
    "observational": "score",
}


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize(("value", "words"), [("abc", "'abc', no number, in row 5"), (np.inf, "an infinite number, in row 5")])
def test_a_value_of_a_column_of_the_law_that_is_no_number_is_one_line(name, value, words):
    frame, law = LAW_STUDIES[name]()
    column = OWN[name] if OWN[name] in frame else next(key for key in frame if str(key).endswith(OWN[name].rpartition(".")[2]))
    frame = frame.astype({column: object})
    frame.loc[5, column] = value
    with pytest.raises(ConfigError) as error:
        fit(frame, law, bootstrap=NONE)
    assert str(error.value) == f"the column {column!r} holds {words}; mend it, or leave the row out"


def of_table(table, law, tmp_path):
    table.to_csv(tmp_path / "runs.csv", index=False)
    return read(FileRuns(path=str(tmp_path / "runs.csv")), law.needs, law.zero_compute, uses=law.uses)


@pytest.mark.parametrize("value", ["", "abc", "-8", "inf", "0"])
@pytest.mark.parametrize(
    ("make", "law", "column"), [(group_sizes, RlIsocompute(), "prompts"), (reused_problems, RlDataReuse(), "rollouts")]
)
def test_a_row_without_a_quantity_that_others_have_is_left_out_and_counted(make, law, column, value, tmp_path):
    table = make().astype({column: object})
    table.loc[7, column] = value
    runs = of_table(table, law, tmp_path)
    assert len(runs.dropped) == 1
    assert column in runs.dropped["reason"].iloc[0]
    whole = of_table(make().drop(index=7), law, tmp_path)
    assert fit(runs.frame, law, bootstrap=NONE).params == fit(whole.frame, law, bootstrap=NONE).params


@pytest.mark.parametrize(
    ("make", "law", "column"), [(group_sizes, RlIsocompute(), "prompts"), (reused_problems, RlDataReuse(), "rollouts")]
)
def test_a_column_without_any_number_is_left_out_and_said(make, law, column, tmp_path):
    runs = of_table(make().assign(**{column: "-"}), law, tmp_path)
    assert column not in runs.frame
    assert f"the column {column!r} has no usable numbers, and is left out" in [str(warning) for warning in runs.warnings]


def test_a_frame_of_one_s_own_with_such_a_row_is_refused():
    frame = group_sizes()
    frame.loc[7, "prompts"] = np.nan
    with pytest.raises(
        ConfigError,
        match=r"^prompts: 1 of 90 values are missing, .* fit tidy\(frame, needs=\['C', 'pass_at_1', 'rollouts', 'prompts'\]\)",
    ):
        fit(frame, RlIsocompute(), bootstrap=NONE)


def test_pass_rates_that_are_all_the_same_show_no_best_number():
    with pytest.raises(ConfigError, match="all pass rates are the same"):
        fit(group_sizes().assign(pass_at_1=0.5), RlIsocompute(), bootstrap=NONE)
    frame, law = LAW_STUDIES["test_time"]()
    rates = [name for name in frame if str(name).startswith("pass_at_")]
    with pytest.raises(ConfigError, match="have the same accuracy"):
        fit(frame.assign(**dict.fromkeys(rates, 0.5)), law, bootstrap=NONE)


def test_a_benchmark_is_named_once_and_a_chance_is_of_one_of_them():
    frame, _ = LAW_STUDIES["observational"]()
    with pytest.raises(ConfigError, match=r"^law\.chance\.nope: is no benchmark of these runs; there are "):
        fit(frame, Observational(chance={"nope": 0.2}), bootstrap=NONE)
    with pytest.raises(ConfigError, match=r"^law\.benchmarks: 'a' stands there twice"):
        Observational(benchmarks=["a", "a"])
