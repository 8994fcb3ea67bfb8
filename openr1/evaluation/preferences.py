"""Metrics of a reward model on held-out preference pairs: accuracy with its interval, and calibration.

By the model of Bradley and Terry (Biometrika 39, 1952), a difference of rewards d says that the answer with the higher reward
is preferred with the chance sigmoid(abs(d)). Rewards are calibrated if that is how often it is.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from openr1.evaluation.metrics import Interval, clustered

BINS = 10
Z = 1.959963984540054  # of a 95 % interval
STEPS = 100  # of Newton's method at most


@dataclass(frozen=True)
class Bin:
    """The held-out pairs whose preference is predicted with about one chance.

    :ivar low, high: chances of the bin.
    :ivar predicted: the mean chance that the answer with the higher reward is preferred.
    :ivar observed: the share of pairs in which it is.
    """

    low: float
    high: float
    pairs: int
    predicted: float
    observed: float


def log_loss(differences: np.ndarray) -> float:
    """Return the mean of -log sigmoid(d), in nats a pair; ln 2 = 0.6931 for rewards that say nothing.

    :param differences: reward of the better answer less that of the worse one, shape ``(pairs,)``.
    """
    return float(np.logaddexp(0.0, -np.asarray(differences, dtype=float)).mean())


def accuracy(differences: np.ndarray, prompts: Sequence[int] | np.ndarray) -> Interval:
    """Return the share of pairs whose better answer has the higher reward, with its 95 % interval; a tie counts half.

    The pairs of one prompt are correlated, so the interval is that of the prompts' shares, Wilson's with an effective sample
    size (:func:`openr1.evaluation.metrics.clustered`).

    :param prompts: what identifies the prompt of each pair, shape ``(pairs,)``.
    """
    by_prompt: dict[int, list[float]] = defaultdict(list)
    for prompt, difference in zip(np.asarray(prompts).tolist(), np.asarray(differences).tolist(), strict=True):
        by_prompt[prompt].append(0.5 if difference == 0 else float(difference > 0))
    rates = [float(np.mean(right)) for right in by_prompt.values()]
    interval = clustered(rates, math.ceil(len(differences) / len(by_prompt)))
    pooled = float(np.mean([value for right in by_prompt.values() for value in right]))
    return Interval(pooled, min(pooled, interval.low), max(pooled, interval.high))


def calibration_bins(differences: np.ndarray, bins: int = BINS) -> list[Bin]:
    """Return the pairs by their predicted chance sigmoid(abs(d)), in bins of one width from 0.5 to 1, without empty ones."""
    differences = np.asarray(differences, dtype=float)
    chance = 1 / (1 + np.exp(-np.abs(differences)))
    right = np.where(differences == 0, 0.5, differences > 0)
    place = np.minimum(((chance - 0.5) * 2 * bins).astype(int), bins - 1)
    rows = []
    for number in range(bins):
        chosen = place == number
        if chosen.any():
            low, high = (0.5 + (number + i) / (2 * bins) for i in (0, 1))
            rows.append(Bin(low, high, int(chosen.sum()), float(chance[chosen].mean()), float(right[chosen].mean())))
    return rows


def calibration_error(rows: Sequence[Bin]) -> float:
    """Return the expected calibration error (arXiv 1706.04599, eq. 3).

    It is the mean over pairs of the absolute difference of the predicted and the observed chance of their bin.
    """
    return sum(row.pairs * abs(row.predicted - row.observed) for row in rows) / sum(row.pairs for row in rows)


def calibration_slope(differences: np.ndarray) -> Interval | None:
    """Return the slope b of a logistic regression of the outcome on d, P = sigmoid(b d), with its 95 % interval.

    A slope of 1 is calibrated; below 1 the rewards are too far apart. There is no intercept, since a pair can be read in either
    order. The interval is that of the Fisher information, sum of d^2 p (1 - p).

    :returns: None where no finite slope is best: if all pairs are ordered right, or all wrong, or all rewards are equal.
    """
    values = np.asarray(differences, dtype=float)
    values = values[values != 0]
    if not (values > 0).any() or not (values < 0).any():
        return None
    slope = 0.0
    scale = float(np.abs(values).mean())
    values = values / scale  # the slope is found in units in which it is of order 1
    for _ in range(STEPS):
        wrong = 1 / (1 + np.exp(np.clip(slope * values, -700, 700)))
        step = float((values * wrong).sum() / (values**2 * wrong * (1 - wrong)).sum())
        # far from the best slope a whole step may leave the region in which the quadratic holds
        step = max(-1.0, min(1.0, step))
        slope += step
        if abs(step) < 1e-12 * max(1.0, abs(slope)):
            break
    wrong = 1 / (1 + np.exp(np.clip(slope * values, -700, 700)))
    error = Z / math.sqrt(float((values**2 * wrong * (1 - wrong)).sum()))
    return Interval(slope / scale, (slope - error) / scale, (slope + error) / scale)


def preference_metrics(rewards: np.ndarray, prompts: Sequence[int] | np.ndarray) -> dict[str, float]:
    """Return the metrics of held-out pairs, by the names of :mod:`openr1.tracking.mlflow`.

    :param rewards: of the better and of the worse answer, shape ``(pairs, 2)``.
    :param prompts: what identifies the prompt of each pair, shape ``(pairs,)``.
    """
    differences = rewards[:, 0] - rewards[:, 1]
    interval, slope = accuracy(differences, prompts), calibration_slope(differences)
    metrics = {
        "eval_loss": log_loss(differences),
        "eval_pairs": float(len(differences)),
        "eval_accuracy": interval.mean,
        "eval_accuracy_low": interval.low,
        "eval_accuracy_high": interval.high,
        "calibration_error": calibration_error(calibration_bins(differences)),
        "reward_mean": float(rewards.mean()),
        "reward_std": float(rewards.std()),
    }
    if slope is not None:
        metrics |= {"calibration_slope": slope.mean, "calibration_slope_low": slope.low, "calibration_slope_high": slope.high}
    return metrics


def preference_table(rewards: np.ndarray, metrics: dict[str, float]) -> dict[str, Any]:
    """Return the metrics and the calibration by bins, as JSON has them."""
    return {"all": metrics, "bins": [asdict(row) for row in calibration_bins(rewards[:, 0] - rewards[:, 1])]}


def preference_markdown(title: str, table: dict[str, Any]) -> str:
    """Format :func:`preference_table` as a page in Markdown."""
    metrics = table["all"]
    interval = f"{metrics['eval_accuracy_low']:.3f} to {metrics['eval_accuracy_high']:.3f}"
    lines = [f"# {title}", ""]
    lines.append(
        f"Of {metrics['eval_pairs']:,.0f} held-out pairs, the better answer has the higher reward in "
        f"{metrics['eval_accuracy']:.1%} (95 % interval {interval}). The log-loss is {metrics['eval_loss']:.4f} nats a pair, "
        "where chance is 0.6931."
    )
    lines.append(f"The expected calibration error is {metrics['calibration_error']:.3f}.")
    if "calibration_slope" in metrics:
        low, high = metrics["calibration_slope_low"], metrics["calibration_slope_high"]
        lines.append(f"The calibration slope is {metrics['calibration_slope']:.3f} ({low:.3f} to {high:.3f}); 1 is calibrated.")
    else:
        lines.append("The calibration slope is undefined, since no pair, or every pair, is ordered wrongly.")
    lines += ["", "| chance predicted | pairs | mean predicted | observed |", "|---|---:|---:|---:|"]
    for row in table["bins"]:
        cells = f"{row['pairs']:,} | {row['predicted']:.3f} | {row['observed']:.3f}"
        lines.append(f"| {row['low']:.2f} to {row['high']:.2f} | {cells} |")
    return "\n".join(lines) + "\n"
