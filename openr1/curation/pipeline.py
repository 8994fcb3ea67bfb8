"""The pipeline of a curation: applies its steps to a table of generated samples, and records their effect."""

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
from typing import TYPE_CHECKING, Any

import numpy as np

from openr1.curation import decontamination, deduplication, filters, preference, selection
from openr1.curation.card import Card, Count, Example, StepCard, sort_by_count
from openr1.curation.filters import Verifier
from openr1.curation.options import CurationStep
from openr1.curation.preference import OpenRater
from openr1.curation.rows import Decision, Rows
from openr1.data.snippets import snippet
from openr1.system.errors import RunError

if TYPE_CHECKING:
    import datasets

MAX_REASONS = 100  # reasons of a step that the card counts separately
EXAMPLE_REASONS, EXAMPLES = 5, 2  # most frequent reasons of a step with examples in the card, and examples of each
FUNCTIONS: dict[str, Callable[..., Decision]] = {
    "verify": filters.verify,
    "errors": filters.drop_errors,
    "finished": filters.drop_unfinished,
    "format": filters.drop_malformed,
    "length": filters.drop_by_length,
    "language": filters.drop_by_language,
    "pass_rate": filters.drop_by_pass_rate,
    "exact_dedupe": deduplication.drop_duplicates,
    "near_dedupe": deduplication.drop_near_duplicates,
    "decontaminate": decontamination.decontaminate,
    "balance": selection.balance,
    "select": selection.select,
    "preferred": preference.keep_preferred,
}
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Curated:
    """The kept rows, as a view of the table, and the card of the curation."""

    rows: datasets.Dataset
    card: Card


def curate(
    table: datasets.Dataset,
    steps: Mapping[str, CurationStep],
    *,
    verifier: Verifier | None = None,
    open_rater: OpenRater | None = None,
    cache: Path | None = None,
    folder: Path | None = None,
    processes: int = 1,
    key: str = "stage.steps",
    progress: Callable[[str, int, int], None] = lambda name, done, rows: None,
) -> Curated:
    """Apply the steps in order. The same rows and steps give the same rows in the same order, and the same card.

    :param table: generated samples, one per row, as :func:`openr1.curation.table.read_samples` reads them.
    :param steps: steps by name, from :func:`openr1.curation.options.steps_of`.
    :param verifier: judge of samples; needed if a verify step meets rows without a verdict.
    :param open_rater: opens the rater of a preferred step.
    :param cache: folder of the hashes of evaluation sets; None to keep none.
    :param folder: folder of verdicts and scores until the curation is done, so that a killed one resumes there.
    :param processes: maximum number of processes that read texts.
    :param key: where the steps stand in the config, for messages.
    :param progress: called with the name of a step, its number of finished rows, and its number of rows.
    :raises ConfigError: if a step needs a missing column, or an evaluation set cannot be read.
    :raises RunError: if a step leaves nothing.
    """
    if not len(table):
        raise RunError("curation: there are no rows")
    if table._indices is not None:
        table = table.flatten_indices(keep_in_memory=True)
    rows = Rows(table, np.arange(len(table)), processes=processes)
    rows.require(key, "problem_id")
    before = _count(rows)
    cards: list[StepCard] = []
    with tempfile.TemporaryDirectory() as temporary, _without_bars():
        own: dict[str, dict[str, Any]] = {"decontaminate": {"cache": cache or Path(temporary)}}
        for name, step in steps.items():
            start, place, size = time.perf_counter(), f"{key}.{name}", len(rows)
            resumable: dict[str, Any] = {"folder": folder, "progress": partial(progress, name)}
            own["verify"] = {"verifier": verifier, **resumable}
            own["preferred"] = {"open_rater": open_rater, **resumable, "folder": folder / name if folder else None}
            progress(name, 0, size)
            decision = FUNCTIONS[step.kind](rows, step, place, **own.get(step.kind, {}))
            left = rows.keep(decision.kept, decision.columns)
            cards.append(_step_card(name, step, rows, left, decision))
            if not len(left):
                why = ", ".join(f"{reason}: {count:,}" for reason, count in cards[-1].reasons.items())
                raise RunError(f"{place}: drops all of its {size:,} rows ({why})")
            log.info("curation: %s kept %d of %d rows in %.1f s", name, len(left), size, time.perf_counter() - start)
            progress(name, size, size)
            rows = left
    return Curated(rows.dataset(), Card(before, _count(rows), cards, _tasks(rows)))


@contextmanager
def _without_bars() -> Iterator[None]:
    """Hide the progress bars of ``datasets``, in place of which ``progress`` is called."""
    import datasets

    shown = datasets.are_progress_bars_disabled() is False
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()


def _step_card(name: str, step: CurationStep, rows: Rows, left: Rows, decision: Decision) -> StepCard:
    dropped = np.flatnonzero(~decision.kept)
    why = decision.reasons[dropped]
    counts = sort_by_count(Counter(why.tolist()))
    rare = list(counts.items())[MAX_REASONS:]
    examples = []
    for reason in list(counts)[:EXAMPLE_REASONS]:
        places = dropped[why == reason]
        # one row per problem
        for place in places[np.sort(np.unique(rows.problems[places], return_index=True)[1])[:EXAMPLES]].tolist():
            row = rows.row(place)
            detail = decision.detail(place) if decision.detail else ""
            texts = [snippet(row.get(column) or "") for column in ("prompt", "completion")]
            examples.append(Example(row["problem_id"], row.get("sample"), reason, snippet(detail), *texts))
    for reason, count in rare:
        del counts[reason]
        counts["other reasons"] = counts.get("other reasons", 0) + count
    return StepCard(name, asdict(step), _count(rows), _count(left), sort_by_count(counts), examples, decision.notes)


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
