"""The interface of all engines: requests, completions, replies."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from openr1.data.prefill import with_opened_tag
from openr1.engines.options import Sampling
from openr1.options import check_ranges

Messages = Sequence[Mapping[str, str]]


class RequestError(Exception):
    """A request that cannot be answered. Its message is one line."""


@dataclass(frozen=True)
class Request:
    """One prompt: a text to continue, or a conversation for the model's chat template.

    :ivar id: returned with the reply. It seeds the completions, so another id draws others.
    :ivar messages: turns ``{"role": ..., "content": ...}``; the last one is not the assistant's.
    :ivar n: number of completions; None for ``Sampling.n``.
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
        """Return the seed of one completion, in [0, 2^31). It depends on ``id``, ``seed`` and ``index`` alone."""
        text = "\0".join(("sample", self.id, str(self.seed), str(index)))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) >> 1


@dataclass(frozen=True, eq=False)
class KeptTokens:
    """The tokens among which each token of a completion was drawn, where top-p or top-k leave out others.

    :ivar ids: of all places after each other, int32 [sum of ``counts``].
    :ivar counts: number of tokens that were kept at each place, int32 [tokens].
    """

    ids: np.ndarray
    counts: np.ndarray


@dataclass(frozen=True)
class Completion:
    """One completion.

    :ivar text: without special tokens and without the stop text that ended it. It begins with ``<think>`` if the prompt ended
        with that tag, which is not among the tokens.
    :ivar finish_reason: ``stop`` (an end token or a stop text), ``length``, or another reason of a server.
    :ivar tokens: number of generated tokens, the end token included; None if a server does not tell.
    :ivar token_ids: the generated tokens, the end token included; None if a server does not tell.
    :ivar logprobs: natural logarithms of their probabilities under the model itself (temperature 1, no truncation); None if
        they are unknown.
    :ivar sampled_logprobs: natural logarithms of their probabilities under the distribution that they were drawn from, after
        temperature and truncation; None if they are ``logprobs``, or were not recorded.
    :ivar kept: the tokens that truncation kept; None if it kept all, or if they were not recorded.
    """

    text: str
    finish_reason: str
    tokens: int | None
    token_ids: tuple[int, ...] | None = None
    logprobs: tuple[float, ...] | None = None
    sampled_logprobs: tuple[float, ...] | None = None
    kept: KeptTokens | None = None

    @property
    def finished(self) -> bool:
        return self.finish_reason == "stop"


@dataclass(frozen=True)
class Reply:
    """The reply to one request.

    :ivar completions: in the order of their indices; with an ``error``, those that succeeded.
    :ivar prompt_tokens: tokens of the prompt, counted once.
    :ivar error: one line that says why there are fewer completions than requested.
    """

    id: str
    completions: tuple[Completion, ...] = ()
    prompt_tokens: int | None = None
    error: str | None = None

    @property
    def completion_tokens(self) -> int | None:
        """Return the number of tokens of all completions; None if that of one is unknown."""
        counts = [completion.tokens for completion in self.completions if completion.tokens is not None]
        return sum(counts) if len(counts) == len(self.completions) else None


class ReplyCollector:
    """A collector of completions, which returns the reply to a request with its last completion.

    :param default: number of completions of a request without ``n``.
    """

    def __init__(self, requests: Sequence[Request], default: int) -> None:
        self.requests = requests
        self.missing = {number: request.n or default for number, request in enumerate(requests)}
        self.completions: dict[int, dict[int, Completion]] = {number: {} for number in self.missing}
        self.prompt_tokens: dict[int, int | None] = {}
        self.opened: dict[int, bool] = {}  # the prompt ends with <think>
        self.errors: dict[int, str] = {}

    def samples(self, number: int) -> range:
        """Return the indices of the completions of a request."""
        return range(self.missing[number])

    def add(self, number: int, index: int, result: Completion | RequestError) -> Reply | None:
        """Add a completion of a request, or the error in its place. Returns the reply if it was the last one."""
        if isinstance(result, Completion):
            text = with_opened_tag(result.text, self.opened.get(number, False))
            self.completions[number][index] = replace(result, text=text)
        else:
            self.errors.setdefault(number, str(result))
        self.missing[number] -= 1
        return None if self.missing[number] else self.reply(number)

    def refuse(self, number: int, error: RequestError) -> Reply:
        """Return the reply to a request that cannot be answered at all."""
        self.errors[number] = str(error)
        return self.reply(number)

    def reply(self, number: int) -> Reply:
        """Return the reply to a request, with the completions that were added."""
        by_index = self.completions.pop(number)
        completions = tuple(by_index[index] for index in sorted(by_index))
        return Reply(self.requests[number].id, completions, self.prompt_tokens.get(number), self.errors.get(number))


class Engine(ABC):
    """An engine that generates text. As a context manager it frees what it holds (a model, connections) at the end.

    :param sampling: of every call of :meth:`generate` that brings none.
    """

    def __init__(self, sampling: Sampling | None = None) -> None:
        self.sampling = sampling or Sampling()
        check_ranges(self.sampling, "sampling")

    def generate(self, requests: Sequence[Request], sampling: Sampling | None = None) -> Iterator[Reply]:
        """Yield the reply to each request as soon as it is whole, in any order. If a request fails, its reply has the error.

        :raises ConfigError, RunError: if no request can succeed, for example because the model or the server does not exist.
        """
        if sampling is not None:
            check_ranges(sampling, "sampling")
        ids = [request.id for request in requests]
        if len(set(ids)) < len(ids):
            raise ValueError("requests: two of them have the same id")
        return self._generate(requests, sampling or self.sampling)

    @abstractmethod
    def _generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Reply]: ...

    def counts(self) -> dict[str, int]:
        """Return what the engine has counted beside its replies. The counts of several engines add up."""
        return {}

    def metrics(self) -> dict[str, float]:
        """Return what the engine has measured beside its replies, by the names of metrics."""
        return engine_metrics(self.counts())

    def close(self) -> None:  # noqa: B027 - most engines hold nothing else
        """Free what the engine holds."""

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def engine_metrics(counts: Mapping[str, int]) -> dict[str, float]:
    """Return what engines have measured, by the names of metrics.

    :param counts: sums of :meth:`Engine.counts`.
    """
    if "draft_tokens" not in counts:
        return {}
    drafted = counts["draft_tokens"]
    rate = {"acceptance_rate": counts["accepted_tokens"] / drafted} if drafted else {}
    return {"draft_tokens": drafted, **rate}
