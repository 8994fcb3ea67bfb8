"""Construction of the token cache: read, split, train the tokenizer, tokenise. A corpus is streamed and may exceed the memory.

A cache directory holds ``tokenizer/``, ``corpus.json`` and a directory ``SOURCE/{train,eval}/`` with the arrays of
:class:`openr1.data.sequences.Documents`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from openr1.data.chat import encoder_for
from openr1.data.documents import Document
from openr1.data.hashing import hash64, unit
from openr1.data.options import DataConfig, Paths
from openr1.data.registry import open_sources
from openr1.data.sources import Procedural, Source
from openr1.data.tokenizer import Encoder, build_tokenizer, is_trained, reference_weights
from openr1.models.options import ModelConfig, ScaleConfig
from openr1.system.errors import ConfigError
from openr1.system.records import write_record

SPLITS = ("train", "eval")
HELD_OUT = "held_out"  # folder of the sources that are for evaluation only
RECORD = "corpus.json"
BATCH = 2**21  # characters encoded in one call
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Index:
    """Split, order and sizes of the documents of a source, before they are tokenised. Arrays of shape ``(documents,)``."""

    held_out: np.ndarray  # bool
    key: np.ndarray  # uint64; documents are stored in ascending order of it
    size: np.ndarray  # UTF-8 bytes
    prompts: frozenset[int] = frozenset()  # hashes of the prompts of preference pairs, of the side that is used


def build_corpus(data: DataConfig, model: ModelConfig, scale: ScaleConfig, paths: Paths, folder: Path) -> None:
    """Fill ``folder`` with the token cache. The same config and content give the same bits."""
    sources, held_out = open_sources(data, paths), open_sources(data, paths, "held_out")
    fraction = data.eval_fraction
    indices = {name: index_source(source, fraction, SPLITS[:1] if held_out else SPLITS) for name, source in sources.items()}
    # tests are all documents of a source of data.held_out; of a task only the held-out ones, since others may be trained on
    test = {
        name: index_source(source, fraction if isinstance(source, Procedural) else 1.0, SPLITS[1:])
        for name, source in held_out.items()
    }
    _refuse_shared_prompts(indices, test)
    log.info("read %s", ", ".join(f"{name}: {len(i.size):,} documents, {i.size.sum():,} bytes" for name, i in indices.items()))
    if is_trained(model, scale):
        log.info("training a byte-level BPE of %d tokens", data.tokenizer.vocab_size)
    tokenizer = build_tokenizer(data, model, scale, tokenizer_texts(data, sources, indices))
    tokenizer.save_pretrained(folder / "tokenizer")
    encoder = encoder_for(data, tokenizer)
    record: dict[str, Any] = {"size": encoder.size, **asdict(encoder.special), "sources": {}, "held_out": {}}
    for name, source in sources.items():
        record["sources"][name] = tokenise(source, indices[name], encoder, folder / name)
    for name, source in held_out.items():
        record["held_out"][name] = tokenise(source, test[name], encoder, folder / HELD_OUT / name)
    write_record(folder / RECORD, record)


def _refuse_shared_prompts(train: dict[str, Index], test: dict[str, Index]) -> None:
    """Refuse preference pairs to train on whose prompt is that of a pair of ``data.held_out``."""
    for name, index in train.items():
        for other, held_out in test.items():
            if shared := index.prompts & held_out.prompts:
                raise ConfigError(
                    f"data.held_out.{other}: {len(shared)} of its {len(held_out.prompts)} prompts are in "
                    f"data.sources.{name} too; take them out of one of the two"
                )


def index_source(source: Source, eval_fraction: float, needed: Sequence[str] = SPLITS) -> Index:
    """Read a source once, and split it by content.

    A document is held out by the hash of its prompt, or of its text if it has no prompt, so that a problem is on one side
    however often and in whatever data set it occurs.

    :param needed: the sides that are used.
    :raises ConfigError: if the source or a needed side is empty.
    """
    held_out, key, size = [], [], []
    prompts: dict[int, bool] = {}
    for document in _log_progress(source.documents(), f"reading {source.key}"):
        held_out.append(unit("split", document.prompt or document.completion) < eval_fraction)
        texts = [document.prompt, *_answers(document)]
        key.append(hash64("order", *texts))
        size.append(sum(len(text.encode()) for text in texts))
        if document.rejected is not None:
            prompts[hash64("problem", document.prompt)] = held_out[-1]
    if not size:
        raise ConfigError(f"{source.key}: holds no document with text")
    if ("train" in needed and all(held_out)) or ("eval" in needed and not any(held_out)):
        side, change = ("training", "lower") if all(held_out) else ("evaluation", "raise")
        raise ConfigError(
            f"data.eval_fraction: {eval_fraction:g} leaves none of the {len(size)} documents of {source.key} for {side}; "
            f"{change} it or add documents"
        )
    used = frozenset(prompt for prompt, side in prompts.items() if side == ("train" not in needed))
    return Index(np.array(held_out), np.array(key, dtype=np.uint64), np.array(size, dtype=np.int64), used)


def _answers(document: Document) -> list[str]:
    """Return the completion of a document; of a preference pair, both answers."""
    return [document.completion] if document.rejected is None else [document.completion, document.rejected]


def tokenizer_texts(data: DataConfig, sources: dict[str, Source], indices: dict[str, Index]) -> Iterator[str]:
    """Yield training documents for BPE, ``train_bytes`` in all, with bytes per source in proportion to the reference weights.

    A source with fewer bytes than its share repeats its documents; the total is no larger than needed to use all of one source.
    """
    weights = reference_weights(data)
    shares = {name: weight / sum(weights.values()) for name, weight in weights.items()}
    available = {name: int(i.size[~i.held_out].sum()) for name, i in indices.items()}
    total = min(data.tokenizer.train_bytes, max(available[name] / share for name, share in shares.items()))
    for name, source in sources.items():
        if name not in shares:
            continue
        repeats = _repeats(indices[name], shares[name] * total)
        for document, times in zip(source.documents(), repeats.tolist(), strict=True):
            for _ in range(times):
                yield from filter(None, (*_answers(document), document.prompt))


def _repeats(index: Index, budget: float) -> np.ndarray:
    """Return how often each document is taken, in the order of the keys, for ``budget`` bytes of the training side."""
    size = np.where(index.held_out, 0, index.size)
    passes, remainder = divmod(budget, size.sum())
    order = np.argsort(index.key, kind="stable")
    repeats = np.empty(len(size), dtype=np.int64)
    repeats[order] = passes + (np.cumsum(size[order]) <= remainder)
    return np.where(index.held_out, 0, repeats)


def tokenise(source: Source, index: Index, encoder: Encoder, folder: Path) -> dict[str, dict[str, int]]:
    """Write the tokens of a source, and return their counts: ``{split: {"documents", "tokens", "bytes"}}``."""
    folder.mkdir(parents=True)
    raw = folder / "raw"
    dtype = np.dtype(np.uint16 if encoder.size <= 2**16 else np.uint32)
    lengths, prompt_tokens, prompt_bytes = [], [], []
    pairs = PairColumns()
    with raw.open("wb") as file:
        for batch in _batches(_log_progress(source.documents(), f"tokenising {source.key}")):
            encoded = encoder(batch)
            rejected = [document._replace(completion=document.rejected) for document in batch if document.rejected is not None]
            worse = iter(encoder(rejected) if rejected else [])
            for document, (ids, prompt) in zip(batch, encoded, strict=True):
                file.write(np.array(ids, dtype=dtype).tobytes())
                lengths.append(len(ids))
                if document.rejected is not None:
                    others = next(worse)[0]
                    file.write(np.array(others, dtype=dtype).tobytes())
                    lengths[-1] += len(others)
                    pairs.add(document, len(ids))
                prompt_tokens.append(prompt)
                prompt_bytes.append(len(document.prompt.encode()))
    columns = {"prompt_tokens": np.array(prompt_tokens), "bytes": index.size, "prompt_bytes": np.array(prompt_bytes)}
    columns |= pairs.arrays()
    ends = np.cumsum(lengths)
    tokens = np.memmap(raw, dtype=dtype, mode="r")
    order = np.argsort(index.key, kind="stable")
    counts = {}
    for split, side in zip(SPLITS, (False, True), strict=True):
        chosen = order[index.held_out[order] == side]
        write_documents(folder / split, tokens, ends - lengths, ends, chosen, columns)
        size = np.diff(np.load(folder / split / "offsets.npy", mmap_mode="r")[[0, -1]])
        counts[split] = {"documents": len(chosen), "tokens": int(size[0]), "bytes": int(index.size[chosen].sum())}
    raw.unlink()
    log.info("tokenised %s: %s", source.key, {split: f"{count['tokens']:,} tokens" for split, count in counts.items()})
    return counts


def write_documents(
    folder: Path,
    tokens: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    chosen: np.ndarray,
    columns: dict[str, np.ndarray],
) -> None:
    """Write the arrays of the documents ``chosen``, in that order, as :class:`openr1.data.sequences.Documents` reads them."""
    folder.mkdir()
    offsets = np.concatenate([[0], np.cumsum((ends - starts)[chosen])])
    shape, descr = (int(offsets[-1]),), np.lib.format.dtype_to_descr(tokens.dtype)
    # not by a memory map, of which a full disk kills the process
    with (folder / "tokens.npy").open("wb", buffering=1 << 20) as file:
        np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
        for start, end in zip(starts[chosen].tolist(), ends[chosen].tolist(), strict=True):
            file.write(tokens[start:end].tobytes())
    np.save(folder / "offsets.npy", offsets)
    for name, column in columns.items():
        np.save(folder / f"{name}.npy", column[chosen])


class PairColumns:
    """Columns of the token cache that only preference pairs have: a pair is one document, its better answer first."""

    def __init__(self) -> None:
        self.chosen_tokens: list[int] = []
        self.margins: list[float] = []
        self.prompts: list[int] = []

    def add(self, document: Document, chosen_tokens: int) -> None:
        self.chosen_tokens.append(chosen_tokens)
        self.margins.append(np.nan if document.margin is None else document.margin)
        self.prompts.append(hash64("problem", document.prompt))

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the columns by the names of their files; none without pairs."""
        if not self.prompts:
            return {}
        margins = np.array(self.margins, dtype=np.float64)
        return {
            "chosen_tokens": np.array(self.chosen_tokens),
            "margins": margins,
            "prompts": np.array(self.prompts, dtype=np.uint64),
        }


def _batches(documents: Iterable[Document]) -> Iterator[Sequence[Document]]:
    batch: list[Document] = []
    size = 0
    for document in documents:
        batch.append(document)
        size += len(document.prompt) + sum(map(len, _answers(document)))
        if size >= BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _log_progress(documents: Iterable[Document], doing: str) -> Iterator[Document]:
    """Log the progress of a long pass every ten seconds."""
    shown = time.monotonic()
    for number, document in enumerate(documents, start=1):
        if time.monotonic() - shown > 10:
            shown = time.monotonic()
            log.info("%s: %d documents", doing, number)
        yield document
