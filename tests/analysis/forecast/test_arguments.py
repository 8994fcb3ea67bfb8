"""A wrong argument of a forecast is one line that begins with its name; what is meant without doubt is accepted."""

import re

import numpy as np
import pandas as pd
import pytest
from helpers.law_runs import isoflop_runs

from openr1.analysis import Bootstrap, forecast, tidy
from openr1.analysis.laws import Chinchilla
from openr1.system.errors import ConfigError

NONE = Bootstrap(resamples=0)
FAR = 1e23


@pytest.fixture(scope="module")
def frame():
    return isoflop_runs(budgets=7, sizes=5)


def refuse(message, *args, **options):
    """Check that a forecast is refused in one line that begins with a message."""
    with pytest.raises(ConfigError, match="^" + re.escape(message)) as raised:
        forecast(*args, **{"bootstrap": NONE, **options})
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("flops", [np.nan, -1, 0, [1e23, -1], "much"])
def test_flops_are_positive_numbers(frame, flops):
    refuse("flops: must be a positive finite number, or a list of them, not ", frame, flops)


def test_laws_may_be_names_or_classes_and_runs_a_table_that_was_read(frame):
    expected = forecast(frame, FAR, laws=[Chinchilla()], bootstrap=NONE)
    runs = tidy(frame.drop(columns="budget"))
    for table, laws in ((frame, ["chinchilla"]), (runs, "chinchilla"), (frame, [Chinchilla])):
        found = forecast(table, FAR, laws=laws, bootstrap=NONE)
        assert found.chosen == expected.chosen
        assert found.table["predicted"].iloc[0] == pytest.approx(expected.table["predicted"].iloc[0])
    assert not any("weighted" in line for line in found.fit.diagnostics["warnings"])


def test_what_is_missing_or_of_another_type_is_named(frame):
    at = pd.DataFrame({"N": [1e10], "D": [1e12]})
    refuse("at: lacks the column C, which chinchilla needs", frame, at=at, laws=["chinchilla"])
    refuse("at: lacks the columns C, D, which", frame, at=at[["N"]], laws=["chinchilla"])
    refuse("at: must be a DataFrame", frame, at={"N": 1e10})
    refuse("frame: has no rows", frame.iloc[:0], FAR)
    refuse("frame: must be a DataFrame", None, FAR)
    refuse("law: 'chinchila' is not one of", frame, FAR, laws=["chinchila"])
    refuse("law: must be a name", frame, FAR, laws=[None])
    refuse("law: must be a name", frame, FAR, laws=1)
    refuse("stack: must be true or false, not 'no'", frame, FAR, stack="no")
    refuse("at: N must hold positive finite numbers", frame, at=at.assign(C=6e22, N="10b"))
    refuse("bootstrap: must be a Bootstrap", frame, FAR, bootstrap=100)
