"""Sequences over the token cache: packed text or examples, in the order in which a run sees them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

Row = dict[str, np.ndarray]


class Documents:
    """Tokens of one split of one source, memory-mapped.

    ``tokens`` are the concatenated documents; document i is ``tokens[offsets[i]:offsets[i + 1]]``. ``prompt_tokens``, ``bytes``
    and ``prompt_bytes`` have one entry per document; ``bytes`` includes the prompt. A preference pair is one document, the
    ``chosen_tokens`` of the better answer with its prompt before those of the worse one; ``margins`` are NaN where unknown, and
    ``prompts`` are hashes of the prompts.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        # a pickled memory map would copy the data; workers open the file instead
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

    @cached_property
    def chosen_tokens(self) -> np.ndarray:
        return self._load("chosen_tokens")

    @cached_property
    def margins(self) -> np.ndarray:
        return self._load("margins")

    @cached_property
    def prompts(self) -> np.ndarray:
        return self._load("prompts")


class Span(NamedTuple):
    """Bytes of text, and the tokens of it that the loss counts."""

    bytes: float
    tokens: int


class View(ABC):
    """Sequences of one source, in their stored order. ``lengths`` has shape ``(sequences,)``, in tokens."""

    lengths: np.ndarray
    dropped: int = 0  # documents that no sequence holds

    @abstractmethod
    def rows(self, items: np.ndarray) -> list[Row]:
        """Return the sequences at ``items``."""

    @abstractmethod
    def span(self, items: np.ndarray) -> Span:
        """Return the bytes and tokens that the loss of the sequences at ``items`` covers."""

    def cap(self, tokens: float) -> None:
        """Keep only the first sequences, at most ``tokens`` tokens in all."""
        self.lengths = self.lengths[: np.searchsorted(np.cumsum(self.lengths), tokens, side="right")]


class Packed(View):
    """Documents concatenated and cut into sequences of ``context`` tokens; the remainder at the end is not used."""

    def __init__(self, documents: Documents, context: int) -> None:
        self.documents, self.context = documents, context
        self.lengths = np.full(len(documents.tokens) // context, context, dtype=np.int64)

    def rows(self, items: np.ndarray) -> list[Row]:
        table = self.documents.tokens[: len(self.lengths) * self.context].reshape(-1, self.context)
        return [{"input_ids": row} for row in table[items].astype(np.int64)]

    def span(self, items: np.ndarray) -> Span:
        # if a sequence cuts a document, the document's bytes are assumed to be spread evenly over its tokens
        ends = np.concatenate([[0], np.cumsum(self.documents.bytes)])
        first, last = (np.interp(items * self.context + n, self.documents.offsets, ends) for n in (0, self.context))
        return Span(float((last - first).sum()), len(items) * self.context)


class Examples(View):
    """One document per sequence, with a mask of its completion; documents longer than ``context`` are dropped."""

    def __init__(self, documents: Documents, context: int) -> None:
        self.documents = documents
        lengths = np.diff(documents.offsets)
        self.kept = np.flatnonzero(lengths <= context)
        self.lengths = lengths[self.kept]
        self.dropped = len(lengths) - len(self.kept)

    def rows(self, items: np.ndarray) -> list[Row]:
        chosen = self.kept[items]
        bounds = zip(self.documents.offsets[chosen], self.documents.offsets[chosen + 1], strict=True)
        rows = []
        for (start, end), prompt in zip(bounds, self.documents.prompt_tokens[chosen], strict=True):
            mask = (np.arange(end - start) >= prompt).astype(np.int64)
            rows.append({"input_ids": self.documents.tokens[start:end].astype(np.int64), "completion_mask": mask})
        return rows

    def span(self, items: np.ndarray) -> Span:
        chosen, documents = self.kept[items], self.documents
        size = (documents.bytes[chosen] - documents.prompt_bytes[chosen]).sum()
        return Span(float(size), int((self.lengths[items] - documents.prompt_tokens[chosen]).sum()))


class Pairs(View):
    """One preference pair per sequence; a pair with an answer that is longer than ``context`` with its prompt is dropped.

    The length of a pair is the tokens of both sides.
    """

    def __init__(self, documents: Documents, context: int) -> None:
        self.documents = documents
        lengths, chosen = np.diff(documents.offsets), documents.chosen_tokens
        self.kept = np.flatnonzero((chosen <= context) & (lengths - chosen <= context))
        self.lengths = lengths[self.kept]
        self.dropped = len(lengths) - len(self.kept)

    def rows(self, items: np.ndarray) -> list[Row]:
        chosen = self.kept[items]
        starts, ends = self.documents.offsets[chosen], self.documents.offsets[chosen + 1]
        middles = starts + self.documents.chosen_tokens[chosen]
        tokens = self.documents.tokens
        return [
            {
                "chosen_ids": tokens[start:middle].astype(np.int64),
                "rejected_ids": tokens[middle:end].astype(np.int64),
                "margin": margin,
            }
            for start, middle, end, margin in zip(starts, middles, ends, self.documents.margins[chosen], strict=True)
        ]

    def span(self, items: np.ndarray) -> Span:
        return Span(float(self.documents.bytes[self.kept[items]].sum()), int(self.lengths[items].sum()))

    def attended(self) -> float:
        """Return the length of a sequence in which a token attends to as many others as the mean token of the pairs.

        Over sides of L tokens, it is the mean of L weighted by L, the sum of L squared over the sum of L.
        """
        first = self.documents.chosen_tokens[self.kept[: len(self.lengths)]].astype(float)
        second = self.lengths - first
        return float((first**2 + second**2).sum() / self.lengths.sum())


class Sequences:
    """A map-style dataset: sequence i of a run is sequence ``items[i]`` of source ``choice[i]``.

    Packed: ``{"input_ids"}`` of shape ``(context,)``. Examples: ``{"input_ids", "completion_mask"}`` of shape ``(length,)``.
    Pairs: ``{"chosen_ids", "rejected_ids"}`` of two lengths, and ``"margin"``, a number. All arrays are int64.

    :param views: views by source.
    :param choice: index of the source of each sequence, shape ``(n,)``.
    :param items: index of each sequence within its source, shape ``(n,)``.
    """

    def __init__(self, views: dict[str, View], choice: np.ndarray, items: np.ndarray) -> None:
        self.views, self.choice, self.items = views, choice, items
        taken = {name: items[choice == number] for number, name in enumerate(views)}
        tokens = {name: int(view.lengths[taken[name]].sum()) for name, view in views.items()}
        unique = {name: int(view.lengths[np.unique(taken[name])].sum()) for name, view in views.items()}
        available = {name: int(view.lengths.sum()) for name, view in views.items()}
        self.tokens: int = sum(tokens.values())
        self.unique_tokens: int = sum(unique.values())  # distinct tokens among them
        self.epochs: dict[str, float] = {name: tokens[name] / available[name] for name in views}
        self.epochs["total"] = self.tokens / sum(available.values())

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, i: int) -> Row:
        return self.__getitems__([i])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Row]:
        wanted = np.asarray(indices)
        rows: list[Row] = [{}] * len(wanted)
        for number, view in enumerate(self.views.values()):
            places = np.flatnonzero(self.choice[wanted] == number)
            for place, row in zip(places.tolist(), view.rows(self.items[wanted[places]]), strict=True):
                rows[place] = row
        return rows
