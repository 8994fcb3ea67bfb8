"""Evaluation of a policy during training: the same held-out problems with the same random numbers every time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import fmean
from typing import TYPE_CHECKING

from openr1.data import problems
from openr1.data.answers import answer_rows
from openr1.engines.generate import build_request, to_asked
from openr1.evaluation import metrics
from openr1.evaluation.grading import Grader
from openr1.evaluation.grouping import grouped
from openr1.rewards import Sample
from openr1.rewards.rater import Rater
from openr1.rl.divergence import StartDivergence
from openr1.rl.generation import PolicyGenerator
from openr1.rl.sharing import gather_shares, own_share, sum_over_ranks

if TYPE_CHECKING:
    from openr1.config.schema import Config

# metrics of an evaluation that belong in the curves
EVAL_METRICS = ("pass_at_1", "format_rate", "reasoned_rate", "finished_rate", "response_tokens", "gold", "eval_kl")


@dataclass(frozen=True)
class PolicyScores:
    """Results of an evaluation.

    :ivar metrics: those of ``EVAL_METRICS``.
    :ivar interval: 95 % interval of the pass rate.
    :ivar lengths: of each answer, the tokens of its prompt and its own.
    :ivar flops: of all that the evaluation computed beside the answers.
    """

    metrics: dict[str, float]
    interval: tuple[float, float]
    lengths: Sequence[tuple[int, int]]
    flops: float = 0.0


class PolicyEvaluation:
    """Evaluation of a policy on the held-out problems of a config. The ranks share the problems.

    :param divergence: measures the KL divergence from the policy at the start; None not to measure it.
    :param gold: rater of the reward that is wanted; None if there is none.
    """

    def __init__(
        self, config: Config, grader: Grader, divergence: StartDivergence | None = None, gold: Rater | None = None
    ) -> None:
        self.config, self.grader, self.divergence, self.gold = config, grader, divergence, gold
        self.problems = problems.read(config.data, config.paths, held_out=True, limit=config.stage.problems)

    def __call__(self, generator: PolicyGenerator) -> PolicyScores:
        """Evaluate the policy.

        :raises RunError: if an answer is missing.
        """
        samples = self.config.stage.samples
        data, seed = self.config.data, self.config.seed
        own = own_share(self.problems)
        replies = generator.generate([build_request(problem, data, samples, seed) for problem in own])
        pairs = [(problem, to_asked(reply.reply)) for problem, reply in zip(own, replies, strict=True)]
        groups = [[Sample(problem, a.text, a.tokens, a.finished) for a in answered.answers] for problem, answered in pairs]
        verdicts = self.grader([sample for group in groups for sample in group])
        rows_of = [answer_rows(problem, answered, samples) for problem, answered in pairs]
        rows = [row for of_problem in rows_of for row in of_problem]
        for row, verdict in zip(rows, verdicts, strict=True):
            row["verified"] = verdict if isinstance(verdict, bool) else None
        flops = 0.0
        if self.gold:
            before = self.gold.flops
            rated = (score for group in self.gold.rate(groups) for score in group)
            for row, score in zip(rows, rated, strict=True):
                row["gold"] = None if isinstance(score, str) else score
            flops += self.gold.flops - before
        divergences: list[float] = []
        if self.divergence:
            divergences = self.divergence(replies)
            flops += self.divergence.flops(replies)
        divergence_of = iter(divergences)
        shares = [
            (of_problem, reply.lengths, list(islice(divergence_of, len(reply.lengths))))
            for of_problem, reply in zip(rows_of, replies, strict=True)
        ]
        all_shares = gather_shares(shares)
        scores = metrics.score(list(grouped([row for of_problem, _, _ in all_shares for row in of_problem])), samples)
        if self.divergence:
            scores["eval_kl"] = fmean(value for _, _, values in all_shares for value in values)
        interval = (scores.get("pass_at_1_low", 0.0), scores.get("pass_at_1_high", 1.0))
        eval_metrics = {name: scores[name] for name in EVAL_METRICS if name in scores}
        lengths = [length for _, of_problem, _ in all_shares for length in of_problem]
        return PolicyScores(eval_metrics, interval, lengths, sum_over_ranks(flops))
