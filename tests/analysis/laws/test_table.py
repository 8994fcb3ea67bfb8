"""The table of laws in docs/analysis.md has every law, with the formula and a source of the code."""

import re

import pytest
from helpers.source import ROOT

from openr1.analysis.laws import LAWS

TABLE = re.findall(r"^\| `(\w+)` \| (.+?) \| .+? \| (.+?) \|$", (ROOT / "docs" / "analysis.md").read_text(), re.M)
ROWS = {name: (formula.replace("\\", ""), source) for name, formula, source in TABLE}
ARXIV = re.compile(r"\d{4}\.\d{5}")
OF_OPTIONS = [name for name, law in LAWS.items() if name == "formula" or not isinstance(law.formula, str)]


def test_every_law_has_a_row():
    assert set(ROWS) >= set(LAWS)


@pytest.mark.parametrize("name", [name for name in LAWS if name not in OF_OPTIONS])
def test_formulas_are_those_of_the_code(name):
    assert ROWS[name][0] == LAWS[name].formula


@pytest.mark.parametrize("name", [name for name, law in LAWS.items() if isinstance(law.source, str) and "arXiv" in law.source])
def test_sources_are_among_those_of_the_code(name):
    assert set(ARXIV.findall(ROWS[name][1])) & set(ARXIV.findall(LAWS[name].source))
