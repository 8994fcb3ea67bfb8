"""The data card of a curation: the rows that every step kept and dropped, with reasons; for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

SHOWN_REASONS = 8  # reasons of a step in the Markdown table


@dataclass(frozen=True)
class Count:
    """Size of the data at one point.

    ``tokens`` is the sum over completions with a known count, ``uncounted`` the number of the other rows.
    """

    rows: int
    problems: int
    tokens: int | None = None  # None if no row has a count
    uncounted: int = 0


@dataclass(frozen=True)
class Example:
    """A dropped row."""

    problem_id: str
    sample: int | None
    reason: str
    detail: str
    prompt: str  # its beginning and end
    completion: str


@dataclass(frozen=True)
class StepCard:
    """Effect of one step. ``reasons`` are counts of dropped rows, the most frequent first."""

    name: str
    options: dict[str, Any]
    before: Count
    after: Count
    reasons: dict[str, int] = field(default_factory=dict)
    examples: list[Example] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Card:
    """Effect of a whole curation, independent of time, machine and number of processes.

    :ivar tasks: the kept data of every task.
    """

    before: Count
    after: Count
    steps: list[StepCard]
    tasks: dict[str, Count] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain containers, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Card:
        """Build a card from the output of :meth:`to_dict`."""
        steps = [
            StepCard(
                **{
                    **step,
                    "before": Count(**step["before"]),
                    "after": Count(**step["after"]),
                    "reasons": sort_by_count(step["reasons"]),
                    "examples": [Example(**example) for example in step["examples"]],
                }
            )
            for step in record["steps"]
        ]
        tasks = {name: Count(**count) for name, count in record["tasks"].items()}
        return cls(Count(**record["before"]), Count(**record["after"]), steps, tasks)

    def metrics(self) -> dict[str, float]:
        """Return metrics for a tracked run: rows, problems and tokens before and after, and the share of kept rows."""
        metrics: dict[str, float] = {"rows_kept": self.after.rows / self.before.rows}
        for side, count in (("before", self.before), ("after", self.after)):
            metrics |= {f"rows_{side}": count.rows, f"problems_{side}": count.problems}
            if count.tokens is not None:
                metrics[f"tokens_{side}"] = count.tokens
        return metrics

    def markdown(self) -> str:
        """Format the card as a page: a summary, a table of the steps, the tasks, and examples of dropped rows."""
        lines = ["# Data card", "", self._summary(), "", *self._steps(), "", *self._tasks(), "", *self._examples()]
        return "\n".join(lines).rstrip() + "\n"

    def _summary(self) -> str:
        before, after = self.before, self.after
        text = (
            f"{after.rows:,} of {before.rows:,} samples ({after.rows / before.rows:.1%}) of {after.problems:,} of "
            f"{before.problems:,} problems are kept"
        )
        if after.tokens is None or before.tokens is None:
            return f"{text}; tokens were not counted."
        text += f", with {after.tokens:,} of {before.tokens:,} completion tokens"
        return f"{text} ({after.uncounted:,} samples kept without a count)." if after.uncounted else f"{text}."

    def _steps(self) -> list[str]:
        lines = ["| step | rows before | rows after | problems before | problems after | dropped, by reason |"]
        lines.append("|---|---:|---:|---:|---:|---|")
        for step in self.steps:
            shown = [f"{_cell(reason)}: {count:,}" for reason, count in list(step.reasons.items())[:SHOWN_REASONS]]
            hidden = list(step.reasons.values())[SHOWN_REASONS:]
            shown += [f"{len(hidden)} other reasons: {sum(hidden):,}"] if hidden else []
            before, after = step.before, step.after
            counts = f"{before.rows:,} | {after.rows:,} | {before.problems:,} | {after.problems:,}"
            lines.append(f"| {step.name} | {counts} | {'; '.join(shown) or '-'} |")
        return lines

    def _tasks(self) -> list[str]:
        if not self.tasks:
            return []
        lines = ["| task | rows | problems | tokens |", "|---|---:|---:|---:|"]
        for name, count in self.tasks.items():
            tokens = "-" if count.tokens is None else f"{count.tokens:,}"
            lines.append(f"| {_cell(name)} | {count.rows:,} | {count.problems:,} | {tokens} |")
        return lines

    def _examples(self) -> list[str]:
        lines = []
        for step in self.steps:
            options = {key: value for key, value in step.options.items() if key not in ("kind", "sets") and value is not None}
            notes = [f"`{', '.join(f'{key}={value}' for key, value in options.items())}`"] if options else []
            notes += [f"{key}: {value}" for key, value in step.notes.items()]
            if notes or step.examples:
                lines += [f"## {step.name}", ""]
            if notes:
                lines += ["; ".join(notes), ""]
            for example in step.examples:
                name = example.problem_id if example.sample is None else f"{example.problem_id}/{example.sample}"
                lines.append(f"- {name}, {example.reason}" + (f" ({example.detail})" if example.detail else ""))
                lines += [f"  - `{text.replace('`', chr(39))}`" for text in (example.prompt, example.completion)]
            lines += [""] if step.examples else []
        return lines


def sort_by_count(reasons: Mapping[str, int]) -> dict[str, int]:
    """Sort reasons by descending count, then by name."""
    return dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0])))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
