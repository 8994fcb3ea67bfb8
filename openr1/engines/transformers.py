"""Generation with transformers in this process, on a processor or a GPU.

Completions are written side by side (:mod:`openr1.engines.batch`): one that ends makes room for the next. Each draws its tokens
with numbers of its own, seeded by its request (:meth:`Request.sample_seed`). On a processor in float32 all that a row meets is
independent of the other rows to the bit, so a completion is decided by the model and its request: asked alone, among others, or
after a resume, it is the same. In 16 bits and on GPUs that holds up to rounding, and a token in very many may fall on the other
side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.utils.logging import disable_progress_bar

from openr1.engines import base
from openr1.engines.base import Completion, Gathering, Reply, Request, RequestError
from openr1.engines.batch import Batch, prepare
from openr1.engines.codec import Codec
from openr1.engines.options import Sampling, TransformersEngine
from openr1.engines.sampling import draw, uniforms
from openr1.errors import ConfigError


@dataclass
class Writing:
    """A completion under way."""

    request: int
    index: int
    prompt: list[int]
    limit: int  # tokens
    seed: int
    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    uniforms: torch.Tensor | None = None


class Engine(base.Engine):
    """:param model: one that is here already, whose tokenizer is that of ``config.model``; the engine makes it its own."""

    def __init__(
        self, config: TransformersEngine, sampling: Sampling | None = None, model: PreTrainedModel | None = None
    ) -> None:
        super().__init__(sampling)
        self.config = config
        if not config.model:
            raise ConfigError("engine.model: which model is to be run? give a directory or a Hub id")
        self.codec = Codec(config.model, config.revision)
        self.model = (self._loaded() if model is None else model).eval()
        self.context = config.context or self.model.config.get_text_config().max_position_embeddings
        self.packed = prepare(self.model)

    def _loaded(self) -> PreTrainedModel:
        config = self.config
        disable_progress_bar()
        try:
            model = AutoModelForCausalLM.from_pretrained(config.model, revision=config.revision or "main", dtype=config.dtype)
        except (OSError, ValueError) as error:
            raise ConfigError(f"engine.model: {config.model} cannot be loaded: {str(error).splitlines()[0]}") from error
        if config.device == "cuda" and not torch.cuda.is_available():
            raise ConfigError("engine.device: no GPU is here; give cpu")
        return model.to(config.device)

    def _generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Reply]:
        gathering, waiting = Gathering(requests, sampling.n), []
        for number, request in enumerate(requests):
            try:
                prompt = self.codec.encode(request, self.context)
            except RequestError as error:
                yield gathering.refuse(number, error)
                continue
            gathering.prompt_tokens[number] = len(prompt)
            gathering.opened[number] = self.codec.opens(prompt)
            limit = min(sampling.max_tokens, self.context - len(prompt))
            seeds = {index: request.sample_seed(index) for index in gathering.samples(number)}
            waiting += [Writing(number, index, prompt, limit, seed) for index, seed in seeds.items()]
        # long prompts first: slots beside each other are then about as long, and the last ones are short
        waiting.sort(key=lambda one: (len(one.prompt), -one.request, -one.index))
        for one, completion in self._write(waiting, sampling):
            reply = gathering.add(one.request, one.index, completion)
            if reply:
                yield reply

    def _write(self, waiting: list[Writing], sampling: Sampling) -> Iterator[tuple[Writing, Completion]]:
        """Each completion as it ends; ``waiting`` is emptied from its end."""
        size = min(self.config.batch_size, len(waiting))
        batch = Batch(self.model, size)
        writing: list[Writing] = batch.items
        while waiting or writing:
            tokens, joining = [one.ids[-1] for one in writing], []
            # a prompt costs a little each time one joins, so some wait for each other
            if not writing or size - len(writing) >= max(1, size // 8):
                joining = self._admit(waiting, size - len(writing))
            logits = batch.step(tokens, joining)
            draws = torch.stack([one.uniforms[len(one.ids)] for one in writing]).to(logits.device)
            drawn, logprobs = draw(logits, draws, sampling)
            for one, token, logprob in zip(writing, drawn.tolist(), logprobs.tolist(), strict=True):
                one.ids.append(token)
                one.logprobs.append(logprob)
            ended = self._ended(writing, sampling.stop)
            for slot in sorted(ended, reverse=True):
                yield batch.remove(slot), ended[slot]

    def _admit(self, waiting: list[Writing], free: int) -> list[tuple[list[int], list[Writing]]]:
        """The next completions, as prompts with all that begin with each."""
        joining: list[tuple[list[int], list[Writing]]] = []
        tokens = 0
        while waiting and free:
            one = waiting[-1]
            if joining and joining[-1][0] is one.prompt:
                joining[-1][1].append(one)
            elif not joining or tokens + len(one.prompt) <= self.config.prefill_tokens:
                joining.append((one.prompt, [one]))
                tokens += len(one.prompt)
            else:
                break
            one.uniforms = uniforms(one.seed, one.limit)
            waiting.pop()
            free -= 1
        return joining

    def _ended(self, writing: list[Writing], stop: list[str]) -> dict[int, Completion]:
        """The completions, by slot, that their last token ended."""
        stopped = self._stopped(writing, stop) if stop else [False] * len(writing)
        ended = {}
        for slot, one in enumerate(writing):
            at_end = one.ids[-1] in self.codec.end
            if not (at_end or stopped[slot] or len(one.ids) == one.limit):
                continue
            [text] = self.codec.decode([one.ids])
            cut = min((text.index(word) for word in stop if word in text), default=None)
            reason = "stop" if at_end or cut is not None else "length"
            ended[slot] = Completion(text[:cut], reason, len(one.ids), tuple(one.ids), tuple(one.logprobs))
        return ended

    def _stopped(self, writing: list[Writing], stop: list[str]) -> list[bool]:
        # a token is a byte of text at least, and a stop text that was there before has ended its completion
        longest = max(len(word.encode()) for word in stop)
        tails = self.codec.decode([one.ids[-longest:] for one in writing])
        return [any(word in tail for word in stop) for tail in tails]
