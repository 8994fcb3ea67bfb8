"""What every engine takes and gives."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from openr1.data.prefill import whole
from openr1.engines.options import Sampling, check_sampling

Messages = Sequence[Mapping[str, str]]


class RequestError(Exception):
    """One request that cannot be answered. Its message is one line."""


@dataclass(frozen=True)
class Request:
    """One prompt: a text that is continued as it is, or a conversation in the model's chat template.

    :ivar id: given back with the reply; another id draws other completions.
    :ivar messages: turns ``{"role": ..., "content": ...}``, of which the last is not the assistant's.
    :ivar n: completions; None for ``Sampling.n``.
    """

    id: str
    prompt: str | None = None
    messages: Messages | None = None
    n: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if (self.prompt is None) == (self.messages is None):
            raise ValueError(f"request {self.id}: takes either a prompt or messages")

    def sample_seed(self, index: int) -> int:
        """The seed of one completion, the same for the same request, in [0, 2^31)."""
        text = "\0".join(("sample", self.id, str(self.seed), str(index)))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) >> 1


@dataclass(frozen=True)
class Completion:
    """One answer.

    :ivar text: without special tokens, and without the stop text that ended it; with the ``<think>`` that its prompt opened,
        which is none of its tokens.
    :ivar token_ids: all that were generated, the end token included; None where a server does not say.
    :ivar logprobs: of each of them, natural logarithms under the model itself (temperature 1, nothing cut off); None where
        nobody says.
    :ivar finish_reason: ``stop`` (an end token or a stop text), ``length``, or what else a server says.
    :ivar tokens: how many were generated, the end token included.
    """

    text: str
    finish_reason: str
    tokens: int | None
    token_ids: tuple[int, ...] | None = None
    logprobs: tuple[float, ...] | None = None

    @property
    def finished(self) -> bool:
        return self.finish_reason == "stop"


@dataclass(frozen=True)
class Reply:
    """What came of a request.

    :ivar completions: in the order of their numbers; with an ``error``, those that came all the same.
    :ivar prompt_tokens: of the prompt, once.
    :ivar error: one line that says why there are fewer completions than were asked for.
    """

    id: str
    completions: tuple[Completion, ...] = ()
    prompt_tokens: int | None = None
    error: str | None = None

    @property
    def completion_tokens(self) -> int | None:
        """Tokens of all completions; None where one is not known."""
        counts = [completion.tokens for completion in self.completions]
        return None if None in counts else sum(counts)


class Gathering:
    """Completions on their way to whole replies.

    :param default: completions of a request that does not say how many.
    """

    def __init__(self, requests: Sequence[Request], default: int) -> None:
        self.requests = requests
        self.missing = {number: request.n or default for number, request in enumerate(requests)}
        self.found: dict[int, dict[int, Completion]] = {number: {} for number in self.missing}
        self.prompt_tokens: dict[int, int | None] = {}
        self.opened: dict[int, bool] = {}  # the prompt ends with <think>
        self.errors: dict[int, str] = {}

    def samples(self, number: int) -> range:
        """The completions to be made of a request."""
        return range(self.missing[number])

    def add(self, number: int, index: int, made: Completion | RequestError) -> Reply | None:
        """One completion of a request; with the last of them, the reply."""
        if isinstance(made, Completion):
            self.found[number][index] = replace(made, text=whole(made.text, self.opened.get(number, False)))
        else:
            self.errors.setdefault(number, str(made))
        self.missing[number] -= 1
        return None if self.missing[number] else self.reply(number)

    def refuse(self, number: int, error: RequestError) -> Reply:
        """The reply to a request of which nothing can come."""
        self.errors[number] = str(error)
        return self.reply(number)

    def reply(self, number: int) -> Reply:
        found = self.found.pop(number)
        completions = tuple(found[index] for index in sorted(found))
        return Reply(self.requests[number].id, completions, self.prompt_tokens.get(number), self.errors.get(number))


class Engine(ABC):
    """Generates text. A context manager: what it holds (a model, connections) is free at the end.

    :param sampling: for the requests of every call that does not bring its own.
    """

    def __init__(self, sampling: Sampling | None = None) -> None:
        self.sampling = sampling or Sampling()
        check_sampling(self.sampling)

    def generate(self, requests: Sequence[Request], sampling: Sampling | None = None) -> Iterator[Reply]:
        """A reply to each request, in any order, as soon as it is whole. A request that fails has its error there.

        :raises ConfigError, RunError: where no request can succeed, such as for a model or a server that is not there.
        """
        if sampling is not None:
            check_sampling(sampling)
        ids = [request.id for request in requests]
        if len(set(ids)) < len(ids):
            raise ValueError("requests: two have the same id")
        return self._generate(requests, sampling or self.sampling)

    @abstractmethod
    def _generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Reply]: ...

    def close(self) -> None:  # noqa: B027 - most engines hold nothing that is not freed with them
        """Free what the engine holds."""

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
