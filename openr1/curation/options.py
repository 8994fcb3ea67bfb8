"""Options of every curation step. Nothing heavy is imported here: a config is checked before anything is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

from openr1.data.language import SCRIPTS
from openr1.data.options import SOURCES, SourceConfig
from openr1.errors import ConfigError
from openr1.options import load_options


@dataclass
class CurationStep:
    """One step of a curation. ``kind`` selects the subclass below."""

    kind: str = MISSING

    def check_values(self, key: str) -> None:
        """Refuse values that are out of range.

        :param key: where the step stands in the config.
        :raises ConfigError: for the first.
        """


@dataclass
class Verify(CurationStep):
    """Verify every row without a verdict, record each problem's pass rate, and drop the rows that are not right."""

    kind: str = "verify"
    drop: bool = True  # false to only fill in the columns verified and pass_rate


@dataclass
class Errors(CurationStep):
    """Drop failed requests."""

    kind: str = "errors"


@dataclass
class Finished(CurationStep):
    """Drop completions that were cut off at the length limit."""

    kind: str = "finished"


@dataclass
class Format(CurationStep):
    """Drop completions that are not exactly the tags in order, each once, closed and not empty."""

    kind: str = "format"
    tags: list[str] = field(default_factory=lambda: ["think", "answer"])
    opened: bool = False  # the prompt opens the first tag, as chat templates of reasoning models do
    outside: bool = False  # allow text outside the tags
    code: bool = True  # allow fenced code in the first tag; R1 drops it
    paragraph: int | None = None  # longest paragraph in the first tag, in characters; R1 drops long ones

    def check_values(self, key: str) -> None:
        if not self.tags or not all(tag.isidentifier() for tag in self.tags):
            raise ConfigError(f"{key}.tags: must be one or more names such as think, without brackets")
        _positive(self, key, "paragraph")


