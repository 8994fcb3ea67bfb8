"""Sequences over the token cache: packed text or examples, and the order in which a run sees them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

Row = dict[str, np.ndarray]


class Documents:
    """The tokens of one split of one source, memory-mapped.

    ``tokens`` are all documents one after the other; document i is ``tokens[offsets[i]:offsets[i + 1]]``. ``prompt_tokens``,
    ``bytes`` and ``prompt_bytes`` have one entry a document; the bytes count its prompt too.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple:
        # a pickled memory map is a copy of the data: workers open the file instead
        return Documents, (self.folder,)

    def _load(self, name: str) -> np.ndarray:
        return np.load(self.folder / f"{name}.npy", mmap_mode="r")

    @cached_property
    def tokens(self) -> np.ndarray:
        return self._load("tokens")

    @cached_property
    def offsets(self) -> np.ndarray:
        return self._load("offsets")

    @cached_property
    def prompt_tokens(self) -> np.ndarray:
        return self._load("prompt_tokens")

    @cached_property
    def bytes(self) -> np.ndarray:
        return self._load("bytes")

    @cached_property
    def prompt_bytes(self) -> np.ndarray:
        return self._load("prompt_bytes")


class Span(NamedTuple):
    """Text and the tokens of it that the loss counts."""

    bytes: float
    tokens: int


class View(ABC):
    """The sequences of one source, in their stored order. ``lengths`` has shape ``(sequences,)``, in tokens."""

    lengths: np.ndarray
    dropped: int = 0  # documents that no sequence holds

    @abstractmethod
    def rows(self, items: np.ndarray) -> list[Row]:
        """The sequences at ``items``."""

    @abstractmethod
    def span(self, items: np.ndarray) -> Span:
        """What the loss of the sequences at ``items`` is over."""

    def cap(self, tokens: float) -> None:
        """Keep the first sequences, ``tokens`` in all at most."""
        self.lengths = self.lengths[: np.searchsorted(np.cumsum(self.lengths), tokens, side="right")]


class Packed(View):
    """Documents joined and cut into sequences of ``context`` tokens; what is left at the end is not used."""

    def __init__(self, documents: Documents, context: int) -> None:
        self.documents, self.context = documents, context
        self.lengths = np.full(len(documents.tokens) // context, context, dtype=np.int64)

    def rows(self, items: np.ndarray) -> list[Row]:
        table = self.documents.tokens[: len(self.lengths) * self.context].reshape(-1, self.context)
        return [{"input_ids": row} for row in table[items].astype(np.int64)]

    def span(self, items: np.ndarray) -> Span:
        # where a sequence cuts a document, the document's bytes are taken to be spread evenly over its tokens
        ends = np.concatenate([[0], np.cumsum(self.documents.bytes)])
        first, last = (np.interp(items * self.context + n, self.documents.offsets, ends) for n in (0, self.context))
        return Span(float((last - first).sum()), len(items) * self.context)


class Examples(View):
    """One document a sequence, with a mask of its completion; documents longer than ``context`` are dropped."""

    def __init__(self, documents: Documents, context: int) -> None:
        self.documents = documents
        lengths = np.diff(documents.offsets)
        self.kept = np.flatnonzero(lengths <= context)
        self.lengths = lengths[self.kept]
        self.dropped = len(lengths) - len(self.kept)

    def rows(self, items: np.ndarray) -> list[Row]:
        chosen = self.kept[items]
        bounds = zip(self.documents.offsets[chosen], self.documents.offsets[chosen + 1], strict=True)
        found = []
        for (start, end), prompt in zip(bounds, self.documents.prompt_tokens[chosen], strict=True):
            mask = (np.arange(end - start) >= prompt).astype(np.int64)
            found.append({"input_ids": self.documents.tokens[start:end].astype(np.int64), "completion_mask": mask})
        return found

    def span(self, items: np.ndarray) -> Span:
        chosen, documents = self.kept[items], self.documents
        size = (documents.bytes[chosen] - documents.prompt_bytes[chosen]).sum()
        return Span(float(size), int((self.lengths[items] - documents.prompt_tokens[chosen]).sum()))


class Sequences:
    """A map-style dataset: sequence i of a run is sequence ``items[i]`` of source ``choice[i]``.

    Packed: ``{"input_ids"}`` of shape ``(context,)``. Examples: ``{"input_ids", "completion_mask"}`` of shape ``(length,)``.
    All are int64.

    :param views: by source.
    :param choice: index of the source, shape ``(n,)``.
    :param items: shape ``(n,)``.
    """

    def __init__(self, views: dict[str, View], choice: np.ndarray, items: np.ndarray) -> None:
        self.views, self.choice, self.items = views, choice, items
        taken = {name: items[choice == number] for number, name in enumerate(views)}
        tokens = {name: int(view.lengths[taken[name]].sum()) for name, view in views.items()}
        unique = {name: int(view.lengths[np.unique(taken[name])].sum()) for name, view in views.items()}
        held = {name: int(view.lengths.sum()) for name, view in views.items()}
        self.tokens: int = sum(tokens.values())
        self.unique_tokens: int = sum(unique.values())  # distinct tokens among them
        self.epochs: dict[str, float] = {name: tokens[name] / held[name] for name in views}
        self.epochs["total"] = self.tokens / sum(held.values())

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, i: int) -> Row:
        return self.__getitems__([i])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Row]:
        indices = np.asarray(indices)
        found: list[Row] = [{}] * len(indices)
        for number, view in enumerate(self.views.values()):
            places = np.flatnonzero(self.choice[indices] == number)
            for place, row in zip(places.tolist(), view.rows(self.items[indices[places]]), strict=True):
                found[place] = row
        return found
