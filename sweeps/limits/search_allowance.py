"""What a study has spent, and whether its allowance (``sweep.allowance``) is enough for one more trial."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace

from optuna import Study
from optuna.trial import FrozenTrial, TrialState

from openr1.config.schema import Config
from openr1.errors import ConfigError
from openr1.runs import plan
from sweeps.config import Allowance
from sweeps.limits.amount import Amount, total

SPENT, FORESEEN = "spent", "foreseen"  # attributes of a trial that has ended, and of one that runs

ConfigOf = Callable[[Sequence[str]], Config]


class Purse:
    """
    :param config_of: the config of a trial by its overrides; None where trials are not runs of ours, whose FLOPs are known
        before they start. What is not known counts as the mean of the trials that have ended.
    """

    def __init__(self, allowance: Allowance, config_of: ConfigOf | None) -> None:
        self.allowance, self.config_of = allowance, config_of
        self.limited = any(most is not None for most in vars(allowance).values())

    def foresee(self, overrides: Sequence[str]) -> float | None:
        """The FLOPs of a trial but for what is made already; None where nobody knows."""
        if not self.limited or self.config_of is None:
            return None
        try:
            costs = [stage.estimate.flops_new for stage in plan.plan(self.config_of(overrides)) if not stage.artifact()]
        except ConfigError:
            return None  # the trial will say so itself
        return None if None in costs else sum(costs)

    def overdrawn(self, study: Study, number: int) -> str | None:
        """Why this trial must not begin, in a line; None where it may.

        Of trials that begin at the same moment, each worker counts those before its own, so that one of them is the last.
        """
        if not self.limited:
            return None
        trials = study.get_trials(deepcopy=False)
        ended = [amount for trial in trials if trial.state.is_finished() and (amount := _spent(trial)) is not None]
        usual = Amount(*(value / len(ended) for value in asdict(total(ended)).values())) if ended else Amount()
        running = [trial for trial in trials if trial.state == TrialState.RUNNING and trial.number <= number]
        beyond = total([*ended, *(_expected(trial, usual) for trial in running)]).beyond(self.allowance)
        return f"sweep.allowance: one more trial would take the study to {beyond}" if beyond else None


def _spent(trial: FrozenTrial) -> Amount | None:
    found = trial.user_attrs.get(SPENT)
    return None if found is None else Amount(**found)


def _expected(trial: FrozenTrial, usual: Amount) -> Amount:
    known = trial.user_attrs.get(FORESEEN)
    return usual if known is None else replace(usual, flops=known)
