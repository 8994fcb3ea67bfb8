"""Runs the steps of a curation over a table of generated samples, and keeps the books."""

from __future__ import annotations

import logging
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from openr1.curation import choose, decontaminate, dedupe, filters
from openr1.curation.card import Card, Count, Example, StepCard, by_count, snippet
from openr1.curation.filters import Verifier
from openr1.curation.options import CurationStep
from openr1.curation.rows import Decision, Rows
from openr1.errors import RunError

if TYPE_CHECKING:
    import datasets

REASONS = 100  # that the card counts one by one, of a step
SHOWN, EXAMPLES = 5, 2  # so many dropped rows of so many reasons, the most frequent, are shown in it
FUNCTIONS: dict[str, Callable[..., Decision]] = {
    "verify": filters.verify,
    "errors": filters.errors,
    "finished": filters.finished,
    "format": filters.format,
    "length": filters.length,
    "language": filters.spoken,
    "pass_rate": filters.pass_rate,
    "exact_dedupe": dedupe.exact_dedupe,
    "near_dedupe": dedupe.near_dedupe,
    "decontaminate": decontaminate.decontaminate,
    "balance": choose.balance,
    "select": choose.select,
}
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Curated:
    """The rows that are kept, as a view of the table they were in, and the card that says why."""

    rows: datasets.Dataset
    card: Card


def curate(
    table: datasets.Dataset,
    steps: Mapping[str, CurationStep],
    *,
    verifier: Verifier | None = None,
    cache: Path | None = None,
    folder: Path | None = None,
    processes: int = 1,
    key: str = "stage.steps",
    progress: Callable[[str, int, int], None] = lambda name, done, rows: None,
) -> Curated:
    """Apply the steps in order. The same rows and steps give the same rows in the same order, and the same card.

    :param table: generated samples, one a row, as :func:`openr1.curation.table.read` gives them.
    :param steps: by name, from :func:`openr1.curation.options.steps_of`.
    :param verifier: whether samples are right; needed where a verify step meets rows without a verdict.
    :param cache: where hashes of evaluation sets are kept; nowhere where it is not given.
    :param folder: where verdicts are kept until the curation is done, so that a killed one goes on where it stopped.
    :param processes: at most so many work on the texts.
    :param key: where the steps stand in the config, for messages.
    :param progress: called with the name of a step, how many rows are done, and how many it has.
    :raises ConfigError: where a step needs a column that is not there, or an evaluation set cannot be read.
    :raises RunError: where a step leaves nothing.
    """
    if not len(table):
        raise RunError("curation: there are no rows")
    if table._indices is not None:
        table = table.flatten_indices(keep_in_memory=True)
    rows = Rows(table, np.arange(len(table)), processes=processes)
    rows.require(key, "problem_id")
    before, done = _count(rows), []
    with tempfile.TemporaryDirectory() as temporary, _without_bars():
        own = {"decontaminate": {"cache": cache or Path(temporary)}}
        for name, step in steps.items():
            start, place, size = time.perf_counter(), f"{key}.{name}", len(rows)
            own["verify"] = {"verifier": verifier, "folder": folder, "progress": partial(progress, name)}
            progress(name, 0, size)
            decision = FUNCTIONS[step.kind](rows, step, place, **own.get(step.kind, {}))
            left = rows.keep(np.equal(decision.reasons, None), decision.columns)
            done.append(_step_card(name, step, rows, left, decision))
            if not len(left):
                why = ", ".join(f"{reason}: {count:,}" for reason, count in done[-1].reasons.items())
                raise RunError(f"{place}: drops all of the {size:,} rows that it is given ({why})")
            log.info("curation: %s kept %d of %d rows in %.1f s", name, len(left), size, time.perf_counter() - start)
            progress(name, size, size)
            rows = left
    return Curated(rows.dataset(), Card(before, _count(rows), done, _tasks(rows)))


@contextmanager
def _without_bars() -> Iterator[None]:
    """The bars of ``datasets`` are for its own users; ours have ``progress``."""
    import datasets

    shown = datasets.are_progress_bars_disabled() is False
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()


def _step_card(name: str, step: CurationStep, rows: Rows, left: Rows, decision: Decision) -> StepCard:
    dropped = np.flatnonzero(np.not_equal(decision.reasons, None))
    why = decision.reasons[dropped]
    counts = by_count(Counter(why.tolist()))
    rare = list(counts.items())[REASONS:]
    examples = []
    for reason in list(counts)[:SHOWN]:
        places = dropped[why == reason]
        # of different problems
        for place in places[np.sort(np.unique(rows.problems[places], return_index=True)[1])[:EXAMPLES]].tolist():
            row = rows.row(place)
            detail = decision.detail(place) if decision.detail else ""
            texts = [snippet(row.get(column) or "") for column in ("prompt", "completion")]
            examples.append(Example(row["problem_id"], row.get("sample"), reason, snippet(detail), *texts))
    for reason, count in rare:
        del counts[reason]
        counts["other reasons"] = counts.get("other reasons", 0) + count
    return StepCard(name, asdict(step), _count(rows), _count(left), by_count(counts), examples, decision.notes)


def _count(rows: Rows) -> Count:
    tokens = rows.numbers("tokens") if rows.has("tokens") else np.full(len(rows), np.nan)
    return _counted(tokens, rows.problems)


def _counted(tokens: np.ndarray, problems: np.ndarray) -> Count:
    known = ~np.isnan(tokens)
    total = int(tokens[known].sum()) if known.any() else None
    return Count(len(tokens), len(np.unique(problems)), total, int((~known).sum()))


def _tasks(rows: Rows) -> dict[str, Count]:
    if not rows.has("task"):
        return {}
    tokens = rows.numbers("tokens") if rows.has("tokens") else np.full(len(rows), np.nan)
    names = np.array([name or "-" for name in rows.column("task").to_pylist()], dtype=object)
    return {name: _counted(tokens[names == name], rows.problems[names == name]) for name in sorted(set(names))}
