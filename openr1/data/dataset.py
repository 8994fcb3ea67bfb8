"""Data sets that are ready to train on: the token cache of a data config, and the sequences that a run takes from it."""

from __future__ import annotations

import logging
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from openr1.data.corpus import HELD_OUT, RECORD, build_corpus
from openr1.data.hashing import digest
from openr1.data.mixture import draw, interleave, permutation, place
from openr1.data.options import DataConfig, Paths
from openr1.data.registry import open_sources
from openr1.data.sequences import Documents, Examples, Packed, Pairs, Sequences, View
from openr1.data.tokenizer import is_trained, reference_weights, source_weights, tokenizer_identity
from openr1.models.options import ModelConfig, ScaleConfig
from openr1.system.errors import ConfigError
from openr1.system.faults import writing
from openr1.system.files import locked
from openr1.system.records import DamagedFile, read_record

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PROMPT_DEFAULTS = {"chat": False, "system": None, "instruction": "{prompt}"}
CORPORA = "data"  # folder of the token caches
PAIRS = 1  # raised when the same preference pairs give other sequences
LAYOUT = 1  # raised when the same documents give another cache
TEMPLATE = 2  # raised when the same documents give other tokens in a chat
log = logging.getLogger(__name__)


def fingerprint(
    data: DataConfig, model: ModelConfig, scale: ScaleConfig, paths: Paths, examples: bool = False, pairs: bool = False
) -> str:
    """Return the SHA-256 of all that decides the sequences of a run: tokens, mixing, cutting, caps and evaluation.

    Hub data sets are loaded for it; other sources are only hashed.

    :param examples: one document per sequence, as for supervised fine-tuning, instead of packed text.
    :param pairs: one preference pair per sequence, as for a reward model.
    """
    return _fingerprint(data, _corpus_digest(data, model, scale, paths), examples, pairs)


def _fingerprint(data: DataConfig, corpus: str, examples: bool, pairs: bool) -> str:
    options = {key: getattr(data, key) for key in ("context", "eval_tokens", "unique_tokens")}
    if pairs:
        options["pairs"] = PAIRS
    if data.held_out:
        options["held_out"] = source_weights(data.held_out)
    elif data.reference:
        options["reference"] = reference_weights(data)
    return digest({"corpus": corpus, "weights": source_weights(data.sources), "examples": examples, **options})


def _corpus_digest(data: DataConfig, model: ModelConfig, scale: ScaleConfig, paths: Paths) -> str:
    """Return the SHA-256 of all that decides the token cache; neither the context nor the use of the tokens does."""
    content = {name: source.content() for name, source in open_sources(data, paths).items()}
    tokenizer = tokenizer_identity(data, model, scale, Path(paths.cache))
    parts = {"layout": LAYOUT, "sources": content, "tokenizer": tokenizer, "eval_fraction": data.eval_fraction}
    parts |= {key: getattr(data, key) for key, default in PROMPT_DEFAULTS.items() if getattr(data, key) != default}
    if data.chat:
        parts["template"] = TEMPLATE
    if data.held_out:
        parts["held_out"] = {name: source.content() for name, source in open_sources(data, paths, "held_out").items()}
    return digest(parts)


def _shares(weights: dict[str, float]) -> dict[str, float]:
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items() if weight}


