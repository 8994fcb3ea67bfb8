"""Small studies of Optuna whose trials are a formula."""

from types import SimpleNamespace

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf

from openr1.sweeps.optuna.config import SearchConfig, validate_options
from openr1.sweeps.optuna.space import parse_space
from openr1.sweeps.optuna.study import open_study, study_identity
from openr1.sweeps.optuna.trial_task import TrialOutcome
from openr1.sweeps.optuna.worker import Worker

CONFIG = OmegaConf.create(
    {"x": 1.0, "n": 2, "kind": "a", "depth": {"whole": 4}, "compute": {"precision": "float32", "threads": 1}}
)
LOADER = SimpleNamespace(get_group_options=lambda group, results_filter=None: ["a", "b"])


def space_of(*arguments, config=CONFIG, **params):
    return parse_space(params, arguments, config, LOADER)


def sweep_of(tmp_path, **options):
    given = {"name": "study", "storage": f"sqlite:///{tmp_path}/optuna.db", "n_trials": 6, **options}
    return OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(SearchConfig), given))


def opened(sweep, space, config=CONFIG):
    validate_options(sweep)
    return open_study(sweep, space, study_identity(sweep, space, config))


def values(overrides):
    """Overrides as a mapping."""
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    return {override.key_or_group: override.value() for override in parsed}


def worker_of(sweep, space, objective, study=None, n_jobs=1, limit=None, lines=None):
    """A worker whose trials are ``objective(values, number)``: an :class:`TrialOutcome`, or figures."""

    def start(batch, number):
        found = objective(values(batch[0]), number)
        outcome = found if isinstance(found, TrialOutcome) else TrialOutcome(metrics=found)
        return [JobReturn(status=JobStatus.COMPLETED, _return_value=outcome)]

    jobs = SimpleNamespace(start=start, cancel=lambda: None)
    study = study or opened(sweep, space)
    say = (lines if lines is not None else []).append
    return Worker(study, space, sweep, jobs, n_jobs, limit or sweep.n_trials, say)
