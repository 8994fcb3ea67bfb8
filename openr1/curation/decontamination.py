"""Removal of evaluation problems from training data, by n-grams of words of the prompt, as Open-R1 does."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from openr1.curation.options import Decontaminate
from openr1.curation.rows import Decision, Rows
from openr1.curation.shingles import shingles
from openr1.data.registry import SOURCE_CLASSES
from openr1.data.sources import Source
from openr1.data.words import RULE, split_words

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Lookup:
    """N-grams of evaluation sets. Shapes ``(n-grams,)``: ascending hashes, and in ``owner`` the number of the set."""

    hashes: np.ndarray
    owner: np.ndarray
    words: int

    def hits(self, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the places of the hashes that occur in a set, and the number of the set.

        The place of a hash in several sets is repeated.
        """
        low = np.searchsorted(self.hashes, hashes)
        places = np.flatnonzero(self.hashes[np.minimum(low, len(self.hashes) - 1)] == hashes)
        low = low[places]
        times = np.searchsorted(self.hashes, hashes[places], "right") - low
        within = np.arange(times.sum()) - np.repeat(np.cumsum(times) - times, times)
        return np.repeat(places, times), self.owner[np.repeat(low, times) + within]


def open_sets(options: Decontaminate, key: str, cache: Path) -> dict[str, Source]:
    """Open the evaluation sets, by name."""
    sets = {}
    for name in options.sets:
        config = options.source(key, name)
        sets[name] = SOURCE_CLASSES[config.kind](f"{key}.sets.{name}", config, cache)
    return sets


def set_contents(options: Decontaminate, key: str, cache: Path) -> dict[str, Any]:
    """Return all content of the evaluation sets that decides the dropped problems, JSON-serialisable, for fingerprints."""
    return {name: {**source.content(), "words": RULE} for name, source in open_sets(options, key, cache).items()}


def decontaminate(rows: Rows, options: Decontaminate, key: str, cache: Path) -> Decision:
    """Drop the problems whose prompt shares an n-gram with an evaluation set; the reason names the sets.

    Prompts and evaluation problems with fewer words than an n-gram are compared as a whole; Open-R1 keeps them.
    """
    rows.require(key, "problem_id", "prompt")
    lookup, notes = build_lookup(open_sets(options, key, cache), options)
    matches = rows.map(partial(_match, lookup=lookup, names=list(options.sets)), "prompt", rows.firsts)
    reasons = np.array(matches.column("sets").to_pylist(), dtype=object)[rows.problems]
    grams = matches.column("gram")
    return Decision(reasons, lambda place: f"“{grams[int(rows.problems[place])]}”", notes)


def build_lookup(sets: dict[str, Source], options: Decontaminate) -> tuple[Lookup, dict[str, str]]:
    """Collect the n-grams of all sets, and return with them a note on each set for the card."""
    import pyarrow as pa

    hashes, owner, notes = [], [], {}
    for number, (name, source) in enumerate(sets.items()):
        texts = [document.prompt or document.completion for document in source.documents()]
        grams, starts = shingles(pa.array(texts, pa.large_string()), options.words)
        text = np.repeat(np.arange(len(texts)), np.diff(starts))
        # unique within a problem, so that the count of an n-gram is the number of problems that contain it
        pairs = np.unique(np.stack([grams, text.astype(np.uint64)], axis=1), axis=0)
        distinct, problems = np.unique(pairs[:, 0], return_counts=True)
        if options.common is not None:
            distinct = distinct[problems <= options.common]
        hashes.append(distinct)
        owner.append(np.full(len(distinct), number, dtype=np.int32))
        notes[name] = f"{len(texts):,} problems, {len(distinct):,} n-grams of {options.words} words"
    order = np.argsort(np.concatenate(hashes), kind="stable")
    return Lookup(np.concatenate(hashes)[order], np.concatenate(owner)[order], options.words), notes


def _match(batch: pa.Table, lookup: Lookup, names: list[str]) -> pa.Table:
    import pyarrow as pa

    prompts = batch.column("prompt")
    hashes, starts = shingles(prompts, lookup.words)
    sets: list[str | None] = [None] * len(prompts)
    grams: list[str | None] = [None] * len(prompts)
    places, owners = lookup.hits(hashes)
    texts = np.searchsorted(starts, places, side="right") - 1
    for text in np.unique(texts).tolist():
        in_text = texts == text
        sets[text] = ", ".join(names[owner] for owner in np.unique(owners[in_text]))
        words = split_words([prompts[text].as_py()])
        first = int(places[in_text][0] - starts[text])
        grams[text] = words.passage(first, min(lookup.words, len(words.values)))
    return pa.table({"sets": pa.array(sets, pa.string()), "gram": pa.array(grams, pa.string())})
