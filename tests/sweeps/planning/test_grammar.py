"""Every form of a sweep in Hydra's grammar, drawn by Optuna: the study, the run and MLflow have one value."""

from types import SimpleNamespace

import optuna
import pytest
from helpers.sweeps_studies import opened, space_of, sweep_of, values, worker_of
from hydra import initialize_config_module
from hydra._internal.hydra import Hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import OmegaConf

from openr1.config.schema import register, to_dict
from openr1.options import flatten
from openr1.sweeps.optuna.space import parse_space
from openr1.sweeps.planning.grammar import format_value
from openr1.sweeps.planning.loader import TrialLoader, trial_config
from openr1.sweeps.study.expansion import Expansion
from openr1.system.errors import ConfigError
from openr1.tracking import mlflow as tracking

FORMS = [  # a sweep, where the config has its value, and all that it may be
    ("optim.lr=1e-3,3e-3,1e-2", "optim.lr", {1e-3, 3e-3, 1e-2}),
    ("optim.lr=choice(1e-3,3e-3)", "optim.lr", {1e-3, 3e-3}),
    ("optim.lr=shuffle(1e-3,3e-3,1e-2)", "optim.lr", {1e-3, 3e-3, 1e-2}),
    ("optim.lr=shuffle(choice(1e-3,3e-3,1e-2))", "optim.lr", {1e-3, 3e-3, 1e-2}),
    ("optim.lr=choice(shuffle(1e-3,3e-3,1e-2))", "optim.lr", {1e-3, 3e-3, 1e-2}),
    ("seed=shuffle(range(1,4))", "seed", {1, 2, 3}),
    ("seed=shuffle(range(0,6,2))", "seed", {0, 2, 4}),
    ("seed=range(9,0,-3)", "seed", {3, 6, 9}),
    ("seed=sort(3,1,2)", "seed", {1, 2, 3}),
    ("seed=sort(range(1,4),reverse=true)", "seed", {1, 2, 3}),
    ("seed=sort(shuffle(3,1,2),reverse=true)", "seed", {1, 2, 3}),
    ("optim.beta1=range(0.5,0.75,0.125)", "optim.beta1", {0.5, 0.625}),
    ("optim.beta1=shuffle(range(0.5,0.75,0.125))", "optim.beta1", {0.5, 0.625}),
    ("optim.lr=interval(0.001,0.002)", "optim.lr", None),
    ("optim.lr=tag(log,interval(1e-4,1e-2))", "optim.lr", None),
    ("seed=interval(1,3)", "seed", {1, 2, 3}),
    ("seed=int(interval(1,3))", "seed", {1, 2, 3}),
    ("seed=tag(int,interval(1,3))", "seed", {1, 2, 3}),
    ("seed=tag(log,int,interval(1,3))", "seed", {1, 2, 3}),
    ("seed=tag(log,range(1,4))", "seed", {1, 2, 3}),
    ("optim.weight_decay=float(0,1)", "optim.weight_decay", {0.0, 1.0}),
    ("seed=int(0,'2')", "seed", {0, 2}),
    ("seed=int(range(0.5,3.5))", "seed", {0, 1, 2}),
    ("data.name=str(1,2)", "data.name", {"1", "2"}),
    ("+model.options={hidden_act:silu},{hidden_act:gelu}", "model.options.hidden_act", {"silu", "gelu"}),
    ("+model.options.a=str(1,2e3)", "model.options.a", {"1", "2000.0"}),
    ("+model.options.a=shuffle('null','true','a b')", "model.options.a", {"null", "true", "a b"}),
    ("+model.options.a=\"it's\",'a \"b\"',a\\,b,''", "model.options.a", {"it's", 'a "b"', "a,b", ""}),
    ("++optim.lr=1e-3,3e-3", "optim.lr", {1e-3, 3e-3}),
    ("++seed=shuffle(1,2)", "seed", {1, 2}),
    ("optim.batch_tokens=null,1024", "optim.batch_tokens", {None, 1024}),
    ("model.tie_embeddings=bool(0,1)", "model.tie_embeddings", {False, True}),
    ("model.tie_embeddings=true,false", "model.tie_embeddings", {False, True}),
    ("model=qwen3,llama", "model.family", {"qwen3", "llama"}),
    ("model=shuffle(qwen3,llama)", "model.family", {"qwen3", "llama"}),
    ("model=glob([qwen*],exclude=*moe*)", "model.family", {"qwen2", "qwen3"}),
]


