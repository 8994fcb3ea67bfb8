"""Ablations: the mean difference of a metric between each variant of a study and its base line, over seeds.

A variant is the settings that differ between runs, whatever their seed. Runs of equal seeds are compared in pairs, since they
share what the seed decides; where fewer than two seeds are shared, the means are compared (Welch 1947). Other columns, such as
the model size, can make pairs together with the seed, for a difference over all sizes.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from annotated_types import Interval

from openr1.analysis.fit.labels import format_label, short_names
from openr1.options import check_ranges
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

# parts of the config of a run that tell what it does; the others say where, or under which name
GROUPS = ("model", "scale", "data", "stage", "engine", "reward", "budget", "optim", "recipe")
SEED = "seed"
ABSENT = "none"  # value of a setting that a run does not have
SAME = 1e-12  # differences of rates below which two results are the same
EQUAL = "the same results"  # a verdict
SHOWN = 3  # settings of a variant that its label names


@dataclass
class Ablation:
    """Options of a comparison of variants with a base line, in place of a law."""

    metric: str | None = None  # column that is compared, such as pass_at_1; null to fit a law
    keys: list[str] = field(default_factory=list)  # columns that tell variants apart; empty for the settings that differ
    # settings of the base line -> their values; null for the variant that the others differ least from
    baseline: Any = None
    pair: list[str] = field(default_factory=lambda: ["seed"])  # columns whose equal values make pairs, such as [scale,seed]
    level: Annotated[float, Interval(ge=0.5, lt=1)] = 0.95  # of the intervals
    compute: str = "flops"  # column of the compute that is shown beside, if there is one

    def __post_init__(self) -> None:
        check_ranges(self, "ablation")
        if self.baseline is not None and not isinstance(self.baseline, Mapping):
            raise ConfigError("ablation.baseline: must name settings and their values, such as {stage.loss.beta: 0}")


@dataclass(frozen=True)
class Variant:
    """A variant, compared with the base line.

    :ivar difference: mean of the variant less that of the base line, of pairs if there are any.
    :ivar low, high: ends of its interval; NaN if the runs are too few for one.
    :ivar p: of no difference, two-sided, by Student's t; NaN without an interval.
    :ivar pairs: values of the columns of pairs that both have; 0 if the means of all runs are compared.
    :ivar compute: mean compute of a run; NaN if it is not known.
    :ivar corrected: the difference is shown after Holm's correction for the number of comparisons (Holm 1979).
    """

    label: str
    settings: dict[str, str]
    runs: int
    mean: float
    difference: float
    low: float
    high: float
    p: float
    pairs: int
    compute: float
    corrected: bool = False

    @property
    def leaves_out_zero(self) -> bool:
        """True if the interval, by itself, shows a difference."""
        return self.low > 0 or self.high < 0

    @property
    def verdict(self) -> str:
        """The comparison in words: ``higher`` or ``lower``, with ``perhaps`` if only the interval by itself shows it, or why
        nothing is shown.
        """
        if math.isnan(self.low):
            return "not known: too few seeds"
        if self.low == self.high == 0:
            return EQUAL
        if not self.leaves_out_zero:
            return "no difference shown"
        return ("" if self.corrected else "perhaps ") + ("higher" if self.difference > 0 else "lower")


@dataclass(frozen=True)
class AblationStudy:
    """The base line, the variants in the order of their labels, and what was left out."""

    metric: str
    level: float
    pair: list[str]
    baseline: Variant
    variants: list[Variant]
    notes: list[str]

    def to_frame(self) -> pd.DataFrame:
        """Return a row per variant, the base line first."""
        import pandas as pd

        rows = []
        for variant in (self.baseline, *self.variants):
            row = dataclasses.asdict(variant)
            settings = row.pop("settings")
            row.pop("corrected")  # the verdict tells it
            rows.append({**row, "verdict": "base line" if variant is self.baseline else variant.verdict, **settings})
        return pd.DataFrame(rows)


def compare(frame: pd.DataFrame, options: Ablation) -> AblationStudy:
    """Compare the variants of a table of runs with their base line.

    :param frame: a row per run, with the metric, the column of pairs, and the settings.
    :raises ConfigError: for a missing column, a metric without numbers, runs that do not differ, or an unclear base line.
    """
    import pandas as pd

    assert options.metric is not None
    if options.metric not in frame:
        raise ConfigError(f"ablation.metric: there is no column {options.metric!r}")
    if missing := [name for name in options.pair if name not in frame and name != SEED]:
        raise ConfigError(f"ablation.pair: there is no column {missing[0]!r}")
    values = pd.to_numeric(frame[options.metric], errors="coerce")
    usable = np.isfinite(values.to_numpy(dtype=float))
    if not usable.any():
        raise ConfigError(f"ablation.metric: {options.metric} is a finite number in none of {len(frame)} runs")
    notes = (
        [] if usable.all() else [f"{(~usable).sum()} of {len(frame)} runs have no finite {options.metric}, and are left out"]
    )
    frame = frame[usable].reset_index(drop=True).assign(**{options.metric: values[usable].to_numpy(dtype=float)})
    keys = options.keys or differing_settings(frame, options.pair)
    if missing := [key for key in keys if key not in frame]:
        raise ConfigError(f"ablation.keys: there is no column {missing[0]!r}")
    if not keys:
        raise ConfigError("ablation.keys: the runs differ in no setting; name the columns that tell variants apart")
    settings = pd.DataFrame({key: [_written(value) for value in frame[key]] for key in keys})
    groups = {tuple(key): list(rows.index) for key, rows in settings.groupby(keys, sort=True)}
    if len(groups) < 2:
        raise ConfigError(f"ablation.keys: all runs have the same {', '.join(keys)}")
    if options.baseline and (unknown := [key for key in options.baseline if key not in frame]):
        raise ConfigError(f"ablation.baseline.{unknown[0]}: there is no such column; variants differ in {', '.join(keys)}")
    base = _find_baseline(list(groups), keys, options.baseline)
    base_rows = frame.loc[groups[base]]
    names = short_names(keys)
    variants = []
    for group in groups:
        if group == base:
            continue
        changed = {key: value for key, value, usual in zip(keys, group, base, strict=True) if value != usual}
        variants.append(
            _compare(frame.loc[groups[group]], base_rows, _label(changed, names), dict(zip(keys, group, strict=True)), options)
        )
    variants = _corrected(variants, options.level)
    line = _describe(base_rows, "base line", dict(zip(keys, base, strict=True)), options)
    return AblationStudy(options.metric, options.level, options.pair, line, variants, notes)


def differing_settings(frame: pd.DataFrame, pair: Sequence[str] = ()) -> list[str]:
    """Return the columns of the config of runs that have several values, without seeds.

    :param pair: columns of pairs. A setting that they decide, seeds aside, is the same within each pair and is left out.
    """
    known = [name for name in frame if str(name).partition(".")[0] in GROUPS and "." in str(name)]
    names = [str(name) for name in known if not str(name).endswith(".seed")]
    decided = [name for name in pair if name != SEED]
    parts = [rows for _, rows in frame.groupby(decided, dropna=False)] if decided else [frame]
    return [name for name in names if any(len({_written(value) for value in part[name]}) > 1 for part in parts)]


def _written(value: Any) -> str:
    """Return a value as text, equal for equal numbers; a missing one as ``none``."""
    if value is None or value != value or str(value) in ("None", "null"):
        return ABSENT
    try:
        return f"{float(value):g}" if not isinstance(value, bool) else str(value)
    except (TypeError, ValueError):
        return format_label(value)


def _corrected(variants: Sequence[Variant], level: float) -> list[Variant]:
    """Return the variants, each with whether Holm's correction leaves its difference; equal results are no comparison."""
    tested = [variant for variant in variants if variant.p == variant.p and variant.verdict != EQUAL]
    shown = set()
    for place, variant in enumerate(sorted(tested, key=lambda variant: variant.p)):
        if variant.p > (1 - level) / (len(tested) - place):
            break
        shown.add(id(variant))  # labels of many settings may be cut to the same
    return [dataclasses.replace(variant, corrected=id(variant) in shown) for variant in variants]