@dataclass
class Length(CurationStep):
    """Drop rows that are shorter than ``min`` or longer than ``max``; at least one of the two is required."""

    kind: str = "length"
    of: str = "completion"  # or prompt
    unit: str = "tokens"  # tokens of the completion; or characters
    min: int | None = None
    max: int | None = None

    def check_values(self, key: str) -> None:
        _one_of(self, key, "of", "completion", "prompt")
        _one_of(self, key, "unit", "tokens", "characters")
        if self.of == "prompt" and self.unit == "tokens":
            raise ConfigError(f"{key}.unit: prompts have no token counts; characters is allowed")
        if self.min is None and self.max is None:
            raise ConfigError(f"{key}: give min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ConfigError(f"{key}.min: {self.min} is above {key}.max={self.max}")


@dataclass
class Language(CurationStep):
    """Drop rows with less than ``share`` of their words in the script of the language (:mod:`openr1.data.language`)."""

    kind: str = "language"
    of: str = "completion"
    language: str = "en"
    share: float = 0.95

    def check_values(self, key: str) -> None:
        _one_of(self, key, "of", "completion", "prompt")
        _one_of(self, key, "language", *SCRIPTS)
        _share(self, key, "share")


@dataclass
class PassRate(CurationStep):
    """Keep the problems with a pass rate between ``low`` and ``high``, both excluded.

    The pass rate is over the samples at the time of ``verify``, so steps that drop single samples belong after it.
    """

    kind: str = "pass_rate"
    low: float = 0.1
    high: float = 0.9

    def check_values(self, key: str) -> None:
        # low=-0.01 keeps the problems that were never solved, high=1.01 those that always were
        if not self.low < self.high:
            raise ConfigError(f"{key}.low: {self.low:g} is not below {key}.high={self.high:g}")


@dataclass
class ExactDedupe(CurationStep):
    """Keep the first of equal texts, in lower case and with all white space as one space.

    For ``prompt``, whole problems are dropped; for ``completion``, rows. Since two problems may have the same right answer,
    only the samples of one problem are compared unless ``within`` is ``all``.
    """

    kind: str = "exact_dedupe"
    of: str = "completion"  # or prompt
    within: str = "problem"  # or all; for completions only

    def check_values(self, key: str) -> None:
        _one_of(self, key, "of", "completion", "prompt")
        _one_of(self, key, "within", "problem", "all")


@dataclass
class NearDedupe(ExactDedupe):
    """Keep one of several texts with similar sets of word n-grams: estimated Jaccard similarity of at least ``threshold``."""

    kind: str = "near_dedupe"
    of: str = "prompt"
    words: int = 5  # words per n-gram
    threshold: float = 0.8
    permutations: int = 128  # the estimate's standard error is sqrt(s (1 - s) / permutations): .035 at .8
    keep: str = "first"  # the text to keep: first, shortest or longest; ties go to the first
    seed: int = 0  # seed of the permutations

    def check_values(self, key: str) -> None:
        super().check_values(key)
        _one_of(self, key, "keep", "first", "shortest", "longest")
        _positive(self, key, "words", "permutations")
        if not 0 < self.threshold <= 1:
            raise ConfigError(f"{key}.threshold: must be above 0 and at most 1")


@dataclass
class Decontaminate(CurationStep):
    """Drop the problems whose prompt shares an n-gram of words with a problem of an evaluation set.

    ``sets`` are sources of kind ``files`` or ``hub`` as in ``data.sources``, by name; ``text`` names the column of the problem.
    """

    kind: str = "decontaminate"
    sets: dict[str, Any] = field(default_factory=dict)
    words: int = 8  # words per n-gram; as in Open-R1 and s1 (arXiv 2501.19393)
    common: int | None = None  # ignore n-grams in more problems of a set, which are its phrasing; null to count all

    def check_values(self, key: str) -> None:
        _positive(self, key, "words", "common")
        if not self.sets:
            raise ConfigError(f"{key}.sets: at least one evaluation set is needed")
        for name in self.sets:
            self.source(key, name)

    def source(self, key: str, name: str) -> SourceConfig:
        """Return the typed options of one evaluation set."""
        options = self.sets[name] or {}
        # held-out problems of a task are distinct from its training problems by construction
        if options.get("kind") not in ("files", "hub"):
            raise ConfigError(f"{key}.sets.{name}.kind: {options.get('kind')!r} is not one of files, hub")
        return load_options(SOURCES[options["kind"]], options, f"{key}.sets.{name}")


@dataclass
class Balance(CurationStep):
    """Keep at most ``most`` problems of every group, drawn at random, with all of their rows."""

    kind: str = "balance"
    by: list[str] = field(default_factory=lambda: ["task"])  # columns whose values define the groups
    bins: float | None = None  # width of the bins of difficulty; null for a group per value
    most: int | None = None  # null for the size of the smallest group
    seed: int = 0

    def check_values(self, key: str) -> None:
        _positive(self, key, "bins", "most")
        if not self.by or set(self.by) - {"task", "difficulty", "kind"}:
            raise ConfigError(f"{key}.by: must be one or more of task, difficulty, kind")


@dataclass
class Select(CurationStep):
    """Keep ``k`` samples of every problem."""

    kind: str = "select"
    k: int = 1
    by: str = "shortest"  # samples to keep: shortest, longest, random or all; in tokens, or in characters if a count is unknown
    seed: int = 0

    def check_values(self, key: str) -> None:
        _positive(self, key, "k")
        _one_of(self, key, "by", "shortest", "longest", "random", "all")


STEPS: dict[str, type[CurationStep]] = {
    step.kind: step
    for step in (
        *(Verify, Errors, Finished, Format, Length, Language, PassRate),
        *(ExactDedupe, NearDedupe, Decontaminate, Balance, Select),
    )
}


def steps_of(key: str, given: Mapping[str, Mapping[str, Any] | None]) -> dict[str, CurationStep]:
    """Return the steps of a config, typed and checked, in their order.

    :param key: where they stand in the config, for messages.
    :param given: options by name of the step; ``kind`` defaults to the name, and a step that is null is left out.
    :raises ConfigError: for an unknown kind or option, a wrong type, or a value that is out of range.
    """
    steps: dict[str, CurationStep] = {}
    for name, options in given.items():
        if options is None:
            continue
        kind = options.get("kind", name)
        if kind not in STEPS:
            raise ConfigError(f"{key}.{name}.kind: {kind!r} is not one of {', '.join(STEPS)}")
        steps[name] = load_options(STEPS[kind], {**options, "kind": kind}, f"{key}.{name}")
        steps[name].check_values(f"{key}.{name}")
    if not steps:
        raise ConfigError(f"{key}: at least one step is needed, of {', '.join(STEPS)}")
    return steps


def _positive(step: CurationStep, key: str, *names: str) -> None:
    for name in names:
        value = getattr(step, name)
        if value is not None and value <= 0:
            raise ConfigError(f"{key}.{name}: must be above 0, not {value:g}")


def _share(step: CurationStep, key: str, name: str) -> None:
    if not 0 <= getattr(step, name) <= 1:
        raise ConfigError(f"{key}.{name}: is a share, between 0 and 1")


def _one_of(step: CurationStep, key: str, name: str, *allowed: str) -> None:
    if getattr(step, name) not in allowed:
        raise ConfigError(f"{key}.{name}: {getattr(step, name)!r} is not one of {', '.join(allowed)}")
