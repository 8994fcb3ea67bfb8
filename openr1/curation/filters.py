"""Curation steps that decide by one row, or by the samples of one problem: correctness, completeness, format and length."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from openr1.curation.card import sort_by_count
from openr1.curation.options import Errors, Finished, Format, Language, Length, PassRate, Verify
from openr1.curation.rows import Decision, Rows, tuples
from openr1.data import language
from openr1.data.answers import PROBLEM_COLUMNS, SAMPLE_COLUMNS, problem_of
from openr1.data.hashing import digest
from openr1.rewards.base import sample_of
from openr1.system.errors import ConfigError
from openr1.system.records import read_sealed, write_sealed

if TYPE_CHECKING:
    import pyarrow as pa

    from openr1.rewards.base import Sample

# Returns for each sample whether it is right; None, or a text with the reason, is no verdict. It is called in this process with
# a thousand samples at a time: work that is slow or may hang needs processes of its own.
Verifier = Callable[[Sequence["Sample"]], Iterable[bool | str | None]]

CHUNK = 1000


def verify(
    rows: Rows,
    options: Verify,
    key: str,
    verifier: Verifier | None = None,
    folder: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, rows: None,
) -> Decision:
    """Verify the rows without a verdict, and drop those that are not right.

    Fills in ``verified``, and ``pass_rate``: the share of right ones among the samples of a problem with a verdict.

    :param folder: folder of verdicts, a thousand rows per file, so that a killed curation resumes there.
    :param progress: called with the number of finished rows and the number of all.
    """
    import pyarrow as pa

    rows.require(key, "problem_id", *PROBLEM_COLUMNS, *SAMPLE_COLUMNS)
    known = rows.numbers("verified") if rows.has("verified") else np.full(len(rows), np.nan)
    present = rows.column("completion").is_valid().to_numpy(zero_copy_only=False)
    missing = np.flatnonzero(np.isnan(known) & present)
    why = np.where(present, "no verdict", "no completion").astype(object)
    if len(missing):
        if verifier is None:
            raise ConfigError(f"{key}: {len(missing)} rows have no verdict, and there is no verifier")
        verdicts = _verdicts(rows, missing, verifier, folder, progress)
        known[missing] = [float(value) if isinstance(value, bool) else np.nan for value in verdicts]
        why[missing] = [value if isinstance(value, str) else "no verdict" for value in verdicts]
    unknown, rate = np.isnan(known), pass_rates(rows, known)
    reasons = _empty(rows)
    if options.drop:
        reasons[known == 0] = "wrong"
        reasons[unknown] = why[unknown]
    columns = {
        "verified": pa.array(known == 1, mask=unknown),
        "pass_rate": pa.array(rate, mask=np.isnan(rate)),
    }
    notes: dict[str, object] = {"asked": len(missing), "without verdict": int(unknown.sum())}
    if not options.drop:
        notes |= {
            f"no verdict, {reason}": count for reason, count in sort_by_count(Counter(why[unknown & present].tolist())).items()
        }
    if not unknown.all():
        notes["pass rate"] = round(float(np.nanmean(known)), 4)
    return Decision(reasons, notes=notes, columns=columns)


def _verdicts(
    rows: Rows, at: np.ndarray, verifier: Verifier, folder: Path | None, progress: Callable[[int, int], None]
) -> list[bool | str | None]:
    """Return the verifier's verdicts on the rows at these places, from files if they were kept."""
    verdicts: list[bool | str | None] = []
    for batch in rows.batches((*PROBLEM_COLUMNS, *SAMPLE_COLUMNS), at, CHUNK):
        problem_numbers = rows.problems[at[len(verdicts) : len(verdicts) + len(batch)]]
        _, first, number = np.unique(problem_numbers, return_index=True, return_inverse=True)
        problems, samples = tuples(batch.select(PROBLEM_COLUMNS).take(first)), tuples(batch.select(SAMPLE_COLUMNS))
        numbers = number.tolist()
        # named by the content of the rows, so that verdicts are never applied to other rows
        file = folder / f"verified-{digest([problems, samples, numbers])[:16]}.json" if folder else None
        kept = read_sealed(file) if file else None
        if kept is not None:
            verdicts += kept
        else:
            known = [problem_of(*values) for values in problems]
            answers = _verify_samples(
                verifier, [sample_of(known[i], *values) for i, values in zip(numbers, samples, strict=True)]
            )
            if file:
                file.parent.mkdir(parents=True, exist_ok=True)
                write_sealed(file, answers)
            verdicts += answers
        progress(len(verdicts), len(at))
    return verdicts


def _verify_samples(verifier: Verifier, samples: Sequence[Sample]) -> list[bool | str | None]:
    verdicts = [value if isinstance(value, str | None) else bool(value) for value in verifier(samples)]
    if len(verdicts) != len(samples):
        raise ValueError(f"the verifier gave {len(verdicts)} verdicts for {len(samples)} samples")
    return verdicts


def pass_rates(rows: Rows, verified: np.ndarray) -> np.ndarray:
    """Return for every row the share of right ones among its problem's samples with a verdict; nan if there are none."""
    problems, judged = rows.problems, ~np.isnan(verified)
    right, total = (np.bincount(problems[judged], weights, problems.max() + 1) for weights in (verified[judged], None))
    return np.divide(right, total, out=np.full(len(total), np.nan), where=total > 0)[problems]


