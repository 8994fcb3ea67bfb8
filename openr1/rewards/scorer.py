"""Scores many completions by a mix of rewards, in processes that can be killed."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field

from openr1.errors import RunError
from openr1.rewards.base import Sample, Verdict, Verified
from openr1.rewards.options import RewardConfig, check
from openr1.rewards.pool import Pool
from openr1.rewards.protocol import LATE, VERDICT, Found, Work
from openr1.rewards.registry import REWARDS
from openr1.rewards.sandbox import make

# samples that all fail at the same step, or all take too long at it, show that it is not the samples
ENOUGH, ENOUGH_LATE = 8, 64


@dataclass(frozen=True)
class Score:
    """The score of one sample."""

    values: dict[str, float | None]  # by term
    total: float | None  # the sum of weight x value over the terms that have a value; None where none has
    correct: bool | None = None  # the verdict, where a term needed it
    errors: dict[str, str] = field(default_factory=dict)  # by term or "verdict": why there is no value, or why it is "wrong"
    verdict: Verdict | None = None  # with how both sides were read, where a term needed it

    @property
    def reason(self) -> str | None:
        """Why there is no verdict; None where there is one."""
        if self.correct is not None or (self.verdict is None and VERDICT not in self.errors):
            return None
        return self.errors.get(VERDICT) or (self.verdict.step if self.verdict else None) or None


class Scorer:
    """Worker processes that score by a mix. They start with the first call and are used again by the next.

    One sample that hangs or crashes costs its own score and nothing else. Of a step that takes longer than ``time_limit``, a
    reward has no value, and an answer is *wrong*, since a completion that nobody can check is no right answer; but where it is
    the gold answer that could not be read in time, there is no verdict. Where a process dies at a step there is no value and
    no verdict.

    May be called from any thread; calls wait for each other.

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
        """:raises ConfigError: for a mix that cannot be, and for rewards of programs where the sandbox cannot run."""
        check(config)
        self.config = config
        self._sandbox = make(config.sandbox, config.sandbox_options, config.limits)
        self._sandbox_runs = False
        named = (REWARDS.get(term.function or name) for name, term in config.terms.items())
        if any(reward and reward.needs == "tests" for reward in named):
            self._check_sandbox()
        self._pool = Pool(config)
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
        """Judge each answer: right or wrong, or the reason why there is no verdict.

        :raises ValueError: where no term of the mix needs a verdict, as ``accuracy`` does.
        """
        [scores] = self.score([samples])
        if not any(self._pool.start(1).needs.values()):
            raise ValueError("no term of the mix needs a verdict, as accuracy does")
        return [score.reason if score.correct is None else score.correct for score in scores]

    def score(self, groups: Sequence[Sequence[Sample]]) -> list[list[Score]]:
        """Scores of samples, in the order given.

        :param groups: the samples of one prompt each.
        :raises ConfigError: for a reward that cannot be imported, or a program and no sandbox.
        :raises RunError: where a step fails, other than by time, on every one of many samples: then it is broken.
        """
        with self._lock:
            try:
                return self._score(groups)
            except BaseException:
                self._pool.close()  # processes at work would answer the next call
                raise

    def _score(self, groups: Sequence[Sequence[Sample]]) -> list[list[Score]]:
        flat = [sample for group in groups for sample in group]
        if not flat:
            return [[] for _ in groups]
        ready = self._pool.start(len(flat))
        if any(ready.needs.values()) and any(sample.problem.kind == "code" for sample in flat):
            self._check_sandbox()
        found = iter([done.found for done in self._pool.run([Work((sample,)) for sample in flat])])
        members = [[next(found) for _ in group] for group in groups]
        of_group = [name for name, grouped in ready.groups.items() if grouped]
        if of_group:
            self._score_groups(groups, members, of_group)
        refuse_broken([one for group in members for one in group])
        return [[self._total(one) for one in group] for group in members]

    def _score_groups(self, groups: Sequence[Sequence[Sample]], members: list[list[Found]], terms: list[str]) -> None:
        """The rewards that need all samples of a prompt, on the samples as they were checked."""
        works, owners = [], []
        for group, found in zip(groups, members, strict=True):
            both = zip(group, found, strict=True)
            samples = tuple(Verified.of(sample, one.verdict) if one.verdict else sample for sample, one in both)
            for name in terms if samples else ():
                works.append(Work(samples, term=name))
                owners.append(found)
        for work, found, done in zip(works, owners, self._pool.run(works), strict=True):
            for one, value in zip(found, done.values, strict=True):
                one.values[work.term] = value
                one.errors |= done.found.errors

    def _total(self, found: Found) -> Score:
        values = {name: found.values.get(name) for name in self.config.terms}
        parts = [self.config.terms[name].weight * value for name, value in values.items() if value is not None]
        correct = found.verdict.correct if found.verdict else None
        return Score(values, sum(parts) if parts else None, correct, found.errors, found.verdict)

    def _check_sandbox(self) -> None:
        if not self._sandbox_runs:
            self._sandbox.provider.check()
            self._sandbox_runs = True


def refuse_broken(found: list[Found]) -> None:
    """Nothing trains on, or reports, scores of which a part is missing everywhere."""
    for name, error in found[0].errors.items():
        late = [one.errors[name].startswith(LATE) for one in found if name in one.errors]
        if len(late) == len(found) >= (ENOUGH_LATE if any(late) else ENOUGH):
            raise RunError(f"reward: {name} fails on every sample: {error}")
