"""Answers of a model to problems, and the table that stores them: one row per sample."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openr1.data.tasks.problem import Problem
from openr1.system.files import replacing

if TYPE_CHECKING:
    import pyarrow as pa

FILE = "answers.parquet"
SHOWN = 200  # answers that a tracked run shows as a table
SHOWN_COLUMNS = ("task", "prompt", "completion", "answer", "verified", "tokens", "finished", "sample", "error")
BATCH = 4096  # rows written in one piece
PROBLEM_COLUMNS = ("prompt", "answer", "kind", "tests", "task", "difficulty")
SAMPLE_COLUMNS = ("completion", "tokens", "finished")


@dataclass(frozen=True)
class Answer:
    """One completion."""

    text: str
    tokens: int | None = None  # without the end token; None if unknown
    finished: bool = True  # not cut off at the length limit


@dataclass(frozen=True)
class ProblemAnswers:
    """The answers to one problem: as many as were requested, or fewer and the reason."""

    problem: str  # its id
    answers: tuple[Answer, ...] = ()
    prompt_tokens: int | None = None
    error: str | None = None

    def line(self) -> str:
        """Return the answers as one line of JSON, with a checksum."""
        answers = [[answer.text, answer.tokens, answer.finished] for answer in self.answers]
        cells = [self.problem, answers, self.prompt_tokens, self.error]
        return json.dumps([*cells, _checksum(cells)]) + "\n"

    @classmethod
    def read(cls, line: str) -> ProblemAnswers:
        """Read what :meth:`line` wrote.

        :raises ValueError: for a line that was changed.
        """
        problem, answers, prompt_tokens, error, *checksum = json.loads(line)
        if checksum and checksum != [_checksum([problem, answers, prompt_tokens, error])]:  # version 0.2 wrote none
            raise ValueError("the line was changed")
        return cls(problem, tuple(Answer(*answer) for answer in answers), prompt_tokens, error)


def _checksum(cells: list[Any]) -> int:
    return zlib.crc32(json.dumps(cells).encode())


def first_answers(folder: Path, limit: int = SHOWN) -> list[dict[str, Any]]:
    """Return the first rows of the answers of an artifact, as people read them; none if it has no answers.

    :param folder: the directory of the artifact.
    """
    path = folder / "data" / FILE
    if not path.exists():
        return []
    import pyarrow.parquet as pq

    columns = [name for name in SHOWN_COLUMNS if name in pq.read_schema(path).names]
    first = next(pq.ParquetFile(path).iter_batches(limit, columns=columns), None)
    return first.to_pylist() if first is not None else []


def answer_schema() -> pa.Schema:
    """Return the columns of a table of generated samples, one row per sample."""
    import pyarrow as pa

    columns = {
        "problem_id": pa.string(),
        "sample": pa.int64(),  # number of the sample within its problem
        "prompt": pa.string(),
        "completion": pa.string(),
        "answer": pa.string(),
        "kind": pa.string(),  # how an answer is verified: exact, math, choice or code
        "tests": pa.list_(pa.list_(pa.string())),  # tests of a program, see openr1.data.program_tests
        "task": pa.string(),
        "difficulty": pa.float64(),
        "tokens": pa.int64(),  # tokens of the completion; null if unknown
        "finished": pa.bool_(),  # false: cut off at the length limit
        "error": pa.string(),  # why a request failed
        "verified": pa.bool_(),  # tells whether the answer is right; null without a verdict
        "pass_rate": pa.float64(),  # pass rate of the problem; filled in by the curation step verify
    }
    return pa.schema(list(columns.items()))


def answer_rows(problem: Problem, asked: ProblemAnswers, samples: int) -> list[dict[str, Any]]:
    """Return one row per sample, with the columns of :func:`answer_columns`.

    The row of a missing answer has no ``completion``; its ``error`` gives the reason.
    """
    shared = {
        "problem_id": problem.id,
        "prompt": problem.prompt,
        "answer": problem.answer,
        "kind": problem.kind,
        "tests": [list(test) for test in problem.tests],
        "task": problem.task,
        "difficulty": problem.difficulty,
        "prompt_tokens": asked.prompt_tokens,
    }
    rows = []
    for sample in range(samples):
        row = {
            **shared,
            "sample": sample,
            "completion": None,
            "tokens": None,
            "finished": False,
            "error": None,
            "verified": None,
        }
        if sample < len(asked.answers):
            answer = asked.answers[sample]
            row |= {"completion": answer.text, "tokens": answer.tokens, "finished": answer.finished}
        else:
            row["error"] = asked.error or f"{len(asked.answers)} of {samples} answers came"
        rows.append(row)
    return rows


def answer_columns(scores: Sequence[str] = ()) -> pa.Schema:
    """Return the columns of a table of answers: those of a table of samples, and ``prompt_tokens`` as counted by the model.

    :param scores: further columns, of scores: ``score`` by the reward that chooses the best of n, ``gold`` by the one wanted.
    """
    import pyarrow as pa

    names = [field for field in answer_schema() if field.name != "pass_rate"]
    more = [pa.field(name, pa.float64()) for name in scores]
    return pa.schema([*names, pa.field("prompt_tokens", pa.int64()), *more])


def write_answers(folder: Path, rows: Iterable[dict[str, Any]], scores: Sequence[str] = ()) -> Path:
    """Write rows as ``data/answers.parquet``, whole or not at all. The same rows give the same bytes.

    :param scores: columns of scores that the rows have.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    target = folder / "data" / FILE
    target.parent.mkdir(parents=True, exist_ok=True)
    schema, remaining = answer_columns(scores), iter(rows)
    with replacing(target) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        while batch := list(islice(remaining, BATCH)):
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))
    return target


def read_answers(folder: Path) -> Iterator[dict[str, Any]]:
    """Read the rows that :func:`write_answers` wrote."""
    import pyarrow.parquet as pq

    for batch in pq.ParquetFile(folder / "data" / FILE).iter_batches(BATCH):
        yield from batch.to_pylist()


def problem_of(
    prompt: str, answer: str | None, kind: str, tests: list[list[str]] | None, task: str | None, difficulty: float | None
) -> Problem:
    """Return the problem of a row, from the cells of :data:`PROBLEM_COLUMNS`."""
    pairs = tuple(map(tuple, tests or ()))
    return Problem(prompt, answer or "", kind=kind, tests=pairs, task=task or "", difficulty=difficulty)
