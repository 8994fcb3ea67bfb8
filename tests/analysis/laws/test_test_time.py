import numpy as np
import pandas as pd
import pytest
from helpers.law_runs import ANSWERING, answering

from openr1.analysis import Bootstrap, fit, tidy
from openr1.analysis.laws import TestTime, TrainingFlops
from openr1.system.errors import ConfigError

NONE = Bootstrap(0)


def study(x="C", **options):
    return tidy(answering(x, **options), needs=TestTime(x=x).needs).frame


@pytest.mark.parametrize("x", ["C", "ND"])
def test_the_law_is_found_again_with_intervals(x):
    assert fit(study(x, noise=0), TestTime(x=x), bootstrap=NONE).params == pytest.approx(ANSWERING[x], rel=1e-3)
    result = fit(study(x), TestTime(x=x), bootstrap=Bootstrap(200))
    for name in ("alpha", "floor", "gamma"):
        low, high = result.ci95[name]
        assert low - 0.02 <= ANSWERING[x][name] <= high + 0.02


@pytest.mark.parametrize("x", ["C", "ND"])
def test_slopes_are_those_of_differences(x):
    law = TestTime(x=x)
    points = law.points(study(x, noise=0)).x
    params = [np.array([[value]]) for value in ((1.2, 0.3, 0.2, 0.6) if x == "C" else (0.6, 0.3, 0.7, 0.4, 0.2, 0.6))]
    _, slopes = law.slopes(points, *params)
    for place, slope in enumerate(slopes):
        up, down = ([*params] for _ in range(2))
        up[place], down[place] = params[place] * (1 + 1e-6), params[place] * (1 - 1e-6)
        expected = (law.curve(points, *up) - law.curve(points, *down)) / (2e-6 * params[place])
        assert slope == pytest.approx(expected, rel=1e-4, abs=1e-9)


def test_a_majority_and_the_best_of_n_have_their_own_columns():
    frame = study(noise=0)
    for choice, prefix in (("majority", "maj_at"), ("best", "best_of")):
        renamed = frame.rename(columns={f"pass_at_{2**i}": f"{prefix}_{2**i}" for i in range(1, 7)})
        assert fit(renamed, TestTime(choice=choice), bootstrap=NONE).params == pytest.approx(ANSWERING["C"], rel=1e-3)
        with pytest.raises(ConfigError, match=rf"columns=\{{'k': \.\.\.\}}: law.choice='{choice}' needs k and coverage"):
            fit(frame, TestTime(choice=choice), bootstrap=NONE)


def test_the_tokens_of_an_answer_are_an_amount_too():
    rows = pd.DataFrame([(c, t) for c in (1e11, 1e12, 1e13) for t in (8.0, 16, 32, 64)], columns=["C", "answer_tokens"])
    law = TestTime(amount="tokens")
    truth = np.array([[2e3, 0.25, 0.3, 0.7]])
    rows["pass_at_1"] = law.predict(truth, rows)[0]
    result = fit(rows, law, bootstrap=NONE)
    assert law.predict(result.vector, rows)[0] == pytest.approx(rows["pass_at_1"].to_numpy(), abs=1e-5)


@pytest.mark.parametrize("x", ["C", "ND"])
def test_the_best_division_is_the_best_of_a_dense_search(x):
    law, flops_of = TestTime(x=x, questions=1e5), TrainingFlops()
    params, total = np.array([list(ANSWERING[x].values())]), 1e14
    cost = 2 * 40.0 * (3e5 if x == "C" else 1)
    training, amount, accuracy, n, d = law.optimum(params, total, cost, flops_of, (1e5, 1e6))[0]
    assert training + law.questions * amount * cost * (n if x == "ND" else 1) == pytest.approx(total, rel=1e-6)
    rng = np.random.default_rng(0)
    sizes = np.exp(rng.uniform(np.log(1e3), np.log(1e8), 200_000)) if x == "ND" else np.full(200_000, 3e5)
    spent = total * rng.uniform(0, 1, 200_000)
    amounts = (total - spent) / (law.questions * cost * (sizes if x == "ND" else 1))
    keep = amounts >= 1
    grid = pd.DataFrame({"C": spent, "N": sizes, "D": spent / flops_of(sizes, 1), "k": amounts, "coverage": 0.5})[keep]
    best = law.predict(params, grid)[0].max()
    assert accuracy >= best - 1e-9
    assert accuracy == pytest.approx(best, abs=2e-3)
    assert x == "C" or d == pytest.approx(training / (6 * n))


def test_no_division_where_not_even_one_answer_can_be_paid_for():
    law = TestTime(questions=1e9)
    assert np.isnan(law.optimum(np.array([list(ANSWERING["C"].values())]), 1e12, 1e7, TrainingFlops())).all()


def test_the_cost_of_an_answer_follows_from_its_tokens_or_is_given():
    frame = study(noise=0)
    assert TestTime().cost_of_one(frame) == 2 * 3e5 * 40
    assert TestTime(x="ND").cost_of_one(frame) == 2 * 40
    assert TestTime(answer_flops=5e8).cost_of_one(frame) == 5e8
    assert TestTime().cost_of_one(frame.drop(columns="answer_tokens")) is None
    assert TestTime(amount="tokens").cost_of_one(frame) == 2 * 3e5


def test_answers_that_do_not_help_are_said():
    frame = study(noise=0)
    for k in range(1, 7):
        frame[f"pass_at_{2**k}"] = frame["pass_at_1"] * (1 - 0.01 * k)
    warnings = fit(frame, TestTime(), bootstrap=NONE).diagnostics["warnings"]
    assert any("more answers do not raise the accuracy" in text for text in warnings)


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        ({"pass_at_4": 1.5}, {}, r"columns=\{'coverage': \.\.\.\}: must be from 0 to 1; it ranges from"),
        ({"C": 1e12}, {}, "law: test_time needs runs of several values of C; all have 1e\\+12"),
        ({"C": np.nan}, {}, "C: 6 of 6 values are missing"),
        ({}, {"chance": 0.99}, "law.chance: no run is more accurate than 0.99"),
        ({}, {"questions": 0.0}, "law.questions: "),
        ({}, {"choice": "worst"}, "law.choice: "),
        ({"pass_at_1": 0.0, "pass_at_4": 0.0}, {"objective": "huber"}, "law.objective: huber takes logarithms"),
    ],
)
def test_what_cannot_be_fitted_is_refused_in_one_line(change, options, words):
    with pytest.raises(ConfigError, match=words):
        fit(study().assign(**change), TestTime(**options), bootstrap=NONE)


def test_a_table_without_several_k_is_refused():
    frame = study(noise=0)
    with pytest.raises(ConfigError, match=r"columns=\{'k': \.\.\.\}: law.choice='pass' needs k and coverage"):
        fit(frame[["N", "D", "C", "pass_at_1"]], TestTime(), bootstrap=NONE)
    with pytest.raises(ConfigError, match=r"columns=\{'answer_tokens': \.\.\.\}: law.amount='tokens' needs answer_tokens"):
        fit(frame.drop(columns="answer_tokens"), TestTime(amount="tokens"), bootstrap=NONE)
