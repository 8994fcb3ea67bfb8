import pytest
from helpers.sweeps_studies import CONFIG, space_of
from omegaconf import OmegaConf
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from openr1.config.schema import Config
from openr1.system.errors import ConfigError


@pytest.mark.parametrize(
    ("argument", "distribution"),
    [
        ("x=interval(0,1)", FloatDistribution(0, 1)),
        ("x=tag(log,interval(1e-4,1e-2))", FloatDistribution(1e-4, 1e-2, log=True)),
        ("x=int(interval(1,8))", IntDistribution(1, 8)),
        ("x=tag(log,int(interval(1,8)))", IntDistribution(1, 8, log=True)),
        ("x=range(1,10,3)", IntDistribution(1, 7, step=3)),
        ("x=range(0.0,1.0,0.25)", FloatDistribution(0, 0.75, step=0.25)),
        ("x=1,2.5,null,true", CategoricalDistribution([1, 2.5, None, True])),
        ("kind=a,b", CategoricalDistribution(["a", "b"])),
        ("kind=glob(*)", CategoricalDistribution(["a", "b"])),
        ("x=choice([1,2],[3])", CategoricalDistribution(["[1,2]", "[3]"])),
    ],
)
def test_the_grammar_of_overrides_is_a_distribution(argument, distribution):
    (axis,) = space_of(argument).axes.values()
    assert axis.distribution == distribution


def test_a_key_of_whole_numbers_has_whole_numbers():
    config = OmegaConf.structured(Config)
    assert space_of("seed=interval(0,8)", config=config).axes["seed"].distribution == IntDistribution(0, 8)
    assert space_of("compute.micro_batch=interval(1,8)", config=config).axes[
        "compute.micro_batch"
    ].distribution == IntDistribution(1, 8)


@pytest.mark.parametrize(
    ("node", "distribution"),
    [
        ({"type": "float", "low": 1e-4, "high": 1, "log": True}, FloatDistribution(1e-4, 1, log=True)),
        ({"type": "int", "low": 2, "high": 8, "step": 2}, IntDistribution(2, 8, step=2)),
        ({"type": "categorical", "choices": ["a", 1]}, CategoricalDistribution(["a", 1])),
    ],
)
def test_an_axis_may_be_a_config(node, distribution):
    assert space_of(x=OmegaConf.create(node)).axes["x"].distribution == distribution


def test_the_command_line_has_the_last_word_and_the_rest_is_fixed():
    space = space_of("x=interval(0,1)", "n=3", "hydra.verbose=true", "sweep.n_trials=3", x="1,2", n="5", kind="a,b")
    assert space.axes.keys() == {"kind", "x"}
    assert space.fixed == ["n=3"]
    assert space.overrides({"x": 0.1, "kind": "b"}) == ["n=3", "x=0.1", "kind=b"]


def test_what_a_trial_is_given_is_what_was_drawn():
    space = space_of("x='a b',[1,2],null", "n=tag(log,interval(1e-9,1))")
    assert space.overrides({"x": "a b", "n": 1.2345678901234567e-08}) == ["x='a b'", "n=1.2345678901234567e-08"]
    assert space.overrides({"x": "[1,2]"}) == ["x=[1,2]"]
    assert space.overrides({"x": None}) == ["x=null"]


@pytest.mark.parametrize(
    ("axis", "message"),
    [
        ({"type": "real", "low": 0, "high": 1}, "x.type: 'real' is not one of float, int, categorical"),
        ({"type": "float", "low": 0}, "x: low and high are needed"),
        ({"type": "float", "lo": 0}, "lo: no such key"),
        ({"type": "float", "low": 0, "high": 1, "log": True}, "^x: .*low"),
        ({"type": "int", "low": 1, "high": 8, "log": True, "step": 2}, "a logarithmic axis has no step"),
        ({"type": "categorical"}, "nothing to choose from"),
        ("range(3,3)", "is empty"),
    ],
)
def test_an_axis_that_is_none_is_refused(axis, message):
    with pytest.raises(ConfigError, match=message):
        space_of(x=axis)


def test_a_space_has_an_axis():
    with pytest.raises(ConfigError, match="nothing is swept"):
        space_of("x=1", config=CONFIG)
