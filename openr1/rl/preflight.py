"""Preflight checks: a few seconds before a long run find mistakes from which reinforcement learning learns nothing.

:func:`openr1.engines.end_tokens.check_end_tokens` has checked before that the policy can end its answers.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence

import torch

from openr1.data.prefill import closes, opens, with_opened_tag
from openr1.data.tasks import Problem, direct_completion, reasoned_completion
from openr1.rewards import Sample, Score, Scorer, TermConfig
from openr1.rl.evaluation import PolicyScores
from openr1.rl.mismatch import Mismatch
from openr1.rl.rollouts import Group
from openr1.system.errors import ConfigError, RunError

REWARD_PROBLEMS = 4  # problems of each source whose rewards are checked
PROBABILITY_ANSWERS = 16  # answers whose probabilities are compared
MAX_DIFFERENCE = {torch.float32: 1e-3, torch.bfloat16: 5e-2}  # mean difference of log-probabilities by rounding, nats a token
LOW_PASS_RATE, HIGH_PASS_RATE = 0.02, 0.98  # pass rates beyond which almost every group has zero variance
LOW_SIGNAL_RATE = 0.05  # share of groups with signal
OPENABLE = ("format", "code_format", "tag_count")  # rewards with the option ``opened``
THINKING = ("format", "code_format")  # rewards of answers that have thoughts

PromptEnding = Callable[[Problem], str]  # returns the end of a problem's prompt, as the policy reads it


def check_rewards(
    scorer: Scorer, sources: Mapping[str, Sequence[Problem]], prompt_ending: PromptEnding = lambda problem: ""
) -> None:
    """Refuse rewards unless the oracle's answer has the highest reward, and more than an empty answer, which has the lowest.

    Rewards that a model gives are left out, since they need not prefer what is right. Only problems with a trace have a known
    right answer. The answers are as the policy would give them: complete, and without
    thoughts if the prompt has ended them.

    :raises ConfigError: for a term that no answer to these prompts can fulfil, and for the first problem with wrong rewards.
    """
    for name, problems in sources.items():
        if problems:
            _check_format(scorer.config.terms, prompt_ending(problems[0]))
        traced = [problem for problem in problems if problem.trace and problem.answer][:REWARD_PROBLEMS]
        answers = [_probe_answers(problem, prompt_ending(problem)) for problem in traced]
        groups = [[Sample(problem, text) for text in texts] for problem, texts in zip(traced, answers, strict=True)]
        for problem, texts, scores in zip(traced, answers, scorer.score(groups, model_based=False), strict=True):
            right, empty, empty_tags = (score.total for score in scores)
            if right is None or empty is None:
                continue  # an answer without a reward is left out of its group
            if right <= empty or (empty_tags is not None and not empty <= empty_tags <= right):
                raise ConfigError(
                    f"reward.terms: in data.sources.{name}, the oracle's answer {texts[0][:80]!r} to {problem.prompt[:40]!r} "
                    f"has the reward {_describe(scores[0])}, an empty answer {_describe(scores[1])} and one with empty tags "
                    f"{_describe(scores[2])}; a policy would learn wrong answers (stage.preflight=false skips this check)"
                )


def _check_format(terms: Mapping[str, TermConfig], prompt: str) -> None:
    for name, term in terms.items():
        function = term.function or name
        if function in OPENABLE and term.options.get("opened") and not opens(prompt):
            raise ConfigError(
                f"reward.terms.{name}.options.opened: is for prompts that end with <think>, which these do not; leave it out "
                "(stage.preflight=false skips this check)"
            )
        if function in THINKING and closes(prompt):
            raise ConfigError(
                f"reward.terms.{name}: the prompts end with </think>, so no answer has thoughts of its own; leave the term "
                "out, or use a chat template that thinks (stage.preflight=false skips this check)"
            )


def _probe_answers(problem: Problem, prompt: str) -> tuple[str, str, str]:
    """Return the oracle's answer, an empty one, and one with empty tags, as the policy would give them."""
    right = direct_completion(problem) if closes(prompt) else reasoned_completion(problem)
    return (
        with_opened_tag(right, opens(prompt)),
        with_opened_tag("", opens(prompt)),
        with_opened_tag("<answer></answer>", opens(prompt)),
    )


def _describe(score: Score) -> str:
    if score.total is None:
        return "none"
    parts = ", ".join(f"{name} {value:g}" for name, value in score.values.items() if value is not None)
    return f"{score.total:g} ({parts})"


def check_probabilities(found: Mismatch, bfloat16: bool) -> float | None:
    """Compare the log-probabilities that the sampler and the trained model give to the tokens of answers.

    :param found: their mismatch over :data:`PROBABILITY_ANSWERS` answers, after temperature and truncation.
    :returns: the mean absolute difference, nats a token; None if the sampler tells no probability.
    :raises RunError: if it is more than rounding.
    """
    difference = found.metrics().get("sampler_difference")
    if difference is None:
        return None
    limit = MAX_DIFFERENCE[torch.bfloat16 if bfloat16 else torch.float32]
    if not difference <= limit:
        raise RunError(
            f"the sampler's log-probabilities differ by {difference:.3g} nats a token from those of the trained model, but "
            f"rounding explains only {limit:g}; the policy would learn from another model's answers; check engine= and "
            "compute.precision"
        )
    return difference


def report_signal(scores: PolicyScores, groups: Sequence[Group], difference: float | None) -> dict[str, float]:
    """Print the pass rate and the share of groups with signal, with warnings if there is little to learn from.

    :param difference: of log-probabilities, from :func:`check_probabilities`.
    :returns: the ``signal_rate``.
    """
    signal = sum(not group.zero_variance for group in groups) / len(groups)
    rate = scores.metrics.get("pass_at_1")
    parts = [f"{len(groups)} groups of {len(groups[0].scores)} answers, {signal:.0%} with signal"]
    if rate is not None:
        parts.insert(0, f"pass rate {rate:.3f} ({scores.interval[0]:.3f} to {scores.interval[1]:.3f})")
    parts.append(f"answers finished {scores.metrics['finished_rate']:.0%}, reasoned {scores.metrics['reasoned_rate']:.0%}")
    if difference is not None:
        parts.append(f"sampler and trainer differ by {difference:.1g} nats a token")
    print(f"grpo, before training: {'; '.join(parts)}", file=sys.stderr)
    for warning in _warnings(signal, rate, scores.metrics["finished_rate"]):
        print(f"grpo: warning: {warning}", file=sys.stderr)
    return {"signal_rate": signal}


def _warnings(signal: float, rate: float | None, finished: float) -> list[str]:
    warnings = []
    if signal < LOW_SIGNAL_RATE:
        warnings.append(
            "almost no group has answers with different rewards, so there is almost nothing to learn from; use other problems, "
            "or larger groups (stage.samples)"
        )
    if rate is not None and rate < LOW_PASS_RATE:
        warnings.append(f"{rate:.1%} of the model's answers are right; train it on the task first, or use easier problems")
    if rate is not None and rate > HIGH_PASS_RATE:
        warnings.append(f"{rate:.1%} of the model's answers are right already; use harder problems")
    if finished < 0.5:
        warnings.append("most answers are cut off; raise stage.sampling.max_tokens, or check the model's end token")
    return warnings
