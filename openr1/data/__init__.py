"""From a data config to tokens: ``sources -> split -> tokenizer -> token cache -> mixture``.

:func:`fingerprint` and :func:`vocab_size` are cheap, and enough to plan a run; :func:`prepare` reads and tokenises.
"""

from openr1.data.dataset import Dataset, fingerprint, prepare
from openr1.data.tokenizer import vocab_size

__all__ = ["Dataset", "fingerprint", "prepare", "vocab_size"]
