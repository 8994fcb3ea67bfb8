"""Generation by any server with OpenAI's interface: a vLLM server, llama.cpp, a hosted model.

Plain prompts go to its completions endpoint, messages to its chat endpoint. Each completion is a request of its own: every
server takes that, its tokens are counted and its seed is its own, and what fails costs one completion. Requests run side by
side in a thread with an event loop, at the pace of the limits in the config.
"""

from __future__ import annotations

import asyncio
import os
import queue
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from openr1.data.prefill import opens, whole
from openr1.engines import base
from openr1.engines.base import Completion, Gathering, Reply, Request, RequestError
from openr1.engines.options import OpenAIEngine, Sampling
from openr1.errors import ConfigError, RunError

LONGEST_WAIT = 60.0  # seconds between two tries, where the server does not ask for more
CHARACTERS = 3  # of a token, at least; for the pace, until the server has counted


class Pace:
    """Spreads an amount a minute evenly, so that no window of time holds more than its share.

    :param per_minute: None for no limit.
    """

    def __init__(self, per_minute: float | None) -> None:
        self.seconds = 60 / per_minute if per_minute else 0.0  # of one unit
        self.next = 0.0

    async def wait(self, amount: float) -> None:
        """Until so much may be asked for."""
        now = asyncio.get_running_loop().time()
        start = max(now, self.next)
        self.next = start + amount * self.seconds
        await asyncio.sleep(start - now)

    def settle(self, amount: float) -> None:
        """Give back what was asked for and not used; a negative amount was used beyond it."""
        self.next -= amount * self.seconds

    def hold(self, seconds: float) -> None:
        """Nothing more starts for so long."""
        self.next = max(self.next, asyncio.get_running_loop().time() + seconds)


class Engine(base.Engine):
    def __init__(self, config: OpenAIEngine, sampling: Sampling | None = None) -> None:
        super().__init__(sampling)
        if not config.model:
            raise ConfigError("engine.model: by which name does the server know the model?")
        try:
            import openai
        except ImportError as error:
            raise ConfigError("engine.kind: the package openai is not installed here") from error
        self.openai = openai
        self.config = config
        self.key = os.environ[config.api_key_env] if config.api_key_env else "none"

    def _generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Reply]:
        gathering = Gathering(requests, sampling.n)
        results: queue.SimpleQueue[Any] = queue.SimpleQueue()
        jobs = [(number, index) for number in range(len(requests)) for index in gathering.samples(number)]
        run = _Run(self, requests, sampling, jobs, results.put)
        thread = threading.Thread(target=run.start, daemon=True)
        thread.start()
        try:
            while (result := results.get()) is not None:
                if isinstance(result, BaseException):
                    raise result
                number, index, made, prompt_tokens = result
                if prompt_tokens is not None:
                    gathering.prompt_tokens[number] = prompt_tokens
                reply = gathering.add(number, index, made)
                if reply:
                    yield reply
        finally:
            run.cancel()
            thread.join()
            run.loop.close()


