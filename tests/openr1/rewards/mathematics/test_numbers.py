"""Numbers in the forms in which people write them are equal exactly if their values are."""

import random
from fractions import Fraction

import pytest

from openr1.rewards import Problem, Sample, verify
from openr1.rewards.mathematics.markup import normalise
from openr1.rewards.mathematics.numbers import read_number


def fraction(value):
    return rf"\frac{{{value.numerator}}}{{{value.denominator}}}"


def slash(value):
    return f"{value.numerator}/{value.denominator}"


def unreduced(value):
    return rf"\dfrac{{{value.numerator * 6}}}{{{value.denominator * 6}}}"


def signed_inside(value):
    return rf"\frac{{{-value.numerator}}}{{{-value.denominator}}}"


def mixed(value, form=r"{sign}{whole}\frac{{{above}}}{{{below}}}"):
    whole, above = divmod(abs(value.numerator), value.denominator)
    if not whole or not above:
        return fraction(value)
    return form.format(sign="-" if value < 0 else "", whole=whole, above=above, below=value.denominator)


def spaced_mixed(value):
    return mixed(value, "{sign}{whole} {above}/{below}")


def decimal(value):
    """A decimal, with a bar over what repeats."""
    sign, value = ("-" if value < 0 else ""), abs(value)
    whole, rest = divmod(value.numerator, value.denominator)
    digits, seen = "", {}
    while rest and rest not in seen:
        seen[rest] = len(digits)
        digit, rest = divmod(rest * 10, value.denominator)
        digits += str(digit)
    if rest:
        start = seen[rest]
        return rf"{sign}{whole}.{digits[:start]}\overline{{{digits[start:]}}}"
    return f"{sign}{whole}.{digits}" if digits else f"{sign}{whole}"


def unicode_minus(value):
    return decimal(value).replace("-", "\N{MINUS SIGN}")


def full_width(value):
    return "".join(chr(ord(mark) + 0xFEE0) if mark.isdigit() else mark for mark in slash(value))


def dollars(value):
    return f"${fraction(value)}$"


def bold(value):
    return f"**{slash(value)}**"


def with_unit(value):
    return rf"{fraction(value)}\text{{ cm}}"


def named(value):
    return f"x = {fraction(value)}"


FORMS = [fraction, slash, unreduced, signed_inside, mixed, spaced_mixed, decimal, unicode_minus, full_width, dollars, bold]


def drawn(rng):
    return Fraction(rng.randint(-400, 400), rng.choice([1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 25, 100]))


@pytest.mark.parametrize("form", FORMS)
def test_a_form_is_read_exactly(form):
    rng = random.Random(0)
    for value in [drawn(rng) for _ in range(300)]:
        found = read_number(normalise(form(value)))
        assert found is not None, form(value)
        assert found.value == value, form(value)


def test_two_forms_are_equal_exactly_if_their_values_are():
    rng = random.Random(1)
    for _ in range(1500):
        gold, answer = drawn(rng), drawn(rng)
        if rng.random() < 0.5:
            answer = rng.choice([gold, -gold, gold + Fraction(1, 1000), 1 / gold if gold else gold, gold * 10, gold / 100])
        written = rng.choice([*FORMS, with_unit, named])(answer)
        place = rng.choice([r"So it is $\boxed{%s}$.", "<answer>%s</answer>"])
        sample = Sample(Problem("q", rng.choice(FORMS)(gold), kind="math"), f"<think>t</think>{place % written}")
        assert verify(sample) is (gold == answer), (sample.problem.answer, sample.completion)


@pytest.mark.parametrize(
    ("written", "value"), [("12,345", 12345), (r"12\,345", 12345), ("12 345", 12345), ("12{,}345.5", 12345.5)]
)
@pytest.mark.parametrize("space", ["\N{THIN SPACE}", "\N{NARROW NO-BREAK SPACE}", "\N{NO-BREAK SPACE}", " "])
def test_digits_in_groups(written, value, space):
    assert read_number(normalise(written.replace(" ", space))).value == Fraction(value)


@pytest.mark.parametrize(
    "text", ["5√3", "5²", "18 or 19", "3-4", "5x", "1,23", "3.14159...", "2 3", "5!", "1/0", "7:00", "x", ""]
)
def test_what_is_only_nearly_a_number_is_none(text):
    assert read_number(normalise(text)) is None
