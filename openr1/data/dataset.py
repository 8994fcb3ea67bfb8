"""A data set that is ready to train on: the token cache of a config, and the sequences that a run takes from it."""

from __future__ import annotations

import json
import logging
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock

from openr1.config.schema import Config
from openr1.data.corpus import HELD_OUT, RECORD, build
from openr1.data.hashing import digest
from openr1.data.mixture import draw, interleave, permutation, place
from openr1.data.sequences import Documents, Examples, Packed, Sequences, View
from openr1.data.sources import open_sources
from openr1.data.tokenizer import identity, reference, trained, weights
from openr1.errors import ConfigError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

FORM = {"chat": False, "system": None, "instruction": "{prompt}"}  # of a prompt, unless the config says otherwise
LAYOUT = 1  # raised when the same documents give another cache
TEMPLATE = 2  # raised when the same documents give other tokens in a chat
log = logging.getLogger(__name__)


def fingerprint(config: Config) -> str:
    """SHA-256 of what decides the sequences of a run: the tokens, and how they are mixed, cut, capped and evaluated.

    Hub data sets are loaded for it, other sources are only hashed.
    """
    return _fingerprint(config, _corpus(config))


def _fingerprint(config: Config, corpus: str) -> str:
    data = config.data
    chosen = {key: getattr(data, key) for key in ("context", "eval_tokens", "unique_tokens")}
    if data.held_out:
        chosen["held_out"] = weights(data.held_out)
    elif data.reference:
        chosen["reference"] = reference(config)
    return digest({"corpus": corpus, "weights": weights(data.sources), "examples": _is_examples(config), **chosen})


def _corpus(config: Config) -> str:
    """SHA-256 of what decides the token cache: the context, the stage and all that is chosen from it later do not."""
    content = {name: source.content() for name, source in open_sources(config).items()}
    parts = {"layout": LAYOUT, "sources": content, "tokenizer": identity(config), "eval_fraction": config.data.eval_fraction}
    parts |= {key: getattr(config.data, key) for key, usual in FORM.items() if getattr(config.data, key) != usual}
    if config.data.chat:
        parts["template"] = TEMPLATE
    if config.data.held_out:
        parts["held_out"] = {name: source.content() for name, source in open_sources(config, "held_out").items()}
    return digest(parts)


def _is_examples(config: Config) -> bool:
    return config.stage.kind == "sft"


def _shares(weights: dict[str, float]) -> dict[str, float]:
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items() if weight}


def prepare(config: Config) -> Dataset:
    """Open the token cache of a config, built first where it is not there. Safe for several processes, and for a kill.

    :raises ConfigError: for a source that is missing, empty or of another form, and for a split or cap that leaves nothing.
    """
    corpus = _corpus(config)
    folder = Path(config.paths.cache) / "data" / corpus[:16]
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not folder.exists():
                start, partial = time.perf_counter(), folder.with_name(f".{folder.name}")
                shutil.rmtree(partial, ignore_errors=True)
                partial.mkdir()
                build(config, partial)
                partial.rename(folder)
                log.info("data %s: %s is ready after %.1f s", config.data.name, folder, time.perf_counter() - start)
    return Dataset(config, folder, _fingerprint(config, corpus))


class Dataset:
    """The tokens of a data config, on disk, and the sequences of a run over them.

    :ivar path: the token cache; several configs may share one.
    :ivar tokens_per_sequence: ``context``, or the mean length of the mix's examples.
    :ivar unique_tokens: distinct training tokens, after the cap.
    :ivar bytes_per_token: of the evaluation set, over the tokens that its loss counts; bits per byte is loss / ln 2 / this.
    :ivar sources: by name: documents, tokens and bytes of both splits, ``unique_tokens`` that a run may use, and how many
        examples are ``dropped`` because they are longer than ``context``.
    :ivar held_out: of the sources that are for evaluation only, the same.
    """

    def __init__(self, config: Config, path: Path, fingerprint: str) -> None:
        data, record = config.data, json.loads((path / RECORD).read_text())
        self.path, self.fingerprint, self.tokenizer_path = path, fingerprint, path / "tokenizer"
        self.vocab_size: int = data.tokenizer.vocab_size if trained(config) else record["size"]
        self.eos_token_id: int = record["eos"]
        self.pad_token_id: int = record["pad"]
        self.context = data.context
        self.shares = _shares(weights(data.sources))
        self.eval_shares = _shares(weights(data.held_out) if data.held_out else reference(config))
        kind = Examples if _is_examples(config) else Packed
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

    def _views(self, kind: type[View], group: str, folder: Path, split: str) -> dict[str, View]:
        names = self.shares if split == "train" else self.eval_shares
        views: dict[str, View] = {name: kind(Documents(folder / name / split), self.context) for name in names}
        for name, view in views.items():
            if not len(view.lengths):
                key = "data.context" if view.dropped else "data.eval_fraction" if split == "eval" else f"{group}.{name}"
                raise ConfigError(f"{key}: the {split} split of {group}.{name} has no sequence of data.context={self.context}")
        return views

    def train(self, sequences: int, seed: int) -> Sequences:
        """The first ``sequences`` sequences of a run: a longer run with the same seed begins with them.

        The tokens of the sources keep to their weights at every point of the run. A source repeats once all of it was seen, in
        another order.
        """
        orders: dict[str, list[np.ndarray]] = {name: [] for name in self._train}
        lengths = [draw(view.lengths, seed, name, orders[name]) for name, view in self._train.items()]
        choice = interleave(list(self.shares.values()), lengths, sequences=sequences)
        return Sequences(self._train, choice, place(choice, [np.concatenate(epochs) for epochs in orders.values()]))

    def evaluation(self) -> Sequences:
        """The held-out sequences, the same for every run: in proportion to the weights, none twice, ``eval_tokens`` at most."""
        return self._held_out

    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer as ``transformers`` has it."""
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(self.tokenizer_path)

    def summary(self) -> dict[str, Any]:
        """What a tracked run says of its data: numbers and fingerprints, by source where they differ."""
        names = ("fingerprint", "vocab_size", "context", "tokens_per_sequence", "unique_tokens", "bytes_per_token", "sources")
        held_out = {"held_out": self.held_out} if self.held_out else {}
        return {**{name: getattr(self, name) for name in names}, **held_out, "eval_tokens": self._held_out.tokens}

    def _evaluation(self, tokens: int) -> Sequences:
        # in an order of their own, so that few tokens come from many documents
        orders = [permutation(len(view.lengths), 0, name, 0) for name, view in self._eval.items()]
        lengths = [iter(view.lengths[order].tolist()) for view, order in zip(self._eval.values(), orders, strict=True)]
        choice = interleave(list(self.eval_shares.values()), lengths, tokens=tokens)
        return Sequences(self._eval, choice, place(choice, orders))

    def _bytes_per_token(self) -> float:
        held_out = self._held_out
        spans = [view.span(held_out.items[held_out.choice == number]) for number, view in enumerate(self._eval.values())]
        return sum(span.bytes for span in spans) / sum(span.tokens for span in spans)