@pytest.fixture(scope="module")
def app():
    """The shipped config, composed for a study."""
    register()
    with initialize_config_module("openr1.conf", version_base="1.3"):
        hydra: Hydra = GlobalHydra.instance().hydra
        config = hydra.compose_config("config", ["scale=30k"], run_mode=RunMode.MULTIRUN)
        yield SimpleNamespace(config=config, loader=TrialLoader(hydra.config_loader))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Share one store among all forms, since making it takes a while."""
    return tmp_path_factory.mktemp("stores")


@pytest.mark.parametrize(("argument", "key", "all_of_it"), FORMS)
def test_a_search_reports_what_it_ran(app, folder, argument, key, all_of_it):
    space = parse_space({}, [argument], app.config, app.loader)
    given = {"sampler": "grid"} if all_of_it else {"sampler": "random"}
    sweep = sweep_of(folder, name=argument, n_trials=len(all_of_it or [1, 2]), **given)
    ran = {}

    def run(_, number):
        config = trial_config(app.loader, app.config, jobs[-1])
        place = config.tracking
        place.uri, place.artifacts = f"sqlite:///{folder}/mlflow.db", f"{folder}/artifacts"
        flat = flatten(to_dict(config))
        with tracking.track(place, argument, "run", {"stage": "test", "number": number}, to_dict(config), {}):
            ran[number] = flat[key]
        return {"eval_loss": 1.0}

    worker = worker_of(sweep, space, run, opened(sweep, space, app.config))
    jobs, start = [], worker.runner.start
    worker.runner.start = lambda batch, number: jobs.append(batch[0]) or start(batch, number)
    worker.work()

    study = optuna.load_study(study_name=argument, storage=sweep.storage)
    said = {trial.number: next(iter(trial.params.values())) for trial in study.trials}
    if "{" in argument:
        said = {number: value.removeprefix("{hidden_act:").removesuffix("}") for number, value in said.items()}
    tracked = {int(run.tags["number"]): run for run in tracking.read_runs(f"sqlite:///{folder}/mlflow.db", argument)}
    assert said == ran
    assert {number: run.params[key] for number, run in tracked.items()} == {number: str(value) for number, value in ran.items()}
    assert all_of_it is None or set(ran.values()) == all_of_it
    assert all(isinstance(said[number], str) == isinstance(ran[number], str) for number in ran)


@pytest.mark.parametrize(
    "argument", ["optim.lr=shuffle(1e-3,3e-3,1e-2,3e-2,1e-1)", "seed=shuffle(range(0,9))", "model=shuffle(qwen3,llama,qwen2)"]
)
def test_a_shuffled_axis_is_the_same_in_every_process(app, argument):
    spaces = [parse_space({}, [argument], app.config, app.loader) for _ in range(8)]
    assert len({axis.describe() for space in spaces for axis in space.axes.values()}) == 1
    assert len({str(space.distributions) for space in spaces}) == 1


@pytest.mark.parametrize("argument", ["x=shuffle([3,1,2])", "+x=[1,shuffle([1,2])]", "x=choice(shuffle([1,2]),[3])"])
def test_a_list_that_every_process_would_have_in_its_own_order_is_refused(app, argument):
    with pytest.raises(ConfigError, match=r"^\+?x: shuffle gives a list another order in every process"):
        space_of(argument, "n=1,2")
    with pytest.raises(ConfigError, match=r"^\+?x: shuffle gives a list another order"):
        Expansion(app.config, app.loader, {}, [argument])


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("x=range(1,10,0)", "x: range.1,10,0. has no end"),
        ("x=range(0,1,0.0)", "x: range.0,1,0.0. has no end"),
        ("x=range(0,inf)", "has no end"),
        ("x=sort(range(9,1))", "is empty"),
        ("x=interval(0,inf)", "x: both ends of an axis must be finite, not 0 and inf"),
        ("x=interval(nan,1)", "x: both ends of an axis must be finite"),
        ("x=interval(2,1)", "^x: "),
        ("x=tag(int,interval(0.5,2))", "bounds of an axis of integers must be integers, not 0.5 and 2"),
        ("x=tag(int,range(0,1,0.5))", "is not a range of integers"),
        ("x=tag(log,range(1.0,8.0))", "a logarithmic axis has no step"),
        ("x=tag(log,range(1,9,2))", "a logarithmic axis has no step"),
        ("x=tag(logarithmic,interval(1,2))", "x: tag 'logarithmic' is not one of log, int"),
        ("x=1,interval(0,1)", "x: a sweep cannot be among the choices"),
        ("sweep.n_trials=1,2", "sweep.n_trials: belongs to the search, not to a trial; give one value"),
        ("hydra.launcher.n_jobs=1,2", "hydra.launcher.n_jobs: belongs to the search"),
        ("study=a,b", "study: belongs to the search"),
    ],
)
def test_a_sweep_that_no_search_can_have_is_refused(argument, message):
    with pytest.raises(ConfigError, match=message):
        space_of(argument, "n=1,2")


def test_a_range_is_not_written_out():
    assert space_of("x=range(0,1000000000000)").axes["x"].distribution.high == 10**12 - 1


def test_the_last_word_on_a_key_counts_whatever_its_sign():
    assert space_of("x=1,2", "n=1,2", "++x=3").overrides({"n": 1}) == ["++x=3", "n=1"]
    assert space_of("++x=1,2", "x=3,4").axes.keys() == {"x"}


@pytest.mark.parametrize(
    "value", ["a", "1", "1e-3", "null", "true", "a b", "it's", "a \"b\" 'c'", "", "{a}", "[", "é", "a\\", "$", "x=y"]
)
def test_a_word_is_read_back_as_the_text_it_was(value):
    for whole in (value, [value, 1], {"k": value, "l": None}):
        assert values([f"x={format_value(whole)}"]) == {"x": whole}


def test_choices_of_a_config_are_the_texts_that_they_are():
    space = space_of(x=OmegaConf.create({"type": "categorical", "choices": ["1", "it's", 1, None]}))
    assert [values(space.overrides({"x": choice}))["x"] for choice in ("1", "it's", 1, None)] == ["1", "it's", 1, None]


def test_a_config_that_is_tried_first_is_in_the_space(tmp_path):
    for params, message in (({"x": 2}, "x=2 is not in int from 1 to 7, step 3"), ({"x": True, "n": 9}, "n=9 is not in choice")):
        with pytest.raises(ConfigError, match=message):
            opened(sweep_of(tmp_path, enqueue=[params]), space_of("x=range(1,10,3)", "n=1,2"))
    study = opened(sweep_of(tmp_path, enqueue=[{"x": 4.0}]), space_of("x=range(1,10,3)", "n=1,2"))
    fixed = study.trials[0].system_attrs["fixed_params"]["x"]
    assert (fixed, type(fixed)) == (4, int)
