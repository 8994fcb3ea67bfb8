"""Options of ``engine=`` and of sampling. Nothing here imports the library of an engine."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from annotated_types import Ge, Gt, Interval, Le, MinLen
from omegaconf import MISSING

from openr1.options import check_ranges
from openr1.options.ranges import Count, CountOrZero, MayBeEmpty, OneOf, Positive, PositiveShare, Seconds, Unit
from openr1.system.errors import ConfigError

DTYPES = ("float32", "bfloat16", "float16")


@dataclass
class Sampling:
    """Options of sampling. As usual, the ``top_k`` likeliest tokens are kept, and of these the nucleus of ``top_p``."""

    temperature: Annotated[float, Interval(ge=0, le=100)] = 1.0  # 0 for greedy decoding
    top_p: PositiveShare = 1.0  # share of the probability that is kept, from the likeliest token down
    top_k: Count | None = None  # null for all tokens
    # tokens of a completion, at most; the model's context may end it earlier
    max_tokens: Annotated[int, Ge(1), Le(10**7), Unit("tokens")] = 512
    # a text that ends a completion may be white space, such as a line break
    stop: list[Annotated[str, MinLen(1), MayBeEmpty()]] = field(
        default_factory=list
    )  # texts that end a completion, and are left out of it
    n: Count = 1  # completions of a request that does not set its own number

    @property
    def truncates(self) -> bool:
        """Return True if tokens are drawn from a part of the vocabulary."""
        return self.top_p < 1 or self.top_k is not None

    @property
    def plain(self) -> bool:
        """Return True if tokens are drawn from the distribution of the model itself."""
        return self.temperature == 1 and not self.truncates


@dataclass
class EngineConfig:
    """Options of any engine; ``kind`` selects the subclass."""

    kind: str = MISSING
    kinds: ClassVar[dict[str, type[EngineConfig]]]
    model: str | None = None  # directory, Hub id or a server's name of the model; null for the model of the run
    revision: str | None = None  # branch, tag or commit of a Hub model
    served: ClassVar[bool] = False  # a server runs the model, so that its weights are unknown here
    # options that change a completion, beside the model, the request and the sampling; the others change only the speed
    fingerprinted: ClassVar[tuple[str, ...]] = ()

    if TYPE_CHECKING:  # options of a subclass

        def __getattr__(self, name: str) -> Any: ...


@dataclass
class TransformersEngine(EngineConfig):
    """Options of transformers in this process. On a processor in float32, a completion depends on its own request alone."""

    kind: str = "transformers"
    device: Annotated[str, OneOf(("cpu", "cuda"))] = "cpu"  # cpu or cuda
    dtype: Annotated[str, OneOf(DTYPES)] = "float32"
    batch_size: Count = 64  # completions that are generated at once
    prefill_tokens: Count = 4096  # tokens of prompts in one forward pass; a longer prompt has a pass of its own
    # tokens of prompt and completion; null for the model's positions
    context: Annotated[int, Ge(2), Le(10**7), Unit("tokens")] | None = None
    # mtp: draft tokens with the modules of multi-token prediction beside the model; the text is the same, faster
    speculative: Annotated[str, OneOf(("mtp",))] | None = None
    fingerprinted: ClassVar[tuple[str, ...]] = ("dtype", "context")


@dataclass
class VllmEngine(EngineConfig):
    """Options of vLLM in this process. Its kernels do not repeat completions to the last bit."""

    kind: str = "vllm"
    dtype: Annotated[str, OneOf(DTYPES)] = "bfloat16"
    batch_size: Count = 256  # completions that are generated at once
    context: Annotated[int, Ge(2), Le(10**7), Unit("tokens")] | None = None
    gpu_memory: PositiveShare = 0.9  # share of the GPU's memory that vLLM uses
    tensor_parallel: Annotated[int, Ge(1), Le(4096)] = 1  # GPUs that hold one copy of the model
    cpu_cache_gib: Annotated[float, Gt(0), Le(1e6), Unit("GiB")] = 2.0  # GiB of keys and values on a processor
    enforce_eager: bool = False  # do not compile: a faster start, slower generation; always so on a processor
    options: dict[str, Any] = field(default_factory=dict)  # further arguments of vllm.LLM
    fingerprinted: ClassVar[tuple[str, ...]] = ("dtype", "context", "options")


@dataclass
class OpenAIEngine(EngineConfig):
    """Options of a server with OpenAI's interface: a vLLM server, a hosted model."""

    kind: str = "openai"
    base_url: str = "http://localhost:8000/v1"
    api_key_env: str | None = "OPENAI_API_KEY"  # environment variable with the key; null for a server without keys
    concurrency: Annotated[int, Ge(1), Le(100_000)] = 32  # requests under way at once
    requests_per_minute: Positive | None = None  # null for no limit
    tokens_per_minute: Positive | None = None  # tokens of prompts and completions together; null for no limit
    timeout: Seconds = 600.0  # seconds for one answer
    retries: CountOrZero = 6  # further tries of a request that was throttled, failed at the server or timed out
    backoff: Seconds = 1.0  # seconds before the second try; doubled before each further one, up to a minute
    logprobs: bool = False  # request the log-probabilities of the tokens
    max_tokens_key: str = "max_tokens"  # the server's name of the limit; max_completion_tokens for OpenAI's reasoning models
    # true: the server's chat template ends with <think>, and the text has the thoughts; null: infer it from a completion
    # that closes thoughts without opening them
    opens_think: bool | None = None
    options: dict[str, Any] = field(default_factory=dict)  # further fields of every request
    served: ClassVar[bool] = True
    fingerprinted: ClassVar[tuple[str, ...]] = ("base_url", "opens_think", "options")


ENGINES: dict[str, type[EngineConfig]] = {engine.kind: engine for engine in (TransformersEngine, VllmEngine, OpenAIEngine)}
EngineConfig.kinds = ENGINES


def check_engine(config: EngineConfig, key: str = "engine") -> None:
    """Refuse wrong options of an engine, before anything is loaded.

    :param key: where the options stand in the config, for messages.
    :raises ConfigError: for the first key that is wrong.
    """
    check_ranges(config, key)
    variable = getattr(config, "api_key_env", None)
    if variable and not os.environ.get(variable):
        raise ConfigError(
            f"{key}.api_key_env: the environment has no {variable}; set it, or give null for a server without keys"
        )
