"""The pass rate of a policy while it is trained: the same held-out problems, asked with the same random numbers, every time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from openr1.config.schema import Config
from openr1.data import problems
from openr1.data.answers import answer_rows
from openr1.engines.generate import build_request, to_asked
from openr1.evaluation import metrics
from openr1.evaluation.grading import Grader
from openr1.evaluation.grouping import grouped
from openr1.rewards import Sample
from openr1.rl.generation import PolicyGenerator

KEPT = ("pass_at_1", "format_rate", "reasoned_rate", "finished_rate", "response_tokens")  # of an evaluation, for the curves


@dataclass(frozen=True)
class PolicyScores:
    """What came of an evaluation."""

    metrics: dict[str, float]  # those of KEPT
    interval: tuple[float, float]  # of the pass rate, 95 %
    lengths: Sequence[tuple[int, int]]  # of each answer, the tokens of its prompt and its own


class PolicyEvaluation:
    """Asks the held-out problems of a config."""

    def __init__(self, config: Config, grader: Grader) -> None:
        self.config, self.grader = config, grader
        self.problems = problems.read(config.data, config.paths, held_out=True, limit=config.stage.problems)

    def __call__(self, generator: PolicyGenerator) -> PolicyScores:
        """:raises RunError: where an answer is missing."""
        samples = self.config.stage.samples
        data, seed = self.config.data, self.config.seed
        written = generator.write([build_request(problem, data, samples, seed) for problem in self.problems])
        pairs = [(problem, to_asked(one.reply)) for problem, one in zip(self.problems, written, strict=True)]
        verdicts = self.grader([Sample(problem, a.text, a.tokens, a.finished) for problem, one in pairs for a in one.answers])
        found = [row for problem, one in pairs for row in answer_rows(problem, one, samples)]
        for row, verdict in zip(found, verdicts, strict=True):
            row["verified"] = verdict if isinstance(verdict, bool) else None
        scores = metrics.score(list(grouped(found)), samples)
        interval = (scores.get("pass_at_1_low", 0.0), scores.get("pass_at_1_high", 1.0))
        known = {name: scores[name] for name in KEPT if name in scores}
        return PolicyScores(known, interval, [length for one in written for length in one.lengths])
