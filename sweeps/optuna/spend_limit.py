"""The spend limit of a search: whether ``sweep.allowance`` leaves room for one more trial."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from optuna import Study
from optuna.trial import FrozenTrial, TrialState

from openr1.config.schema import Config
from openr1.runs import plan
from openr1.sweeps.limits.allowance import Allowance
from openr1.sweeps.limits.amount import Amount, total
from openr1.sweeps.limits.spend_limit import SpendLimit
from openr1.system.errors import ConfigError

SPENT, ESTIMATED = "spent", "estimated"  # attributes of a trial that has ended, and of one that runs

ConfigOf = Callable[[Sequence[str]], Config]


class SearchSpendLimit(SpendLimit):
    """A spend limit that reads from Optuna's storage what the trials of all workers have spent.

    A running trial counts as the mean of the trials that have ended, with its own FLOPs where they were estimated.

    :param config_of: composes the config of a trial from its overrides; None for an app other than ``openr1``, whose FLOPs
        cannot be estimated.
    """

    def __init__(self, allowance: Allowance, config_of: ConfigOf | None) -> None:
        super().__init__(allowance)
        self.config_of = config_of

    def estimated_flops(self, overrides: Sequence[str]) -> float | None:
        """Return the FLOPs of a trial without stages that are made already; None where they cannot be estimated."""
        if not self.is_set or self.config_of is None:
            return None
        try:
            stages = plan.plan(self.config_of(overrides))
        except ConfigError:
            return None  # the trial itself will report the error
        flops = [stage.estimate.flops_new for stage in stages if not stage.artifact()]
        return sum(count for count in flops if count is not None) if None not in flops else None

    def reason_to_stop(self, study: Study, number: int) -> str | None:
        """Say in a line why a trial must not begin; None where it may.

        Of trials that begin at the same moment, each worker counts those before its own, so that the workers agree on the last.
        """
        if not self.is_set:
            return None
        trials = study.get_trials(deepcopy=False)
        ended = [amount for trial in trials if trial.state.is_finished() and (amount := _spent(trial)) is not None]
        running = [trial for trial in trials if trial.state == TrialState.RUNNING and trial.number <= number]
        excess = self.excess(total(ended), [_expected(trial, _mean(ended)) for trial in running])
        return f"sweep.allowance: one more trial would take the study to {excess}" if excess else None


def _mean(amounts: Sequence[Amount]) -> Amount:
    if not amounts:
        return Amount()
    amount, count = total(amounts), len(amounts)
    return Amount(amount.flops / count, amount.gpu_hours / count, amount.money / count)


def _spent(trial: FrozenTrial) -> Amount | None:
    amount = trial.user_attrs.get(SPENT)
    return None if amount is None else Amount(**amount)


def _expected(trial: FrozenTrial, typical: Amount) -> Amount:
    flops = trial.user_attrs.get(ESTIMATED)
    return typical if flops is None else replace(typical, flops=flops)
