"""Verdicts on numbers with units of any language, counters without a space, and signs of currencies."""

import pytest

from openr1.data.tasks.base import Problem
from openr1.rewards import Sample, verify

SAME = [
    ("15", "15€"), ("15", "15 €"), ("15", r"\boxed{15\,\text{€}}"), ("15", "15 ₽"), ("15€", "15€"), ("15€", "€15"),
    ("15", "15円"), ("5", r"\boxed{5个}"), ("5", r"\boxed{5元}"), ("5", r"\boxed{ 5\,\text{米} }"), ("5", "5개"), ("5", "5人"),
    ("5", "5 个苹果"), ("5", "答案是5个。"), ("5", "答案是 5 元。"), ("5", "답은 5입니다."),
    ("5千克", r"\boxed{5千克}"), ("5千克", "5 kg"),
    ("5小时", "5个小时"), ("5个苹果", "5个"), ("5小时", "5 h"), ("5元", "5"), ("5个", "5"),
]  # fmt: skip
OTHER = [
    ("15", "16€"), ("15 €", r"\boxed{15 \$}"), ("5千克", "5克"), ("5米", r"\boxed{5厘米}"), ("5", "5个半"),
    ("5", r"\boxed{5万}"),
    ("5", r"\boxed{5万元}"), ("5", r"\boxed{5百个}"), ("5", r"\boxed{5千}"), ("5", r"\boxed{5不是}"), ("5", r"\boxed{5倍}"),
    ("5", r"\boxed{5分之一}"), ("5", r"\boxed{5点}"), ("5", r"\boxed{5割}"), ("5", r"\boxed{5개월}"), ("5", r"\boxed{5人以上}"),
    ("5", "5 тысяч"), ("5", "5 миллионов рублей"), ("5", r"\boxed{5\text{万元}}"), ("5", r"\boxed{5\text{만 원}}"),
    ("5", r"\boxed{5\text{ млн}}"), ("5", r"\boxed{5\text{个半}}"), ("5", "5个亿"), ("5", "5个十分之一"), ("5", "5个的两倍"),
    ("5", "5個未満"), ("5", "5 lakh rupees"), ("5", "5个以上"), ("5个月", "5个小时"), ("5个苹果", "5个梨"), ("5小时", "5个月"),
    ("5", r"\boxed{5ではない}"), ("18", "18 или 19"), ("5", "5 не"),
]  # fmt: skip


def verdict(gold, answer, prompt="q"):
    return verify(Sample(Problem(prompt, gold, kind="math"), f"<think>t</think>{answer}"))


@pytest.mark.parametrize(("gold", "answer"), SAME)
def test_a_number_keeps_its_value_with_a_unit_of_any_language(gold, answer):
    assert verdict(gold, answer) is True


@pytest.mark.parametrize(("gold", "answer"), OTHER)
def test_words_that_change_a_number_are_no_units(gold, answer):
    assert verdict(gold, answer) is False


@pytest.mark.parametrize(("prompt", "answer"), [("Simplify 6/8", r"\frac{6}{8}"), (r"Simplify $\frac{6}{8}$", "6/8")])
def test_a_fraction_of_the_prompt_is_no_answer_in_another_notation(prompt, answer):
    assert verdict("3/4", rf"\boxed{{{answer}}}", prompt) is False
    assert verdict("3/4", r"\boxed{\frac{3}{4}}", prompt) is True
