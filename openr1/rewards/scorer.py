"""Scoring of many completions by a mix of rewards, in processes that can be killed."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field

from openr1.errors import RunError
from openr1.rewards.base import Sample, Verdict, Verified
from openr1.rewards.options import RewardConfig, check_reward
from openr1.rewards.pool import WorkerPool
from openr1.rewards.protocol import LATE, VERDICT, PartialScore, Task
from openr1.rewards.registry import REWARDS
from openr1.rewards.sandbox import build_sandbox

# if this many samples all fail at one step, or all exceed its time limit, the fault is not in the samples
ENOUGH, ENOUGH_LATE = 8, 64


@dataclass(frozen=True)
class Score:
    """The score of one sample."""

    values: dict[str, float | None]  # by term
    total: float | None  # the sum of weight x value over the terms that have a value; None if none has
    correct: bool | None = None  # the verdict, if a term needs it
    errors: dict[str, str] = field(default_factory=dict)  # by term or "verdict": why there is no value, or why it is wrong
    verdict: Verdict | None = None  # with both sides as they were read, if a term needs it

    @property
    def reason(self) -> str | None:
        """Return why there is no verdict; None if there is one, or if no term needs it."""
        if self.correct is not None or (self.verdict is None and VERDICT not in self.errors):
            return None
        return self.errors.get(VERDICT) or (self.verdict.step if self.verdict else None) or None


class Scorer:
    """A scorer by a mix of rewards. Its worker processes start with the first call and serve the following ones.

    A sample that hangs or crashes costs its own score only. If a step exceeds ``time_limit``, a reward has no value, and an
    answer is *wrong*, since an answer that cannot be judged is not right; if the gold answer could not be read in time, there
    is no verdict. If a process dies at a step, there is neither value nor verdict.

    It may be called from any thread; calls wait for each other.

    >>> from openr1.data.tasks.base import Problem
    >>> from openr1.rewards import RewardConfig, Sample, Scorer, TermConfig
    >>> mix = RewardConfig({"accuracy": TermConfig(), "format": TermConfig(weight=0.5)}, workers=1)
    >>> completions = "<think>1+1</think><answer>2</answer>", "<answer>3</answer>"
    >>> with Scorer(mix) as scorer:
    ...     [[right, false]] = scorer.score([[Sample(Problem("1+1=", "2"), completion) for completion in completions]])
    >>> right.values, right.total, false.total
    ({'accuracy': 1.0, 'format': 1.0}, 1.5, 0.0)
    """

    def __init__(self, config: RewardConfig) -> None:
        """Check the config.

        :raises ConfigError: for a wrong mix, and for rewards of programs without a working sandbox.
        """
        check_reward(config)
        self.config = config
        self._sandbox = build_sandbox(config.sandbox, config.sandbox_options, config.limits)
        self._sandbox_runs = False
        rewards = (REWARDS.get(term.function or name) for name, term in config.terms.items())
        if any(reward and reward.needs == "tests" for reward in rewards):
            self._check_sandbox()
        self._pool = WorkerPool(config)
        self._lock = threading.Lock()
        self._end = weakref.finalize(self, self._pool.close)

    def __enter__(self) -> Scorer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the processes. A later call starts new ones."""
        with self._lock:
            self._pool.close()

    def verdicts(self, samples: Sequence[Sample]) -> list[bool | str | None]:
        """Judge each answer: True, False, or the reason why there is no verdict.

        :raises ValueError: if no term of the mix needs a verdict, as ``accuracy`` does.
        """
        [scores] = self.score([samples])
        if not any(self._pool.start(1).needs.values()):
            raise ValueError("no term of the mix needs a verdict, as accuracy does")
        return [score.reason if score.correct is None else score.correct for score in scores]

    def score(self, groups: Sequence[Sequence[Sample]]) -> list[list[Score]]:
        """Score samples, in the order given.

        :param groups: the samples of one prompt each.
        :raises ConfigError: for a reward that cannot be imported, or for programs without a sandbox.
        :raises RunError: if a step fails on every one of many samples, and is therefore broken.
        """
        with self._lock:
            try:
                return self._score(groups)
            except BaseException:
                self._pool.close()  # busy processes would answer the next call
                raise

    def _score(self, groups: Sequence[Sequence[Sample]]) -> list[list[Score]]:
        flat = [sample for group in groups for sample in group]
        if not flat:
            return [[] for _ in groups]
        ready = self._pool.start(len(flat))
        if any(ready.needs.values()) and any(sample.problem.kind == "code" for sample in flat):
            self._check_sandbox()
        results = iter(self._pool.process([Task((sample,)) for sample in flat]))
        scores = [[next(results).score for _ in group] for group in groups]
        group_terms = [name for name, grouped in ready.groups.items() if grouped]
        if group_terms:
            self._score_groups(groups, scores, group_terms)
        refuse_broken([score for group in scores for score in group])
        return [[self._total(score) for score in group] for group in scores]

    def _score_groups(self, groups: Sequence[Sequence[Sample]], scores: list[list[PartialScore]], terms: list[str]) -> None:
        """Compute the rewards of groups, on samples with their verdicts."""
        tasks, names, owners = [], [], []
        for group, group_scores in zip(groups, scores, strict=True):
            pairs = zip(group, group_scores, strict=True)
            samples = tuple(Verified.of(sample, score.verdict) if score.verdict else sample for sample, score in pairs)
            for name in terms if samples else ():
                tasks.append(Task(samples, term=name))
                names.append(name)
                owners.append(group_scores)
        for name, group_scores, result in zip(names, owners, self._pool.process(tasks), strict=True):
            for score, value in zip(group_scores, result.values, strict=True):
                score.values[name] = value
                score.errors |= result.score.errors

    def _total(self, score: PartialScore) -> Score:
        values = {name: score.values.get(name) for name in self.config.terms}
        parts = [self.config.terms[name].weight * value for name, value in values.items() if value is not None]
        correct = score.verdict.correct if score.verdict else None
        return Score(values, sum(parts) if parts else None, correct, score.errors, score.verdict)

    def _check_sandbox(self) -> None:
        if not self._sandbox_runs:
            self._sandbox.provider.check_available()
            self._sandbox_runs = True


def refuse_broken(scores: list[PartialScore]) -> None:
    """Refuse scores of which one part is missing in every sample, since the step itself must be broken.

    :raises RunError: if one step failed on all of enough samples.
    """
    for name, error in scores[0].errors.items():
        late = [score.errors[name].startswith(LATE) for score in scores if name in score.errors]
        if len(late) == len(scores) >= (ENOUGH_LATE if any(late) else ENOUGH):
            raise RunError(f"reward: {name} fails on every sample: {error}")
