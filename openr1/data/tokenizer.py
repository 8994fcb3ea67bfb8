"""The tokenizer of a data set: byte-level BPE trained on it, or the one of the checkpoint that a run starts from."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openr1.data.hashing import hash_files
from openr1.data.options import DataConfig, SourceConfig
from openr1.models.options import ModelConfig, ScaleConfig
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from openr1.data.documents import Document

EOS, PAD = "<|endoftext|>", "<|pad|>"
MIN_VOCAB_SIZE = 256 + 2
# Qwen2's pre-tokenisation (arXiv 2407.10671): words with the mark before them, single digits, runs of punctuation, line ends,
# and spaces
PATTERN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def vocab_size(data: DataConfig, model: ModelConfig, scale: ScaleConfig) -> int:
    """Return the rows of the embedding: ``data.tokenizer.vocab_size``, or the length of the checkpoint's tokenizer.

    A small corpus may yield fewer merges than requested; the vocabulary size is the requested one.

    :raises ConfigError: for a size that cannot hold every byte and the two special tokens.
    """
    checkpoint = _checkpoint(model, scale)
    if checkpoint:
        return len(load_checkpoint(checkpoint, model.revision))
    size = data.tokenizer.vocab_size
    if size < MIN_VOCAB_SIZE:
        raise ConfigError(f"data.tokenizer.vocab_size: {size} is below {MIN_VOCAB_SIZE}: 256 bytes, {EOS} and {PAD}")
    return size


def source_weights(sources: Mapping[str, SourceConfig]) -> dict[str, float]:
    """Return the weight of each source in training."""
    return {name: source.weight for name, source in sources.items()}


def reference_weights(data: DataConfig) -> dict[str, float]:
    """Return the weights of the sources in the tokenizer's training text: ``data.reference``, or those of training."""
    reference = data.reference
    return {name: float(weight) for name, weight in reference.items()} if reference else source_weights(data.sources)


def tokenizer_identity(data: DataConfig, model: ModelConfig, scale: ScaleConfig, cache: Path) -> dict[str, Any]:
    """Return all that decides the tokenizer beside the documents, JSON-serialisable.

    A local checkpoint is identified by the content of its tokenizer files.

    :param cache: folder of the hashes of files.
    """
    checkpoint = _checkpoint(model, scale)
    if not checkpoint:
        return {**asdict(data.tokenizer), "vocab_size": vocab_size(data, model, scale), "weights": reference_weights(data)}
    root = Path(checkpoint)
    if not root.is_dir():
        return {"checkpoint": checkpoint, "revision": model.revision}
    return {"checkpoint": hash_files(_files_of(root), cache)}


def _files_of(checkpoint: Path) -> list[Path]:
    """Return the files of the tokenizer in the directory of a checkpoint.

    :raises ConfigError: if there are none.
    """
    files = sorted(path for path in checkpoint.iterdir() if any(word in path.name for word in ("token", "vocab", "merges")))
    if not files:
        raise ConfigError(f"model.checkpoint: {str(checkpoint)!r} is a directory that holds no tokenizer")
    return files


def is_trained(model: ModelConfig, scale: ScaleConfig) -> bool:
    """Tell whether the tokenizer is trained on the documents; a checkpoint brings its own."""
    return not _checkpoint(model, scale)


def build_tokenizer(data: DataConfig, model: ModelConfig, scale: ScaleConfig, texts: Iterable[str]) -> PreTrainedTokenizerBase:
    """Train the tokenizer, or load that of the checkpoint.

    :param texts: text that BPE learns its merges from; not read if there is a checkpoint.
    """
    checkpoint = _checkpoint(model, scale)
    return load_checkpoint(checkpoint, model.revision) if checkpoint else train_bpe(vocab_size(data, model, scale), texts)


def _checkpoint(model: ModelConfig, scale: ScaleConfig) -> str | None:
    from openr1.models.checkpoints import checkpoint_of

    return checkpoint_of(model, scale)


@functools.cache
def load_checkpoint(checkpoint: str, revision: str | None) -> PreTrainedTokenizerBase:
    """Load the tokenizer of a directory or Hub id.

    :raises ConfigError: if it cannot be loaded, or names code of its own.
    """
    from transformers import AutoTokenizer

    from openr1.models.checkpoints import refuse_code

    refuse_code(checkpoint, revision)
    if (folder := Path(checkpoint)).is_dir():
        _files_of(folder)
    try:
        return AutoTokenizer.from_pretrained(checkpoint, revision=revision, trust_remote_code=False)
    except Exception as error:  # tokenizers raises no other class for a file that is cut short
        raise ConfigError(f"model.checkpoint: no tokenizer from {checkpoint}: {str(error).splitlines()[0]}") from error


def train_bpe(size: int, texts: Iterable[str]) -> PreTrainedTokenizerBase:
    """Train byte-level BPE of ``size`` tokens, the special tokens and the 256 bytes included."""
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
class SpecialTokens:
    """Ids around the documents. ``bos`` is the start token of the tokenizers that put one before every text."""

    eos: int
    pad: int
    bos: int | None


class Encoder:
    """Encoder of documents as token ids: ``[bos] prompt completion eos``.

    Prompt and completion are encoded separately, so that a prompt has the same tokens in training and when a model continues
    it. Text that spells a special token stays text.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        eos, pad, bos = tokenizer.eos_token_id, tokenizer.pad_token_id, tokenizer.bos_token_id
        if eos is None:
            raise ConfigError("model.checkpoint: its tokenizer has no end-of-text token, which separates documents")
        starts = bos is not None and bos in tokenizer("")["input_ids"]
        self.size = len(tokenizer)
        self.special = SpecialTokens(eos, eos if pad is None else pad, bos if starts else None)
        self.backend = tokenizer.backend_tokenizer
        self.backend.encode_special_tokens = True

    def __call__(self, documents: Sequence[Document]) -> list[tuple[list[int], int]]:
        """Return the token ids of each document, and the number of them that belong to its prompt (``bos`` included)."""
        texts = [text for document in documents for text in (document.prompt, document.completion)]
        encoded = [encoding.ids for encoding in self.backend.encode_batch_fast(texts, add_special_tokens=False)]
        start = [] if self.special.bos is None else [self.special.bos]
        pairs = zip(encoded[::2], encoded[1::2], strict=True)
        return [([*start, *prompt, *completion, self.special.eos], len(start) + len(prompt)) for prompt, completion in pairs]
