"""``sweep=active``: rounds of the runs that tell most about a target for their FLOPs, given the finished runs of the study."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from openr1.config.schema import Config
from openr1.sweeps.active.options import ActiveSweep
from openr1.sweeps.designs.base import Design, Finished, Overrides
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    from openr1.sweeps.active.choice import Candidate, Choice


class Active(Design[ActiveSweep]):
    """A batch of candidates a round, until the allowance is used or the interval of the prediction is narrow enough."""

    def next(self, finished: Sequence[Finished]) -> list[Overrides]:
        return [candidate.overrides for candidate in self._choice(finished).candidates]

    @property
    def adapts(self) -> bool:
        return True

    def report(self, finished: Sequence[Finished]) -> list[str]:
        from openr1.sweeps.active.tables import describe_choice

        return describe_choice(self._choice(finished), self.sweep)

    def _choice(self, finished: Sequence[Finished]) -> Choice:
        from openr1.sweeps.active.study_choice import choose_for_study, create_law

        law = create_law(self.sweep)
        return choose_for_study(law, self.sweep, self._config, self.candidates, {run.overrides for run in finished})

    @cached_property
    def _config(self) -> Config:
        config = self.compose(())
        if config.recipe is not None or not config.stage.trains or config.stage.rollouts:
            raise ConfigError("sweep: active has runs of one stage that trains on data, pretrain or sft, not of a recipe")
        return config

    @cached_property
    def candidates(self) -> list[Candidate]:
        """The candidates with their N, D and C."""
        from openr1.runs.plan import plan
        from openr1.sweeps.active.choice import Candidate, candidate_overrides

        candidates = []
        for scale, tokens in itertools.product(self.sweep.candidates.scale, self.sweep.candidates.tokens):
            (stage,) = plan(self.compose(candidate_overrides(scale, tokens)))
            estimate = stage.estimate
            if estimate.params is None or estimate.tokens is None or estimate.flops is None:
                raise ConfigError("sweep: the cost of a run is unknown before its data are made; give another stage")
            candidates.append(Candidate(scale, tokens, float(estimate.params), estimate.tokens, estimate.flops))
        return candidates
