"""Generation of a policy's answers during training: by the engine of this project on the live weights, or by TRL's vLLM.

With transformers on a processor, an answer depends on the weights and its request alone (:mod:`openr1.engines.transformers`),
so a resumed run gets the same answers.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import torch
from transformers import PreTrainedModel

from openr1.data import prefill
from openr1.engines.base import Completion, KeptTokens, Reply, Request, RequestError
from openr1.engines.codec import Codec
from openr1.engines.options import Sampling, TransformersEngine, VllmEngine
from openr1.engines.transformers import Engine
from openr1.models.checkpoints import checkpoint_of
from openr1.system.errors import RunError

if TYPE_CHECKING:
    from trl import GRPOTrainer

    from openr1.config.schema import Config

T = TypeVar("T")


@dataclass(frozen=True)
class PolicyReply:
    """Reply of the policy to one request, whose tokens are all known.

    :ivar prompt_ids: token ids of the prompt.
    """

    prompt_ids: list[int]
    reply: Reply

    @property
    def completions(self) -> tuple[Completion, ...]:
        """Return the answers."""
        return self.reply.completions

    @property
    def token_ids(self) -> list[tuple[int, ...]]:
        """Return the token ids of each answer, the end token included."""
        return [_known(completion.token_ids) for completion in self.completions]

    @property
    def sampled_logprobs(self) -> list[tuple[float, ...]]:
        """Return the log-probabilities of the tokens of each answer under the distribution that they were drawn from."""
        return [_known(completion.sampled_logprobs or completion.logprobs) for completion in self.completions]

    @property
    def kept(self) -> list[KeptTokens | None]:
        """Return the tokens among which those of each answer were drawn; None where nothing was left out."""
        return [completion.kept for completion in self.completions]

    @property
    def lengths(self) -> list[tuple[int, int]]:
        """Return the tokens of the prompt and of the answer, the end token included, for each answer."""
        return [(len(self.prompt_ids), len(ids)) for ids in self.token_ids]

    @property
    def response_tokens(self) -> list[int]:
        """Return the number of tokens of each answer without the end token."""
        return [_known(completion.tokens) - completion.finished for completion in self.completions]


def _known(value: T | None) -> T:
    assert value is not None  # only servers leave out tokens and log-probabilities
    return value


class PolicyGenerator(ABC):
    """Generator of answers with the current weights of the policy."""

    codec: Codec

    def prompt_ending(self, request: Request) -> str:
        """Return the end of a prompt, as the policy reads it.

        :raises RunError: if the policy cannot read the prompt.
        """
        try:
            return self.codec.tail(self.codec.encode(request, 2**31))
        except RequestError as error:
            raise RunError(f"a prompt cannot be answered: {error}; leave it out of the data") from error

    @abstractmethod
    def generate(self, requests: Sequence[Request]) -> list[PolicyReply]:
        """Answer each request, in order.

        :raises RunError: if a request gets fewer answers than it asks for.
        """


class LivePolicyGenerator(PolicyGenerator):
    """Generator with the engine of this project, whose model shares the weights of the trained one."""

    def __init__(self, model: PreTrainedModel, config: Config) -> None:
        # the copy has the same parameters and buffers, but its own attention and layers
        shared = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
        assert isinstance(config.engine, TransformersEngine)
        options = replace(config.engine, model=_checkpoint(config), revision=config.model.revision)
        self.autocast = (model.device.type, torch.bfloat16, config.compute.precision == "bfloat16")
        with torch.autocast(*self.autocast):  # the engine tries the model, whose attention may take 16 bits only
            self.engine = Engine(options, config.stage.sampling, copy.deepcopy(model, shared))
        self.engine.records = not config.stage.sampling.plain
        self.codec = self.engine.codec
        weights = dict(model.named_parameters(remove_duplicate=False))
        self.copies = [(layer, weights[f"{name}.weight"]) for name, layer in self.engine.packed.items()]

    def generate(self, requests: Sequence[Request]) -> list[PolicyReply]:
        if not requests:  # there are fewer problems than ranks
            return []
        with torch.inference_mode():
            for layer, weight in self.copies:
                layer.load(weight)
        with torch.autocast(*self.autocast):
            replies = {reply.id: reply for reply in self.engine.generate(requests)}
        return [
            PolicyReply(self.codec.encode(request, self.engine.context), check_complete(replies[request.id], request))
            for request in requests
        ]


class VllmPolicyGenerator(PolicyGenerator):
    """Generator with vLLM as TRL runs it, in this process or as a server. Its weights are synchronised after each update."""

    def __init__(self, config: Config) -> None:
        assert isinstance(config.engine, VllmEngine)
        self.codec = Codec(_checkpoint(config), config.model.revision)
        self.sampling: Sampling = config.stage.sampling
        self.context = config.engine.context
        self.trainer: GRPOTrainer | None = None  # set after the trainer has been built with this generator

    def generate(self, requests: Sequence[Request]) -> list[PolicyReply]:
        assert self.trainer is not None
        if self.trainer._last_loaded_step != self.trainer.state.global_step:  # TRL sets it for its own rollouts
            self.trainer.vllm_generation.sync_weights()
            self.trainer._last_loaded_step = self.trainer.state.global_step
        [samples] = {request.n for request in requests}
        assert samples is not None
        prompts = [self.codec.encode(request, self.context or 2**31) for request in requests]
        repeated = [prompt for prompt in prompts for _ in range(samples)]
        _, ids, logprobs, _ = self.trainer.vllm_generation.generate(repeated, images=None, num_generations=samples)
        opened = [self.codec.opens(prompt) for prompt in prompts for _ in range(samples)]
        texts = [prefill.with_opened_tag(text, on) for text, on in zip(self.codec.decode(ids), opened, strict=True)]
        # TRL lists the sampled token first, and asks for probabilities after temperature
        scores = [tuple(candidates[0] for candidates in tokens) for tokens in logprobs]
        completions = [
            Completion(text, "stop" if tokens[-1] in self.codec.end else "length", len(tokens), tuple(tokens), values)
            for text, tokens, values in zip(texts, ids, scores, strict=True)
        ]
        groups = [tuple(completions[start : start + samples]) for start in range(0, len(completions), samples)]
        return [
            PolicyReply(prompt, Reply(request.id, group, len(prompt)))
            for request, prompt, group in zip(requests, prompts, groups, strict=True)
        ]


def _checkpoint(config: Config) -> str:
    checkpoint = checkpoint_of(config.model, config.scale)
    assert checkpoint is not None  # openr1.stages.validation.check_stage
    return checkpoint


def check_complete(reply: Reply, request: Request) -> Reply:
    """Return the reply.

    :raises RunError: if answers are missing.
    """
    if len(reply.completions) != request.n:
        raise RunError(f"a prompt cannot be answered: {reply.error or 'answers are missing'}; leave it out of the data")
    return reply
