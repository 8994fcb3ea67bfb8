import numpy as np
import pandas as pd
import pytest

from openr1.analysis.sources.frame import Columns, tidy
from openr1.analysis.sources.numbers import Notation, in_words, read_numbers
from openr1.analysis.sources.readers import read_file
from openr1.system.errors import ConfigError


def values(*cells, key="N", **notation):
    return read_numbers(pd.Series(list(cells)), key, Notation(**notation)).values.tolist()


@pytest.mark.parametrize(
    ("key", "text", "number"),
    [
        ("N", "0.23B", 2.3e8),
        ("N", "7 B", 7e9),
        ("N", "350M", 3.5e8),
        ("N", "350m", 3.5e8),
        ("N", "1T", 1e12),
        ("N", "12k", 1.2e4),
        ("N", ".5B", 5e8),
        ("N", "2 billion", 2e9),
        ("D", "300B tokens", 3e11),
        ("D", "1.5e9", 1.5e9),
        ("D", "1.5\u00d710^9", 1.5e9),
        ("D", "10^9", 1e9),
        ("N", "1,000,000", 1e6),
        ("N", "1.000.000", 1e6),
        ("N", "1 000 000", 1e6),
        ("N", "1\u202f000\u00a0000", 1e6),
        ("N", "1'000'000", 1e6),
        ("N", "1_000_000", 1e6),
        ("N", "12,34,567", 1234567),
        ("D", "1.234,5", 1234.5),
        ("D", "1,234.5", 1234.5),
        ("loss", "3,57", 3.57),
        ("loss", "0,234", 0.234),
        ("loss", "3.57 nats", 3.57),
        ("C", "3e21 FLOPs", 3e21),
        ("C", "2 PF-days", 1.728e20),
        ("C", "1.5 ZFLOPs", 1.5e21),
        ("C", "1,5e9", 1.5e9),
        ("pass_at_1", "5 %", 0.05),
        ("pass_at_1", "12.5%", 0.125),
        ("N", "\u22123", -3),
    ],
)
def test_numbers_are_read_as_people_write_them(key, text, number):
    assert values(text, key=key) == [pytest.approx(number, rel=1e-15)]


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("N", "~7B"),
        ("N", "7B (6.7B)"),
        ("N", "7 layers"),
        ("N", "1.2.3"),
        ("N", "1,2,3"),
        ("N", "1,"),
        ("C", "3 GPU hours"),
        ("C", "3B"),
        ("lr", "3e-4k"),
        ("loss", "2.5B"),
        ("loss", "diverged"),
    ],
)
def test_what_is_no_certain_number_is_not_read(key, text):
    read = read_numbers(pd.Series([text]), key, Notation())
    assert np.isnan(read.values).all()
    assert read.unread.tolist() == [True]


@pytest.mark.parametrize("text", ["", "-", "nan", "n/a", "None", "\u2013"])
def test_empty_cells_are_missing(text):
    read = read_numbers(pd.Series(["1B", text]), "N", Notation())
    assert np.isnan(read.values[1])
    assert not read.unread.any()


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1,234", "1,000,000"], [1234, 1e6]),
        (["1,234", "3,57"], [1.234, 3.57]),
        (["1,234", "0.5"], [1234, 0.5]),
        (["1.234", "3,57"], [1234, 3.57]),
        (["1.234", "5.678"], [1.234, 5.678]),
        ([7, "7B", 2.5, None], [7, 7e9, 2.5, np.nan]),
    ],
)
def test_the_numbers_of_a_column_show_what_their_marks_mean(cells, expected):
    assert np.allclose(values(*cells), expected, equal_nan=True)


def test_marks_without_a_certain_role_are_left_undecided():
    for cells, notation in ((["1,234", "12,345"], {}), (["3.57", "3,57", "1,234"], {}), (["1.234"], {"open_point": True})):
        assert read_numbers(pd.Series(cells), "N", Notation(**notation)).undecided.any()
    assert values("1,234", decimal=",") == [1.234]
    assert values("1,234", thousands=",") == [1234]
    assert np.isnan(values("3.57", decimal=",")).all()


def test_dates_are_not_numbers():
    read = read_numbers(pd.Series(pd.to_datetime(["2026-05-01"])), "N", Notation())
    assert read.unread.all()


def test_an_uncertain_column_is_refused_with_a_value_and_what_to_write():
    table = pd.DataFrame({"params": ["1,234", "12,345"], "D": 1e9, "loss": 3.0})
    with pytest.raises(ConfigError) as error:
        tidy(table, Columns(N="params"), needs=("N", "D", "loss"))
    assert str(error.value) == (
        "columns.N: '1,234' in the column 'params' may be 1.234 or 1234; write decimal=',' or decimal='.'"
    )
    assert tidy(table.assign(N=["1,234", "12,345"]).drop(columns="params"), decimal=".").frame["N"].tolist() == [1234, 12345]
    # another column of the table shows it
    assert tidy(table.assign(loss=["3.5", "3.1"]), Columns(N="params"), needs=("N", "loss")).frame["N"].tolist() == [
        1234,
        12345,
    ]


def test_what_is_read_otherwise_is_said(table):
    text = table().assign(N=table()["N"].map(lambda n: f"{n / 1e6:.6f}M"))
    first = table()["N"].iloc[0]
    runs = tidy(text)
    assert np.allclose(runs.frame["N"], table()["N"])
    assert runs.warnings == [f"N: 25 values such as {first / 1e6:.6f}M are read as {in_words(first)}"]
    one = table().astype({"N": object})
    one.loc[3, "N"] = "0.1M"
    one.loc[4, "N"] = "about 0.1M"
    runs = tidy(one)
    assert len(runs.frame) == 24
    assert runs.warnings[:2] == [
        "N: the value 0.1M is read as 100 thousand",
        "N: 1 row is left out, since 'about 0.1M' (row 4) is not a number",
    ]
    assert runs.dropped["reason"].tolist() == ["N is not a number: 'about 0.1M'"]


def test_numbers_in_words():
    assert [in_words(value) for value in (2.3e8, 1.5e9, 21100387, 800, 0.05)] == [
        "230 million",
        "1.5 billion",
        "21100387",
        "800",
        "0.05",
    ]


@pytest.mark.parametrize("zero", ["\uff10", "\u0660", "\u06f0", "\u0966"])
@pytest.mark.parametrize("separator", [",", ";"])
def test_digits_of_other_scripts_are_read_and_said(table, tmp_path, zero, separator):
    given = table()
    digits = {ord(str(digit)): chr(ord(zero) + digit) for digit in range(10)}
    written = given.assign(N=given["N"].map(lambda value: f"{value:.0f}".translate(digits)))
    written.to_csv(tmp_path / "points.csv", index=False, sep=separator)
    runs = read_file(tmp_path / "points.csv")
    assert runs.frame["N"].tolist() == given["N"].tolist()
    assert any(line.startswith("N: 25 values such as") for line in runs.warnings)


def test_arabic_marks_are_those_of_numbers():
    column = ["\u0663\u066b\u0665", "\u0661\u066c\u0662\u0663\u0664\u066b\u0665"]
    assert values(*column, key="loss") == [3.5, 1234.5]