def prepare(
    data: DataConfig, model: ModelConfig, scale: ScaleConfig, paths: Paths, examples: bool = False, pairs: bool = False
) -> Dataset:
    """Open the token cache of a data config, and build it first if it does not exist or is damaged.

    Several processes may call this at once, and a killed process leaves no broken cache.

    :param model, scale: name the checkpoint whose tokenizer is used, if any.
    :param examples: one document per sequence, as for supervised fine-tuning, instead of packed text.
    :param pairs: one preference pair per sequence, as for a reward model.
    :raises ConfigError: for a source that is missing, empty or in another format, and for a split or cap that leaves nothing.
    """
    corpus = _corpus_digest(data, model, scale, paths)
    folder = Path(paths.cache) / CORPORA / corpus[:16]
    if not folder.exists() or _damage(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with writing(folder), locked(Path(f"{folder}.lock")):
            if folder.exists() and (damage := _damage(folder)):
                print(f"{damage}; the tokenised data {folder} are made again", file=sys.stderr)
                shutil.rmtree(folder)
            if not folder.exists():
                start, partial = time.perf_counter(), folder.with_name(f".{folder.name}")
                shutil.rmtree(partial, ignore_errors=True)
                partial.mkdir()
                build_corpus(data, model, scale, paths, partial)
                partial.rename(folder)
                log.info("data %s: %s is ready after %.1f s", data.name, folder, time.perf_counter() - start)
    vocab_size = data.tokenizer.vocab_size if is_trained(model, scale) else None
    kind = Pairs if pairs else Examples if examples else Packed
    return Dataset(data, folder, _fingerprint(data, corpus, examples, pairs), kind, vocab_size)


def token_caches(paths: Paths) -> list[Path]:
    """Return the directories of all token caches, damaged ones among them."""
    folder = Path(paths.cache) / CORPORA
    return sorted(path for path in folder.iterdir() if path.is_dir() and path.name[0] != ".") if folder.is_dir() else []


def check_token_cache(folder: Path) -> None:
    """Compare the content of all files of a token cache with what was written.

    :raises DamagedFile: for the first that differs.
    """
    read_record(folder / RECORD, thorough=True)


def _damage(folder: Path) -> DamagedFile | None:
    """Return the first damage of a token cache."""
    try:
        read_record(folder / RECORD)
    except DamagedFile as damage:
        return damage
    return None


class Dataset:
    """The tokens of a data config, on disk, and the sequences of a run over them.

    :param vocab_size: rows of the embedding; None for the number of tokens in the tokenizer.
    :ivar path: the token cache; several configs may share one.
    :ivar tokens_per_sequence: ``context``, or the mean length of the mix's examples, or of both sides of its pairs.
    :ivar attended: ``context``; of pairs, the length of a sequence whose attention costs as much for a token as theirs.
    :ivar unique_tokens: distinct training tokens, after the cap.
    :ivar bytes_per_token: bytes of the evaluation set per token that its loss counts; bits per byte is loss / ln 2 / this.
    :ivar sources: by name: documents, tokens and bytes of both splits, ``unique_tokens`` that a run may use, and the number of
        examples ``dropped`` because they are longer than ``context``.
    :ivar held_out: the same, for the sources that are for evaluation only.
    """

    def __init__(
        self,
        data: DataConfig,
        path: Path,
        fingerprint: str,
        kind: type[Packed] | type[Examples] | type[Pairs],
        vocab_size: int | None,
    ) -> None:
        record = read_record(path / RECORD).content
        self.path, self.fingerprint, self.tokenizer_path = path, fingerprint, path / "tokenizer"
        self.vocab_size: int = record["size"] if vocab_size is None else vocab_size
        self.eos_token_id: int = record["eos"]
        self.pad_token_id: int = record["pad"]
        self.context = data.context
        self.shares = _shares(source_weights(data.sources))
        self.eval_shares = _shares(source_weights(data.held_out) if data.held_out else reference_weights(data))
        self._train = self._views(kind, "data.sources", path, "train")
        if data.held_out:
            self._eval = self._views(kind, "data.held_out", path / HELD_OUT, "eval")
        else:
            self._eval = self._views(kind, "data.sources", path, "eval")
        if data.unique_tokens is not None:
            for name, view in self._train.items():
                view.cap(self.shares[name] * data.unique_tokens)
                if not len(view.lengths):
                    share = f"{self.shares[name] * data.unique_tokens:g}"
                    raise ConfigError(f"data.unique_tokens: the share of data.sources.{name}, {share}, is below one sequence")
        means = {name: float(view.lengths.mean()) for name, view in self._train.items()}
        self.tokens_per_sequence = 1 / sum(share / means[name] for name, share in self.shares.items())
        lengths = {name: view.attended() for name, view in self._train.items() if isinstance(view, Pairs)}
        self.attended = sum(self.shares[name] * length for name, length in lengths.items()) if lengths else self.context
        unique = {name: int(view.lengths.sum()) for name, view in self._train.items()}
        self.unique_tokens: int = sum(unique.values())
        self._held_out = self._evaluation(data.eval_tokens)
        self.bytes_per_token = self._bytes_per_token()
        sides = (self._train,) if data.held_out else (self._train, self._eval)
        self.sources: dict[str, dict[str, int]] = {
            name: {
                **counts["train"],
                **({} if data.held_out else {f"eval_{key}": value for key, value in counts["eval"].items()}),
                "unique_tokens": unique.get(name, 0),
                "dropped": sum(views[name].dropped for views in sides if name in views),
            }
            for name, counts in record["sources"].items()
        }
        self.held_out: dict[str, dict[str, int]] = {
            name: {**counts["eval"], "dropped": self._eval[name].dropped} for name, counts in record.get("held_out", {}).items()
        }
        for name, counts in self.sources.items():
            if counts["dropped"]:
                documents = counts["documents"] + counts.get("eval_documents", 0)
                log.info(
                    "data.sources.%s: %d of %d examples are longer than data.context=%d and are dropped",
                    name,
                    counts["dropped"],
                    documents,
                    self.context,
                )

    def _views(
        self, kind: type[Packed] | type[Examples] | type[Pairs], group: str, folder: Path, split: str
    ) -> dict[str, View]:
        names = self.shares if split == "train" else self.eval_shares
        views: dict[str, View] = {name: kind(Documents(folder / name / split), self.context) for name in names}
        for name, view in views.items():
            if not len(view.lengths):
                key = "data.context" if view.dropped else "data.eval_fraction" if split == "eval" else f"{group}.{name}"
                raise ConfigError(f"{key}: the {split} split of {group}.{name} has no sequence of data.context={self.context}")
        return views

    def train(self, sequences: int, seed: int) -> Sequences:
        """Return the first ``sequences`` sequences of a run: a longer run with the same seed begins with them.

        The tokens of the sources keep to their weights at every point of the run. After all of a source has been seen, it
        repeats in another order.
        """
        orders: dict[str, list[np.ndarray]] = {name: [] for name in self._train}
        lengths = [draw(view.lengths, seed, name, orders[name]) for name, view in self._train.items()]
        choice = interleave(list(self.shares.values()), lengths, sequences=sequences)
        return Sequences(self._train, choice, place(choice, [np.concatenate(epochs) for epochs in orders.values()]))

    def evaluation(self) -> Sequences:
        """Return the held-out sequences, the same for every run: in proportion to the weights, each at most once, at most
        ``eval_tokens`` tokens."""
        return self._held_out

    def without_margin(self) -> list[str]:
        """Return the names of the sources with preference pairs to train on that do not say how much better an answer is."""
        pairs = {name: view for name, view in self._train.items() if isinstance(view, Pairs)}
        return [name for name, view in pairs.items() if np.isnan(view.documents.margins[view.kept[: len(view.lengths)]]).any()]

    def evaluation_prompts(self) -> np.ndarray:
        """Return a hash of the prompt of each held-out pair, shape ``(pairs,)``, in the order of :meth:`evaluation`."""
        prompts = np.zeros(len(self._held_out), dtype=np.uint64)
        for number, view in enumerate(self._eval.values()):
            if isinstance(view, Pairs):
                chosen = self._held_out.choice == number
                prompts[chosen] = view.documents.prompts[view.kept[self._held_out.items[chosen]]]
        return prompts

    def tokenizer(self) -> PreTrainedTokenizerBase:
        """Load the tokenizer as one of ``transformers``."""
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(self.tokenizer_path, trust_remote_code=False)

    def summary(self) -> dict[str, Any]:
        """Return the numbers and fingerprints that a tracked run records of its data, by source if they differ."""
        names = ("fingerprint", "vocab_size", "context", "tokens_per_sequence", "unique_tokens", "bytes_per_token", "sources")
        held_out = {"held_out": self.held_out} if self.held_out else {}
        return {**{name: getattr(self, name) for name in names}, **held_out, "eval_tokens": self._held_out.tokens}

    def _evaluation(self, tokens: int) -> Sequences:
        # shuffled, so that few tokens come from many documents
        orders = [permutation(len(view.lengths), 0, name, 0) for name, view in self._eval.items()]
        lengths = [iter(view.lengths[order].tolist()) for view, order in zip(self._eval.values(), orders, strict=True)]
        choice = interleave(list(self.eval_shares.values()), lengths, tokens=tokens)
        return Sequences(self._eval, choice, place(choice, orders))

    def _bytes_per_token(self) -> float:
        held_out = self._held_out
        spans = [view.span(held_out.items[held_out.choice == number]) for number, view in enumerate(self._eval.values())]
        return sum(span.bytes for span in spans) / sum(span.tokens for span in spans)
