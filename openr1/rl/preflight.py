"""A few seconds of checks before a long run: what makes reinforcement learning learn nothing, and is seen only hours later.

That the policy can end its answers is checked before (:func:`openr1.engines.end_tokens.check_end_tokens`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence

import torch
from transformers import PreTrainedModel

from openr1.data.prefill import closes, opens, whole
from openr1.data.tasks import Problem, direct_completion, reasoned_completion
from openr1.errors import ConfigError, RunError
from openr1.rewards import Sample, Score, Scorer, TermConfig
from openr1.rl.evaluation import PolicyScores
from openr1.rl.generation import Written
from openr1.rl.rollouts import Group

PROBES = 4  # problems of each task whose rewards are looked at
CHECKED = 16  # answers whose probabilities are compared
OFF = {torch.float32: 1e-3, torch.bfloat16: 5e-2}  # mean difference of log-probabilities, nats a token, that is not rounding
LEAST, MOST = 0.02, 0.98  # pass rates beyond which almost every group has zero variance
FEW = 0.05  # share of groups with signal
OPENABLE = ("format", "code_format", "tag_count")  # rewards that can be told of an open tag
THINKING = ("format", "code_format")  # rewards of answers that have thoughts

Ending = Callable[[Problem], str]  # the end of a problem's prompt, as the policy reads it


def check_rewards(scorer: Scorer, sources: Mapping[str, Sequence[Problem]], ending: Ending = lambda problem: "") -> None:
    """The oracle's own answer has the highest reward, and more than an empty one, which has the lowest.

    Of problems with a trace; of others nobody knows a right answer in full. The answers are as they would be kept: whole, and
    without thoughts where the prompt has ended them.

    :raises ConfigError: for the first term that no answer to these prompts can get, and the first problem where that is not so.
    """
    for name, problems in sources.items():
        if problems:
            _check_form(scorer.config.terms, ending(problems[0]))
        known = [problem for problem in problems if problem.trace and problem.answer][:PROBES]
        texts = [_answers(problem, ending(problem)) for problem in known]
        groups = [[Sample(problem, text) for text in three] for problem, three in zip(known, texts, strict=True)]
        for problem, three, scores in zip(known, texts, scorer.score(groups), strict=True):
            right, empty, other = (score.total for score in scores)
            if None in (right, empty):
                continue  # no value is no reward: such answers are left out of their group
            if right <= empty or right < (other or right) or empty > (other or empty):
                raise ConfigError(
                    f"reward.terms: of data.sources.{name}, the oracle's answer {three[0][:80]!r} to {problem.prompt[:40]!r} "
                    f"has the reward {_said(scores[0])}, an empty one {_said(scores[1])}; nothing right can be learned from "
                    "that (stage.preflight=false goes on all the same)"
                )


def _check_form(terms: Mapping[str, TermConfig], prompt: str) -> None:
    for name, term in terms.items():
        function = term.function or name
        if function in OPENABLE and term.options.get("opened") and not opens(prompt):
            raise ConfigError(
                f"reward.terms.{name}.options.opened: is for prompts that end with <think>, which these do not; leave it out "
                "(stage.preflight=false goes on all the same)"
            )
        if function in THINKING and closes(prompt):
            raise ConfigError(
                f"reward.terms.{name}: the prompts end with </think>, so that no answer has thoughts of its own; leave the "
                "term out, or take a template that thinks (stage.preflight=false goes on all the same)"
            )


def _answers(problem: Problem, prompt: str) -> tuple[str, str, str]:
    """The oracle's answer and two empty ones, as they would be kept."""
    right = direct_completion(problem) if closes(prompt) else reasoned_completion(problem)
    return whole(right, opens(prompt)), whole("", opens(prompt)), whole("<answer></answer>", opens(prompt))


def _said(score: Score) -> str:
    parts = ", ".join(f"{name} {value:g}" for name, value in score.values.items() if value is not None)
    return f"{score.total:g} ({parts})"


