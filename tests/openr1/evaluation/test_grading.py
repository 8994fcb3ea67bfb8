"""Equal answers are one vote, and a majority over them is not biased."""

import random
from collections import Counter

import pytest

from openr1.evaluation import metrics
from openr1.evaluation.grading import RIGHT, votes
from openr1.evaluation.grouping import grouped

FORMS = {  # one value a key, in forms that models write
    "1/2": [r"\boxed{\frac{1}{2}}", r"\boxed{0.5}", r"<answer>1/2</answer>", r"The answer is $\frac{2}{4}$.", r"\boxed{50\%}"],
    "3": [r"\boxed{3}", "<answer>3.0</answer>", r"\boxed{x = 3}", "The answer is **3**.", r"\boxed{3 \text{ cm}}"],
    "2,5": [r"\boxed{2, 5}", r"\boxed{5 \text{ and } 2}", r"\boxed{\{2, 5\}}", r"\boxed{2} or \boxed{5}"],
    "5 roots": [r"\boxed{5\sqrt{2}}", r"\boxed{\sqrt{50}}", "<answer>5*sqrt(2)</answer>", "<answer>√50</answer>"],
    "evelyn": [r"\boxed{\text{Evelyn}}", "<answer>Evelyn</answer>", "The answer is Evelyn."],
}


def row(completion, verified=False, kind="math"):
    return {"problem_id": "p", "task": "t", "difficulty": None, "kind": kind, "tokens": 3, "finished": True} | {
        "verified": verified,
        "completion": f"<think>t</think>{completion}",
    }


@pytest.mark.parametrize("value", FORMS)
def test_equal_wrong_answers_are_one_vote_in_whatever_form_they_are_written(value):
    other = next(forms[0] for name, forms in FORMS.items() if name != value)
    found = votes([row(form) for form in FORMS[value]] + [row(other)])
    assert len(set(found[:-1])) == 1
    assert found[-1] not in (None, found[0])


@pytest.mark.parametrize(
    ("kind", "completion", "verified", "expected"),
    [
        ("exact", "<answer> 12 </answer>", False, "12"),
        ("math", r"so it is \boxed{\frac{1}{2}}, yes", False, "1/2"),
        ("math", "<answer>0.5</answer>", True, RIGHT),
        ("math", "no idea", False, "no idea"),
        ("choice", r"Answer: C", False, "C"),
        ("choice", "no idea", False, None),
        ("code", "```python\npass\n```", True, None),
    ],
)
def test_the_vote_of_an_answer(kind, completion, verified, expected):
    assert votes([row(completion, verified, kind)]) == [expected]


def test_an_answer_whose_thoughts_never_end_has_no_vote():
    assert votes([row("", kind=kind) | {"completion": r"<think>so \boxed{3}"} for kind in ("exact", "math")]) == [None, None]


def test_a_majority_is_what_it_is_over_the_values():
    """The estimate over answers in mixed forms is that over their values, by brute force; the texts alone would say more."""
    rng = random.Random(0)
    chances = {"1/2": 0.4, "3": 0.35, "2,5": 0.25}  # the right value is 3, which is not the likeliest
    mine, texts, expected = [], [], []
    for number in range(60):
        values = rng.choices(list(chances), chances.values(), k=8)
        rows = [row(rng.choice(FORMS[value]), value == "3") | {"problem_id": str(number)} for value in values]
        [answers] = grouped(rows)
        mine.append(metrics.majority_at_k(answers.graded, answers.vote, 8))
        right = [one["verified"] for one in rows]
        texts.append(metrics.majority_at_k(right, [RIGHT if one["verified"] else one["completion"] for one in rows], 8))
        counts = Counter(values)
        tied = [value for value, count in counts.items() if count == max(counts.values())]
        expected.append(tied.count("3") / len(tied))
    assert mine == expected
    assert sum(texts) > sum(expected) + 10
