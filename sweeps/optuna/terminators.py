"""What ends a sweep before its last trial, since more would bring little."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

from optuna import Study
from optuna.trial import FrozenTrial, TrialState

from openr1.errors import ConfigError
from sweeps.optuna.config import SearchConfig
from sweeps.optuna.samplers import check_options, choose

Terminator = Callable[[Study], str | None]  # the reason to stop; None to go on


def stagnation(trials: int = 20, min_delta: float = 0.0) -> Terminator:
    """Stop when so many completed trials in a row have not improved the best value by more than ``min_delta``."""

    def judge(study: Study) -> str | None:
        values = _values(study)
        best, since = values[0] if values else 0.0, 0
        for value in values[1:]:
            since = 0 if value < best - min_delta else since + 1
            best = min(best, value)
        return f"{since} trials without improvement" if since >= trials else None

    return judge


def target(value: float) -> Terminator:
    """Stop when a trial is as good as that."""

    def judge(study: Study) -> str | None:
        sign = -1 if study.direction.name == "MAXIMIZE" else 1
        return f"a trial has reached {value:g}" if any(found <= sign * value for found in _values(study)) else None

    return judge


def regret(error: float, min_trials: int = 20) -> Terminator:
    """Stop when a bound on what the best value can still improve by is below ``error`` (Makarova et al., arXiv 2104.08166)."""

    def judge(study: Study) -> str | None:
        from optuna.terminator import RegretBoundEvaluator

        if len(_values(study)) < min_trials:
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            left = RegretBoundEvaluator().evaluate(study.get_trials(deepcopy=False), study.direction)
        return f"at most {left:.3g} is left to improve" if left < error else None

    return judge


TERMINATORS: dict[str, Callable[..., Terminator]] = {
    "none": lambda: lambda study: None,
    "stagnation": stagnation,
    "target": target,
    "regret": regret,
}


def terminator(sweep: SearchConfig) -> Terminator:
    """
    :raises ConfigError: for one that there is not, or that cannot do this.
    """
    kind = choose("terminator", TERMINATORS, sweep.terminator)
    if sweep.terminator != "none" and len(sweep.objectives) > 1:
        raise ConfigError("sweep.terminator: there is none for several objectives")
    options = sweep.terminator_options or {}
    check_options("terminator", kind, options)
    try:
        return kind(**options)
    except TypeError as error:
        raise ConfigError(f"sweep.terminator_options: {error}") from error


def _values(study: Study) -> list[float]:
    """Of the completed and feasible trials in the order of their ends, the smaller the better."""
    trials: Sequence[FrozenTrial] = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    sign = -1 if study.direction.name == "MAXIMIZE" else 1
    ended = sorted(
        (trial for trial in trials if all(c <= 0 for c in trial.constraints.values())), key=lambda t: t.datetime_complete
    )
    return [sign * trial.value for trial in ended]
