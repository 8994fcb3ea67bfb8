"""DeepSeek-R1's language consistency, by the script of each word (:mod:`openr1.data.language`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from openr1.rewards.base import Sample, reward
from openr1.rewards.parsing import extract_thoughts


@dataclass
class LanguageOptions:
    """Options of ``language_consistency``."""

    language: str = "en"

    def __post_init__(self) -> None:
        from openr1.data.language import SCRIPTS

        if self.language not in SCRIPTS:
            raise ValueError(f"language: {self.language!r} is not one of {', '.join(sorted(SCRIPTS))}")


@reward(LanguageOptions)
def language_consistency(samples: Sequence[Sample], options: LanguageOptions) -> list[float | None]:
    """Return the share of the words of the thoughts in the target language (arXiv 2501.12948, section 2.3.2).

    None without words. Languages with the same script, such as English and French, are not told apart.
    """
    from openr1.data.language import share

    return [share(extract_thoughts(sample.completion), options.language) for sample in samples]