class _Run:
    """One call of generate: its event loop, its connections, its pace.

    :param jobs: numbers of a request and of its completion.
    :param report: called with ``(request, index, completion or error, prompt tokens)``, with an exception that ends the run,
        and at the end with None.
    """

    def __init__(
        self,
        engine: Engine,
        requests: Sequence[Request],
        sampling: Sampling,
        jobs: list[tuple[int, int]],
        report: Callable[[Any], None],
    ) -> None:
        self.openai, self.config, self.key = engine.openai, engine.config, engine.key
        self.requests, self.sampling, self.report = requests, sampling, report
        self.starts, self.tokens = Pace(self.config.requests_per_minute), Pace(self.config.tokens_per_minute)
        self.answered = False  # the server has, at least once
        self.loop = asyncio.new_event_loop()
        self.task = self.loop.create_task(self._all(jobs))

    def start(self) -> None:
        """Run to the end; in a thread of its own."""
        try:
            self.loop.run_until_complete(self.task)
        except asyncio.CancelledError:
            pass
        except BaseExceptionGroup as group:
            self.report(group.exceptions[0])
        except BaseException as error:  # whatever it is, it is the caller's
            self.report(error)
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.report(None)

    def cancel(self) -> None:
        """End what is under way; from any thread."""
        self.loop.call_soon_threadsafe(self.task.cancel)

    async def _all(self, jobs: list[tuple[int, int]]) -> None:
        remaining, config = iter(jobs), self.config
        client = self.openai.AsyncOpenAI(base_url=config.base_url, api_key=self.key, max_retries=0, timeout=config.timeout)
        async with client, asyncio.TaskGroup() as group:
            for _ in range(min(config.concurrency, len(jobs))):
                group.create_task(self._work(client, remaining))

    async def _work(self, client: Any, jobs: Iterator[tuple[int, int]]) -> None:
        for number, index in jobs:
            try:
                made, prompt_tokens = await self._ask(client, self.requests[number], index)
            except RequestError as error:
                made, prompt_tokens = error, None
            self.report((number, index, made, prompt_tokens))

    async def _ask(self, client: Any, request: Request, index: int) -> tuple[Completion, int | None]:
        """One completion, and the tokens of its prompt; with as many tries as the config allows."""
        openai, config = self.openai, self.config
        endpoint, arguments = self._call(client, request, index)
        prompt = request.prompt or "".join(message["content"] for message in request.messages)
        estimate = len(prompt) / CHARACTERS + self.sampling.max_tokens
        for attempt in range(config.retries + 1):
            await self.starts.wait(1)
            await self.tokens.wait(estimate)
            used = 0.0
            try:
                async with asyncio.timeout(config.timeout):
                    answer = await endpoint(**arguments)
                self.answered, used = True, estimate
                completion = _completion(answer, self._opened(request))
                if answer.usage:
                    used = answer.usage.total_tokens
                return completion, answer.usage and answer.usage.prompt_tokens
            except (TimeoutError, openai.APITimeoutError):
                reason = f"no answer within {config.timeout:g} s"
            except openai.APIConnectionError as error:
                reason = f"no connection: {error.__cause__ or error}"
                if attempt == config.retries and not self.answered:
                    raise RunError(f"engine.base_url: no server answers at {config.base_url}") from error
            except openai.APIStatusError as error:
                reason = f"{error.status_code}: {' '.join(error.message.split())}"
                self._fatal(error, reason)
                self.answered = True
                if error.status_code not in (408, 409, 425, 429) and error.status_code < 500:
                    raise RequestError(reason) from error
                self.starts.hold(_seconds(error.response.headers.get("retry-after")))
            except (openai.APIError, ValueError, TypeError, AttributeError) as error:
                raise RequestError(f"an answer of another form: {' '.join(str(error).split())}") from error
            finally:
                self.tokens.settle(estimate - used)
            if attempt < config.retries:
                wait = min(config.backoff * 2**attempt, LONGEST_WAIT)
                await asyncio.sleep(wait * random.uniform(0.5, 1))
        raise RequestError(f"{reason}, at the last of {config.retries + 1} tries")

    def _opened(self, request: Request) -> bool | None:
        """Tell whether the prompt ends with an open ``<think>``; None where only the server knows."""
        return self.config.opens_think if request.prompt is None else opens(request.prompt)

    def _call(self, client: Any, request: Request, index: int) -> tuple[Callable[..., Any], dict[str, Any]]:
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
        return client.chat.completions.create, {**arguments, "messages": [dict(message) for message in request.messages]}

    def _fatal(self, error: Any, reason: str) -> None:
        """:raises RunError: where no other request can fare better."""
        key, where = self.config.api_key_env, self.config.base_url
        if error.status_code == 401:
            raise RunError(f"engine.api_key_env: the server does not take the key of {key}; {reason}") from error
        if error.status_code == 404:
            raise RunError(f"engine.model: {where} has no {self.config.model}, or no such endpoint; {reason}") from error
        if error.status_code == 402 or error.code == "insufficient_quota":
            raise RunError(f"engine.base_url: the account at {where} cannot pay; {reason}") from error


def _seconds(header: str | None) -> float:
    """What ``Retry-After`` asks for; dates, which no such server sends, count as nothing."""
    try:
        return max(float(header or 0), 0.0)
    except ValueError:
        return 0.0


def _completion(answer: Any, opened: bool | None) -> Completion:
    if not answer.choices:
        raise RequestError("an answer without choices")
    choice = answer.choices[0]
    logprobs, reason = None, choice.finish_reason or "unknown"
    if hasattr(choice, "message"):
        text = choice.message.content or ""
        # servers that set the thoughts apart: DeepSeek's own, vLLM with a reasoning parser
        thoughts = getattr(choice.message, "reasoning_content", None) or getattr(choice.message, "reasoning", None)
        if thoughts:
            text = f"<think>{thoughts}</think>{text}" if text or reason == "stop" else f"<think>{thoughts}"
        if choice.logprobs and choice.logprobs.content:
            logprobs = tuple(token.logprob for token in choice.logprobs.content)
    else:
        text = choice.text or ""
        if choice.logprobs and choice.logprobs.token_logprobs:
            logprobs = tuple(choice.logprobs.token_logprobs)
    return Completion(whole(text, opened), reason, answer.usage and answer.usage.completion_tokens, None, logprobs)
