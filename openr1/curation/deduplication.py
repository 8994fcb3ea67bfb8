"""Curation steps that keep one of several equal, or nearly equal, texts.

MinHash is implemented in NumPy over a batch of texts, in the processes of ``datasets.map``: the hashes of all shingles are one
array, and a permutation is one multiplication and one minimum over it. datasketch needs an object per text and takes several
times as long (``tests/benchmarks/curation_speed.py`` compares both), and its index returns candidates in no defined order.
"""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from openr1.curation.filters import characters
from openr1.curation.options import ExactDedupe, NearDedupe
from openr1.curation.rows import Decision, Rows, group
from openr1.curation.shingles import shingles

if TYPE_CHECKING:
    import pyarrow as pa

RECALL = 0.98  # share of the pairs at the threshold that are compared


def drop_duplicates(rows: Rows, options: ExactDedupe, key: str) -> Decision:
    """Keep the first of equal texts, compared by 128-bit hashes of the normalised texts. Null equals nothing."""
    import pyarrow as pa

    at = _compared(rows, options, key)
    hashes = rows.map(partial(_hashes, column=options.of), options.of, at).column(0).combine_chunks()
    same = group([pa.array(_scope(rows, options)[at]), hashes])
    first = np.unique(same, return_index=True)[1][same]
    twin = np.where((first == np.arange(len(at))) | hashes.is_null().to_numpy(zero_copy_only=False), -1, first)
    return _decide(rows, options, at, twin)


def normalise(text: str) -> str:
    """Convert a text to lower case, with all white space as one space."""
    return " ".join(text.lower().split())


def _hashes(batch: pa.Table, column: str) -> pa.Table:
    import pyarrow as pa

    texts = (None if text is None else normalise(text).encode() for text in batch.column(column).to_pylist())
    hashes = [None if text is None else hashlib.blake2b(text, digest_size=16).digest() for text in texts]
    return pa.table({"hash": pa.array(hashes, pa.binary(16))})


