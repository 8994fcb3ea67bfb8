"""Optuna's pruners by name. Their steps are counted in tokens."""

from __future__ import annotations

import warnings

import optuna
from optuna import pruners
from optuna.pruners import BasePruner

from openr1.sweeps.optuna.config import SearchConfig
from openr1.sweeps.optuna.samplers import look_up, refuse_unknown_options
from openr1.system.errors import ConfigError

PRUNERS: dict[str, type[BasePruner]] = {
    "none": pruners.NopPruner,
    "median": pruners.MedianPruner,
    "percentile": pruners.PercentilePruner,
    "successive_halving": pruners.SuccessiveHalvingPruner,
    "hyperband": pruners.HyperbandPruner,
    "threshold": pruners.ThresholdPruner,
    "patient": pruners.PatientPruner,
    "wilcoxon": pruners.WilcoxonPruner,
}


def create_pruner(sweep: SearchConfig) -> BasePruner:
    """Return the pruner of a search. ``patient`` waits ``patience`` evaluations without progress, and then prunes.

    :raises ConfigError: for an unknown one, a wrong option, or several objectives.
    """
    kind = look_up("pruner", PRUNERS, sweep.pruner)
    if sweep.pruner != "none" and len(sweep.objectives) > 1:
        raise ConfigError("sweep.pruner: a search with several objectives cannot prune")
    options = dict(sweep.pruner_options or {})
    refuse_unknown_options("pruner", kind, options, ("wrapped_pruner",))
    if sweep.pruner == "patient":
        options["wrapped_pruner"] = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return kind(**options)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"sweep.pruner_options: {error}") from error
