"""``engine=``: what generates text, and how a completion is drawn. Light: nothing here imports an engine's own libraries."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any, ClassVar

from omegaconf import MISSING

from openr1.errors import ConfigError

DTYPES = ("float32", "bfloat16", "float16")


@dataclass
class Sampling:
    """How completions are drawn. Truncation is as everywhere: the ``top_k`` likeliest tokens, then of these ``top_p``."""

    temperature: float = 1.0  # 0: the likeliest token, always
    top_p: float = 1.0  # share of the probability that is kept, from the likeliest token down
    top_k: int | None = None  # null for all tokens
    max_tokens: int = 512  # of a completion; fewer where the model's context ends
    stop: list[str] = field(default_factory=list)  # texts that end a completion, and are no part of it
    n: int = 1  # completions of a prompt, where the request does not say


@dataclass
class EngineConfig:
    """``kind`` selects the subclass below."""

    kind: str = MISSING
    kinds: ClassVar[dict[str, type[EngineConfig]]]
    model: str | None = None  # directory, Hub id or a server's name of the model; null for the model of the run
    revision: str | None = None  # branch, tag or commit of a Hub model
    served: ClassVar[bool] = False  # someone else runs the model: its weights are not known here
    # what changes a completion, beside the model, the request and the sampling; the rest changes only the speed
    decisive: ClassVar[tuple[str, ...]] = ()


@dataclass
class TransformersEngine(EngineConfig):
    """transformers in this process. On a processor in float32, a completion depends on nothing but its own request."""

    kind: str = "transformers"
    device: str = "cpu"  # cpu or cuda
    dtype: str = "float32"
    batch_size: int = 64  # completions that are written side by side
    prefill_tokens: int = 4096  # of prompts, in one forward pass; a longer prompt has a pass of its own
    context: int | None = None  # tokens of prompt and completion; null for the model's positions
    decisive: ClassVar[tuple[str, ...]] = ("dtype", "context")


@dataclass
class VllmEngine(EngineConfig):
    """vLLM in this process. Its completions are repeatable about as far as its kernels are: not to the last bit."""

    kind: str = "vllm"
    dtype: str = "bfloat16"
    batch_size: int = 256  # completions that are written side by side
    context: int | None = None
    gpu_memory: float = 0.9  # share of the GPU that it takes
    tensor_parallel: int = 1  # GPUs that hold one copy of the model
    cpu_cache_gib: float = 2.0  # GiB of keys and values, where it runs on a processor
    enforce_eager: bool = False  # no compilation: a fast start and slower generation; so on a processor in any case
    options: dict[str, Any] = field(default_factory=dict)  # further arguments of vllm.LLM
    decisive: ClassVar[tuple[str, ...]] = ("dtype", "context", "options")


@dataclass
class OpenAIEngine(EngineConfig):
    """Any server with OpenAI's interface: a vLLM server, a hosted model."""

    kind: str = "openai"
    base_url: str = "http://localhost:8000/v1"
    api_key_env: str | None = "OPENAI_API_KEY"  # environment variable with the key; null for a server that asks for none
    concurrency: int = 32  # requests under way at once
    requests_per_minute: float | None = None  # null: as many as the server takes
    tokens_per_minute: float | None = None  # prompts and completions together
    timeout: float = 600.0  # seconds for one answer
    retries: int = 6  # further tries of a request that was refused for now, failed at the server or timed out
    backoff: float = 1.0  # seconds before the second try; doubled at each further one, up to a minute
    logprobs: bool = False  # ask for the log-probabilities of the tokens
    max_tokens_key: str = "max_tokens"  # as the server calls it; max_completion_tokens for OpenAI's own reasoning models
    # the server's chat template ends with <think>, and thoughts are in the text; null: where a completion ends them unopened
    opens_think: bool | None = None
    options: dict[str, Any] = field(default_factory=dict)  # further fields of every request
    served: ClassVar[bool] = True
    decisive: ClassVar[tuple[str, ...]] = ("base_url", "opens_think", "options")


ENGINES: dict[str, type[EngineConfig]] = {engine.kind: engine for engine in (TransformersEngine, VllmEngine, OpenAIEngine)}
EngineConfig.kinds = ENGINES


def check(config: EngineConfig) -> None:
    """Refuse an impossible engine, before anything is loaded.

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
        raise ConfigError("engine.gpu_memory: is a share, between 0 and 1")
    if getattr(config, "retries", 0) < 0:
        raise ConfigError("engine.retries: must not be negative")
    variable = getattr(config, "api_key_env", None)
    if variable and not os.environ.get(variable):
        raise ConfigError(f"engine.api_key_env: the environment has no {variable}; set it, or give null if no key is asked for")


def check_sampling(sampling: Sampling, key: str = "sampling") -> None:
    """Refuse impossible sampling.

    :param key: where it stands in the config.
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
        raise ConfigError(f"{key}.stop: holds an empty text, which would end every completion at once")
