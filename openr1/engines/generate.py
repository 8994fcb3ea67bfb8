"""Has a model answer problems: how a prompt is put to it, what its answers cost, and what to do where it fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from openr1.config.schema import Config
from openr1.data.answers import Answer, Asked
from openr1.data.chat import conversation, instructed
from openr1.data.hashing import hash64, unit
from openr1.data.problems import by_source
from openr1.data.tasks.base import Problem, direct, reasoned
from openr1.engines import Engine, Reply, Request, open_engine
from openr1.engines.journal import Journal, ask
from openr1.errors import RunError
from openr1.models import flops
from openr1.models.checkpoints import checkpoint_of
from openr1.models.shape import Shape
from openr1.training.context import StageContext

Answerer = Callable[[Sequence[Problem]], Iterator[Asked]]


def request(config: Config, problem: Problem) -> Request:
    """What a model is asked. Its seed is that of the run and the problem, so that it does not matter what else is asked."""
    told = {"n": config.stage.samples, "seed": hash64("ask", str(config.seed), problem.id) >> 33}
    if config.data.chat:
        return Request(problem.id, messages=conversation(config, problem.prompt), **told)
    return Request(problem.id, prompt=instructed(config, problem.prompt), **told)


def engine_for(config: Config) -> AbstractContextManager[Engine]:
    """The engine of a run with its model.

    :raises ConfigError: where the model or the engine is not there.
    """
    engine = config.engine
    if not engine.served:
        engine = replace(engine, model=checkpoint_of(config.model, config.scale), revision=config.model.revision)
    return open_engine(engine, config.stage.sampling)


def together(config: Config) -> bool:
    """Whether an answer may depend, in the last bits of a probability, on what is asked beside it."""
    engine = config.engine
    alone = engine.served or (engine.kind == "transformers" and (engine.device, engine.dtype) == ("cpu", "float32"))
    return not alone


def answerer(engine: Engine, config: Config) -> Answerer:
    """The answers of an engine."""

    def answer(problems: Sequence[Problem]) -> Iterator[Asked]:
        for reply in engine.generate([request(config, problem) for problem in problems]):
            yield asked(reply)

    return answer


def asked(reply: Reply) -> Asked:
    """What is kept of a reply: the end token is no token of an answer."""
    answers = [
        Answer(one.text, None if one.tokens is None else one.tokens - one.finished, one.finished) for one in reply.completions
    ]
    return Asked(reply.id, tuple(answers), reply.prompt_tokens, reply.error)


def oracle(config: Config) -> Answerer:
    """The tasks' own traces, as often as :class:`openr1.data.options.TaskSource` says; the other answers come at once."""
    sources = config.data.sources
    share = {one.id: sources[name].reasoned for name, found in by_source(config).items() for one in found}

    def answer(problems: Sequence[Problem]) -> Iterator[Asked]:
        for problem in problems:
            write = reasoned if unit("reasoned", problem.prompt) < share[problem.id] else direct
            try:
                yield Asked(problem.id, (Answer(write(problem)),))
            except ValueError as error:  # some tasks can only tell whether an answer is right
                yield Asked(problem.id, error=str(error))

    return answer


@dataclass
class GenerationStats:
    """What a set of answers came to."""

    problems: int = 0
    failed: int = 0  # problems with fewer answers than were asked for
    answers: int = 0
    finished: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    counted: bool = True  # the tokens of every answer are known
    flops: float = 0.0

    def add(self, one: Asked, samples: int, shape: Shape | None) -> None:
        self.problems += 1
        self.failed += len(one.answers) < samples
        self.answers += len(one.answers)
        self.finished += sum(answer.finished for answer in one.answers)
        for answer in one.answers:
            if one.prompt_tokens is None or answer.tokens is None:
                self.counted = False
                continue
            written = max(1, answer.tokens + answer.finished)  # the end token too
            self.prompt_tokens += one.prompt_tokens
            self.completion_tokens += written
            if shape is not None:
                self.flops += flops.generation_flops(shape, one.prompt_tokens, written)

    def metrics(self) -> dict[str, float]:
        found: dict[str, float] = {"problems": self.problems, "failed": self.failed, "answers": self.answers}
        if self.answers:
            found["finished_rate"] = self.finished / self.answers
        if self.counted:
            found |= {"prompt_tokens": self.prompt_tokens, "completion_tokens": self.completion_tokens}
        return found


def answered(
    context: StageContext, problems: Sequence[Problem], answer: Answerer, whole: bool
) -> tuple[Journal, GenerationStats]:
    """Have all problems answered, and count.

    :raises RunError: where more of them came to nothing than ``stage.max_failed`` allows; the next run asks those again.
    """
    stage = context.config.stage
    journal = Journal(context.folder, problems, stage.shard)
    ask(journal, answer, whole, context.report, stage.samples)
    stats, first = GenerationStats(), None
    for _, one in journal.asked():
        stats.add(one, stage.samples, context.estimate.shape)
        if first is None and len(one.answers) < stage.samples:
            first = one.error or f"{len(one.answers)} of {stage.samples} answers came"
    if stats.failed > stage.max_failed * len(problems):
        journal.forget_failures(stage.samples)
        wanted = f"fewer than {stage.samples} answers (stage.max_failed={stage.max_failed:g})"
        raise RunError(f"{stats.failed} of {len(problems)} problems have {wanted}: {first}; the same command asks those again")
    return journal, stats
