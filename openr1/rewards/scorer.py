"""Scoring of many completions by a mix of rewards, in processes that can be killed."""

from __future__ import annotations

import threading
import weakref
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from openr1.rewards.base import Sample, Verdict, Verified
from openr1.rewards.by_task import TaskWeights
from openr1.rewards.mix import open_model
from openr1.rewards.model_based import ModelReward
from openr1.rewards.options import RewardConfig, check_reward, is_model_based
from openr1.rewards.pool import WorkerPool
from openr1.rewards.protocol import LATE, VERDICT, PartialScore, Task
from openr1.rewards.registry import REWARDS
from openr1.rewards.sandbox import build_sandbox
from openr1.system.errors import RunError

if TYPE_CHECKING:
    from openr1.data.tasks.base import Problem

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

    Rewards that a model gives are computed in this process, where their models are opened once. With ``reward.by_task``, the
    terms of a sample are those of its problem.

    It may be called from any thread; calls wait for each other.

    :ivar weights: the terms of each problem.

    >>> from openr1.data.tasks.base import Problem
    >>> from openr1.rewards import RewardConfig, Sample, Scorer, TermConfig
    >>> mix = RewardConfig({"accuracy": TermConfig(), "format": TermConfig(weight=0.5)}, workers=1)
    >>> completions = "<think>1+1</think><answer>2</answer>", "<answer>3</answer>"
    >>> with Scorer(mix) as scorer:
    ...     [[right, false]] = scorer.score([[Sample(Problem("1+1=", "2"), completion) for completion in completions]])
    >>> right.values, right.total, false.total
    ({'accuracy': 1.0, 'format': 1.0}, 1.5, 0.0)
    """

    def __init__(self, config: RewardConfig, cache: Path | None = None, sources: Mapping[str, str] | None = None) -> None:
        """Check the config.

        :param cache: folder of caches; None to keep no scores of judges.
        :param sources: id of a problem -> name of its source, if ``reward.by_task`` names sources.
        :raises ConfigError: for a wrong mix, and for rewards of programs without a working sandbox.
        """
        check_reward(config)
        self.config, self.cache = config, cache
        self.weights = TaskWeights(config, sources)
        functions = {name: term.function or name for name, term in config.terms.items()}
        self._model_based = {name: function for name, function in functions.items() if is_model_based(function)}
        self._models: dict[str, ModelReward] = {}
        self._taken = 0.0  # FLOPs that take_flops has returned
        self._sandbox = build_sandbox(config.sandbox, config.sandbox_options, config.limits)
        self._sandbox_runs = False
        rewards = (REWARDS.get(term.function or name) for name, term in config.terms.items())
        if any(reward and reward.needs == "tests" for reward in rewards):
            self._check_sandbox()
        rules = {name: term for name, term in config.terms.items() if name not in self._model_based}
        self._pool = WorkerPool(replace(config, terms=rules, by_task={}))
        self._lock = threading.Lock()
        self._end = weakref.finalize(self, self._pool.close)

    def __enter__(self) -> Scorer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the processes, and free the models. A later call starts new ones."""
        with self._lock:
            self._pool.close()
            while self._models:
                self._models.popitem()[1].close()
            self._taken = 0.0

    def open_models(self) -> None:
        """Open the models of the mix that are not open yet, so that one that cannot be opened is known before it is needed.

        :raises ConfigError: for a model that cannot be opened, or gives no reward.
        """
        for name, function in self._model_based.items():
            if name not in self._models:
                key = f"reward.terms.{name}.options"
                self._models[name] = open_model(function, self.config.terms[name].options, key, self.cache)

    def take_flops(self) -> float:
        """Return the FLOPs that reward models have spent since the last call."""
        spent = sum(model.flops for model in self._models.values()) - self._taken
        self._taken += spent
        return spent

    def verdicts(self, samples: Sequence[Sample]) -> list[bool | str | None]:
        """Judge each answer: True, False, or the reason why there is no verdict.

        :raises ValueError: if no term of the mix needs a verdict, as ``accuracy`` does.
        """
        [scores] = self.score([samples])
        if not any(self._pool.start(1).needs.values()):
            raise ValueError("no term of the mix needs a verdict, as accuracy does")
        return [score.reason if score.correct is None else score.correct for score in scores]

    def score(self, groups: Sequence[Sequence[Sample]], model_based: bool = True) -> list[list[Score]]:
        """Score samples, in the order given.

        :param groups: the samples of one prompt each.
        :param model_based: compute the rewards that a model gives; False for those of rules alone.
        :raises ConfigError: for a reward that cannot be imported, or for programs without a sandbox.
        :raises RunError: if a step fails on every one of many samples, and is therefore broken.
        """
        with self._lock:
            try:
                return self._score(groups, model_based)
            except BaseException:
                self._pool.close()  # busy processes would answer the next call
                raise

    def _score(self, groups: Sequence[Sequence[Sample]], model_based: bool) -> list[list[Score]]:
        if not any(groups):
            return [[] for _ in groups]
        scores = self._score_by_rules(groups)
        if model_based:
            self.open_models()
            for name, model in self._models.items():
                self._score_by_model(groups, scores, name, model)
        self.refuse_broken_steps([[sample.problem for sample in group] for group in groups], scores)
        return [
            [self._total(sample, score) for sample, score in zip(group, group_scores, strict=True)]
            for group, group_scores in zip(groups, scores, strict=True)
        ]

    def _score_by_rules(self, groups: Sequence[Sequence[Sample]]) -> list[list[PartialScore]]:
        """Compute the verdicts and the rewards of rules in the processes."""
        if not self._pool.config.terms:
            return [[PartialScore() for _ in group] for group in groups]
        flat = [sample for group in groups for sample in group]
        ready = self._pool.start(len(flat))
        needing = {name for name, need in ready.needs.items() if need}
        if any(sample.problem.kind == "code" and needing & set(self.weights.of(sample.problem)) for sample in flat):
            self._check_sandbox()
        results = iter(self._pool.process([Task((sample,), terms=self._named(sample)) for sample in flat]))
        scores = [[next(results).score for _ in group] for group in groups]
        group_terms = [name for name, grouped in ready.groups.items() if grouped]
        if group_terms:
            self._score_groups(groups, scores, group_terms)
        return scores

    def _named(self, sample: Sample) -> frozenset[str] | None:
        """Return the terms of a sample; None for all."""
        return frozenset(self.weights.of(sample.problem)) if self.config.by_task else None

    def refuse_broken_steps(
        self, problems: Sequence[Sequence[Problem]], scores: Sequence[Sequence[PartialScore | Score]]
    ) -> None:
        """Refuse scores of which one part is missing in every sample, for each task by itself.

        :param problems: those of the samples, by group.
        :raises RunError: if one step failed on all of enough samples.
        """
        labelled = defaultdict(list)
        for group, group_scores in zip(problems, scores, strict=True):
            for problem, score in zip(group, group_scores, strict=True):
                labelled[self.weights.label(problem)].append(score)
        for of_label in labelled.values():
            refuse_broken(of_label)

    def _score_groups(self, groups: Sequence[Sequence[Sample]], scores: list[list[PartialScore]], terms: list[str]) -> None:
        """Compute the rewards of groups, on samples with their verdicts."""
        tasks, names, owners = [], [], []
        for group, group_scores in zip(groups, scores, strict=True):
            pairs = zip(group, group_scores, strict=True)
            samples = tuple(Verified.of(sample, score.verdict) if score.verdict else sample for sample, score in pairs)
            for name in terms if samples else ():
                if name in self.weights.of(samples[0].problem):
                    tasks.append(Task(samples, term=name))
                    names.append(name)
                    owners.append(group_scores)
        for name, group_scores, result in zip(names, owners, self._pool.process(tasks), strict=True):
            for score, value in zip(group_scores, result.values, strict=True):
                score.values[name] = value
                score.errors |= result.score.errors

    def _score_by_model(
        self, groups: Sequence[Sequence[Sample]], scores: list[list[PartialScore]], name: str, model: ModelReward
    ) -> None:
        """Compute one reward that a model gives, for the groups whose problems have it."""
        wanted = [place for place, group in enumerate(groups) if group and name in self.weights.of(group[0].problem)]
        for place, (values, reasons) in zip(wanted, model.score([groups[place] for place in wanted]), strict=True):
            for score, value, reason in zip(scores[place], values, reasons, strict=True):
                score.values[name] = value
                if reason is not None:
                    score.errors[name] = reason

    def _total(self, sample: Sample, score: PartialScore) -> Score:
        weights = self.weights.of(sample.problem)
        values = {name: score.values.get(name) for name in self.config.terms}
        parts = [weights[name] * value for name, value in values.items() if value is not None and name in weights]
        correct = score.verdict.correct if score.verdict else None
        return Score(values, sum(parts) if parts else None, correct, score.errors, score.verdict)

    def _check_sandbox(self) -> None:
        if not self._sandbox_runs:
            self._sandbox.provider.check_available()
            self._sandbox_runs = True


def refuse_broken(scores: Sequence[PartialScore | Score]) -> None:
    """Refuse scores of which one part is missing in every sample, since the step itself must be broken.

    :raises RunError: if one step failed on all of enough samples.
    """
    for name, error in scores[0].errors.items():
        late = [score.errors[name].startswith(LATE) for score in scores if name in score.errors]
        if len(late) == len(scores) >= (ENOUGH_LATE if any(late) else ENOUGH):
            raise RunError(f"reward: {name} fails on every sample: {error}")
