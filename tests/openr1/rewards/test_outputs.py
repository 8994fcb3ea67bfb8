import time

import pytest

from openr1.rewards.outputs import same_output


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("2.0\n", "2"),
        ("2.0 3.50", "2 3.5"),
        ("1\t2   3 ", "1 2 3"),
        ("  7", "7\n\n"),
        ("\n7\r\n8\r\n", "7\n8"),
        ("007", "7"),
        ("+5", "5"),
        ("-0.0", "0"),
        (".5", "0.50"),
        ("2.", "2"),
        ("1e3", "1000"),
        ("1E-2", "0.01"),
        ("YES", " YES \n"),
        ("", "\n\n"),
        ("nan", "nan"),
        ("a\n\n2.0", "a\n\n2"),
        ("1" * 5000 + ".0", "1" * 5000),
    ],
)
def test_outputs_that_are_the_same(printed, expected):
    assert same_output(printed, expected)
    assert same_output(expected, printed)


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("3.0", "2"),
        ("0.33", "0.333"),
        ("50000000000000000", "50000000000000001"),
        ("0.30000000000000004", "0.3"),
        ("1" * 5000, "1" * 4999 + "2"),
        ("1 2", "1\n2"),
        ("1\n2", "1 2"),
        ("1\n\n2", "1\n2"),
        ("12", "1 2"),
        ("1 2", "1 2 3"),
        ("1", ""),
        ("", "0"),
        ("yes", "YES"),
        ("a  b", "a b"),  # space within a line of text counts, as for LiveCodeBench
        ("Case 1: 2.0", "Case 1: 2"),
        ("1_0", "10"),
        ("\uff11", "1"),  # a full-width digit
        ("\u0663", "3"),  # an Arabic one
        ("nan", "0"),
        ("nan", "NaN"),
        ("inf", "Infinity"),
        ("1e400", "inf"),
        ("snan", "1"),
        ("0x10", "16"),
        ("1/2", "0.5"),
        ("1,000", "1000"),
        ("True", "1"),
        ("1e9999999999999999999999", "1"),
        ("1e-9999999999999999999999", "0"),
        ("--5", "5"),
        ("e5", "0"),
        (".", "0"),
    ],
)
def test_outputs_that_are_not_the_same(printed, expected):
    assert not same_output(printed, expected)
    assert not same_output(expected, printed)


def test_numbers_of_a_million_digits_take_no_time():
    start = time.perf_counter()
    assert same_output("7" * 1_000_000 + ".0", "7" * 1_000_000)
    assert not same_output("1e999999", "1" + "0" * 999_998 + "1")
    assert time.perf_counter() - start < 2