def drop_errors(rows: Rows, options: Errors, key: str) -> Decision:
    """Drop failed requests; the reason is the beginning of the error message, such as ``TimeoutError``."""
    rows.require(key, "error")
    messages = np.array(rows.column("error").to_pylist(), dtype=object)
    reasons = _empty(rows)
    for place in np.flatnonzero(messages.astype(bool)):
        reasons[place] = re.split(r"[:\n]", messages[place].strip(), maxsplit=1)[0][:60] or "failed"
    return Decision(reasons, detail=lambda place: str(messages[place]))


def drop_unfinished(rows: Rows, options: Finished, key: str) -> Decision:
    """Drop completions that were cut off."""
    rows.require(key, "finished")
    ended, reasons = rows.numbers("finished"), _empty(rows)
    reasons[ended == 0] = "cut off"
    reasons[np.isnan(ended)] = "not known whether it ended"
    return Decision(reasons)


def drop_malformed(rows: Rows, options: Format, key: str) -> Decision:
    """Drop completions with a fault of format."""
    rows.require(key, "completion")
    return Decision(_texts(rows, "completion", partial(format_fault, options=options)))


def format_fault(text: str, options: Format) -> str | None:
    """Return the first fault in the format of a completion; None if there is none."""
    tags = options.tags
    if options.opened and not text.lstrip().startswith(f"<{tags[0]}>"):
        text = f"<{tags[0]}>{text}"
    for tag in tags:
        opened, closed = text.count(f"<{tag}>"), text.count(f"</{tag}>")
        if not opened:
            return f"no <{tag}>"
        if not closed:
            return f"<{tag}> is not closed"
        if opened > 1 or closed > 1:
            return f"more than one <{tag}>"
    places = [text.index(mark) for tag in tags for mark in (f"<{tag}>", f"</{tag}>")]
    if places != sorted(places):
        return "tags out of order"
    if not options.outside and re.sub("|".join(rf"<{tag}>.*?</{tag}>" for tag in tags), "", text, flags=re.DOTALL).strip():
        return "text outside the tags"
    inside = [text[start + len(tag) + 2 : end] for tag, start, end in zip(tags, places[::2], places[1::2], strict=True)]
    for tag, content in zip(tags, inside, strict=True):
        if not content.strip():
            return f"empty <{tag}>"
    if not options.code and "```" in inside[0]:
        return f"code in <{tags[0]}>"
    if options.paragraph is not None and max(map(len, re.split(r"\n\s*\n", inside[0]))) > options.paragraph:
        return f"long paragraph in <{tags[0]}>"
    return None


def drop_by_length(rows: Rows, options: Length, key: str) -> Decision:
    """Drop rows that are too short or too long."""
    if options.unit == "tokens":
        rows.require(key, "tokens")
        sizes = rows.numbers("tokens")
    else:
        rows.require(key, options.of)
        sizes = characters(rows, options.of)
    reasons = _empty(rows)
    reasons[np.isnan(sizes)] = "no token count" if options.unit == "tokens" else f"no {options.of}"
    if options.min is not None:
        reasons[sizes < options.min] = f"shorter than {options.min} {options.unit}"
    if options.max is not None:
        reasons[sizes > options.max] = f"longer than {options.max} {options.unit}"
    return Decision(reasons, detail=lambda place: f"{sizes[place]:.0f} {options.unit}")


def characters(rows: Rows, column: str, at: np.ndarray | None = None) -> np.ndarray:
    """Measure texts in characters, in the rows ``at`` or in all; nan for null. Shape ``(rows,)``, float64."""
    lengths = rows.map(partial(_characters, column=column), column, at).column(0).combine_chunks()
    return lengths.to_numpy(zero_copy_only=False).astype(np.float64)


def _characters(batch: pa.Table, column: str) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pa.table({"characters": pc.utf8_length(batch.column(column)).cast(pa.float64())})


def drop_by_language(rows: Rows, options: Language, key: str) -> Decision:
    """Drop texts that are not in the language."""
    rows.require(key, options.of)
    return Decision(_texts(rows, options.of, partial(language_fault, options=options)))


def language_fault(text: str, options: Language) -> str | None:
    """Return the reason why a text is not in the language; None if it is. A text without words is in every language."""
    share = language.share(text, options.language)
    return None if share is None or share >= options.share else f"less than {options.share:g} in {options.language}"


def drop_by_pass_rate(rows: Rows, options: PassRate, key: str) -> Decision:
    """Drop problems that are too hard or too easy.

    Pass rates are those of the column ``pass_rate``, which ``verify`` fills in, or else of the verdicts in ``verified``.
    """
    if rows.has("pass_rate"):
        rates = rows.numbers("pass_rate")
    elif rows.has("verified"):
        rates = pass_rates(rows, rows.numbers("verified"))
    else:
        raise ConfigError(f"{key}: needs verdicts; give a verify step before it")
    reasons = _empty(rows)
    reasons[np.isnan(rates)] = "no sample with a verdict"
    reasons[rates <= options.low] = f"pass rate of at most {options.low:g}"
    reasons[rates >= options.high] = f"pass rate of at least {options.high:g}"
    return Decision(reasons, detail=lambda place: f"pass rate {rates[place]:.3g}")


def _empty(rows: Rows) -> np.ndarray:
    return np.full(len(rows), None, dtype=object)


def _texts(rows: Rows, column: str, fault: Callable[[str], str | None]) -> np.ndarray:
    """Return the reasons that a function of one text gives."""
    faults = rows.map(partial(_faults, column=column, fault=fault), column).column(0)
    return np.array(faults.to_pylist(), dtype=object)


def _faults(batch: pa.Table, column: str, fault: Callable[[str], str | None]) -> pa.Table:
    import pyarrow as pa

    texts = batch.column(column).to_pylist()
    return pa.table({"fault": pa.array([fault(text or "") for text in texts], pa.string())})
