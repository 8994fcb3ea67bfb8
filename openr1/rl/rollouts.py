"""Rollouts: problems are sampled, answered in groups by the policy, and scored.

A group has zero variance where all of its answers have the same reward: its advantages are zero. Such groups are kept, dropped
from the loss, or replaced: DAPO (arXiv 2503.14476, section 3.2) samples other problems until the batch is full.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
from transformers import set_seed

from openr1.config.schema import Config
from openr1.data.hashing import hash64
from openr1.data.tasks.base import Problem
from openr1.engines.base import Request
from openr1.engines.generate import build_request
from openr1.rewards import Sample, Score, Scorer
from openr1.rewards.parsing import has_reasoning
from openr1.rl.budget import Cost
from openr1.rl.compute_ledger import ComputeLedger
from openr1.rl.generation import PolicyGenerator, Written
from openr1.rl.sampler import ProblemSampler

AT_EXAM = ("response_tokens", "finished_rate", "reasoned_rate")  # also measured on held-out problems, under these names
PROBED = 16  # groups that are looked at before a run
SAME = 1e-8  # rewards that differ by less are the same


@dataclass(frozen=True)
class Group:
    """The answers to one problem, with their scores."""

    problem: Problem
    written: Written
    scores: Sequence[Score]

    @property
    def totals(self) -> list[float]:
        """Rewards of the answers that have one."""
        return [score.total for score in self.scores if score.total is not None]

    @property
    def zero_variance(self) -> bool:
        return not self.totals or max(self.totals) - min(self.totals) < SAME


class Rollouts:
    """Called by TRL for every rollout (its ``rollout_func``): it gives token ids, and the rewards beside them.

    :ivar groups: of the last rollout, in the order in which TRL has their answers.
    """

    def __init__(
        self,
        config: Config,
        sampler: ProblemSampler,
        generator: PolicyGenerator,
        scorer: Scorer,
        cost: Cost,
        ledger: ComputeLedger,
    ) -> None:
        self.config, self.sampler, self.generator, self.scorer = config, sampler, generator, scorer
        self.cost, self.ledger = cost, ledger
        self.groups: list[Group] = []
        self.seen: dict[str, list[float]] = defaultdict(list)  # figures since the curves were last written

    def __call__(self, prompts: list[str], trainer: Any) -> dict[str, Any]:
        # all that draws numbers from here to the next rollout does so anew, whatever a resume has restored
        set_seed(hash64("rollout", str(self.config.seed), str(self.ledger.rollouts)) % 2**32)
        self.groups = self.collect()
        written = [one.written for one in self.groups]
        self.ledger.rollouts += 1
        self.ledger.learn((length for one in written for length in one.lengths), self.cost)
        completions = [one for group in written for one in group.completions]
        output: dict[str, Any] = {
            "prompt_ids": [one.prompt for one in written for _ in one.completions],
            "completion_ids": [list(one.token_ids) for one in completions],
            "logprobs": [list(one.logprobs) for one in completions] if trainer.use_vllm else None,
        }
        for name in self.config.reward.terms:
            output[field(name)] = [score.values[name] for group in self.groups for score in group.scores]
        if self.config.stage.groups.zero_variance != "keep":
            kept = [int(not group.zero_variance) for group in self.groups for _ in group.scores]
            # a group without any token in the loss is as good as none
            output["env_mask"] = [[on] * len(one.token_ids) for on, one in zip(kept, completions, strict=True)]
        return output

    def collect(self) -> list[Group]:
        """The groups of a rollout; those with signal come first where others were drawn in place of zero-variance ones."""
        options, wanted = self.config.stage.groups, self.config.stage.prompts
        kept: list[Group] = []
        zero_variance: list[Group] = []
        for _ in range(options.rounds if options.zero_variance == "resample" else 1):
            groups = self.answer([self.sampler.draw() for _ in range(wanted - len(kept))])
            self.ledger.write((length for group in groups for length in group.written.lengths), self.cost)
            self._measure(groups)
            for group in groups:
                (zero_variance if group.zero_variance and options.zero_variance == "resample" else kept).append(group)
            if len(kept) == wanted:
                break
        return kept + zero_variance[: wanted - len(kept)]

    def answer(self, drawn: Sequence[tuple[int, Problem]]) -> list[Group]:
        """The groups of problems, each with its place in the deck."""
        written = self.generator.write([asked(self.config, problem, place) for place, problem in drawn])
        start = time.perf_counter()
        found = scored(self.scorer, [problem for _, problem in drawn], written)
        self.ledger.score_seconds += time.perf_counter() - start
        return found

    def probe(self) -> list[Group]:
        """Groups to look at, before the first rollout and apart from it."""
        first = islice((problem for several in self.sampler.sources.values() for problem in several), PROBED)
        groups = self.answer([(-place, problem) for place, problem in enumerate(first, start=1)])
        self.ledger.evaluate((length for group in groups for length in group.written.lengths), self.cost)
        return groups

    def _measure(self, groups: Sequence[Group]) -> None:
        answers = [answer for group in groups for answer in group.written.completions]
        scores = [score for group in groups for score in group.scores]
        figures = {
            "reward": [total for group in groups for total in group.totals],
            "signal_rate": [not group.zero_variance for group in groups],
            "response_tokens": [answer.tokens - answer.finished for answer in answers],
            "finished_rate": [answer.finished for answer in answers],
            "reasoned_rate": [has_reasoning(answer.text) for answer in answers],
        }
        for name in self.config.reward.terms:
            figures[f"reward_{name}"] = [value for score in scores if (value := score.values[name]) is not None]
        for name, values in figures.items():
            self.seen[name] += values

    def means(self) -> dict[str, float]:
        """The figures of all groups, zero-variance ones too, since the last call."""
        found = {f"rollout_{name}" if name in AT_EXAM else name: float(np.mean(v)) for name, v in self.seen.items() if v}
        self.seen.clear()
        return found


def field(term: str) -> str:
    """The name under which TRL hands the values of a term on."""
    return f"value_{term}"


def asked(config: Config, problem: Problem, place: int) -> Request:
    """What the policy is asked: the same problem again, at another place of the deck, is answered with other numbers."""
    request = build_request(problem, config.data, config.stage.samples, config.seed)
    return replace(request, id=str(place), seed=hash64("answer", str(config.seed), str(place)) >> 33)


def scored(scorer: Scorer, problems: Sequence[Problem], written: Sequence[Written]) -> list[Group]:
    """Groups with their scores; those of a group are given together."""
    samples = [
        [Sample(problem, one.text, one.tokens - one.finished, one.finished) for one in many.completions]
        for problem, many in zip(problems, written, strict=True)
    ]
    found = zip(problems, written, scorer.score(samples), strict=True)
    return [Group(problem, one, scores) for problem, one, scores in found]
