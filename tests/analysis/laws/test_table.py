"""The table of laws in docs/analysis.md has the formula and the source of each law in the code."""

import re

import pytest
from helpers.source import ROOT

from analysis.laws import LAWS

ROWS = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \| (.+?) \|$", (ROOT / "docs" / "analysis.md").read_text(), re.M)
ROWS = {name: (formula.replace("\\", ""), source) for name, formula, _, source in ROWS}


@pytest.mark.parametrize("name", LAWS)
def test_a_row_is_that_of_the_code(name):
    law = LAWS[name]
    formula, source = ROWS[name]
    assert (formula, source) == (law.formula, law.source)