def _find_baseline(groups: Sequence[tuple[str, ...]], keys: Sequence[str], given: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Return the base line that is given, or the variant that the others differ least from."""
    if given:
        wanted = {key: _written(value) for key, value in given.items() if key in keys}
        places = {key: place for place, key in enumerate(keys)}
        groups = [group for group in groups if all(group[places[key]] == value for key, value in wanted.items())]
        if not groups:
            raise ConfigError(f"ablation.baseline: no run has {', '.join(f'{key}={value}' for key, value in wanted.items())}")
    every = {group: sum(a != b for other in groups for a, b in zip(group, other, strict=True)) for group in groups}
    least = min(every.values())
    best = [group for group, count in every.items() if count == least]
    if len(best) > 1:
        key = next(key for place, key in enumerate(keys) if len({group[place] for group in best}) > 1)
        values = sorted({dict(zip(keys, group, strict=True))[key] for group in best})
        raise ConfigError(
            "ablation.baseline: several variants may be the base line; choose one, such as"
            f" 'ablation.baseline={{{key}: {values[0]}}}'"
        )
    return best[0]


def _label(changed: Mapping[str, str], names: Mapping[str, str]) -> str:
    texts = [f"{names[key]}={value}" for key, value in changed.items()]
    more = f" and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
    return ", ".join(texts[:SHOWN]) + more


def _describe(rows: pd.DataFrame, label: str, settings: dict[str, str], options: Ablation, **found: Any) -> Variant:
    """Return the variant of some runs; without a comparison, the base line itself."""
    import pandas as pd

    spent = pd.to_numeric(rows[options.compute], errors="coerce").mean() if options.compute in rows else math.nan
    nothing: dict[str, Any] = {"difference": 0.0, "low": math.nan, "high": math.nan, "p": math.nan, "pairs": 0}
    mean = float(rows[options.metric].mean())
    return Variant(label=label, settings=settings, runs=len(rows), mean=mean, compute=float(spent), **(nothing | found))


def _compare(rows: pd.DataFrame, base: pd.DataFrame, label: str, settings: dict[str, str], options: Ablation) -> Variant:
    """Compare the runs of a variant with those of the base line."""
    from scipy.stats import t

    metric = options.metric
    pairs = np.empty(0)
    if options.pair and set(options.pair) <= set(rows):
        of_variant, of_base = (part.groupby(options.pair)[metric].mean() for part in (rows, base))
        shared = of_variant.index.intersection(of_base.index)
        pairs = (of_variant[shared] - of_base[shared]).to_numpy()
    if len(pairs) > 1:
        difference, freedom = float(pairs.mean()), len(pairs) - 1.0
        error = float(pairs.std(ddof=1) / np.sqrt(len(pairs)))
    else:
        difference = float(rows[metric].mean() - base[metric].mean())
        squares = [part[metric].var(ddof=1) / len(part) if len(part) > 1 else math.nan for part in (rows, base)]
        error = math.sqrt(sum(squares)) if all(value == value for value in squares) else math.nan
        sizes = (len(rows), len(base))
        parts = [value**2 / max(size - 1, 1) for value, size in zip(squares, sizes, strict=True)]
        freedom = sum(squares) ** 2 / sum(parts) if error > 0 else math.nan
        pairs = np.empty(0)
    if error <= SAME and abs(difference) <= SAME:
        found = {"difference": 0.0, "low": 0.0, "high": 0.0, "p": 1.0}
    elif error > 0:
        half = float(t.ppf((1 + options.level) / 2, freedom)) * error
        p = float(2 * t.sf(abs(difference) / error, freedom))
        found = {"difference": difference, "low": difference - half, "high": difference + half, "p": p}
    else:  # one run, or runs without any scatter
        found = {"difference": difference, "low": math.nan, "high": math.nan, "p": math.nan}
    return _describe(rows, label, settings, options, **found, pairs=len(pairs))
