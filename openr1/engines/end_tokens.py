"""End tokens of a model, and the check before a long run that all parts of the model agree on them.

A wrong end token costs a whole run: every answer continues to its maximum length, no reward is ever given, or training never
shows the token at which generation stops.
"""

from __future__ import annotations

from typing import Any

from openr1.data.chat_template import end_of_turn
from openr1.system.errors import ConfigError


def read_end_tokens(model: str, revision: str | None = None) -> set[int]:
    """Read the tokens at which generation stops from ``generation_config.json`` or, without that file, ``config.json``."""
    from transformers import AutoConfig, GenerationConfig

    try:
        config = GenerationConfig.from_pretrained(model, revision=revision)
    except OSError:
        config = AutoConfig.from_pretrained(model, revision=revision, trust_remote_code=False).get_text_config()
    ids = config.eos_token_id
    if ids is None:
        return set()
    return set(ids) if isinstance(ids, list | tuple) else {ids}


def check_end_tokens(model: str, revision: str | None = None, chat: bool = False) -> None:
    """Check the end tokens of a directory or Hub id, of which only the small files are read.

    :param chat: requests use the model's chat template.
    :raises ConfigError: if there is no such model, or its parts disagree.
    """
    from transformers import AutoConfig

    from openr1.data.tokenizer import load_checkpoint

    tokenizer = load_checkpoint(model, revision)
    try:
        vocabulary = AutoConfig.from_pretrained(model, revision=revision, trust_remote_code=False).get_text_config().vocab_size
    except (OSError, ValueError) as error:
        raise ConfigError(f"model.checkpoint: {model} has no config: {str(error).splitlines()[0]}") from error
    check_agreement(tokenizer, read_end_tokens(model, revision), vocabulary, chat)


def check_agreement(tokenizer: Any, end: set[int], vocabulary: int, chat: bool = False) -> None:
    """Check that tokenizer, generation config and, for conversations, chat template agree on the end of an answer.

    :param end: the tokens at which generation stops.
    :param vocabulary: rows of the model's embedding.
    :param chat: requests use the model's chat template.
    :raises ConfigError: for the first disagreement.
    """
    own = tokenizer.eos_token_id
    if own is None:
        raise ConfigError("model.checkpoint: its tokenizer has no end-of-text token")
    if own not in end:
        raise ConfigError(
            f"model.checkpoint: its tokenizer ends a text with {_name(tokenizer, own)}, but generation stops at "
            f"{_names(tokenizer, end)}; make eos_token and eos_token_id of generation_config.json agree"
        )
    largest = max(end | {len(tokenizer) - 1})
    if largest >= vocabulary:
        raise ConfigError(f"model.checkpoint: its tokenizer has token {largest}, but its embedding has {vocabulary} rows")
    if chat:
        turn = end_of_turn(tokenizer)
        if turn not in end:
            raise ConfigError(
                f"model.checkpoint: its chat template ends the assistant's turn with {_name(tokenizer, turn)}, but generation "
                f"stops at {_names(tokenizer, end)}"
            )


def _name(tokenizer: Any, token: int) -> str:
    return f"{tokenizer.convert_ids_to_tokens(token)} ({token})"


def _names(tokenizer: Any, tokens: set[int]) -> str:
    return " or ".join(_name(tokenizer, token) for token in sorted(tokens)) or "no token"
