import textwrap

import pytest

from openr1.analysis import Bootstrap, Fit, fit
from openr1.analysis.config import compose
from openr1.analysis.laws import Chinchilla
from openr1.analysis.laws.custom import law_class, law_reference
from openr1.system.errors import ConfigError

NONE = Bootstrap(resamples=0)
MODULE = textwrap.dedent(
    """
    from dataclasses import dataclass

    from openr1.analysis.laws.base import Parameter
    from openr1.analysis.laws.regression import CurveLaw


    @dataclass
    class MyLaw(CurveLaw):
        name = "mine"
        title = "My law"
        source = "this file"
        formula = "L = E + A N^-alpha + B D^-beta"
        predictors = ("N", "D")
        parameters = tuple(Parameter(name, "", linear=name in "EAB") for name in ("E", "A", "alpha", "B", "beta"))
        scale: float = 1.0

        def curve(self, x, E, A, alpha, B, beta):
            return self.scale * (E + A * x.N**-alpha + B * x.D**-beta)


    @dataclass
    class Unfinished(CurveLaw):
        name = "unfinished"


    class Plain:
        pass
    """
)


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "my_laws.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "my_laws"


def test_a_law_without_rescaled_finds_the_same_optimum(runs, module):
    frame = runs(noise=0.003, budgets=6, sizes=6)
    mine, known = fit(frame, f"{module}:MyLaw", bootstrap=NONE), fit(frame, Chinchilla(), bootstrap=NONE)
    assert mine.objective["value"] == pytest.approx(known.objective["value"], rel=1e-6)
    assert list(mine.params.values()) == pytest.approx(list(known.params.values()), rel=1e-3)


def test_a_saved_fit_of_a_law_of_ones_own_is_loaded(runs, module, tmp_path):
    frame = runs(noise=0.003)
    result = fit(frame, law_class(f"{module}:MyLaw")(scale=2.0), bootstrap=NONE)
    result.save(tmp_path / "fit")
    loaded = Fit.load(tmp_path / "fit")
    assert law_reference(loaded.law) == f"{module}:MyLaw"
    assert loaded.law.scale == 2.0
    assert (loaded.predict(frame) == result.predict(frame)).all()


def test_the_command_line_takes_the_class_and_its_options(module):
    config = compose([f"law={module}:MyLaw", "law.scale=3", "runs=csv", "runs.path=x.csv"])
    assert config.law.scale == 3
    assert config.laws == [config.law]
    with pytest.raises(ConfigError, match=r"law\.scale"):
        compose([f"law={module}:MyLaw", "law.scale=x", "runs=csv", "runs.path=x.csv"])


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("nowhere:MyLaw", "law: nowhere cannot be imported"),
        ("my_laws:Missing", "law: my_laws:Missing must be a dataclass derived from openr1.analysis.laws.Law"),
        ("my_laws:Plain", "law: my_laws:Plain must be a dataclass derived from openr1.analysis.laws.Law"),
        ("my_laws:Unfinished", "law: my_laws:Unfinished does not define curve, formula, parameters, predictors"),
        (":MyLaw", "law: :MyLaw must be MODULE:CLASS, such as my.module:MyLaw"),
        ("my_laws:", "law: my_laws: must be MODULE:CLASS, such as my.module:MyLaw"),
        ("nope", "law: 'nope' is not one of"),
    ],
)
def test_what_is_no_law_is_one_line(module, name, line):
    with pytest.raises(ConfigError) as error:
        law_class(name)
    assert str(error.value).startswith(line)


HEAD = """
from dataclasses import dataclass
from openr1.analysis.laws.base import Parameter
from openr1.analysis.laws.regression import CurveLaw

@dataclass
class Faulty(CurveLaw):
    name = "faulty"
    title = source = formula = "faulty"
    predictors = ("N",)
    parameters = (Parameter("A", ""), Parameter("a", ""))

    def curve(self, x, A, a):
        return A * x.N**-a
"""


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (("def curve", "def curve("), "law: {m} cannot be imported: SyntaxError"),
        (("@dataclass", "1 / 0\n@dataclass"), "law: {m} cannot be imported: ZeroDivisionError: division by zero"),
        (('Parameter("a", "")', 'Parameter("A", "")'), "law: {m}:Faulty has several parameters named 'A'"),
        (('(Parameter("A", ""), Parameter("a", ""))', "()"), "law: {m}:Faulty has no parameters"),
        (("x, A, a", "x, A"), "law: {m}:Faulty has a curve that cannot be called as curve(x, A, a): too many"),
        (("x.N", "x.Q"), "law: {m}:Faulty cannot be used: AttributeError"),
        (("A * x.N**-a", "A"), "law: {m}:Faulty has a curve of the shape (2, 1), rather than (2, 5)"),
        (("x.N**-a", "float('nan') * x.N"), "law: {m}:Faulty, faulty, is not a number above 0 at every run"),
    ],
)
def test_a_faulty_law_is_one_line(runs, tmp_path, monkeypatch, request, change, line):
    name = f"faulty_{abs(hash(request.node.name))}"
    (tmp_path / f"{name}.py").write_text(HEAD.replace(*change))
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError) as error:
        fit(runs(), f"{name}:Faulty", bootstrap=NONE)
    assert str(error.value).startswith(line.format(m=name))
    assert len(str(error.value).splitlines()) == 1
