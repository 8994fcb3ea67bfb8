"""Word n-grams as 64-bit hashes, for a whole batch of texts at once, to detect near-duplicates and contamination."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from openr1.data.words import split_words

if TYPE_CHECKING:
    import pyarrow as pa

MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


def shingles(texts: pa.Array | pa.ChunkedArray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Hash the n-grams of the words of texts, as :mod:`openr1.data.words` splits them.

    A text of fewer than ``n`` words has one shingle, of all its words, so that it equals only itself; a text without words has
    none. Two different n-grams have the same hash with a probability of 2^-64.

    :return: the hashes, shape ``(shingles,)``, uint64, text after text in order; and the first shingle of each text with the
        total at the end, shape ``(texts + 1,)``.
    """
    words, offsets = _hashed(texts)
    counts = np.diff(offsets)
    sizes = np.where(counts >= n, counts - n + 1, counts > 0)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    hashes = np.empty(starts[-1], dtype=np.uint64)
    short = np.repeat(counts < n, sizes)
    if not short.all():
        # hash every window of the batch, then keep those that lie within one text
        windows = len(words) - n + 1
        rolled = np.zeros(windows, dtype=np.uint64)
        for i in range(n):
            rolled = rolled * MULTIPLIER + words[i : i + windows]
        text = np.repeat(np.arange(len(counts)), counts)
        hashes[~short] = rolled[text[: len(rolled)] == text[n - 1 :]]
    first, length = offsets[:-1][(counts > 0) & (counts < n)], counts[(counts > 0) & (counts < n)]
    whole = np.zeros(len(first), dtype=np.uint64)
    for i in range(n - 1):
        whole = np.where(length > i, whole * MULTIPLIER + words[np.minimum(first + i, len(words) - 1)], whole)
    hashes[short] = whole
    return _mix(hashes), starts


def _hashed(texts: pa.Array | pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Hash every word, and return the offsets of the texts."""
    import pandas as pd

    split = split_words(texts.to_pylist())
    words = split.values.dictionary_encode()
    # SipHash with a fixed key: the same on every machine
    hashes = pd.util.hash_array(words.dictionary.to_numpy(zero_copy_only=False).astype(object), categorize=False)
    return hashes[words.indices.to_numpy()], split.offsets


def _mix(values: np.ndarray) -> np.ndarray:
    """Apply MurmurHash3's finaliser: every bit of the result depends on every bit of the value."""
    for multiplier in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        values = (values ^ (values >> np.uint64(33))) * np.uint64(multiplier)
    return values ^ (values >> np.uint64(33))