def drop_near_duplicates(rows: Rows, options: NearDedupe, key: str) -> Decision:
    """Drop every text that is similar to a kept text.

    Texts are visited in the order of ``keep``. Those that share a band of their MinHash signatures are compared by the share of
    equal values, which estimates the Jaccard similarity of their sets of shingles (Broder 1997; bands as in Leskovec et al.,
    Mining of Massive Datasets, 3.4). Texts without words are never dropped.
    """
    at = _compared(rows, options, key)
    signature = partial(_signatures, column=options.of, options=options)
    values = rows.map(signature, options.of, at).column(0).combine_chunks()
    signatures = values.flatten().to_numpy().reshape(len(at), options.permutations)
    order = np.arange(len(at))
    if options.keep != "first":
        sizes = characters(rows, options.of, at)
        order = np.argsort(sizes if options.keep == "shortest" else -sizes, kind="stable")
    size = band_rows(options.threshold, options.permutations)
    twin, alike = near_duplicates(signatures, _scope(rows, options)[at], order, options.threshold, size)
    decision = _decide(rows, options, at, twin, alike)
    decision.notes = {"bands": options.permutations // size, "rows a band": size}
    return decision


def minhash(hashes: np.ndarray, starts: np.ndarray, permutations: int, seed: int) -> np.ndarray:
    """Compute MinHash signatures: the least value of a text under each of ``permutations`` maps ``a h + b mod 2^32``, a odd.

    :param hashes, starts: as :func:`openr1.curation.shingles.shingles` gives them.
    :return: shape ``(texts, permutations)``, uint32; all 2^32 - 1 for a text without shingles.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    a = rng.integers(0, 2**31, permutations, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    b = rng.integers(0, 2**32, permutations, dtype=np.uint32)
    short = (hashes >> np.uint64(32)).astype(np.uint32)
    nonempty = np.flatnonzero(np.diff(starts))
    signatures = np.full((len(starts) - 1, permutations), np.uint32(2**32 - 1))
    for i in range(permutations if len(nonempty) else 0):
        signatures[nonempty, i] = np.minimum.reduceat(short * a[i] + b[i], starts[nonempty])
    return signatures


def _signatures(batch: pa.Table, column: str, options: NearDedupe) -> pa.Table:
    import pyarrow as pa

    values = minhash(*shingles(batch.column(column), options.words), options.permutations, options.seed)
    return pa.table({"signature": pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), options.permutations)})


def band_rows(threshold: float, permutations: int) -> int:
    """Return the largest number of values per band with which 98 % of the pairs at the threshold share a band.

    The larger the bands, the fewer pairs below the threshold are compared in vain.
    """
    sizes = range(permutations, 1, -1)
    return next((r for r in sizes if 1 - (1 - threshold**r) ** (permutations // r) >= RECALL), 1)


def near_duplicates(
    signatures: np.ndarray, scope: np.ndarray, order: np.ndarray, threshold: float, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Find for every text the most similar kept text, if one reaches the threshold.

    The time is more than linear if very many texts are similar below the threshold, such as prompts of one template.

    :param signatures: shape ``(texts, permutations)``.
    :param scope: shape ``(texts,)``; only texts of the same scope are compared.
    :param order: the order in which texts are visited.
    :param size: values per band.
    :return: the place of the similar text, -1 for a text that is kept itself, and the estimated similarity.
    """
    count, permutations = signatures.shape
    bands = [_band(signatures[:, i : i + size], scope) for i in range(0, permutations - size + 1, size)]
    sizes = [np.bincount(band) for band in bands]
    # the texts with value k of a band are members[starts[k]:starts[k + 1]]
    members = [np.argsort(band, kind="stable") for band in bands]
    starts = [np.concatenate([[0], np.cumsum(each)]) for each in sizes]
    shared = np.any([each[band] > 1 for each, band in zip(sizes, bands, strict=True)], axis=0)
    shared &= (signatures != np.uint32(2**32 - 1)).any(axis=1)
    twin, similarity = np.full(count, -1), np.zeros(count)
    kept, near = np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)
    low = signatures.astype(np.uint8)  # a quick comparison of the low bytes excludes most pairs
    for place in order[shared[order]].tolist():
        for band, start, member in zip(bands, starts, members, strict=True):
            near[member[start[band[place]] : start[band[place] + 1]]] = True
        others = np.flatnonzero(near)
        near[others] = False
        others = others[kept[others]]
        others = others[(low[others] == low[place]).sum(axis=1) >= threshold * permutations]
        alike = (signatures[others] == signatures[place]).mean(axis=1)
        if len(others) and alike.max() >= threshold:
            twin[place], similarity[place] = others[alike.argmax()], alike.max()
        else:
            kept[place] = True
    return twin, similarity


def _band(values: np.ndarray, scope: np.ndarray) -> np.ndarray:
    """Number the combinations of the values of a band and the scope."""
    import pandas as pd

    mixed = scope.astype(np.uint64)
    for column in values.T:
        mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9) + column
    return pd.factorize(mixed)[0]


def _compared(rows: Rows, options: ExactDedupe, key: str) -> np.ndarray:
    """Return the places of the rows whose texts are compared: all, or for prompts the first of every problem."""
    rows.require(key, "problem_id", options.of)
    return rows.firsts if options.of == "prompt" else np.arange(len(rows))


def _scope(rows: Rows, options: ExactDedupe) -> np.ndarray:
    """Number the groups of rows within which texts are compared."""
    everywhere = options.of == "prompt" or options.within == "all"
    return np.zeros(len(rows), dtype=np.int64) if everywhere else rows.problems


def _decide(rows: Rows, options: ExactDedupe, at: np.ndarray, twin: np.ndarray, alike: np.ndarray | None = None) -> Decision:
    """Drop the rows whose text has a twin; for prompts, all rows of the problem."""
    kept = np.where(twin < 0, -1, at[twin])
    if options.of == "prompt":  # the first row of a problem stands for all of them
        kept, alike = kept[rows.problems], None if alike is None else alike[rows.problems]
    reasons = np.full(len(rows), None, dtype=object)
    reasons[kept >= 0] = f"{'the same' if alike is None else 'nearly the same'} {options.of}"

    def detail(place: int) -> str:
        row = rows.row(int(kept[place]))
        name = row["problem_id"] if options.of == "prompt" or "sample" not in row else f"{row['problem_id']}/{row['sample']}"
        return f"as {name}" if alike is None else f"like {name}, similarity {alike[place]:.2f}"

    return Decision(reasons, detail)
