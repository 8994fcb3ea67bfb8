"""The data card of a curation: what every step kept and dropped, and why; for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

SHOWN = 8  # reasons of a step that the table of the Markdown shows
SNIPPET = (60, 40)  # characters of the beginning and of the end of a dropped text that are shown


@dataclass(frozen=True)
class Count:
    """What there is at one point.

    ``tokens`` are those of the completions whose count is known, ``uncounted`` is the number of the other rows.
    """

    rows: int
    problems: int
    tokens: int | None = None  # None where no row has a count
    uncounted: int = 0


@dataclass(frozen=True)
class Example:
    """A dropped row."""

    problem_id: str
    sample: int | None
    reason: str
    detail: str
    prompt: str  # the beginning and the end of it
    completion: str


@dataclass(frozen=True)
class StepCard:
    """One step. ``reasons`` are counts of dropped rows, the most frequent first."""

    name: str
    options: dict[str, Any]
    before: Count
    after: Count
    reasons: dict[str, int] = field(default_factory=dict)
    examples: list[Example] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Card:
    """A whole curation. Nothing in it depends on when, where or in how many processes it ran.

    :ivar tasks: what is left of every task.
    """

    before: Count
    after: Count
    steps: list[StepCard]
    tasks: dict[str, Count] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain containers, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Card:
        """What :meth:`to_dict` gave."""
        steps = [
            StepCard(
                **{
                    **step,
                    "before": Count(**step["before"]),
                    "after": Count(**step["after"]),
                    "reasons": by_count(step["reasons"]),
                    "examples": [Example(**example) for example in step["examples"]],
                }
            )
            for step in record["steps"]
        ]
        tasks = {name: Count(**count) for name, count in record["tasks"].items()}
        return cls(Count(**record["before"]), Count(**record["after"]), steps, tasks)

    def metrics(self) -> dict[str, float]:
        """What a tracked run logs: rows, problems and tokens before and after, and the share of the rows that is kept."""
        found: dict[str, float] = {"rows_kept": self.after.rows / self.before.rows}
        for side, count in (("before", self.before), ("after", self.after)):
            found |= {f"rows_{side}": count.rows, f"problems_{side}": count.problems}
            if count.tokens is not None:
                found[f"tokens_{side}"] = count.tokens
        return found

    def markdown(self) -> str:
        """A page: one line on the whole, a table of the steps, the tasks, and examples of what was dropped."""
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
            shown = [f"{_cell(reason)}: {count:,}" for reason, count in list(step.reasons.items())[:SHOWN]]
            hidden = list(step.reasons.values())[SHOWN:]
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
            said = [f"`{', '.join(f'{key}={value}' for key, value in options.items())}`"] if options else []
            said += [f"{key}: {value}" for key, value in step.notes.items()]
            if said or step.examples:
                lines += [f"## {step.name}", ""]
            if said:
                lines += ["; ".join(said), ""]
            for example in step.examples:
                name = example.problem_id if example.sample is None else f"{example.problem_id}/{example.sample}"
                lines.append(f"- {name}, {example.reason}" + (f" ({example.detail})" if example.detail else ""))
                lines += [f"  - `{text.replace('`', chr(39))}`" for text in (example.prompt, example.completion)]
            lines += [""] if step.examples else []
        return lines


def by_count(reasons: Mapping[str, int]) -> dict[str, int]:
    """The most frequent first, and then by name, whatever order a file has them in."""
    return dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0])))


def snippet(text: str, head: int = SNIPPET[0], tail: int = SNIPPET[1]) -> str:
    """The beginning and the end of a text, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= head + tail else f"{line[:head]} … {line[-tail:]}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
