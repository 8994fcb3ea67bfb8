import pytest

from openr1.analysis import Bootstrap, Fit, fit
from openr1.analysis.laws import FormulaLaw
from openr1.system.errors import ConfigError

NONE = Bootstrap(resamples=0)


def test_a_formula_finds_the_optimum_of_the_law_that_it_spells(runs):
    frame = runs(noise=0.003, budgets=6, sizes=6)
    ours = fit(frame, FormulaLaw(formula="E + A*N**-a + B*D**-b"), bootstrap=NONE)
    known = fit(frame, "chinchilla", bootstrap=NONE)
    assert ours.objective["value"] == pytest.approx(known.objective["value"], rel=1e-6)
    assert list(ours.params.values()) == pytest.approx(list(known.params.values()), rel=1e-3)


def test_parameters_that_are_not_linear_are_searched_within_their_bounds(runs):
    frame = runs(noise=0.003, budgets=6, sizes=6)
    law = FormulaLaw(formula="E + exp(p)*N**-a + exp(q)*D**-b", bounds={"p": [0, 20], "q": [0, 20]})
    assert {p.name: p.linear for p in law.parameters} == {"E": True, "p": False, "a": False, "q": False, "b": False}
    known = fit(frame, "chinchilla", bootstrap=NONE)
    assert fit(frame, law, bootstrap=NONE).objective["value"] == pytest.approx(known.objective["value"], rel=1e-5)


def test_an_estimate_stays_within_its_bounds_and_says_so(runs):
    law = FormulaLaw(formula="E + A*N**-a + B*D**-b", bounds={"a": [0.1, 0.2]})
    result = fit(runs(noise=0.003, budgets=6, sizes=6), law, bootstrap=NONE)
    assert 0.1 <= result.params["a"] <= 0.2
    assert any("do not determine a" in warning for warning in result.diagnostics["warnings"])


def test_names_of_other_columns_and_responses(runs):
    frame = runs(budgets=6, sizes=6).assign(depth=lambda f: f["N"] ** 0.2, gain=lambda f: 3 + 2 * f["depth"])
    law = FormulaLaw(formula="a + b*depth", columns=["depth"], response="gain", objective="mse")
    assert fit(frame, law, bootstrap=NONE).params == pytest.approx({"a": 3, "b": 2}, rel=1e-4)


def test_a_saved_formula_predicts_the_same(runs, tmp_path):
    frame = runs(noise=0.003)
    result = fit(frame, FormulaLaw(formula="E + A*C**-a"), bootstrap=NONE)
    result.save(tmp_path)
    assert (Fit.load(tmp_path).predict(frame) == result.predict(frame)).all()


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"formula": "E + A*N^-a"}, "law.formula: write ** for powers, not ^"),
        ({"formula": "E +"}, "law.formula: 'E +' cannot be read"),
        ({"formula": "E + A"}, "law.formula: E + A has no column of the runs"),
        ({"formula": "A/0 + N"}, "law.formula: A/0 + N cannot be computed: float division by zero"),
        ({"formula": "A*N + 10**10**10"}, "law.formula: A*N + 10**10**10 cannot be computed: "),
        ({"formula": "E + N", "columns": ["foo"]}, "law.columns: foo does not stand in E + N; leave it out"),
        ({"formula": "2*N"}, "law.formula: 2*N has no parameter to fit"),
        ({"formula": "E + N*loss"}, "law.formula: loss is what the formula predicts"),
        ({"formula": "__import__('os').getcwd() + N"}, "law.formula: the functions are"),
        ({"formula": "N.real + E"}, "law.formula: N.real is not arithmetic"),
        ({"formula": "E + 'x'*N"}, "law.formula: 'x' is not a number"),
        ({"formula": "(lambda: N)() + E"}, "law.formula: the functions are"),
        ({"formula": "E + N", "bounds": {"q": [0, 1]}}, "law.bounds: q is no parameter of E + N"),
        ({"formula": "E + N", "bounds": {"E": [1, 0]}}, "law.bounds.E: give a lower and a higher number"),
        ({"formula": "E + N", "bounds": {"E": 3}}, "law.bounds.E: give a lower and a higher number"),
        ({"formula": "E + N", "bounds": 3}, "law.bounds: give parameters and their bounds"),
    ],
)
def test_what_is_no_formula_is_one_line(options, line):
    with pytest.raises(ConfigError) as error:
        FormulaLaw(**options)
    assert str(error.value).startswith(line)


def test_a_formula_of_one_linear_parameter_is_fitted(runs):
    frame = runs(budgets=6, sizes=6).assign(gain=lambda f: 3 * f["N"] ** -0.2)
    result = fit(frame, FormulaLaw(formula="A*N**-0.2", response="gain"), bootstrap=Bootstrap(resamples=20))
    assert result.params["A"] == pytest.approx(3, rel=1e-6)


def test_a_formula_that_is_no_number_at_the_runs_is_one_line(runs):
    with pytest.raises(ConfigError) as error:
        fit(runs(), FormulaLaw(formula="E + A*10**N"), bootstrap=NONE)
    assert str(error.value).startswith("law: formula, E + A*10**N, is not a number above 0 at every run")
