"""Rollouts: problems are sampled, answered in groups by the policy, and scored.

A group has zero variance if all of its answers have the same reward: its advantages are zero. Such groups are kept, dropped
from the loss, or replaced: DAPO (arXiv 2503.14476, section 3.2) samples other problems until the batch is full.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from transformers import set_seed

from openr1.data.hashing import hash64
from openr1.data.tasks.base import Problem
from openr1.distributed.collectives import gather, world_size
from openr1.engines.base import Request
from openr1.engines.generate import build_request
from openr1.rewards import Sample, Score, Scorer
from openr1.rewards.parsing import has_reasoning
from openr1.rl.budget import AnswerFlops
from openr1.rl.compute_ledger import ComputeLedger
from openr1.rl.generation import PolicyGenerator, PolicyReply
from openr1.rl.sampler import ProblemSampler
from openr1.rl.sharing import gather_shares, own_block, own_share, sum_over_ranks

if TYPE_CHECKING:
    from openr1.config.schema import Config

EVALUATED_TOO = ("response_tokens", "finished_rate", "reasoned_rate")  # metrics that evaluations have under these names
PROBE_GROUPS = 16  # groups that are inspected before training
SAME_REWARD = 1e-8  # rewards that differ by less are the same


@dataclass(frozen=True)
class Group:
    """The answers to one problem, with their scores."""

    problem: Problem
    reply: PolicyReply
    scores: Sequence[Score]

    @property
    def totals(self) -> list[float]:
        """Return the rewards of the answers that have one."""
        return [score.total for score in self.scores if score.total is not None]

    @property
    def zero_variance(self) -> bool:
        """Return True if no answer is better than another."""
        return not self.totals or max(self.totals) - min(self.totals) < SAME_REWARD


class Rollouts:
    """Rollout function of TRL's trainer (``rollout_func``): returns token ids, and the rewards beside them.

    On several ranks each answers a share of the problems, all know all groups, and TRL gets a block of the answers from each
    (:mod:`openr1.rl.sharing`).

    :ivar groups: groups of the last rollout, in the order in which TRL has their answers.
    """

    def __init__(
        self,
        config: Config,
        sampler: ProblemSampler,
        generator: PolicyGenerator,
        scorer: Scorer,
        flops: AnswerFlops,
        ledger: ComputeLedger,
    ) -> None:
        self.config, self.sampler, self.generator, self.scorer = config, sampler, generator, scorer
        self.flops, self.ledger = flops, ledger
        self.groups: list[Group] = []
        self.values: dict[str, list[float]] = defaultdict(list)  # metrics of each group or answer since the last row

    def __call__(self, prompts: list[str], trainer: Any) -> dict[str, Any]:
        # a resume restores other random states than an uninterrupted run has, so each rollout sets them anew
        set_seed(hash64("rollout", str(self.config.seed), str(self.ledger.rollouts)) % 2**32)
        with trainer.whole_weights():
            self.groups = self.collect_groups()
        replies = [group.reply for group in self.groups]
        self.ledger.rollouts += 1
        self.ledger.add_update((length for reply in replies for length in reply.lengths), self.flops)
        completion_ids = [list(ids) for reply in replies for ids in reply.token_ids]
        output: dict[str, Any] = {
            "prompt_ids": [reply.prompt_ids for reply in replies for _ in reply.completions],
            "completion_ids": completion_ids,
            "logprobs": [list(values) for reply in replies for values in reply.sampled_logprobs],
        }
        trainer.kept = [kept for reply in replies for kept in reply.kept]
        for name in self.config.reward.terms:
            output[reward_column(name)] = [value for group in self.groups for value in self._term_values(group, name)]
        if self.config.stage.groups.zero_variance != "keep":
            in_loss = [int(not group.zero_variance) for group in self.groups for _ in group.scores]
            # TRL leaves out answers without a token in the loss
            output["env_mask"] = [[on] * len(ids) for on, ids in zip(in_loss, completion_ids, strict=True)]
        return {name: None if values is None else own_block(values) for name, values in output.items()}

    def _term_values(self, group: Group, term: str) -> list[float | None]:
        """Return the values of a term, for the answers of a group; by task, times the weight that the task gives it."""
        values = [score.values[term] for score in group.scores]
        if not self.config.reward.by_task:
            return values  # TRL knows the weight
        weight = self.scorer.weights.of(group.problem).get(term)
        return [None if value is None or weight is None else weight * value for value in values]

    def collect_groups(self) -> list[Group]:
        """Collect the groups of a rollout. If zero-variance groups are resampled, groups with signal come first."""
        options, wanted = self.config.stage.groups, self.config.stage.prompts
        kept: list[Group] = []
        zero_variance: list[Group] = []
        for _ in range(options.rounds if options.zero_variance == "resample" else 1):
            groups = self.answer([self.sampler.draw() for _ in range(wanted - len(kept))])
            self.ledger.add_rollout((length for group in groups for length in group.reply.lengths), self.flops)
            self.ledger.flops_reward += sum_over_ranks(self.scorer.take_flops())
            self._record(groups)
            for group in groups:
                (zero_variance if group.zero_variance and options.zero_variance == "resample" else kept).append(group)
            if len(kept) == wanted:
                break
        return kept + zero_variance[: wanted - len(kept)]

    def answer(self, drawn: Sequence[tuple[int, Problem]]) -> list[Group]:
        """Answer and score problems. The ranks share them.

        :param drawn: the problems, each with the number of its draw.
        """
        own = own_share(drawn)
        start = time.perf_counter()
        replies = self.generator.generate([rollout_request(self.config, problem, number) for number, problem in own])
        answered = time.perf_counter()
        groups = score_groups(self.scorer, [problem for _, problem in own], replies)
        spent = gather((answered - start, time.perf_counter() - answered))
        self.ledger.rollout_seconds += max(seconds for seconds, _ in spent)
        self.ledger.score_seconds += max(seconds for _, seconds in spent)
        shared = gather_shares([(group.reply, group.scores) for group in groups])
        all_groups = [Group(problem, reply, scores) for (_, problem), (reply, scores) in zip(drawn, shared, strict=True)]
        if world_size() > 1:  # a reward that fails on every answer may not have failed on enough of one share
            problems = [[group.problem] * len(group.scores) for group in all_groups]
            self.scorer.refuse_broken_steps(problems, [group.scores for group in all_groups])
        return all_groups

    def probe(self) -> list[Group]:
        """Answer the first problems before the first rollout, and apart from it."""
        first = islice((problem for problems in self.sampler.sources.values() for problem in problems), PROBE_GROUPS)
        seconds = self.ledger.rollout_seconds, self.ledger.score_seconds
        groups = self.answer([(-number, problem) for number, problem in enumerate(first, start=1)])
        self.ledger.rollout_seconds, self.ledger.score_seconds = seconds  # those of training steps alone
        self.ledger.add_evaluation((length for group in groups for length in group.reply.lengths), self.flops)
        self.ledger.flops_eval += sum_over_ranks(self.scorer.take_flops())
        return groups

    def _record(self, groups: Sequence[Group]) -> None:
        answers = [answer for group in groups for answer in group.reply.completions]
        scores = [score for group in groups for score in group.scores]
        values: dict[str, Sequence[float]] = {
            "reward": [total for group in groups for total in group.totals],
            "signal_rate": [not group.zero_variance for group in groups],
            "response_tokens": [tokens for group in groups for tokens in group.reply.response_tokens],
            "finished_rate": [answer.finished for answer in answers],
            "reasoned_rate": [has_reasoning(answer.text) for answer in answers],
        }
        for name in self.config.reward.terms:
            values[f"reward_{name}"] = [value for score in scores if (value := score.values[name]) is not None]
        for name, added in values.items():
            self.values[name] += added

    def take_means(self) -> dict[str, float]:
        """Return the mean metrics of all groups since the last call, zero-variance groups included, and forget them."""
        means = {
            f"rollout_{name}" if name in EVALUATED_TOO else name: float(np.mean(values))
            for name, values in self.values.items()
            if values
        }
        self.values.clear()
        return means


def reward_column(term: str) -> str:
    """Return the name under which TRL passes the values of a term to its reward function."""
    return f"value_{term}"


def rollout_request(config: Config, problem: Problem, number: int) -> Request:
    """Return the request for a problem. Its random numbers differ at another draw of the same problem."""
    request = build_request(problem, config.data, config.stage.samples, config.seed)
    return replace(request, id=str(number), seed=hash64("answer", str(config.seed), str(number)) >> 33)


def score_groups(scorer: Scorer, problems: Sequence[Problem], replies: Sequence[PolicyReply]) -> list[Group]:
    """Score the answers to problems. Those of a group are scored together."""
    samples = [
        [
            Sample(problem, completion.text, tokens, completion.finished)
            for completion, tokens in zip(reply.completions, reply.response_tokens, strict=True)
        ]
        for problem, reply in zip(problems, replies, strict=True)
    ]
    groups = zip(problems, replies, scorer.score(samples), strict=True)
    return [Group(problem, reply, scores) for problem, reply, scores in groups]
