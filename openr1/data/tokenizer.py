"""The tokenizer of a data set: byte-level BPE trained on it, or the one of the checkpoint that a run starts from."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openr1.config.schema import Config
from openr1.data.hashing import hash_files
from openr1.data.options import SourceConfig
from openr1.errors import ConfigError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from openr1.data.documents import Document

EOS, PAD = "<|endoftext|>", "<|pad|>"
SMALLEST = 256 + 2
# of Qwen2 (arXiv 2407.10671): words with the mark before them, digits one by one, runs of punctuation, of line ends, of spaces
PATTERN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def vocab_size(config: Config) -> int:
    """Rows of the embedding: ``data.tokenizer.vocab_size``, or the length of the checkpoint's tokenizer.

    A small corpus may have fewer merges than were asked for; the size is what was asked for.

    :raises ConfigError: for a size that cannot hold every byte and the two special tokens.
    """
    checkpoint = _checkpoint(config)
    if checkpoint:
        return len(load_checkpoint(checkpoint, config.model.revision))
    size = config.data.tokenizer.vocab_size
    if size < SMALLEST:
        raise ConfigError(f"data.tokenizer.vocab_size: {size} is below {SMALLEST}: 256 bytes, {EOS} and {PAD}")
    return size


def weights(sources: Mapping[str, SourceConfig]) -> dict[str, float]:
    """Of each source."""
    return {name: source.weight for name, source in sources.items()}


def reference(config: Config) -> dict[str, float]:
    """The weights of the sources in what the tokenizer is learned from: ``data.reference``, or those of training."""
    given = config.data.reference
    return {name: float(weight) for name, weight in given.items()} if given else weights(config.data.sources)


def identity(config: Config) -> dict[str, Any]:
    """What decides the tokenizer, beside the documents; JSON-serialisable. A local checkpoint counts by its content."""
    checkpoint = _checkpoint(config)
    if not checkpoint:
        return {**asdict(config.data.tokenizer), "vocab_size": vocab_size(config), "weights": reference(config)}
    root = Path(checkpoint)
    if not root.is_dir():
        return {"checkpoint": checkpoint, "revision": config.model.revision}
    files = sorted(path for path in root.iterdir() if any(word in path.name for word in ("token", "vocab", "merges")))
    if not files:
        raise ConfigError(f"model.checkpoint: {checkpoint} holds no tokenizer")
    return {"checkpoint": hash_files(files, Path(config.paths.cache))}


def trained(config: Config) -> bool:
    """Whether the tokenizer is made from the documents; a checkpoint brings its own."""
    return not _checkpoint(config)


def make(config: Config, texts: Iterable[str]) -> PreTrainedTokenizerBase:
    """The tokenizer of a config.

    :param texts: what BPE learns its merges from; not read where there is a checkpoint.
    """
    checkpoint = _checkpoint(config)
    return load_checkpoint(checkpoint, config.model.revision) if checkpoint else _train(vocab_size(config), texts)


def _checkpoint(config: Config) -> str | None:
    from openr1.models.checkpoints import checkpoint_of

    return checkpoint_of(config.model, config.scale)


@functools.cache
def load_checkpoint(checkpoint: str, revision: str | None) -> PreTrainedTokenizerBase:
    """The tokenizer of a directory or Hub id."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(checkpoint, revision=revision)
    except (OSError, ValueError) as error:
        raise ConfigError(f"model.checkpoint: no tokenizer from {checkpoint}: {str(error).splitlines()[0]}") from error


def _train(size: int, texts: Iterable[str]) -> PreTrainedTokenizerBase:
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(PATTERN), behavior="isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=[EOS, PAD], initial_alphabet=alphabet, limit_alphabet=256, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=EOS, pad_token=PAD, clean_up_tokenization_spaces=False, padding_side="right"
    )


@dataclass(frozen=True)
class Special:
    """Ids around the documents. ``bos`` is the start token of the tokenizers that put one before every text."""

    eos: int
    pad: int
    bos: int | None


class Encoder:
    """Turns documents into token ids: ``[bos] prompt completion eos``.

    Prompt and completion are encoded apart, so that a prompt has the same tokens in training and when a model continues it.
    Text that spells a special token stays text.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        eos, pad, bos = tokenizer.eos_token_id, tokenizer.pad_token_id, tokenizer.bos_token_id
        if eos is None:
            raise ConfigError("model.checkpoint: its tokenizer has no end-of-text token, which separates documents")
        starts = bos is not None and bos in tokenizer("")["input_ids"]
        self.size = len(tokenizer)
        self.special = Special(eos, eos if pad is None else pad, bos if starts else None)
        self.backend = tokenizer.backend_tokenizer
        self.backend.encode_special_tokens = True

    def __call__(self, documents: list[Document]) -> list[tuple[list[int], int]]:
        """Token ids of each document, and how many of them are its prompt's (``bos`` included)."""
        texts = [text for document in documents for text in (document.prompt, document.completion)]
        encoded = [encoding.ids for encoding in self.backend.encode_batch_fast(texts, add_special_tokens=False)]
        start = [] if self.special.bos is None else [self.special.bos]
        pairs = zip(encoded[::2], encoded[1::2], strict=True)
        return [([*start, *prompt, *completion, self.special.eos], len(start) + len(prompt)) for prompt, completion in pairs]
