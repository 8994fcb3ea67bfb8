"""Generation by any server with OpenAI's interface: a vLLM server, llama.cpp, a hosted model.

Plain prompts go to its completions endpoint, messages to its chat endpoint. Each completion is a request of its own: every
server accepts that, each completion has its own seed and count of tokens, and a failure costs one completion. Requests run
concurrently in a thread with an event loop, within the rate limits of the config.
"""

from __future__ import annotations

import asyncio
import os
import queue
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from openr1.data.prefill import opens, with_opened_tag
from openr1.engines import base
from openr1.engines.base import Completion, Reply, ReplyCollector, Request, RequestError
from openr1.engines.options import OpenAIEngine, Sampling
from openr1.system.errors import ConfigError, RunError

CHECK_SECONDS = 10.0  # for the answer of a server that is only to be there
LONGEST_WAIT = 60.0  # seconds between two tries, unless the server asks for more
CHARACTERS = 3  # of a token, at least: an estimate for the rate limit until the server has counted


class RateLimit:
    """A rate limit that spreads the amount of a minute evenly over time.

    :param per_minute: None for no limit.
    """

    def __init__(self, per_minute: float | None) -> None:
        self.seconds = 60 / per_minute if per_minute else 0.0  # of one unit
        self.next = 0.0

    async def wait(self, amount: float) -> None:
        """Wait until ``amount`` may be requested."""
        now = asyncio.get_running_loop().time()
        start = max(now, self.next)
        self.next = start + amount * self.seconds
        await asyncio.sleep(start - now)

    def settle(self, amount: float) -> None:
        """Return an amount that was requested but not used; a negative amount was used in addition."""
        self.next -= amount * self.seconds

    def hold(self, seconds: float) -> None:
        """Let nothing start for some time."""
        self.next = max(self.next, asyncio.get_running_loop().time() + seconds)


class Engine(base.Engine):
    """An engine that asks a server.

    :ivar place: where its options stand in the config, for messages.
    """

    def __init__(self, config: OpenAIEngine, sampling: Sampling | None = None, place: str = "engine") -> None:
        super().__init__(sampling)
        if not config.model:
            raise ConfigError(f"{place}.model: no model is given; give the name by which the server knows it")
        self.openai = _import_openai(place)
        self.config, self.place = config, place
        self.key = _api_key(config)

    def _generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Reply]:
        collector = ReplyCollector(requests, sampling.n)
        results: queue.SimpleQueue[Any] = queue.SimpleQueue()
        jobs = [(number, index) for number in range(len(requests)) for index in collector.samples(number)]
        call = _Call(self, requests, sampling, jobs, results.put)
        thread = threading.Thread(target=call.start, daemon=True)
        thread.start()
        try:
            while (result := results.get()) is not None:
                if isinstance(result, BaseException):
                    raise result
                number, index, completion, prompt_tokens, taken = result
                if prompt_tokens is not None:
                    collector.prompt_tokens[number] = prompt_tokens
                reply = collector.add(number, index, completion)
                if reply:
                    yield reply
                call.loop.call_soon_threadsafe(taken.set)
        finally:
            call.cancel()
            thread.join()
            call.loop.close()


def check_server(config: OpenAIEngine, place: str = "engine") -> None:
    """Refuse a server that does not answer, or refuses the key. Nothing is generated.

    :param place: where the options stand in the config, for messages.
    :raises ConfigError: with what is wrong.
    """
    openai = _import_openai(place)
    timeout = min(config.timeout, CHECK_SECONDS)
    try:
        client = openai.OpenAI(base_url=config.base_url, api_key=_api_key(config), max_retries=0, timeout=timeout)
        with client:
            client.models.list()
    except openai.AuthenticationError as error:
        raise ConfigError(f"{place}.api_key_env: the server refuses the key in {config.api_key_env}") from error
    except openai.APIConnectionError as error:  # a time-out is one too
        raise ConfigError(f"{place}.base_url: no server answers at {config.base_url}") from error
    except openai.APIStatusError:
        pass  # not every server lists its models, but this one answers
    except Exception as error:  # an address that is none, or a reply that is no list, raise many types
        if not isinstance(error, openai.APIError | ValueError):
            reason = " ".join(str(error).split())
            raise ConfigError(f"{place}.base_url: {config.base_url} cannot be asked: {reason}") from error


