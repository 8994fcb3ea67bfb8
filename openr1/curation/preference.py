"""The curation step that keeps the answers that a reward prefers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from openr1.curation.options import Preferred
from openr1.curation.rows import Decision, Rows, tuples
from openr1.curation.selection import ranks
from openr1.data.answers import PROBLEM_COLUMNS, SAMPLE_COLUMNS, problem_of
from openr1.data.hashing import digest
from openr1.rewards.base import Sample, sample_of
from openr1.rewards.rater import Rater
from openr1.system.errors import ConfigError
from openr1.system.records import read_sealed, write_sealed

# Opens the rater of a step, given the step and the key that it stands at.
OpenRater = Callable[[Preferred, str], Rater]

FLOPS = "FLOPs of scoring"  # note of the step in the card
CHUNK = 1000  # rows that are scored at a time, and more only if one problem has more


def keep_preferred(
    rows: Rows,
    options: Preferred,
    key: str,
    open_rater: OpenRater | None = None,
    folder: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, rows: None,
) -> Decision:
    """Keep the ``best_of`` answers with the highest scores of every problem, or all answers from a quantile of the scores on.

    Fills in ``score``. The quantile is over all rows with a score; a value between two scores is interpolated.

    :param folder: folder of scores, a chunk of rows per file, so that a killed curation resumes there.
    :param progress: called with the number of scored rows and the number of all.
    :raises ConfigError: without a rater.
    """
    import pyarrow as pa

    if open_rater is None:
        raise ConfigError(f"{key}: there is nothing to score answers with")
    rows.require(key, "problem_id", *PROBLEM_COLUMNS, *SAMPLE_COLUMNS)
    present = rows.column("completion").is_valid().to_numpy(zero_copy_only=False)
    reasons, scores = np.full(len(rows), None, dtype=object), np.full(len(rows), np.nan)
    reasons[~present] = "no completion"
    notes: dict[str, object] = {}
    flops = 0.0
    with open_rater(options, key) as rater:
        for at, rated, spent in _rated(rows, np.flatnonzero(present), rater, folder):
            flops += spent
            for place, score in zip(at.tolist(), rated, strict=True):
                if isinstance(score, str):
                    reasons[place] = f"no score: {score}"
                else:
                    scores[place] = score
            progress(int((~np.isnan(scores)).sum()), len(rows))
    scored = ~np.isnan(scores)
    notes["scored"] = int(scored.sum())
    if flops:
        notes[FLOPS] = flops
    if scored.any():
        notes["mean score"] = round(float(scores[scored].mean()), 4)
    if options.best_of is not None:
        low = scored & (ranks(rows.problems, np.where(scored, -scores, np.inf)) >= options.best_of)
        reasons[low] = f"not among the best {options.best_of}"
    elif scored.any():
        assert options.quantile is not None
        threshold = float(np.quantile(scores[scored], options.quantile))
        reasons[scored & (scores < threshold)] = f"below the quantile {options.quantile:g} of the scores"
        notes["score at the quantile"] = round(threshold, 4)
    return Decision(
        reasons,
        detail=lambda place: f"score {scores[place]:.4g}",
        notes=notes,
        columns={"score": pa.array(scores, mask=~scored)},
    )


def _rated(
    rows: Rows, at: np.ndarray, rater: Rater, folder: Path | None
) -> Iterator[tuple[np.ndarray, list[float | str], float]]:
    """Yield places with their scores and the FLOPs of scoring, whole problems at a time, from files if they were kept."""
    order = at[np.argsort(rows.problems[at], kind="stable")]
    for places in _chunks(order, rows.problems):
        [batch] = rows.batches((*PROBLEM_COLUMNS, *SAMPLE_COLUMNS), places, len(places))
        _, first, number = np.unique(rows.problems[places], return_index=True, return_inverse=True)
        problems, samples = tuples(batch.select(PROBLEM_COLUMNS).take(first)), tuples(batch.select(SAMPLE_COLUMNS))
        # named by the content of the rows, so that scores are never applied to other rows
        file = folder / f"scored-{digest([problems, samples, number.tolist()])[:16]}.json" if folder else None
        kept = read_sealed(file) if file else None
        if kept is None:
            known = [problem_of(*values) for values in problems]
            groups: list[list[Sample]] = [[] for _ in known]
            for owner, values in zip(number.tolist(), samples, strict=True):
                groups[owner].append(sample_of(known[owner], *values))
            before = rater.flops
            scores = [score for group in rater.rate(groups) for score in group]
            kept = {"scores": scores, "flops": rater.flops - before}
            if file:
                file.parent.mkdir(parents=True, exist_ok=True)
                write_sealed(file, kept)
        yield places, kept["scores"], kept["flops"]


def _chunks(order: np.ndarray, problems: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the places in pieces of at least ``CHUNK``, none of which divides a problem; the last may be shorter."""
    start = 0
    ends = np.flatnonzero(np.diff(problems[order], append=-1)) + 1  # after the last row of each problem
    for end in ends.tolist():
        if end - start >= CHUNK or end == len(order):
            yield order[start:end]
            start = end
