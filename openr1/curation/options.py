"""Options of every curation step. Nothing heavy is imported here: a config is checked before anything is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from annotated_types import Ge, Interval, Le, MinLen
from omegaconf import MISSING

from openr1.data.language import SCRIPTS
from openr1.data.options import SOURCES, SourceConfig
from openr1.options import load_options
from openr1.options.loading import SECTION
from openr1.options.ranges import Count, CountOrZero, OneOf, Positive, PositiveShare, ProperShare, Seed, Share
from openr1.rewards.options import ScoringTerm, check_scoring_term
from openr1.system.errors import ConfigError

OF = ("completion", "prompt")


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
    tags: Annotated[list[str], MinLen(1)] = field(default_factory=lambda: ["think", "answer"])
    opened: bool = False  # the prompt opens the first tag, as chat templates of reasoning models do
    outside: bool = False  # allow text outside the tags
    code: bool = True  # allow fenced code in the first tag; R1 drops it
    paragraph: Count | None = None  # longest paragraph in the first tag, in characters; R1 drops long ones

    def check_values(self, key: str) -> None:
        if not all(tag.isidentifier() for tag in self.tags):
            raise ConfigError(f"{key}.tags: must be one or more names such as think, without brackets")


@dataclass
class Length(CurationStep):
    """Drop rows that are shorter than ``min`` or longer than ``max``; at least one of the two is required."""

    kind: str = "length"
    of: Annotated[str, OneOf(OF)] = "completion"  # or prompt
    unit: Annotated[str, OneOf(("tokens", "characters"))] = "tokens"  # tokens of the completion; or characters
    min: CountOrZero | None = None
    max: CountOrZero | None = None

    def check_values(self, key: str) -> None:
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
    of: Annotated[str, OneOf(OF)] = "completion"
    language: Annotated[str, OneOf(SCRIPTS)] = "en"
    share: Share = 0.95


@dataclass
class PassRate(CurationStep):
    """Keep the problems with a pass rate between ``low`` and ``high``, both excluded.

    The pass rate is over the samples at the time of ``verify``, so steps that drop single samples belong after it.
    """

    kind: str = "pass_rate"
    low: Annotated[float, Interval(ge=-1, le=2)] = 0.1
    high: Annotated[float, Interval(ge=-1, le=2)] = 0.9

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
    of: Annotated[str, OneOf(OF)] = "completion"  # or prompt
    within: Annotated[str, OneOf(("problem", "all"))] = "problem"  # or all; for completions only


@dataclass
class NearDedupe(ExactDedupe):
    """Keep one of several texts with similar sets of word n-grams: estimated Jaccard similarity of at least ``threshold``."""

    kind: str = "near_dedupe"
    of: Annotated[str, OneOf(OF)] = "prompt"
    words: Annotated[int, Ge(1), Le(1000)] = 5  # words per n-gram
    threshold: PositiveShare = 0.8
    # the estimate's standard error is sqrt(s (1 - s) / permutations): .035 at .8
    permutations: Annotated[int, Ge(1), Le(2**16)] = 128
    # the text to keep: first, shortest or longest; ties go to the first
    keep: Annotated[str, OneOf(("first", "shortest", "longest"))] = "first"
    seed: Seed = 0  # seed of the permutations


@dataclass
class Decontaminate(CurationStep):
    """Drop the problems whose prompt shares an n-gram of words with a problem of an evaluation set.

    ``sets`` are sources of kind ``files`` or ``hub`` as in ``data.sources``, by name; ``text`` names the column of the problem.
    """

    kind: str = "decontaminate"
    sets: Annotated[dict[str, Any], MinLen(1)] = field(default_factory=dict)
    words: Annotated[int, Ge(1), Le(1000)] = 8  # words per n-gram; as in Open-R1 and s1 (arXiv 2501.19393)
    common: Count | None = None  # ignore n-grams in more problems of a set, which are its phrasing; null to count all

    def check_values(self, key: str) -> None:
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
    by: Annotated[list[Annotated[str, OneOf(("task", "difficulty", "kind"))]], MinLen(1)] = field(
        default_factory=lambda: ["task"]
    )  # columns whose values define the groups
    bins: Positive | None = None  # width of the bins of difficulty; null for a group per value
    most: Count | None = None  # null for the size of the smallest group
    seed: Seed = 0


@dataclass
class Select(CurationStep):
    """Keep ``k`` samples of every problem."""

    kind: str = "select"
    k: Count = 1
    # samples to keep: shortest, longest, random or all; in tokens, or in characters if a count is unknown
    by: Annotated[str, OneOf(("shortest", "longest", "random", "all"))] = "shortest"
    seed: Seed = 0


@dataclass
class Preferred(CurationStep):
    """Keep the answers that a reward prefers: the best ones of every problem, or those above a quantile of all answers.

    Raw scores are compared, before any normalisation. A row without a score, or without a completion, is dropped.
    """

    kind: str = "preferred"
    function: str = MISSING  # a name in openr1.rewards.REWARDS, such as preference or judge, or package.module:function
    options: dict[str, Any] = field(default_factory=dict)  # options of the reward
    best_of: Count | None = None  # answers to keep of every problem, those with the highest scores; ties go to the first
    # share of all scored answers that is dropped, those with the lowest scores; answers at the quantile are kept
    quantile: ProperShare | None = None

    def check_values(self, key: str) -> None:
        if (self.best_of is None) == (self.quantile is None):
            given = "neither is given" if self.best_of is None else "both are given"
            raise ConfigError(f"{key}: best_of or quantile decides what is kept; {given}")
        check_scoring_term(ScoringTerm(self.function, self.options), key)


STEPS: dict[str, type[CurationStep]] = {
    step.kind: step
    for step in (
        *(Verify, Errors, Finished, Format, Length, Language, PassRate),
        *(ExactDedupe, NearDedupe, Decontaminate, Balance, Select, Preferred),
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
        if not isinstance(options, Mapping):
            raise ConfigError(f"{key}.{name}: {SECTION.format(f'{key}.{name}')}")
        kind = options.get("kind", name)
        if kind not in STEPS:
            raise ConfigError(f"{key}.{name}.kind: {kind!r} is not one of {', '.join(STEPS)}")
        steps[name] = load_options(STEPS[kind], {**options, "kind": kind}, f"{key}.{name}")
        steps[name].check_values(f"{key}.{name}")
    if not steps:
        raise ConfigError(f"{key}: at least one step is needed, of {', '.join(STEPS)}")
    return steps
