"""What writes the answers of a policy while it is trained: the engine of this project on the live weights, or TRL's vLLM.

With transformers on a processor an answer is decided by the weights and its request alone (:mod:`openr1.engines.transformers`),
so a run that is resumed meets the same answers.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from transformers import PreTrainedModel

from openr1.config.schema import Config
from openr1.data import prefill
from openr1.engines.base import Completion, Reply, Request, RequestError
from openr1.engines.codec import Codec
from openr1.engines.options import Sampling
from openr1.engines.transformers import Engine
from openr1.errors import RunError
from openr1.models.checkpoints import checkpoint_of

if TYPE_CHECKING:
    from trl import GRPOTrainer


@dataclass(frozen=True)
class Written:
    """The answers to one request.

    :ivar prompt: token ids.
    """

    prompt: list[int]
    reply: Reply

    @property
    def completions(self) -> tuple[Completion, ...]:
        return self.reply.completions

    @property
    def lengths(self) -> list[tuple[int, int]]:
        """Of each answer, the tokens of its prompt and its own, the end token included."""
        return [(len(self.prompt), len(one.token_ids)) for one in self.completions]


class PolicyGenerator(ABC):
    """Writes answers with the weights that the policy has now."""

    codec: Codec

    def ending(self, request: Request) -> str:
        """The end of a prompt, as the policy reads it.

        :raises RunError: where the prompt cannot be put to it.
        """
        try:
            return self.codec.tail(self.codec.encode(request, 2**31))
        except RequestError as error:
            raise RunError(f"a prompt cannot be answered: {error}; leave it out of the data") from error

    @abstractmethod
    def write(self, requests: Sequence[Request]) -> list[Written]:
        """The answers to each request, in their order.

        :raises RunError: where a request has fewer than it asked for.
        """


class LivePolicyGenerator(PolicyGenerator):
    """This project's engine; its model shares the weights of the one that is trained."""

    def __init__(self, model: PreTrainedModel, config: Config) -> None:
        # of the same parameters and buffers, but with an attention and layers of its own
        shared = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
        options = replace(config.engine, model=checkpoint_of(config.model, config.scale), revision=config.model.revision)
        self.engine = Engine(options, config.stage.sampling, copy.deepcopy(model, shared))
        self.codec = self.engine.codec
        weights = dict(model.named_parameters(remove_duplicate=False))
        self.copies = [(layer, weights[f"{name}.weight"]) for name, layer in self.engine.packed.items()]
        self.autocast = (model.device.type, torch.bfloat16, config.compute.precision == "bfloat16")

    def write(self, requests: Sequence[Request]) -> list[Written]:
        with torch.inference_mode():
            for layer, weight in self.copies:
                layer.load(weight)
        with torch.autocast(*self.autocast):
            replies = {reply.id: reply for reply in self.engine.generate(requests)}
        return [Written(self._prompt(one), whole(replies[one.id], one)) for one in requests]

    def _prompt(self, request: Request) -> list[int]:
        return self.codec.encode(request, self.engine.context)


class VllmPolicyGenerator(PolicyGenerator):
    """vLLM as TRL drives it, in this process or as a server. Its weights are brought up to date when the policy has changed."""

    def __init__(self, config: Config) -> None:
        self.codec = Codec(checkpoint_of(config.model, config.scale), config.model.revision)
        self.sampling: Sampling = config.stage.sampling
        self.context = config.engine.context
        self.trainer: GRPOTrainer | None = None  # known once it has been made with this writer

    def write(self, requests: Sequence[Request]) -> list[Written]:
        if self.trainer._last_loaded_step != self.trainer.state.global_step:  # TRL's own mark, for its rollouts
            self.trainer.vllm_generation.sync_weights()
            self.trainer._last_loaded_step = self.trainer.state.global_step
        [samples] = {request.n for request in requests}
        prompts = [self.codec.encode(request, self.context or 2**31) for request in requests]
        repeated = [prompt for prompt in prompts for _ in range(samples)]
        _, ids, logprobs, _ = self.trainer.vllm_generation.generate(repeated, images=None, num_generations=samples)
        opened = [self.codec.opens(prompt) for prompt in prompts for _ in range(samples)]
        texts = [prefill.whole(text, on) for text, on in zip(self.codec.decode(ids), opened, strict=True)]
        made = [
            Completion(text, "stop" if tokens[-1] in self.codec.end else "length", len(tokens), tuple(tokens), scores)
            for text, tokens, scores in zip(texts, ids, (tuple(one[0] for one in many) for many in logprobs), strict=True)
        ]
        groups = [tuple(made[start : start + samples]) for start in range(0, len(made), samples)]
        found = zip(requests, prompts, groups, strict=True)
        return [Written(prompt, Reply(request.id, group, len(prompt))) for request, prompt, group in found]


def whole(reply: Reply, request: Request) -> Reply:
    """:raises RunError: where answers are missing."""
    if len(reply.completions) != request.n:
        raise RunError(f"a prompt cannot be answered: {reply.error or 'answers are missing'}; leave it out of the data")
    return reply
