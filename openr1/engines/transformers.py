"""Generation with transformers in this process, on a processor or a GPU.

Completions are generated in a continuous batch (:mod:`openr1.engines.batch`): one that ends makes room for the next. Each draws
its tokens with random numbers of its own, seeded by its request (:meth:`Request.sample_seed`). On a processor in float32 a row
is independent of the other rows to the bit, so the model and the request alone decide a completion: requested alone, among
others, or after a resume, it is the same. With ``engine.speculative=mtp`` a pass may add two tokens to a completion, and the
text is still the same (:mod:`openr1.engines.speculation`). In 16 bits and on GPUs this holds up to rounding, which rarely
changes a token.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.utils.logging import disable_progress_bar

from openr1.distributed.devices import require_device
from openr1.engines import base
from openr1.engines.base import Completion, KeptTokens, Reply, ReplyCollector, Request, RequestError
from openr1.engines.batch import Batch, prepare
from openr1.engines.codec import Codec
from openr1.engines.options import Sampling, TransformersEngine
from openr1.engines.sampling import draw, sampling_distribution, uniforms
from openr1.engines.speculation import Speculator
from openr1.models import mtp
from openr1.models.checkpoints import load_model
from openr1.models.mtp_files import check_modules
from openr1.system.errors import ConfigError


@dataclass
class PendingCompletion:
    """A completion that waits or is under way."""

    request: int
    index: int
    prompt: list[int]
    limit: int  # tokens
    seed: int
    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    sampled_logprobs: list[float] = field(default_factory=list)  # if the engine records distributions
    kept: list[np.ndarray] = field(default_factory=list)  # of each token, the ids among which it was drawn
    uniforms: torch.Tensor = field(default_factory=lambda: torch.empty(0))  # [limit], once it is under way
    draft: int = 0  # with speculation, a guess at the next token


class Engine(base.Engine):
    """An engine on a model of transformers.

    :param model: a loaded model to use, which the engine changes; its tokenizer is that of ``config.model``.
    :ivar records: completions have ``sampled_logprobs`` and ``kept``; not with drafts.
    """

    records = False

    def __init__(
        self, config: TransformersEngine, sampling: Sampling | None = None, model: PreTrainedModel | None = None
    ) -> None:
        super().__init__(sampling)
        self.config = config
        if not config.model:
            raise ConfigError("engine.model: no model is given; give a directory or a Hub id")
        self.codec = Codec(config.model, config.revision)
        self.model = (self._load_model() if model is None else model).eval()
        self.speculator = Speculator(self.model.mtp) if config.speculative else None
        self.context = config.context or self.model.config.get_text_config().max_position_embeddings
        self.packed = prepare(self.model)

    def _load_model(self) -> PreTrainedModel:
        config = self.config
        disable_progress_bar()
        require_device("engine.device", config.device)
        if config.speculative:
            check_modules(config.model)
        model = load_model("engine.model", config.model or "", config.revision, dtype=config.dtype)
        if config.speculative:
            mtp.attach(model, 1, seed=0, checkpoint=config.model)
        return model.to(config.device)

    def _generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Reply]:
        collector = ReplyCollector(requests, sampling.n)
        waiting: list[PendingCompletion] = []
        for number, request in enumerate(requests):
            try:
                prompt = self.codec.encode(request, self.context)
            except RequestError as error:
                yield collector.refuse(number, error)
                continue
            collector.prompt_tokens[number] = len(prompt)
            collector.opened[number] = self.codec.opens(prompt)
            limit = min(sampling.max_tokens, self.context - len(prompt))
            seeds = {index: request.sample_seed(index) for index in collector.samples(number)}
            waiting += [PendingCompletion(number, index, prompt, limit, seed) for index, seed in seeds.items()]
        # long prompts first: slots of one time are then about as long, and the last ones are short
        waiting.sort(key=lambda pending: (len(pending.prompt), -pending.request, -pending.index))
        for pending, completion in self._write(waiting, sampling):
            reply = collector.add(pending.request, pending.index, completion)
            if reply:
                yield reply

    def _write(self, waiting: list[PendingCompletion], sampling: Sampling) -> Iterator[tuple[PendingCompletion, Completion]]:
        """Yield each completion as it ends; ``waiting`` is emptied from its end."""
        size = min(self.config.batch_size, len(waiting))
        batch = Batch(self.model, size)
        running: list[PendingCompletion] = batch.items
        while waiting or running:
            tokens = [pending.ids[-1] for pending in running]
            drafts = [pending.draft for pending in running] if self.speculator else []
            joining: list[tuple[list[int], list[PendingCompletion]]] = []
            # a pass with prompts is slower than one without, so prompts wait to join together
            if not running or size - len(running) >= max(1, size // 8):
                joining = self._admit(waiting, size - len(running))
            logits = batch.step(tokens, joining, drafts)
            logits, after_drafts = logits[: len(running)], logits[len(running) :]
            draws = torch.stack([pending.uniforms[len(pending.ids)] for pending in running]).to(logits.device)
            drawn, logprobs = draw(logits, draws, sampling)
            for pending, token, logprob in zip(running, drawn.tolist(), logprobs.tolist(), strict=True):
                pending.ids.append(token)
                pending.logprobs.append(logprob)
            if self.records:
                _record(running, logits, drawn, sampling)
            find_ended = partial(self._find_ended, running, sampling.stop)
            ended = find_ended(range(len(running)))
            if self.speculator:
                ended |= self.speculator.accept(batch, after_drafts, sampling, ended, find_ended)
                if len(ended) < len(running):
                    self.speculator.draft(batch, sampling)
            for slot in sorted(ended, reverse=True):
                yield batch.remove(slot), ended[slot]

    def counts(self) -> dict[str, int]:
        return self.speculator.counts() if self.speculator else {}

    def _admit(self, waiting: list[PendingCompletion], free: int) -> list[tuple[list[int], list[PendingCompletion]]]:
        """Take at most ``free`` completions from the end of ``waiting``: prompts, with the completions that begin with each."""
        joining: list[tuple[list[int], list[PendingCompletion]]] = []
        tokens = 0
        while waiting and free:
            pending = waiting[-1]
            if joining and joining[-1][0] is pending.prompt:
                joining[-1][1].append(pending)
            elif not joining or tokens + len(pending.prompt) <= self.config.prefill_tokens:
                joining.append((pending.prompt, [pending]))
                tokens += len(pending.prompt)
            else:
                break
            pending.uniforms = uniforms(pending.seed, pending.limit)
            waiting.pop()
            free -= 1
        return joining

    def _find_ended(self, running: list[PendingCompletion], stop: list[str], slots: Sequence[int]) -> dict[int, Completion]:
        """Return, by slot, the completions among ``slots`` that end with their last token."""
        chosen = [running[slot] for slot in slots]
        stopped = self._find_stopped(chosen, stop) if stop else [False] * len(chosen)
        ended = {}
        for slot, pending, is_stopped in zip(slots, chosen, stopped, strict=True):
            at_end = pending.ids[-1] in self.codec.end
            if not (at_end or is_stopped or len(pending.ids) == pending.limit):
                continue
            [text] = self.codec.decode([pending.ids])
            cut = min((text.index(word) for word in stop if word in text), default=None)
            reason = "stop" if at_end or cut is not None else "length"
            ids, logprobs = tuple(pending.ids), tuple(pending.logprobs)
            sampled = tuple(pending.sampled_logprobs) or None
            ended[slot] = Completion(text[:cut], reason, len(ids), ids, logprobs, sampled, _joined(pending.kept))
        return ended

    def _find_stopped(self, running: list[PendingCompletion], stop: list[str]) -> list[bool]:
        """Tell for each completion whether its last token completes a stop text."""
        # a token is at least a byte of text, and an earlier stop text has ended its completion already
        longest = max(len(word.encode()) for word in stop)
        tails = self.codec.decode([pending.ids[-longest:] for pending in running])
        return [any(word in tail for word in stop) for tail in tails]


def _record(running: Sequence[PendingCompletion], logits: Tensor, drawn: Tensor, sampling: Sampling) -> None:
    """Record the distribution that the newest token of each completion was drawn from."""
    logprobs, kept = sampling_distribution(logits, drawn, sampling)
    for pending, logprob in zip(running, logprobs.tolist(), strict=True):
        pending.sampled_logprobs.append(logprob)
    if kept is None:
        return
    ids = kept.nonzero()[:, 1].cpu().numpy().astype(np.int32)
    ends = kept.sum(-1).cumsum(0).tolist()
    for pending, start, end in zip(running, [0, *ends], ends, strict=False):
        pending.kept.append(ids[start:end])


def _joined(kept: Sequence[np.ndarray]) -> KeptTokens | None:
    if not kept:
        return None
    return KeptTokens(np.concatenate(kept), np.array([len(ids) for ids in kept], dtype=np.int32))
