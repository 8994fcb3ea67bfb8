"""Rewards that a model gives: a reward model, or a language model that judges by a rubric.

Such a model is opened once, in the process that scores, and never in the processes that may be killed. The scores of a model
have a scale of their own, which differs from model to model and from problem to problem: a reward model is only trained on
differences between two answers to one prompt (Bradley and Terry), so that its zero means nothing. Beside a reward of rules
between 0 and 1 they are therefore normalised by group, by default, and clipped, so that one score that is far off does not
decide the advantages of its whole group.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from openr1.options.ranges import OneOf, Positive
from openr1.rewards.base import Reward, Sample
from openr1.rewards.parsing import strip_thoughts

PARTS = ("summary", "completion")
NORMALISE = ("group", "none")
EPSILON = 1e-4  # added to a standard deviation, as TRL does for advantages, so that differences by rounding stay small
NO_SUMMARY = "no summary after the thoughts"


@dataclass
class ModelRewardOptions:
    """Options of every reward that a model gives."""

    of: Annotated[str, OneOf(PARTS)] = "completion"  # the text that is scored: summary (without the thoughts) or completion
    # group: each score less the mean of its group, over the group's standard deviation; none: the score itself
    normalise: Annotated[str, OneOf(NORMALISE)] = "group"
    clip: Positive | None = 3.0  # values beyond it, on either side, become it; null for no limit

    unfingerprinted: ClassVar[tuple[str, ...]] = ()  # options that change no score, or count by the content of what they name


class ModelReward(ABC):
    """A reward whose model is open. As a context manager it frees the model at the end.

    :ivar flops: of all forward passes so far; 0 for a model behind a server.
    """

    def __init__(self, options: ModelRewardOptions) -> None:
        self.options = options
        self.flops = 0.0

    @abstractmethod
    def rate_texts(self, samples: Sequence[Sample], texts: Sequence[str]) -> list[float | str]:
        """Return the score of each text, which is a part of its sample's completion, or the reason why there is none."""

    def rate(self, samples: Sequence[Sample]) -> list[float | str]:
        """Return the raw score of each sample, or the reason why there is none."""
        texts = [scored_text(sample, self.options.of) for sample in samples]
        present = [place for place, text in enumerate(texts) if text is not None]
        scores: list[float | str] = [NO_SUMMARY] * len(samples)
        rated = self.rate_texts([samples[place] for place in present], [texts[place] or "" for place in present])
        for place, score in zip(present, rated, strict=True):
            scores[place] = score
        return scores

    def score(self, groups: Sequence[Sequence[Sample]]) -> list[tuple[list[float | None], list[str | None]]]:
        """Score groups: for each, the values of its samples, normalised and clipped, and the reasons of those without one.

        An answer without a summary has the lowest score of its group, so that no policy gains by leaving it out.
        """
        rated = iter(self.rate([sample for group in groups for sample in group]))
        results = []
        for group in groups:
            raw = [next(rated) for _ in group]
            lowest = min((score for score in raw if isinstance(score, float)), default=None)
            scores = [lowest if score == NO_SUMMARY else score if isinstance(score, float) else None for score in raw]
            reasons = [None if score is not None else str(why) for score, why in zip(scores, raw, strict=True)]
            results.append((normalise(scores, self.options.normalise, self.options.clip), reasons))
        return results

    def close(self) -> None:  # noqa: B027 - a model behind a server holds nothing
        """Free what the reward holds."""

    def __enter__(self) -> ModelReward:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def scored_text(sample: Sample, part: str) -> str | None:
    """Return the part of a sample's completion that is scored; None if thoughts that never end leave no summary."""
    if part == "completion":
        return sample.completion
    summary = strip_thoughts(sample.completion)
    return None if summary is None or not summary.strip() else summary.strip()


def normalise(scores: Sequence[float | None], how: str, clip: float | None) -> list[float | None]:
    """Normalise the scores of one group, and clip them. None stays None, and does not count.

    With ``group``, a score s becomes (s - mean) / (deviation + 1e-4), the standard deviation being that of a sample (n - 1), as
    in the advantage of GRPO (arXiv 2402.03300, section 4.1.2; TRL). A group of one has the value 0.
    """
    known = [score for score in scores if score is not None]
    mean, scale = 0.0, 1.0
    if how == "group" and known:
        mean = math.fsum(known) / len(known)
        squares = math.fsum((score - mean) ** 2 for score in known)
        scale = math.sqrt(squares / max(1, len(known) - 1)) + EPSILON
    limit = math.inf if clip is None else clip
    return [None if score is None else min(limit, max(-limit, (score - mean) / scale)) for score in scores]


def model_reward(options: type[ModelRewardOptions], opens: Any) -> Reward:
    """Make the reward of a kind of model.

    :param options: dataclass of its options.
    :param opens: returns the opened :class:`ModelReward` for options, the key that they stand at, and the folder of caches.
    """

    def score_once(samples: Sequence[Sample], given: ModelRewardOptions) -> list[float | None]:
        with opens(given, "options", None) as opened:
            [(values, _)] = opened.score([samples])
        return values

    return Reward(score_once, options, group=True, opens=opens)
