"""Validation of ``data=`` beyond types and ranges."""

from __future__ import annotations

from typing import Any

from openr1.data.options import (
    DataConfig,
    PairColumns,
    PreferenceFilesSource,
    PreferenceHubSource,
    ReadabilitySource,
    TaskSource,
)
from openr1.data.tasks import options_of
from openr1.system.errors import ConfigError


def check_data(data: DataConfig) -> None:
    """Refuse values of ``data=`` that are out of range or contradict each other.

    :raises ConfigError: for the first key that is wrong.
    """
    if data.eval_tokens < data.context:
        raise ConfigError(f"data.eval_tokens: {data.eval_tokens} is below one sequence of data.context={data.context} tokens")
    _check_reference(data)
    if "{prompt}" not in data.instruction:
        raise ConfigError(f"data.instruction: {data.instruction!r} must contain {{prompt}}, the place of the prompt")
    if data.system is not None and not data.chat:
        raise ConfigError("data.system: only a chat has a system turn; set data.chat=true")
    for group in ("sources", "held_out"):
        for name, source in getattr(data, group).items():
            key = f"data.{group}.{name}"
            if source.weight == 0 and not (group == "sources" and data.reference is not None):
                raise ConfigError(f"{key}.weight: must be above 0, unless data.reference is set")
            if name in ("tokenizer", "held_out"):
                raise ConfigError(f"{key}: {name} is a reserved name; rename the source")
            if isinstance(source, TaskSource):
                options_of(key, source)
                if source.defects is not None and source.reasoned == 0:
                    raise ConfigError(
                        f"{key}.defects: is the layout of reasoning, and {key}.reasoned is 0; leave one of the two out"
                    )
            if isinstance(source, ReadabilitySource):
                options_of(key, source.of_task)
            if isinstance(source, PreferenceFilesSource | PreferenceHubSource):
                _check_pair_columns(f"{key}.columns", source.columns)


def _check_pair_columns(key: str, columns: PairColumns) -> None:
    if columns.chosen == columns.rejected:
        raise ConfigError(f"{key}.rejected: is {columns.rejected!r} as columns.chosen is; name the column of the other answer")
    if columns.scores and len(columns.scores) != 2:
        raise ConfigError(f"{key}.scores: needs two columns, of the better and of the worse answer, not {len(columns.scores)}")
    if columns.scores and (columns.margin is not None or columns.label is not None):
        given = "margin" if columns.margin is not None else "label"
        raise ConfigError(f"{key}.scores: cannot be given beside {given}; give one of them")
    if columns.label is not None and not (columns.first and columns.second):
        raise ConfigError(f"{key}.label: needs columns.first and columns.second, its values that prefer either answer")
    if columns.label is None and (columns.first or columns.second):
        raise ConfigError(f"{key}.first: is for a table with columns.label")
    first, second = (_labels(f"{key}.{name}", getattr(columns, name)) for name in ("first", "second"))
    if both := first & second:
        raise ConfigError(f"{key}.second: {sorted(both)[0]} prefers the first answer already")
    if columns.prompt is not None and columns.prompt in (columns.chosen, columns.rejected):
        raise ConfigError(f"{key}.prompt: is {columns.prompt!r}, a column of answers; name that of prompts, or give null")
    if len(set(columns.scores)) < len(columns.scores):
        raise ConfigError(f"{key}.scores: names {columns.scores[0]!r} twice; every margin would be 0")


def _labels(key: str, values: list[Any]) -> set[str]:
    """Return the labels of a table that some values of the config stand for, as :func:`openr1.data.cells.label` reads them."""
    from openr1.data.cells import label  # imports numpy

    labels = set()
    for place, value in enumerate(values):
        try:
            text = None if isinstance(value, list) else label(value)
        except ValueError:
            text = None
        if text is None:
            raise ConfigError(f"{key}[{place}]: must be text or a number, not {value!r}")
        labels.add(text)
    return labels


def _check_reference(data: DataConfig) -> None:
    """Check the weights of the sources in the tokenizer's training text and in the held-out tokens."""
    if data.reference is None:
        return
    if not isinstance(data.reference, dict) or not data.reference or not set(data.reference) <= set(data.sources):
        raise ConfigError(f"data.reference: must map some of data.sources to weights; they are {', '.join(data.sources)}")
    for name, weight in data.reference.items():
        if not isinstance(weight, float | int) or weight <= 0:
            raise ConfigError(f"data.reference.{name}: must be a weight above 0, not {weight!r}")
    if not any(source.weight > 0 for source in data.sources.values()):
        raise ConfigError("data.sources: at least one source needs a weight above 0")
