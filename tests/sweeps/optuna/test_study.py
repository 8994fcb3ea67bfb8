import pytest
from helpers.sweeps_studies import CONFIG, opened, space_of, sweep_of
from omegaconf import OmegaConf

from openr1.sweeps.optuna.samplers import SAMPLERS
from openr1.sweeps.optuna.storage import open_storage
from openr1.sweeps.optuna.terminators import create_terminator
from openr1.system.errors import ConfigError
from openr1.system.processes import current_process, has_ended

X = "x=interval(0,1)"
NAMES = ("objective", "direction")
MAPPINGS = ("constraints", "sampler_options", "pruner_options", "terminator_options")


@pytest.mark.parametrize(
    ("arguments", "options", "change", "message"),
    [
        (["x=interval(0,2)"], {}, {}, "x was float from 0 to 1, and now is float from 0 to 2"),
        ([X, "kind=a,b"], {}, {}, r"kind was not in it, and now is choice\(a, b\)"),
        ([X], {"objective": "flops"}, {}, "flops was not in it, and now is minimize"),
        ([X], {"direction": "maximize"}, {}, "eval_loss was minimize, and now is maximize"),
        ([X], {}, {"n": 3}, "n was 2, and now is 3"),
        ([X], {}, {"compute.precision": "bfloat16"}, "compute.precision was"),
    ],
)
def test_a_study_of_the_same_name_is_the_same_study(tmp_path, arguments, options, change, message):
    opened(sweep_of(tmp_path), space_of(X))
    config = CONFIG.copy()
    for key, value in change.items():
        OmegaConf.update(config, key, value)
    with pytest.raises(ConfigError, match=message) as refused:
        opened(sweep_of(tmp_path, **options), space_of(*arguments), config)
    assert "\n" not in str(refused.value)


def test_what_changes_no_result_may_change(tmp_path):
    opened(sweep_of(tmp_path), space_of(X))
    config = OmegaConf.merge(CONFIG, {"compute": {"threads": 2}, "x": 7.0})
    study = opened(sweep_of(tmp_path, n_trials=99, sampler="random", retries=2), space_of(X), config)
    assert study.study_name == "study"


def test_known_configs_come_first_and_once(tmp_path):
    space = space_of(X, "kind=a,b")
    sweep = sweep_of(tmp_path, enqueue=[{"x": 0.5, "kind": "b"}, {"x": 0.25}])
    opened(sweep, space)
    study = opened(sweep, space)
    assert study.ask(space.distributions).params == {"x": 0.5, "kind": "b"}
    assert study.ask(space.distributions).params["x"] == 0.25
    assert len(study.trials) == 2
    for params, message in (
        ({"x": 2}, "x=2 is not in float"),
        ({"y": 2}, "y is not swept"),
        ({"kind": "c"}, "kind=c is not in"),
    ):
        with pytest.raises(ConfigError, match=message):
            opened(sweep_of(tmp_path, enqueue=[params]), space)


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_draws_from_the_space(tmp_path, name):
    axes = ["x=range(0,4)", "kind=a,b"] if name in ("grid", "bruteforce") else [X, "n=int(interval(1,8))", "kind=a,b"]
    space = space_of(*axes)
    options = {"n_startup_trials": 2} if name in ("tpe", "gp") else {}
    study = opened(sweep_of(tmp_path, sampler=name, sampler_options=options), space)
    for _ in range(8):
        trial = study.ask(space.distributions)
        study.tell(trial, float(trial.params["x"]))
    drawn = {tuple(trial.params.values()) for trial in study.trials}
    assert len(drawn) == 8


@pytest.mark.parametrize("name", ["tpe", "random", "gp", "cmaes"])
def test_workers_and_resumed_ones_draw_other_samples(tmp_path, name):
    space = space_of(X)
    drawn = []
    for _ in range(4):
        study = opened(sweep_of(tmp_path, sampler=name), space)
        trial = study.ask(space.distributions)
        study.tell(trial, 0.0)
        drawn.append(trial.params["x"])
    assert len(set(drawn)) == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sampler": "annealing"}, "sweep.sampler: 'annealing' is not one of tpe"),
        ({"sampler": "grid"}, "x is continuous"),
        ({"sampler_options": {"n_startup": 1}}, "sweep.sampler_options.n_startup: no such option"),
        ({"pruner": "halving"}, "sweep.pruner: 'halving'"),
        ({"pruner": "percentile"}, "sweep.pruner_options: "),
        ({"pruner": "median", "objective": ["a", "b"]}, "cannot prune"),
        ({"objective": ["a", "b"], "direction": ["minimize"] * 3}, "sweep.direction: 3 for 2"),
        ({"direction": "down"}, "'down' is not one of"),
        ({"sampler_options": {"n_startup_trials": "x"}}, "^sweep.sampler_options.n_startup_trials: must be a whole number"),
        ({"sampler": "nsga2", "sampler_options": {"population_size": 0}}, "^sweep.sampler_options: "),
        ({"pruner": "median", "pruner_options": {"n_warmup_steps": 1.5}}, "^sweep.pruner_options.n_warmup_steps: must be a wh"),
        *(
            ({key: value}, f"^sweep.{key}: must be a text or a list")
            for key in NAMES
            for value in (1, True, 1.5, None, {"a": 1})
        ),
        *(({key: value}, f"^sweep.{key}: must be a mapping") for key in MAPPINGS for value in (1, [1], {1: 2})),
        ({"constraints": {"flops": "x"}}, "^sweep.constraints.flops: must be a finite number"),
        ({"enqueue": [1]}, r"^sweep.enqueue\[0\]: must be a mapping of texts"),
        ({"storage": "nowhere"}, "sweep.storage: 'nowhere' is not one of"),
        ({"storage": "sqlite://"}, "does not outlast its process"),
        (
            {"storage": "postgresql://me:secret@localhost:1/none"},
            r"sweep.storage: postgresql\+psycopg2://me:\*\*\*@localhost:1/none cannot be",
        ),
        ({"grace_seconds": 1}, "at least two heartbeats"),
    ],
)
def test_a_sweep_that_cannot_be_is_refused_in_a_line(tmp_path, options, message):
    with pytest.raises(ConfigError, match=message):
        opened(sweep_of(tmp_path, **options), space_of(X))


def test_the_options_of_a_terminator_have_types(tmp_path):
    options = {"terminator": "stagnation", "terminator_options": {"trials": "x"}}
    with pytest.raises(ConfigError, match=r"^sweep.terminator_options.trials: must be a whole number, not 'x'$"):
        create_terminator(sweep_of(tmp_path, **options))
    warm = {"pruner": "median", "pruner_options": {"n_warmup_steps": 1e6}}
    opened(sweep_of(tmp_path, **warm), space_of(X))


def test_a_journal_is_a_storage(tmp_path):
    sweep = sweep_of(tmp_path, storage=f"journal://{tmp_path}/study.log")
    study = opened(sweep, space_of(X))
    study.tell(study.ask(), 1.0)
    open_storage.cache_clear()
    assert [trial.value for trial in opened(sweep, space_of(X)).trials] == [1.0]


def test_a_worker_of_this_machine_is_known_to_live():
    me = current_process()
    assert not has_ended(me)
    assert has_ended({**me, "started": "1"})
    assert not has_ended({**me, "machine": "another", "started": "1"})
