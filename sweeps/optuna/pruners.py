"""Optuna's pruners by name. What they call a step is a number of tokens."""

from __future__ import annotations

import warnings

import optuna
from optuna import pruners
from optuna.pruners import BasePruner

from openr1.errors import ConfigError
from sweeps.optuna.config import SearchConfig
from sweeps.optuna.samplers import check_options, choose

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


def pruner(sweep: SearchConfig) -> BasePruner:
    """The pruner of a sweep. ``patient`` waits ``patience`` evaluations without progress, and then prunes.

    :raises ConfigError: for one that there is not, or that cannot do this.
    """
    kind = choose("pruner", PRUNERS, sweep.pruner)
    if sweep.pruner != "none" and len(sweep.objectives) > 1:
        raise ConfigError("sweep.pruner: a sweep of several objectives cannot prune")
    options = dict(sweep.pruner_options or {})
    check_options("pruner", kind, options, ("wrapped_pruner",))
    if sweep.pruner == "patient":
        options["wrapped_pruner"] = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return kind(**options)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"sweep.pruner_options: {error}") from error
