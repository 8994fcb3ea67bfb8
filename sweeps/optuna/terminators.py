"""Terminators: rules that end a search before its last trial, when more trials would gain little."""

from __future__ import annotations

import warnings
from collections.abc import Callable

from optuna import Study
from optuna.study import StudyDirection
from optuna.trial import TrialState

from openr1.sweeps.optuna.config import SearchConfig
from openr1.sweeps.optuna.samplers import look_up, refuse_unknown_options
from openr1.system.errors import ConfigError

Terminator = Callable[[Study], str | None]  # returns the reason to stop; None to continue


def stagnation(trials: int = 20, min_delta: float = 0.0) -> Terminator:
    """Stop after this many completed trials in a row that have not improved the best value by more than ``min_delta``."""

    def reason_to_stop(study: Study) -> str | None:
        values = _minimised_values(study)
        best, since = values[0] if values else 0.0, 0
        for value in values[1:]:
            since = 0 if value < best - min_delta else since + 1
            best = min(best, value)
        return f"{since} trials without improvement" if since >= trials else None

    return reason_to_stop


def target(value: float) -> Terminator:
    """Stop when a trial has reached ``value``."""

    def reason_to_stop(study: Study) -> str | None:
        goal = _sign(study) * value
        return f"a trial has reached {value:g}" if any(reached <= goal for reached in _minimised_values(study)) else None

    return reason_to_stop


def regret(error: float, min_trials: int = 20) -> Terminator:
    """Stop when a bound on the improvement of the best value is below ``error`` (Makarova et al., arXiv 2104.08166)."""

    def reason_to_stop(study: Study) -> str | None:
        from optuna.terminator import RegretBoundEvaluator

        if len(_minimised_values(study)) < min_trials:
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            bound = RegretBoundEvaluator().evaluate(study.get_trials(deepcopy=False), study.direction)
        return f"the best value can improve by at most {bound:.3g}" if bound < error else None

    return reason_to_stop


TERMINATORS: dict[str, Callable[..., Terminator]] = {
    "none": lambda: lambda study: None,
    "stagnation": stagnation,
    "target": target,
    "regret": regret,
}


def create_terminator(sweep: SearchConfig) -> Terminator:
    """Return the terminator of a search.

    :raises ConfigError: for an unknown one, a wrong option, or several objectives.
    """
    kind = look_up("terminator", TERMINATORS, sweep.terminator)
    if sweep.terminator != "none" and len(sweep.objectives) > 1:
        raise ConfigError("sweep.terminator: a search with several objectives has none")
    options = sweep.terminator_options or {}
    refuse_unknown_options("terminator", kind, options)
    try:
        return kind(**options)
    except TypeError as error:
        raise ConfigError(f"sweep.terminator_options: {error}") from error


def _sign(study: Study) -> int:
    return -1 if study.direction == StudyDirection.MAXIMIZE else 1


def _minimised_values(study: Study) -> list[float]:
    """Return the values of completed, feasible trials in the order of their ends, negated where they are maximised."""
    ended = [
        (trial.datetime_complete, trial.value)
        for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if all(excess <= 0 for excess in trial.constraints.values())
    ]
    return [_sign(study) * value for _, value in sorted(ended, key=lambda trial: trial[0])]
