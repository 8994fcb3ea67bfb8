"""Formats of numbers and names for the terminal, the report and the axes of figures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

DASH, TIMES = "\u2013", "\u00d7"
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
ID = 12  # length of a run id in labels
UNDERFLOW = 1e-60  # smaller numbers come from rounding, and are written as 0
PLAIN_COMPUTE = 1e5  # smaller values of compute are not FLOPs, but GPU-hours or the like


def short(value: float) -> str:
    """Format a count: 50k, 1.2M, 3B, 4T; as a power of ten if it is larger or below one."""
    for unit, suffix in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"), (1, "")):
        if unit <= round(abs(value), 9) < 1000 * unit:
            return f"{value / unit:.3g}{suffix}"
    return scientific(value)


def scientific(value: float) -> str:
    """Format two digits and a power of ten, in Unicode; a dash for NaN and infinity."""
    if not math.isfinite(value):
        return DASH
    if abs(value) < UNDERFLOW:
        return "0"
    mantissa, exponent = f"{value:.1e}".split("e")
    factor = mantissa.removesuffix(".0")
    power = "10" + str(int(exponent)).translate(SUPERSCRIPT)
    return power if factor == "1" else f"{factor}{TIMES}{power}"


def number(value: float | None) -> str:
    """Format four digits, as a power of ten if the number is very large or small; a dash for null, NaN and infinity."""
    if value is None or not math.isfinite(value):
        return DASH
    if abs(value) < UNDERFLOW:
        return "0"
    if 999.95 <= abs(value) < 1e5:
        return f"{value:.0f}"
    return f"{value:#.4g}" if 1e-3 <= abs(value) < 1e3 else scientific(value)


def compute(value: float) -> str:
    """Format FLOPs as a power of ten, and smaller units such as GPU-hours as they are."""
    return f"{value:.4g}" if 1e-3 <= abs(value) < PLAIN_COMPUTE else scientific(value)


def three_decimals(value: float) -> str:
    """Format a loss or an exponent."""
    return f"{value:.3f}" if abs(value) < 1e3 else number(value)


def times(factor: float) -> str:
    """Format a factor."""
    return f"{factor:.3g}" if factor < 1e3 else short(factor)


def percent(value: float | None) -> str:
    """Format a share in hundredths of a percent; a dash for null, NaN and infinity."""
    return DASH if value is None or not math.isfinite(value) else f"{value:.2%}".replace("%", " %")


def share(value: float) -> str:
    """Format a pass rate in tenths of a percent."""
    return f"{value:.1%}".replace("%", " %")


def interval(low: float | None, high: float | None, write: Callable[[float], str] = number) -> str:
    """Format an interval; an empty string without a bootstrap."""
    return "" if low is None or high is None or low != low or high != high else f"{write(low)} to {write(high)}"


def with_interval(value: float, low: float | None, high: float | None, write: Callable[[float], str] = number) -> str:
    """Format a value with its interval in brackets."""
    ends = interval(low, high, write)
    return write(value) + (f" ({ends})" if ends else "")


STYLES: dict[str, Callable[[float], str]] = {
    "short": short,
    "scientific": scientific,
    "plain": lambda value: f"{value:.6g}",
}
# quantity -> its format in text, its format on an axis, and its name with the unit, where <i> is italic
QUANTITIES: dict[str, tuple[Callable[[float], str], str, str]] = {
    "N": (short, "short", "Parameters <i>N</i>"),
    "D": (short, "short", "Training tokens <i>D</i>"),
    "U": (short, "short", "Unique training tokens <i>U</i>"),
    "C": (compute, "scientific", "Training FLOPs <i>C</i>"),
    "loss": (three_decimals, "plain", "Evaluation loss (nats/token)"),
    "teacher_loss": (three_decimals, "plain", "Teacher's loss (nats/token)"),
    "supervised_loss": (three_decimals, "plain", "Supervised loss (nats/token)"),
    "pass_at_1": (share, "plain", "Pass rate"),
    "error": (share, "plain", "Error rate"),
    "coverage": (share, "plain", "Coverage (pass@k)"),
    "k": (short, "short", "Samples per problem <i>k</i>"),
    "experts": (short, "short", "Experts of a layer"),
    "active_experts": (short, "short", "Active experts of a layer"),
    "granularity": (number, "plain", "Granularity of experts"),
    "lr": (number, "scientific", "Learning rate"),
    "batch": (short, "short", "Batch size (tokens)"),
    "budget": (compute, "scientific", "Compute budget (FLOPs)"),
    "step": (short, "short", "Training steps"),
    "weight_decay": (number, "scientific", "Weight decay"),
    "tau": (number, "plain", "Time scale of AdamW <i>τ</i> (share of training)"),
    "score": (share, "plain", "Score"),
    "kl": (number, "plain", "KL from the start (nats)"),
    "gold": (three_decimals, "plain", "Gold reward"),
    "samples": (short, "short", "Samples per problem"),
    "rollouts": (short, "short", "Rollouts of a problem"),
    "prompts": (short, "short", "Problems of a step"),
    "answer_tokens": (short, "short", "Tokens of an answer"),
    "passes": (number, "plain", "Passes over the problems"),
    "correct": (short, "short", "Correct samples"),
}


def quantity(name: str, value: Any) -> str:
    """Format a value of a column of runs or of a table, such as ``N``, ``N_low`` or ``excluded``."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return DASH
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    base = name.removesuffix("_low").removesuffix("_high")
    if base in QUANTITIES:
        return QUANTITIES[base][0](value)
    return (
        f"{value:d}" if isinstance(value, int) else f"{value:.0f}" if value.is_integer() and abs(value) < 1e6 else number(value)
    )


