"""Options of ``engine=`` and of sampling. Nothing here imports the library of an engine."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from omegaconf import MISSING

from openr1.errors import ConfigError

DTYPES = ("float32", "bfloat16", "float16")


@dataclass
class Sampling:
    """Options of sampling. As usual, the ``top_k`` likeliest tokens are kept, and of these the nucleus of ``top_p``."""

    temperature: float = 1.0  # 0 for greedy decoding
    top_p: float = 1.0  # share of the probability that is kept, from the likeliest token down
    top_k: int | None = None  # null for all tokens
    max_tokens: int = 512  # tokens of a completion, at most; the model's context may end it earlier
    stop: list[str] = field(default_factory=list)  # texts that end a completion, and are left out of it
    n: int = 1  # completions of a request that does not set its own number


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
    device: str = "cpu"  # cpu or cuda
    dtype: str = "float32"
    batch_size: int = 64  # completions that are generated at once
    prefill_tokens: int = 4096  # tokens of prompts in one forward pass; a longer prompt has a pass of its own
    context: int | None = None  # tokens of prompt and completion; null for the model's positions
    fingerprinted: ClassVar[tuple[str, ...]] = ("dtype", "context")


@dataclass
class VllmEngine(EngineConfig):
    """Options of vLLM in this process. Its kernels do not repeat completions to the last bit."""

    kind: str = "vllm"
    dtype: str = "bfloat16"
    batch_size: int = 256  # completions that are generated at once
    context: int | None = None
    gpu_memory: float = 0.9  # share of the GPU's memory that vLLM uses
    tensor_parallel: int = 1  # GPUs that hold one copy of the model
    cpu_cache_gib: float = 2.0  # GiB of keys and values on a processor
    enforce_eager: bool = False  # do not compile: a faster start, slower generation; always so on a processor
    options: dict[str, Any] = field(default_factory=dict)  # further arguments of vllm.LLM
    fingerprinted: ClassVar[tuple[str, ...]] = ("dtype", "context", "options")


@dataclass
class OpenAIEngine(EngineConfig):
    """Options of a server with OpenAI's interface: a vLLM server, a hosted model."""

    kind: str = "openai"
    base_url: str = "http://localhost:8000/v1"
    api_key_env: str | None = "OPENAI_API_KEY"  # environment variable with the key; null for a server without keys
    concurrency: int = 32  # requests under way at once
    requests_per_minute: float | None = None  # null for no limit
    tokens_per_minute: float | None = None  # tokens of prompts and completions together; null for no limit
    timeout: float = 600.0  # seconds for one answer
    retries: int = 6  # further tries of a request that was throttled, failed at the server or timed out
    backoff: float = 1.0  # seconds before the second try; doubled before each further one, up to a minute
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


def check_engine(config: EngineConfig) -> None:
    """Refuse wrong options of an engine, before anything is loaded.

    :raises ConfigError: for the first key that is wrong.
    """
    if getattr(config, "device", "cpu") not in ("cpu", "cuda"):
        raise ConfigError(f"engine.device: {config.device!r} is not one of cpu, cuda")
    if getattr(config, "dtype", "float32") not in DTYPES:
        raise ConfigError(f"engine.dtype: {config.dtype!r} is not one of {', '.join(DTYPES)}")
    for key, value in vars(config).items():
        if key not in ("retries",) and isinstance(value, int | float) and not isinstance(value, bool) and value <= 0:
            raise ConfigError(f"engine.{key}: must be above 0, not {value:g}")
    if getattr(config, "gpu_memory", 0) > 1:
        raise ConfigError("engine.gpu_memory: must be a share, above 0 and at most 1")
    if getattr(config, "retries", 0) < 0:
        raise ConfigError("engine.retries: must not be negative")
    variable = getattr(config, "api_key_env", None)
    if variable and not os.environ.get(variable):
        raise ConfigError(
            f"engine.api_key_env: the environment has no {variable}; set it, or give null for a server without keys"
        )


def check_sampling(sampling: Sampling, key: str = "sampling") -> None:
    """Refuse wrong options of sampling.

    :param key: the key of the options in the config.
    :raises ConfigError: for the first key that is wrong.
    """
    if sampling.temperature < 0:
        raise ConfigError(f"{key}.temperature: must not be negative")
    if not 0 < sampling.top_p <= 1:
        raise ConfigError(f"{key}.top_p: must be above 0 and at most 1")
    for name in ("top_k", "max_tokens", "n"):
        value = getattr(sampling, name)
        if value is not None and value < 1:
            raise ConfigError(f"{key}.{name}: must be at least 1, not {value}")
    if "" in sampling.stop:
        raise ConfigError(f"{key}.stop: has an empty text, which would end every completion at once")
