"""Data of a run: ``sources -> split -> tokenizer -> token cache -> mixture``.

:func:`fingerprint` and :func:`vocab_size` are cheap, and enough to plan a run; :func:`prepare` reads and tokenises.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openr1.data.dataset import Dataset, fingerprint, prepare
    from openr1.data.tokenizer import vocab_size

__all__ = ["Dataset", "fingerprint", "prepare", "vocab_size"]


def __getattr__(name: str) -> Any:
    # imported on first use, so that composing a config, which imports openr1.data.options, stays fast
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{'tokenizer' if name == 'vocab_size' else 'dataset'}"), name)