def run_label(row: dict[str, Any], index: int) -> str:
    """Return the label of a run: its name, the beginning of its id, or else its row in the table."""
    if isinstance(row.get("name"), str):
        return row["name"]
    if isinstance(row.get("run_id"), str):
        return row["run_id"] if len(row["run_id"]) <= ID else row["run_id"][:ID] + "\u2026"
    return f"row {index}" if row.get("run") is None else str(row["run"])


def count_rows(number: int, frame: pd.DataFrame) -> str:
    """Count runs in words; rows, if they are points of a curve or problems."""
    points = {"run", "coverage"} & set(frame) or {"samples", "correct"} <= set(frame)
    word = "row" if points else "run"
    return f"{number} {word}{'' if number == 1 else 's'}"


def join_words(words: Sequence[str]) -> str:
    """Join words with commas, and the last one with "and"."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def join_names(names: Iterable[str], most: int = 5) -> str:
    """Join the first names, and the number of the others."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


@dataclass(frozen=True)
class Words:
    """Words for N, D and the loss of a study: the usual ones, unless the names of their columns say something else."""

    parameters: str
    tokens: str
    loss: str

    @classmethod
    def of(cls, n: str | None, d: str | None, loss: str | None) -> Words:
        """Choose the words by the names of the columns; null for columns that are called N, D and loss."""
        return cls(
            _word(n, "parameters", ("param", "size", "n")),
            _word(d, "tokens", ("tok", "d")),
            _word(loss, "loss", ("loss", "nll", "entropy", "xent", "ce")),
        )

    @property
    def of_loss(self) -> str:
        """The words before a loss, such as "a loss of"."""
        return "a loss of" if self.loss == "loss" else f"{self.loss} of"

    @property
    def loss_heading(self) -> str:
        """The heading of a column of losses."""
        return "Loss (nats/token)" if self.loss == "loss" else _heading(self.loss)

    @property
    def axis_labels(self) -> dict[str, str]:
        """The usual label of an axis of N, D or the loss -> its label in these words."""
        labels = {}
        if self.parameters != "parameters":
            labels[QUANTITIES["N"][2]] = f"{_heading(self.parameters)} <i>N</i>"
        if self.tokens != "tokens":
            labels[QUANTITIES["D"][2]] = f"{_heading(self.tokens)} <i>D</i>"
        if self.loss != "loss":
            labels[QUANTITIES["loss"][2]] = _heading(self.loss)
        return labels

    def meaning(self, text: str) -> str:
        """Return the meaning of a parameter, without "nats per token" unless the loss is known to be in nats."""
        if self.loss == "loss":
            return text
        return text.replace(", nats per token", "").replace("in nats per token times", "in units of the loss times")

    def amount_of_loss(self, text: str) -> str:
        """Return a written loss with its name, and with its unit if it is known to be nats."""
        return f"a loss of {text} nats per token" if self.loss == "loss" else f"{self.of_loss} {text}"


def _heading(words: str) -> str:
    """Begin a heading with a capital letter and keep the others."""
    return words[:1].upper() + words[1:]


def _word(column: str | None, usual: str, marks: tuple[str, ...]) -> str:
    """Return the usual word, or the name of a column that has none of the marks in it (those of up to two letters: is none).

    Exports put prefixes before names, such as ``config.`` and ``params.``. A name that is no word is quoted.
    """
    name = (column or "").rsplit(".", 1)[-1].rsplit("/", 1)[-1].lower()
    known = any(name == mark if len(mark) < 3 else mark in name for mark in marks)
    words = name.replace("_", " ")
    return usual if not name or known else words if words.replace(" ", "").isalpha() else f"'{words}'"


def compute_unit(column: str | None, largest: float) -> str:
    """Return the unit of compute: FLOPs, or the name of its column if its largest value is too small to be FLOPs."""
    return "FLOPs" if largest >= PLAIN_COMPUTE else (column or "units of C").replace("_", " ")
