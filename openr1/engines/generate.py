"""Answers of a model, or of the tasks' own oracle, to problems: how they are asked, counted and priced."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from openr1.data.answers import Answer, ProblemAnswers
from openr1.data.chat import conversation, instructed
from openr1.data.hashing import hash64
from openr1.data.tasks import Problem
from openr1.data.traces import oracle_completion
from openr1.engines import Engine, Reply, Request, open_engine
from openr1.engines.journal import Journal, fill_journal
from openr1.models import flops
from openr1.models.checkpoints import checkpoint_of
from openr1.models.shape import Shape
from openr1.system.errors import RunError

if TYPE_CHECKING:
    from openr1.data.options import DataConfig, TaskSource
    from openr1.engines.options import EngineConfig, Sampling
    from openr1.models.options import ModelConfig, ScaleConfig

Answerer = Callable[[Sequence[Problem]], Iterator[ProblemAnswers]]


def build_request(problem: Problem, data: DataConfig, samples: int, seed: int) -> Request:
    """Build the request that puts a problem to a model.

    Its seed follows from the run's and the problem, so that answers do not depend on the other problems.
    """
    number = hash64("ask", str(seed), problem.id) >> 33
    if data.chat:
        return Request(problem.id, messages=conversation(data, problem.prompt), n=samples, seed=number)
    return Request(problem.id, prompt=instructed(data, problem.prompt), n=samples, seed=number)


def open_run_engine(
    engine: EngineConfig, model: ModelConfig, scale: ScaleConfig, sampling: Sampling
) -> AbstractContextManager[Engine]:
    """Open the engine of a run; unless a server runs the model, with the run's checkpoint.

    :raises ConfigError: if the model or the engine is not available.
    """
    if not engine.served:
        engine = replace(engine, model=checkpoint_of(model, scale), revision=model.revision)
    return open_engine(engine, sampling)


def depends_on_batch(engine: EngineConfig) -> bool:
    """Tell whether an answer may depend, in the last bits of a probability, on the other requests of its batch.

    The answers of a server are not repeatable in any case, so the question does not arise for them.
    """
    exact = engine.kind == "transformers" and (engine.device, engine.dtype) == ("cpu", "float32")
    return not (engine.served or exact)


def engine_answerer(engine: Engine, data: DataConfig, samples: int, seed: int) -> Answerer:
    """Return a function that has an engine answer problems."""

    def answer(problems: Sequence[Problem]) -> Iterator[ProblemAnswers]:
        for reply in engine.generate([build_request(problem, data, samples, seed) for problem in problems]):
            yield to_asked(reply)

    return answer


def to_asked(reply: Reply) -> ProblemAnswers:
    """Convert a reply to the record that is kept of it, in which the end token is not a token of the answer."""
    answers = [
        Answer(
            completion.text,
            None if completion.tokens is None else completion.tokens - completion.finished,
            completion.finished,
        )
        for completion in reply.completions
    ]
    return ProblemAnswers(reply.id, tuple(answers), reply.prompt_tokens, reply.error)


def oracle_answerer(problems: Mapping[str, Sequence[Problem]], sources: Mapping[str, TaskSource]) -> Answerer:
    """Return a function that answers problems as the oracles of their tasks do (:mod:`openr1.data.traces`).

    :param problems: by source.
    """
    source_of = {problem.id: sources[name] for name, of_source in problems.items() for problem in of_source}

    def answer(problems: Sequence[Problem]) -> Iterator[ProblemAnswers]:
        for problem in problems:
            try:
                yield ProblemAnswers(problem.id, (Answer(oracle_completion(problem, source_of[problem.id])),))
            except ValueError as error:  # some tasks have a verifier but no answers
                yield ProblemAnswers(problem.id, error=str(error))

    return answer


@dataclass
class GenerationStats:
    """Counts over the answers of a stage."""

    problems: int = 0
    failed: int = 0  # problems with fewer answers than requested
    answers: int = 0
    finished: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    counted: bool = True  # the tokens of every answer are known
    flops: float = 0.0

    def add(self, asked: ProblemAnswers, samples: int, shape: Shape | None) -> None:
        """Count the answers to one problem.

        :param samples: number of answers requested.
        :param shape: of the model; None if it is unknown, and then no FLOPs are counted.
        """
        self.problems += 1
        self.failed += len(asked.answers) < samples
        self.answers += len(asked.answers)
        self.finished += sum(answer.finished for answer in asked.answers)
        for answer in asked.answers:
            if asked.prompt_tokens is None or answer.tokens is None:
                self.counted = False
                continue
            generated = max(1, answer.tokens + answer.finished)  # with the end token
            self.prompt_tokens += asked.prompt_tokens
            self.completion_tokens += generated
            if shape is not None:
                self.flops += flops.generation_flops(shape, asked.prompt_tokens, generated)

    def metrics(self) -> dict[str, float]:
        """Return the counts by the names of the metrics that are tracked."""
        metrics: dict[str, float] = {"problems": self.problems, "failed": self.failed, "answers": self.answers}
        if self.answers:
            metrics["finished_rate"] = self.finished / self.answers
        if self.counted:
            metrics |= {"prompt_tokens": self.prompt_tokens, "completion_tokens": self.completion_tokens}
        return metrics


def answer_problems(
    journal: Journal,
    answer: Answerer,
    *,
    whole_shards: bool,
    samples: int,
    max_failed: float,
    report: Callable[..., None],
    shape: Shape | None,
) -> GenerationStats:
    """Have all problems of a journal answered, and count the answers.

    :param whole_shards: ask a shard at a time, because answers depend on the batch.
    :param samples: answers requested of each problem.
    :param max_failed: share of the problems that may have fewer answers.
    :param report: called with the number of answers so far, and metrics.
    :param shape: of the model; None if it is unknown.
    :raises RunError: if more problems fail than ``max_failed`` allows; the next run asks those again.
    """
    fill_journal(journal, answer, whole_shards, report, samples)
    return count_answers(journal, samples, max_failed, shape)


def count_answers(journal: Journal, samples: int, max_failed: float, shape: Shape | None) -> GenerationStats:
    """Count the answers of a full journal (arguments of :func:`answer_problems`).

    :raises RunError: if more problems fail than ``max_failed`` allows; the next run asks those again.
    """
    stats, first = GenerationStats(), None
    for _, asked in journal.asked():
        stats.add(asked, samples, shape)
        if first is None and len(asked.answers) < samples:
            first = asked.error or f"{len(asked.answers)} of {samples} answers came"
    if stats.failed > max_failed * len(journal.problems):
        journal.forget_failures(samples)
        excess = f"fewer than {samples} answers (stage.max_failed={max_failed:g})"
        raise RunError(
            f"{stats.failed} of {len(journal.problems)} problems have {excess}: {first}; the same command asks those again"
        )
    return stats
