import math

import pandas as pd
import pytest

from openr1.analysis.formatting import (
    DASH,
    TIMES,
    Words,
    compute,
    count_rows,
    interval,
    join_names,
    number,
    percent,
    quantity,
    run_label,
    scientific,
    short,
    three_decimals,
    times,
    with_interval,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (7, "7"),
        (999, "999"),
        (1000, "1k"),
        (1.24e6, "1.24M"),
        (3e9, "3B"),
        (4.56e12, "4.56T"),
        (2e15, f"2{TIMES}10¹⁵"),
        (0.02, f"2{TIMES}10⁻²"),
    ],
)
def test_counts(value, text):
    assert short(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e18, "10¹⁸"),
        (1.84e13, f"1.8{TIMES}10¹³"),
        (9.99e20, "10²¹"),
        (2e-4, f"2{TIMES}10⁻⁴"),
        (math.inf, DASH),
        (math.nan, DASH),
    ],
)
def test_powers_of_ten(value, text):
    assert scientific(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1.7839, "1.784"), (0.35, "0.3500"), (-0.0042, "-0.004200"), (442.16, "442.2"), (46870, "46870"),
     (123456, f"1.2{TIMES}10⁵"),
     (5e-5, f"5{TIMES}10⁻⁵"), (None, DASH), (math.nan, DASH)],
)  # fmt: skip
def test_four_digits(value, text):
    assert number(value) == text


def test_compute_is_in_flops_or_as_it_is():
    assert (compute(3.2e21), compute(39.854), compute(0)) == (f"3.2{TIMES}10²¹", "39.85", "0")


def test_an_interval_needs_both_ends():
    assert interval(1, 2) == "1.000 to 2.000"
    assert interval(None, 2) == interval(math.nan, 2) == ""
    assert with_interval(3e9, 2e9, 4e9, short) == "3B (2B to 4B)"
    assert with_interval(3e9, math.nan, math.nan, short) == "3B"


def test_losses_and_factors():
    assert (three_decimals(2.3456), three_decimals(818142.1)) == ("2.346", f"8.2{TIMES}10⁵")
    assert (times(1.2649), times(10), times(2e9)) == ("1.26", "10", "2B")


def test_percentages():
    assert (percent(0.0083), percent(None), percent(math.nan)) == ("0.83 %", DASH, DASH)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [("N", 3e9, "3B"), ("N_low", 2.5e9, "2.5B"), ("C", 1e21, "10²¹"), ("loss", 2.0001, "2.000"), ("coverage", 0.845, "84.5 %"),
     ("runs", 5, "5"), ("bins", 30.0, "30"), ("N_exponent", 0.4977, "0.4977"), ("excluded", "too few", "too few"),
     ("D", None, DASH),
     ("found", True, "True"), ("loss", math.nan, DASH)],
)  # fmt: skip
def test_columns_are_written_by_what_they_are(name, value, text):
    assert quantity(name, value) == text


@pytest.mark.parametrize(
    ("row", "text"),
    [({"name": "a", "run_id": "b"}, "a"), ({"name": math.nan, "run_id": "b"}, "b"),
     ({"run_id": "0123456789abcdef"}, "0123456789ab…"),
     ({"run": 3}, "3"), ({"N": 1}, "row 7")],
)  # fmt: skip
def test_a_run_is_called_by_its_name(row, text):
    assert run_label(row, 7) == text


def test_runs_and_rows_are_counted():
    assert count_rows(1, pd.DataFrame({"N": [1]})) == "1 run"
    assert count_rows(5, pd.DataFrame({"run": [1]})) == "5 rows"


def test_long_lists_end():
    assert join_names("abc") == "a, b, c"
    assert join_names("abcdefg") == "a, b, c, d, e and 2 more"


@pytest.mark.parametrize("write", [number, scientific])
def test_numbers_that_underflowed_are_written_as_zero(write):
    assert write(3e-271) == write(-1e-100) == "0"
    assert "10" in write(1e-30)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ((None, None, None), ("parameters", "tokens", "a loss of 2.000 nats per token")),
        (("n_params", "train_tokens", "loss_c4_val"), ("parameters", "tokens", "a loss of 2.000 nats per token")),
        (("n", "d", "nll"), ("parameters", "tokens", "a loss of 2.000 nats per token")),
        (("width", "images_seen", "bits_per_byte"), ("width", "images seen", "bits per byte of 2.000")),
    ],
)
def test_the_words_of_a_study_are_those_of_its_columns(columns, words):
    chosen = Words.of(*columns)
    assert (chosen.parameters, chosen.tokens, chosen.amount_of_loss("2.000")) == words
