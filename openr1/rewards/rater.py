"""Raw scores of answers by one reward, to compare answers rather than to learn from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from openr1.rewards.base import Sample
from openr1.rewards.mix import open_model
from openr1.rewards.model_based import ModelReward
from openr1.rewards.options import RewardConfig, ScoringTerm, TermConfig, is_model_based
from openr1.rewards.scorer import Score, Scorer

NAME = "score"  # of the only term of a mix


class Rater:
    """A rater of answers. A context manager: it frees its model or its processes at the end.

    >>> from openr1.data.tasks.base import Problem
    >>> samples = [Sample(Problem("1+1=", "2"), text) for text in ("<answer>2</answer>", "<think>")]
    >>> with Rater(ScoringTerm("tag_count"), "stage.best_of", RewardConfig(workers=1)) as rater:
    ...     rater.rate([samples])
    [[0.5, 0.25]]
    """

    def __init__(self, term: ScoringTerm, key: str, config: RewardConfig, cache: Path | None = None) -> None:
        """Open the model of a reward that a model gives.

        :param key: where the reward stands in the config, for messages.
        :param config: how rewards of rules are computed.
        :param cache: folder of caches; None to keep no scores of judges.
        :raises ConfigError: for wrong options, or a model that cannot be opened.
        """
        self.model: ModelReward | None = None
        self.scorer: Scorer | None = None
        assert term.function is not None
        if is_model_based(term.function):
            self.model = open_model(term.function, term.options, f"{key}.options", cache)
        else:
            self.scorer = Scorer(replace(config, terms={NAME: TermConfig(1.0, term.function, term.options)}, by_task={}))

    @property
    def flops(self) -> float:
        """Return the FLOPs of all forward passes so far."""
        return self.model.flops if self.model else 0.0

    def rate(self, groups: Sequence[Sequence[Sample]]) -> list[list[float | str]]:
        """Return for each sample its score, or the reason why there is none.

        :param groups: the samples of one prompt each.
        :raises RunError: if a reward fails on every one of many samples, or a judge's server does not answer.
        """
        if self.model:
            rated = iter(self.model.rate([sample for group in groups for sample in group]))
            return [[next(rated) for _ in group] for group in groups]
        assert self.scorer is not None
        return [[_value(score) for score in group] for group in self.scorer.score(groups)]

    def close(self) -> None:
        """Free the model or the processes."""
        for held in (self.model, self.scorer):
            if held is not None:
                held.close()

    def __enter__(self) -> Rater:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _value(score: Score) -> float | str:
    value = score.values[NAME]
    return value if value is not None else score.errors.get(NAME) or score.reason or "no value"