def _import_openai(place: str) -> Any:
    try:
        import openai
    except ImportError as error:
        raise ConfigError(f"{place}.kind: the package openai is not installed") from error
    return openai


def _api_key(config: OpenAIEngine) -> str:
    return os.environ[config.api_key_env] if config.api_key_env else "none"


class _Call:
    """One call of ``generate``: its event loop, its connections, its rate limits.

    :param jobs: the number of a request and the index of its completion, for each completion.
    :param report: called with ``(number, index, completion or error, prompt tokens, taken)``, with an exception that ends the
        call, and at the end with None. The event ``taken`` is set when the completion has been saved.
    """

    def __init__(
        self,
        engine: Engine,
        requests: Sequence[Request],
        sampling: Sampling,
        jobs: list[tuple[int, int]],
        report: Callable[[Any], None],
    ) -> None:
        self.openai, self.config, self.key, self.place = engine.openai, engine.config, engine.key, engine.place
        self.requests, self.sampling, self.report = requests, sampling, report
        self.starts, self.tokens = RateLimit(self.config.requests_per_minute), RateLimit(self.config.tokens_per_minute)
        self.answered = False  # the server has answered at least once
        self.loop = asyncio.new_event_loop()
        self.task = self.loop.create_task(self._send_all(jobs))

    def start(self) -> None:
        """Send all requests. Runs in a thread of its own."""
        try:
            self.loop.run_until_complete(self.task)
        except asyncio.CancelledError:
            pass
        except BaseExceptionGroup as group:
            self.report(group.exceptions[0])
        except BaseException as error:  # the caller raises it
            self.report(error)
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.report(None)

    def cancel(self) -> None:
        """Cancel the requests under way. May be called from any thread."""
        self.loop.call_soon_threadsafe(self.task.cancel)

    async def _send_all(self, jobs: list[tuple[int, int]]) -> None:
        remaining, config = iter(jobs), self.config
        client = self.openai.AsyncOpenAI(base_url=config.base_url, api_key=self.key, max_retries=0, timeout=config.timeout)
        async with client, asyncio.TaskGroup() as group:
            for _ in range(min(config.concurrency, len(jobs))):
                group.create_task(self._send(client, remaining))

    async def _send(self, client: Any, jobs: Iterator[tuple[int, int]]) -> None:
        for number, index in jobs:
            taken = asyncio.Event()
            try:
                self.report((number, index, *await self._complete(client, self.requests[number], index), taken))
            except RequestError as error:
                self.report((number, index, error, None, taken))
            await taken.wait()  # a kill then loses no more answers than requests may be under way

    async def _complete(self, client: Any, request: Request, index: int) -> tuple[Completion, int | None]:
        """Return one completion and the tokens of its prompt, after as many tries as the config allows."""
        openai, config = self.openai, self.config
        endpoint, arguments = self._endpoint(client, request, index)
        prompt = request.prompt or "".join(message["content"] for message in request.messages or ())
        estimate = len(prompt) / CHARACTERS + self.sampling.max_tokens
        for attempt in range(config.retries + 1):
            await self.starts.wait(1)
            await self.tokens.wait(estimate)
            used = 0.0
            try:
                async with asyncio.timeout(config.timeout):
                    answer = await endpoint(**arguments)
                self.answered, used = True, estimate
                completion = _to_completion(answer, self._opens_think(request))
                if answer.usage:
                    used = answer.usage.total_tokens
                return completion, answer.usage and answer.usage.prompt_tokens
            except (TimeoutError, openai.APITimeoutError):
                reason = f"no answer within {config.timeout:g} s"
            except openai.APIConnectionError as error:
                reason = f"no connection: {error.__cause__ or error}"
                if attempt == config.retries and not self.answered:
                    raise RunError(f"{self.place}.base_url: no server answers at {config.base_url}") from error
            except openai.APIStatusError as error:
                reason = f"{error.status_code}: {' '.join(error.message.split())}"
                self._refuse_fatal(error, reason)
                self.answered = True
                if error.status_code not in (408, 409, 425, 429) and error.status_code < 500:
                    raise RequestError(reason) from error
                self.starts.hold(_seconds(error.response.headers.get("retry-after")))
            except (openai.APIError, ValueError, TypeError, AttributeError) as error:
                raise RequestError(f"the answer has an unknown form: {' '.join(str(error).split())}") from error
            finally:
                self.tokens.settle(estimate - used)
            if attempt < config.retries:
                wait = min(config.backoff * 2**attempt, LONGEST_WAIT)
                await asyncio.sleep(wait * random.uniform(0.5, 1))
        raise RequestError(f"{reason}, at the last of {config.retries + 1} tries")

    def _opens_think(self, request: Request) -> bool | None:
        """Tell whether the prompt ends with an open ``<think>``; None if only the server knows."""
        return self.config.opens_think if request.prompt is None else opens(request.prompt)

    def _endpoint(self, client: Any, request: Request, index: int) -> tuple[Callable[..., Any], dict[str, Any]]:
        """Return the endpoint of a request, and the arguments of one completion."""
        sampling = self.sampling
        arguments: dict[str, Any] = {
            "model": self.config.model,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": request.sample_seed(index),
        }
        extra = {self.config.max_tokens_key: sampling.max_tokens, **self.config.options}
        if sampling.stop:
            arguments["stop"] = list(sampling.stop)
        if sampling.top_k is not None:
            extra["top_k"] = sampling.top_k
        arguments["extra_body"] = extra
        if request.prompt is not None:
            if self.config.logprobs:
                arguments["logprobs"] = 1
            return client.completions.create, {**arguments, "prompt": request.prompt}
        if self.config.logprobs:
            arguments["logprobs"] = True
        messages = [dict(message) for message in request.messages or ()]
        return client.chat.completions.create, {**arguments, "messages": messages}

    def _refuse_fatal(self, error: Any, reason: str) -> None:
        """Refuse an error that every other request would meet too.

        :raises RunError: for a wrong key, an unknown model or endpoint, or an account without funds.
        """
        key, where, place = self.config.api_key_env, self.config.base_url, self.place
        if error.status_code == 401:
            raise RunError(f"{place}.api_key_env: the server refuses the key in {key}; {reason}") from error
        if error.status_code == 404:
            raise RunError(f"{place}.model: {where} has no {self.config.model}, or not this endpoint; {reason}") from error
        if error.status_code == 402 or error.code == "insufficient_quota":
            raise RunError(f"{place}.base_url: the account at {where} has no funds; {reason}") from error


def _seconds(header: str | None) -> float:
    """Read the seconds of ``Retry-After``. A date, which no such server sends, counts as 0."""
    try:
        return max(float(header or 0), 0.0)
    except ValueError:
        return 0.0


def _to_completion(answer: Any, opened: bool | None) -> Completion:
    if not answer.choices:
        raise RequestError("the answer has no choices")
    choice = answer.choices[0]
    logprobs, reason = None, choice.finish_reason or "unknown"
    if hasattr(choice, "message"):
        text = choice.message.content or ""
        # DeepSeek's own server, and vLLM with a reasoning parser, return the thoughts separately
        thoughts = getattr(choice.message, "reasoning_content", None) or getattr(choice.message, "reasoning", None)
        if thoughts:
            text = f"<think>{thoughts}</think>{text}" if text or reason == "stop" else f"<think>{thoughts}"
        if choice.logprobs and choice.logprobs.content:
            logprobs = tuple(token.logprob for token in choice.logprobs.content)
    else:
        text = choice.text or ""
        if choice.logprobs and choice.logprobs.token_logprobs:
            logprobs = tuple(choice.logprobs.token_logprobs)
    return Completion(with_opened_tag(text, opened), reason, answer.usage and answer.usage.completion_tokens, None, logprobs)
