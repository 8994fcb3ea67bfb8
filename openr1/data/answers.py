"""Answers of a model to problems, and the table that keeps them: one row a sample."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openr1.data.tasks.base import Problem
from openr1.files import replacing

if TYPE_CHECKING:
    import pyarrow as pa

FILE = "answers.parquet"
BATCH = 4096  # rows that are written at once
PROBLEM_COLUMNS = ("prompt", "answer", "kind", "tests", "task", "difficulty")
SAMPLE_COLUMNS = ("completion", "tokens", "finished")


@dataclass(frozen=True)
class Answer:
    """One completion. Numbers of tokens are None where nobody counted them."""

    text: str
    tokens: int | None = None  # the end token left out
    finished: bool = True  # not cut off at the length limit


@dataclass(frozen=True)
class Asked:
    """What came of one problem: so many answers as were asked for, or the reason why not."""

    problem: str  # its id
    answers: tuple[Answer, ...] = ()
    prompt_tokens: int | None = None
    error: str | None = None

    def line(self) -> str:
        answers = [[answer.text, answer.tokens, answer.finished] for answer in self.answers]
        return json.dumps([self.problem, answers, self.prompt_tokens, self.error]) + "\n"

    @classmethod
    def read(cls, line: str) -> Asked:
        problem, answers, prompt_tokens, error = json.loads(line)
        return cls(problem, tuple(Answer(*answer) for answer in answers), prompt_tokens, error)


def answer_schema() -> pa.Schema:
    """The columns of a table of generated samples, one row a sample. A step says which of them it needs."""
    import pyarrow as pa

    columns = {
        "problem_id": pa.string(),
        "sample": pa.int64(),  # number of the sample among those of its problem
        "prompt": pa.string(),
        "completion": pa.string(),
        "answer": pa.string(),
        "kind": pa.string(),  # how it is verified: exact, math, choice or code
        "tests": pa.list_(pa.list_(pa.string())),  # of code, see openr1.data.program_tests
        "task": pa.string(),
        "difficulty": pa.float64(),
        "tokens": pa.int64(),  # of the completion; null where they were not counted
        "finished": pa.bool_(),  # false: cut off at the length limit
        "error": pa.string(),  # of a request that failed
        "verified": pa.bool_(),  # the answer is right; null without a verdict
        "pass_rate": pa.float64(),  # of the problem; filled in by verify
    }
    return pa.schema(list(columns.items()))


def answer_rows(problem: Problem, asked: Asked, samples: int) -> list[dict[str, Any]]:
    """Make a row a sample, with :func:`answer_columns`.

    Where an answer is missing, ``completion`` is null and ``error`` says why.
    """
    told = {
        "problem_id": problem.id,
        "prompt": problem.prompt,
        "answer": problem.answer,
        "kind": problem.kind,
        "tests": [list(test) for test in problem.tests],
        "task": problem.task,
        "difficulty": problem.difficulty,
        "prompt_tokens": asked.prompt_tokens,
    }
    found = []
    for sample in range(samples):
        row = {**told, "sample": sample, "completion": None, "tokens": None, "finished": False, "error": None, "verified": None}
        if sample < len(asked.answers):
            answer = asked.answers[sample]
            row |= {"completion": answer.text, "tokens": answer.tokens, "finished": answer.finished}
        else:
            row["error"] = asked.error or f"{len(asked.answers)} of {samples} answers came"
        found.append(row)
    return found


def answer_columns() -> pa.Schema:
    """Those of a table of samples, and ``prompt_tokens`` as the model read the prompt."""
    import pyarrow as pa

    names = [field for field in answer_schema() if field.name != "pass_rate"]
    return pa.schema([*names, pa.field("prompt_tokens", pa.int64())])


def write_answers(folder: Path, found: Iterable[dict[str, Any]]) -> Path:
    """Write rows as ``data/answers.parquet``, whole or not at all. The same rows give the same bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    target = folder / "data" / FILE
    target.parent.mkdir(parents=True, exist_ok=True)
    form, rest = answer_columns(), iter(found)
    with replacing(target) as temporary, pq.ParquetWriter(temporary, form, compression="zstd") as writer:
        while batch := list(islice(rest, BATCH)):
            writer.write_table(pa.Table.from_pylist(batch, schema=form))
    return target


def read_answers(folder: Path) -> Iterator[dict[str, Any]]:
    """The rows that :func:`write_answers` wrote."""
    import pyarrow.parquet as pq

    for batch in pq.ParquetFile(folder / "data" / FILE).iter_batches(BATCH):
        yield from batch.to_pylist()


def problem_of(
    prompt: str, answer: str | None, kind: str, tests: list | None, task: str | None, difficulty: float | None
) -> Problem:
    """The problem of a row, by the columns :data:`PROBLEM_COLUMNS`."""
    pairs = tuple(map(tuple, tests or ()))
    return Problem(prompt, answer or "", kind=kind, tests=pairs, task=task or "", difficulty=difficulty)
