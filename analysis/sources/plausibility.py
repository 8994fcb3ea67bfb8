"""Checks that N, D, C and losses are in parameters, tokens, FLOPs and nats: what no study can have is refused, and what is
merely unusual is said.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from openr1.analysis.sources.columns import LOSSES, SHARES, Keys
from openr1.analysis.sources.mixed_units import check_mixed_units, flops_ratios
from openr1.analysis.sources.numbers import in_words
from openr1.analysis.sources.units import Unit, split_header
from openr1.analysis.warning import RankedWarning, Severity
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

TEN_FOLD = 10  # largest plausible factor between C and 6ND, for a law that needs all three
# the same for a law without C: C may include a large vocabulary, a teacher or idle experts; wrong units differ by 1000 or more
HUNDRED_FOLD = 100
LARGEST_LOSS = 13.0  # nats per token, the loss of chance among 440,000 tokens, more than any vocabulary has
TINY_MODELS = 1e6  # parameters, below which a loss from the law of larger models may be that high
UNUSUAL_LOSS = 7.0  # as the smallest of a study
TOKENS_PER_PARAMETER = (1e-2, 1e6)  # no study is wholly outside
SMALL_STUDY = 1e5  # parameters; in millions, it is the largest of all studies
SMALL_COMPUTE = 1e14  # FLOPs; in GFLOPs, it is the largest of most studies without N and D
MANY_TOKENS = 1e5  # per parameter in the median, more than of any model
MANY_TOKENS_OF_SMALL = 3e3  # the same of models with fewer parameters than the next
SMALL_MODELS = 1e7  # parameters
FEW_TOKENS = 0.2  # per parameter in the median
# names of losses that are not per token
OTHER_LOSSES = r"(?<![a-z])(?:bpb|bpc|bpw)(?![a-z])|(?:per|/)[\s_-]*(?:byte|char|word)"
SPREAD = 1e5  # rows of one unit differ less from each other if some are below the least value


@dataclass(frozen=True)
class Limits:
    """Values of a quantity that are not plausible.

    :ivar unit: the unit of the quantity.
    :ivar least: a study has runs above it.
    :ivar impossible: a row below it is in another unit if others are much larger.
    :ivar most: a study has runs below it.
    :ivar units: examples of what a table may be in instead.
    """

    unit: str
    least: float
    impossible: float
    most: float
    units: tuple[str, ...]


LIMITS = {
    "N": Limits("parameters", 1e3, 1e3, 1e14, ("1e6", "1e9")),
    "D": Limits("tokens", 1e4, 1e2, 1e17, ("1e6", "1e9")),
    "U": Limits("unique tokens", 1e4, 1e2, 1e17, ("1e6", "1e9")),
    "C": Limits("FLOPs", 1e9, 1e6, 1e32, ("PF-days", "1e18")),
}


def check_units(frame: pd.DataFrame, needs: Sequence[str], told: Mapping[str, Unit], keys: Keys) -> list[RankedWarning]:
    """Return warnings about values that are unusual.

    :param told: units that the user gives, whose quantities are not checked by themselves; with 1 for C, its unit may be any.
    :raises ConfigError: for values that are certainly in another unit.
    """
    training = concerns_training(frame, needs)
    warnings = []
    if training and {"N", "D", "C"} <= set(frame) and not ("C" in told and told["C"].keeps):
        _check_ratio(frame, needs, keys)
    for key, limits in LIMITS.items():
        if key in needs and key in frame and key not in told and (training or key == "N"):
            warnings += _check_range(frame, key, limits, keys)
    if training and {"N", "D"} <= {*frame} & {*needs} and not {"N", "D"} <= set(told):
        _check_tokens_per_parameter(frame, keys)
        warnings += _find_small_study(frame, keys) or _find_thousands(frame, keys)
    if training and "C" in needs and "C" in frame and "C" not in told and not {"N", "D"} & {*frame, *needs}:
        warnings += _find_small_compute(frame, keys)
    if training:
        warnings += check_mixed_units(frame, needs, told, keys)
    for key in LOSSES:
        if key in needs and key in frame and key not in told:
            warnings += _check_loss(frame, key, keys)
    return warnings


def concerns_training(frame: pd.DataFrame, needs: Sequence[str]) -> bool:
    """Return True for laws of a loss, or of N, D and C together. The C of a pass rate may be of reinforcement learning,
    in any unit.
    """
    return bool(set(LOSSES) & set(needs) & set(frame)) or {"N", "D", "C"} <= {*needs} & {*frame}


def _check_ratio(frame: pd.DataFrame, needs: Sequence[str], keys: Keys) -> None:
    """Refuse N, D and C whose C is far from 6ND. C is checked for laws of N and D alone too, since the advice of every law is
    computed from it.

    :raises ConfigError: if most rows have another unit.
    """
    ratio = flops_ratios(frame)
    if ratio.empty:
        return
    middle = float(ratio.median())
    limit = TEN_FOLD if {"N", "D", "C"} <= set(needs) else HUNDRED_FOLD
    if not 1 / limit < middle < limit:
        place = keys.columns.rstrip(".") or "N, D, C"
        raise ConfigError(
            f"{place}: C is {middle:.2g} times 6ND, so that a unit seems wrong (name it, such"
            f" as {keys.unit('N', '1e6')}); give N in parameters, D in tokens and C in FLOPs"
        )


def find_odd_rows(frame: pd.DataFrame) -> list[RankedWarning]:
    """Return a warning about rows whose C, over 6ND, is unlike that of the others."""
    ratio = flops_ratios(frame)
    middle = float(ratio.median()) if len(ratio) else 1.0
    odd = ratio[(ratio > TEN_FOLD * middle) | (ratio < middle / TEN_FOLD)]
    if odd.empty:
        return []
    examples = ", ".join(f"row {index} ({value:.2g} times)" for index, value in odd.head(3).items())
    return [
        RankedWarning(
            f"C differs from 6ND by more than a factor of ten in {len(odd)} of {len(frame)} rows, as if in another unit:"
            f" {examples}",
            Severity.MISLEADING,
        )
    ]


def _check_range(frame: pd.DataFrame, key: str, limits: Limits, keys: Keys) -> list[RankedWarning]:
    values = frame[key][frame[key] > 0]
    if values.empty:
        return []
    low, high, middle = float(values.min()), float(values.max()), float(values.median())
    name, examples = keys.column(key), " or ".join(keys.unit(key, unit) for unit in limits.units)
    keep = f", or {keys.unit(key, '1')} to keep the values"
    if high < limits.least or (key == "N" and middle < limits.least):
        of = f"at most {in_words(high)}" if high < limits.least else f"{in_words(middle)} in the median"
        raise ConfigError(f"{name}: {key} is {of}, too few {limits.unit}; name the unit, such as {examples}{keep}")
    if low > limits.most:
        raise ConfigError(f"{name}: {key} is at least {in_words(low)}, too many {limits.unit}; name the unit{keep}")
    small = values[values < limits.impossible]
    if len(small) and high / low > SPREAD:
        raise ConfigError(
            f"{name}: {len(small)} of {len(frame)} rows are in another unit than the others: {_name_rows(small)}, where the"
            f" largest {key} is {in_words(high)}; give all rows in {limits.unit}"
        )
    if key == "N" and len(small):
        return [
            RankedWarning(
                f"N is below {in_words(limits.least)} {limits.unit} in {len(small)} of {len(frame)} rows: {_name_rows(small)};"
                f" if N is in another unit, write it, such as {examples}",
                Severity.MISLEADING,
            )
        ]
    fractions = values[(values < 1e4) & (values != np.floor(values))]
    if key == "N" and len(fractions):
        return [
            RankedWarning(
                f"N is no whole number of parameters in {len(fractions)} of {len(frame)} rows: {_name_rows(fractions)}",
                Severity.MISLEADING,
            )
        ]
    return []


def _name_rows(values: pd.Series) -> str:
    shown = ", ".join(f"row {index} ({in_words(value)})" for index, value in values.head(3).items())
    return shown + (f" and {len(values) - 3} more" if len(values) > 3 else "")


def _check_tokens_per_parameter(frame: pd.DataFrame, keys: Keys) -> None:
    ratio = (frame["D"] / frame["N"])[frame["D"] > 0]
    low, high = TOKENS_PER_PARAMETER
    if len(ratio) and (ratio.max() < low or ratio.min() > high):
        end = f"at most {in_words(float(ratio.max()))}" if ratio.max() < low else f"at least {in_words(float(ratio.min()))}"
        units = " and ".join((keys.unit("N", "1e6"), keys.unit("D", "1e9")))
        raise ConfigError(
            f"{keys.column('D')}: there are {end} tokens per parameter, so that a unit seems wrong; give N in parameters and D"
            f" in tokens, or name their units, such as {units}"
        )


def _find_small_study(frame: pd.DataFrame, keys: Keys) -> list[RankedWarning]:
    """Return a warning about a study so small that it may as well be in millions, unless its FLOPs agree with 6ND."""
    n, d = float(frame["N"].max()), float(frame["D"].max())
    if n >= SMALL_STUDY or ("C" in frame and len(flops_ratios(frame))):
        return []
    units = " and ".join((keys.unit("N", "1e6"), keys.unit("D", "1e6")))
    return [
        RankedWarning(
            f"the largest N is {in_words(n)} parameters and the largest D {in_words(d)} tokens; for millions, write {units}",
            Severity.MISLEADING,
        )
    ]


def _find_thousands(frame: pd.DataFrame, keys: Keys) -> list[RankedWarning]:
    """Return a warning about tokens per parameter as of N or D in thousands, unless the FLOPs agree with 6ND."""
    if "C" in frame and len(flops_ratios(frame)):
        return []
    n, ratio = float(frame["N"].median()), float((frame["D"] / frame["N"]).median())
    if ratio > (MANY_TOKENS_OF_SMALL if n < SMALL_MODELS else MANY_TOKENS):
        return [
            RankedWarning(
                f"there are {in_words(float(f'{ratio:.3g}'))} tokens per parameter in the median, which is many; for N in"
                f" thousands, write {keys.unit('N', '1e3')}",
                Severity.MISLEADING,
            )
        ]
    longest = frame.groupby("N")["D"].max()  # the first points of curves have few tokens
    few = float((longest / longest.index).median())
    if few < FEW_TOKENS and n >= SMALL_MODELS:
        return [
            RankedWarning(
                f"there are {few:.2g} tokens per parameter in the median, which is few unless the models were trained before;"
                f" for D in thousands, write {keys.unit('D', '1e3')}",
                Severity.MISLEADING,
            )
        ]
    return []


def _find_small_compute(frame: pd.DataFrame, keys: Keys) -> list[RankedWarning]:
    """Return a warning about FLOPs so few that they may as well be GFLOPs, where no N and D tell."""
    high = float(frame["C"].max())
    if high >= SMALL_COMPUTE:
        return []
    return [RankedWarning(f"the largest C is {high:.3g} FLOPs; for GFLOPs, write {keys.unit('C', '1e9')}", Severity.MISLEADING)]


def _check_loss(frame: pd.DataFrame, key: str, keys: Keys) -> list[RankedWarning]:
    loss = frame[key]
    tiny = "N" in frame and float(frame["N"].max()) < TINY_MODELS
    convert = f"if it is a perplexity, {keys.unit(key, 'perplexity')} takes its logarithm"
    if float(loss.median()) > LARGEST_LOSS and not tiny:
        raise ConfigError(
            f"{keys.column(key)}: {key} is {loss.median():.3g} in the median, more nats per token than chance gives;"
            f" {convert}; {keys.unit(key, '1')} keeps it"
        )
    high = loss[loss > LARGEST_LOSS]
    if len(high):
        examples = ", ".join(f"row {index} ({value:.3g})" for index, value in high.head(3).items())
        return [
            RankedWarning(
                f"{key} is more nats per token than chance gives in {len(high)} of {len(loss)} rows: {examples}; {convert}",
                Severity.MISLEADING,
            )
        ]
    if float(loss.min()) > UNUSUAL_LOSS:
        return [
            RankedWarning(f"{key} is at least {loss.min():.3g}, which is many nats per token; {convert}", Severity.MISLEADING)
        ]
    return []


def check_loss_names(names: Mapping[str, str], told: Mapping[str, Unit], keys: Keys) -> list[RankedWarning]:
    """Return a warning about each loss whose column is called a perplexity, or is per byte, character or word."""
    warnings = []
    for key in (key for key in LOSSES if key in names and key not in told):
        name = str(names[key])
        if re.search("ppl|perplex", name.lower()) and not (split_header(name, key) or re.search("log|ln", name.lower())):
            warnings.append(
                RankedWarning(
                    f"{key} is taken from the column {name!r} as nats per token; if it is a perplexity,"
                    f" {keys.unit(key, 'perplexity')} takes its logarithm",
                    Severity.MISLEADING,
                )
            )
        elif re.search(OTHER_LOSSES, name.lower()):
            warnings.append(
                RankedWarning(
                    f"{key} is taken as it is from the column {name!r}, which is not per token by its name: the law holds in"
                    f" its unit, not in nats per token, unless {keys.option(f'units.{key}')} gives the nats per"
                    " token of 1 of it",
                    Severity.MISLEADING,
                )
            )
    return warnings


def check_shares(frame: pd.DataFrame, needs: Sequence[str], told: Mapping[str, Unit], keys: Keys) -> None:
    """Refuse shares that are given in percent.

    :raises ConfigError: if most values are above 1, and none is above 100.
    """
    for key in SHARES:
        if key not in needs or key not in frame or key in told:
            continue
        values = frame[key].dropna()
        if len(values) and float((values > 1).mean()) > 0.5 and float(values.max()) <= 100:
            raise ConfigError(
                f"{keys.column(key)}: {key} is a share, from 0 to 1, and reaches {values.max():.4g}; if it is in percent, write"
                f" {keys.unit(key, 'percent')}"
            )
