"""Keeps evaluation problems out of the training data: by n-grams of words of the prompt, as Open-R1 does."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from openr1.curation.options import Decontaminate
from openr1.curation.rows import Decision, Rows
from openr1.curation.shingles import shingles
from openr1.data.sources import KINDS, Source
from openr1.data.words import RULE, split

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Lookup:
    """The n-grams of evaluation sets. Shapes ``(n-grams,)``; hashes ascending, and ``owner`` the number of the set."""

    hashes: np.ndarray
    owner: np.ndarray
    words: int

    def hits(self, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Places of the hashes that occur in a set, and the number of the set; one of a hash in several sets is given several
        times."""
        low = np.searchsorted(self.hashes, hashes)
        found = np.flatnonzero(self.hashes[np.minimum(low, len(self.hashes) - 1)] == hashes)
        low = low[found]
        times = np.searchsorted(self.hashes, hashes[found], "right") - low
        within = np.arange(times.sum()) - np.repeat(np.cumsum(times) - times, times)
        return np.repeat(found, times), self.owner[np.repeat(low, times) + within]


def sources(options: Decontaminate, key: str, cache: Path) -> dict[str, Source]:
    """The evaluation sets by name."""
    found = {}
    for name in options.sets:
        config = options.source(key, name)
        found[name] = KINDS[config.kind](f"{key}.sets.{name}", config, cache)
    return found


def content(options: Decontaminate, key: str, cache: Path) -> dict[str, Any]:
    """The content that decides which problems the evaluation sets drop, JSON-serialisable, for fingerprints."""
    return {name: {**source.content(), "words": RULE} for name, source in sources(options, key, cache).items()}


def decontaminate(rows: Rows, options: Decontaminate, key: str, cache: Path) -> Decision:
    """The reason names the sets that the prompt shares an n-gram with.

    Prompts and evaluation problems of fewer words than an n-gram has are compared whole; Open-R1 lets them pass.
    """
    rows.require(key, "problem_id", "prompt")
    lookup, notes = build(sources(options, key, cache), options)
    found = rows.map(partial(_find, lookup=lookup, names=list(options.sets)), "prompt", rows.firsts)
    reasons = np.array(found.column("sets").to_pylist(), dtype=object)[rows.problems]
    grams = found.column("gram")
    return Decision(reasons, lambda place: f"“{grams[int(rows.problems[place])]}”", notes)


def build(sets: dict[str, Source], options: Decontaminate) -> tuple[Lookup, dict[str, str]]:
    """The n-grams of all sets, and how many there are of each."""
    import pyarrow as pa

    hashes, owner, notes = [], [], {}
    for number, (name, source) in enumerate(sets.items()):
        texts = [document.prompt or document.completion for document in source.documents()]
        grams, starts = shingles(pa.array(texts, pa.large_string()), options.words)
        text = np.repeat(np.arange(len(texts)), np.diff(starts))
        # once a problem, so that the count of an n-gram is that of the problems it is in
        pairs = np.unique(np.stack([grams, text.astype(np.uint64)], axis=1), axis=0)
        distinct, problems = np.unique(pairs[:, 0], return_counts=True)
        if options.common is not None:
            distinct = distinct[problems <= options.common]
        hashes.append(distinct)
        owner.append(np.full(len(distinct), number, dtype=np.int32))
        notes[name] = f"{len(texts):,} problems, {len(distinct):,} n-grams of {options.words} words"
    order = np.argsort(np.concatenate(hashes), kind="stable")
    return Lookup(np.concatenate(hashes)[order], np.concatenate(owner)[order], options.words), notes


def _find(batch: pa.Table, lookup: Lookup, names: list[str]) -> pa.Table:
    import pyarrow as pa

    prompts = batch.column("prompt")
    hashes, starts = shingles(prompts, lookup.words)
    sets, grams = [None] * len(prompts), [None] * len(prompts)
    places, owners = lookup.hits(hashes)
    texts = np.searchsorted(starts, places, side="right") - 1
    for text in np.unique(texts).tolist():
        mine = texts == text
        sets[text] = ", ".join(names[owner] for owner in np.unique(owners[mine]))
        words = split([prompts[text].as_py()])
        first = int(places[mine][0] - starts[text])
        grams[text] = words.passage(first, min(lookup.words, len(words.values)))
    return pa.table({"sets": pa.array(sets, pa.string()), "gram": pa.array(grams, pa.string())})
