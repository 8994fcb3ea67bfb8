"""Texts that give one letter, in the forms in which models write it."""

from pathlib import Path

import pytest

from openr1.rewards.choice import read_letter

# a text a line, with \\n for an end of line; the letter of each is C
LETTER_C = Path(__file__).with_name("choice_letters.txt").read_text().strip().split("\n")


@pytest.mark.parametrize("text", [line.replace("\\n", "\n") for line in LETTER_C])
def test_a_letter_is_read_in_the_forms_of_models(text):
    assert read_letter(text) == "C"
