"""What is looked at before a long run: a model that cannot end its answers, or that ends them where nobody looks.

A wrong end token costs a whole run: every answer goes on to its maximum length, no reward is ever given, or training never
shows the token at which generation stops.
"""

from __future__ import annotations

from typing import Any

from openr1.data.chat_template import end_of_turn
from openr1.engines.codec import end_tokens
from openr1.errors import ConfigError


def check_model(model: str, revision: str | None = None, chat: bool = False) -> None:
    """:func:`check_end` on a directory or Hub id, of which only the small files are read.

    :raises ConfigError: also where there is no such model.
    """
    from transformers import AutoConfig

    from openr1.data.tokenizer import load_checkpoint

    tokenizer = load_checkpoint(model, revision)
    try:
        vocabulary = AutoConfig.from_pretrained(model, revision=revision).get_text_config().vocab_size
    except (OSError, ValueError) as error:
        raise ConfigError(f"model.checkpoint: {model} has no config: {str(error).splitlines()[0]}") from error
    check_end(tokenizer, end_tokens(model, revision), vocabulary, chat)


def check_end(tokenizer: Any, end: set[int], vocabulary: int, chat: bool = False) -> None:
    """Make sure that tokenizer, generation config and, for conversations, chat template agree on where an answer ends.

    :param end: the tokens at which generation stops.
    :param vocabulary: rows of the model's embedding.
    :param chat: the model is asked in its chat template.
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