@torch.no_grad()
def check_probabilities(model: PreTrainedModel, written: Sequence[Written], pad_token_id: int, bfloat16: bool) -> float:
    """The sampler and the trained model give the tokens of answers the same log-probabilities.

    :param written: answers with log-probabilities at temperature 1.
    :returns: the mean absolute difference, nats a token.
    :raises RunError: where it is more than rounding.
    """
    pairs = [(one.prompt, answer) for one in written for answer in one.completions][:CHECKED]
    before, after = (max(len(ids) for ids in side) for side in zip(*((p, a.token_ids) for p, a in pairs), strict=True))
    # laid out as TRL does: prompts end, and answers begin, in one column
    ids = torch.full((len(pairs), before + after), pad_token_id)
    mask = torch.zeros_like(ids)
    for row, (prompt, answer) in enumerate(pairs):
        whole = torch.tensor([*prompt, *answer.token_ids])
        ids[row, before - len(prompt) : before + len(answer.token_ids)] = whole
        mask[row, before - len(prompt) : before + len(answer.token_ids)] = 1
    training = model.training
    model.eval()
    with torch.autocast(model.device.type, torch.bfloat16, enabled=bfloat16):
        logits = model(input_ids=ids.to(model.device), attention_mask=mask.to(model.device), use_cache=False).logits
    model.train(training)
    scores = logits[:, before - 1 : -1].float().log_softmax(-1).cpu().gather(-1, ids[:, before:, None])[..., 0]
    sampled = torch.zeros_like(scores)
    for row, (_, answer) in enumerate(pairs):
        sampled[row, : len(answer.token_ids)] = torch.tensor(answer.logprobs)
    seen = mask[:, before:].bool()
    difference = (scores - sampled).abs()[seen].mean().item()
    limit = OFF[torch.bfloat16 if bfloat16 else torch.float32]
    if not difference <= limit:
        raise RunError(
            f"the sampler's log-probabilities are {difference:.3g} nats a token from those of the trained model; rounding is "
            f"{limit:g}: it would learn from answers that are not its own; look at engine= and compute.precision"
        )
    return difference


def report(scores: PolicyScores, groups: Sequence[Group], difference: float | None) -> dict[str, float]:
    """Tell what there is to learn from, with a warning where that is next to nothing.

    :returns: the share of groups with signal.
    """
    signal = sum(not group.zero_variance for group in groups) / len(groups)
    rate = scores.metrics.get("pass_at_1")
    words = [f"{len(groups)} groups of {len(groups[0].scores)} answers, {signal:.0%} with signal"]
    if rate is not None:
        words.insert(0, f"pass rate {rate:.3f} ({scores.interval[0]:.3f} to {scores.interval[1]:.3f})")
    words.append(f"answers ended {scores.metrics['finished_rate']:.0%}, reasoned {scores.metrics['reasoned_rate']:.0%}")
    if difference is not None:
        words.append(f"sampler and trainer differ by {difference:.1g} nats a token")
    print(f"grpo, before training: {'; '.join(words)}", file=sys.stderr)
    for warning in _warnings(signal, rate, scores.metrics["finished_rate"]):
        print(f"grpo: warning: {warning}", file=sys.stderr)
    return {"signal_rate": signal}


def _warnings(signal: float, rate: float | None, finished: float) -> list[str]:
    found = []
    if signal < FEW:
        found.append(
            "almost no group has answers with different rewards, so there is next to nothing to learn from; take other "
            "problems, or larger groups (stage.samples)"
        )
    if rate is not None and rate < LEAST:
        found.append(f"the model is right in {rate:.1%} of its answers; train it on the task first, or take easier problems")
    if rate is not None and rate > MOST:
        found.append(f"the model is right in {rate:.1%} of its answers already; take harder problems")
    if finished < 0.5:
        found.append("most answers are cut off; raise stage.sampling.max_tokens, or look at the model's end token")
    return found
