"""Speculative decoding with multi-token prediction: a module guesses a token, and the next pass of the model verifies it.

A pass of the model reads the newest token of each completion and a draft of the token after it. The model's own token is drawn
at the first place, with the random number of that place. If it is the draft, the pass has also given the distribution after it,
from which the next token is drawn with its own random number. So every token is drawn by the model from the distribution and
the random number that it has without drafts, and the text is the same, whatever the drafts are.

A draft is drawn from the module's distribution with the random number of its place, not the likeliest token: where the two
distributions agree, so do the tokens, also at high temperatures. The module's own keys and values have a layer in the slots.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from openr1.engines.batch import Batch
from openr1.engines.kv_cache import ForwardPass, JoiningPrompt, align
from openr1.engines.options import Sampling
from openr1.engines.sampling import draw
from openr1.models.mtp import MultiTokenPrediction, head


class Drafted(Protocol):
    """A completion under way."""

    prompt: list[int]
    ids: list[int]
    logprobs: list[float]
    uniforms: Tensor
    draft: int


@dataclass
class Speculator:
    """Drafts for the completions of a batch, and their verification.

    :ivar verified: drafts whose place was reached.
    :ivar accepted: those among them that the model drew itself.
    """

    modules: MultiTokenPrediction
    verified: int = 0
    accepted: int = 0
    taken: list[int] = field(default_factory=list)  # slots whose drafts were accepted in the last pass

    def accept(
        self,
        batch: Batch,
        logits: Tensor,
        sampling: Sampling,
        ended: Mapping[int, Any],
        find_ended: Callable[[Sequence[int]], dict[int, Any]],
    ) -> dict[int, Any]:
        """Compare the drafts with the tokens that the model has drawn, and draw another token after each that is the same.

        :param logits: [drafts, vocabulary] of the tokens after the drafts.
        :param ended: what ends with its newest token, by slot; its draft is of no use.
        :param find_ended: returns what ends with its newest token, of some slots.
        :returns: what ends with the tokens added here, by slot.
        """
        running: list[Drafted] = batch.items
        reached = [slot for slot in range(len(logits)) if slot not in ended]
        self.taken = [slot for slot in reached if running[slot].ids[-1] == running[slot].draft]
        self.verified += len(reached)
        self.accepted += len(self.taken)
        if not self.taken:
            return {}
        drawn, logprobs = draw(logits, next_uniforms(running[: len(logits)], logits), sampling)
        for slot in self.taken:
            running[slot].ids.append(int(drawn[slot]))
            running[slot].logprobs.append(float(logprobs[slot]))
            batch.lengths[slot] += 1
        return find_ended(self.taken)

    @torch.inference_mode()
    def draft(self, batch: Batch, sampling: Sampling) -> None:
        """Draft the token after the newest one of each completion."""
        running: list[Drafted] = batch.items
        hidden = self.modules.hidden
        assert hidden is not None  # the last pass of the model set it
        for prompt in batch.joined:
            self._read_prompt(batch, prompt, hidden[:, prompt.start : prompt.stop])
        rows, taken = align(len(running)), set(self.taken)
        sources, ids, places = [], [], []
        for slot, pending in enumerate(running):
            used = 1 + (slot in taken)
            sources.append(slot)
            ids.append(pending.ids[-used])
            places.append(batch.lengths[slot] - used)
        for prompt in batch.joined:
            sources[prompt.slots] = [prompt.stop - 1] * (prompt.slots.stop - prompt.slots.start)
        unused = [0] * (rows - len(running))
        kept = list(range(len(running)))
        blocks = 1
        sources, ids, places = sources + unused, ids + unused, places + unused
        if taken:  # the second token of a pass, where there is one; elsewhere a place that the next pass writes anew
            blocks = 2
            sources += [batch.rows + slot if slot in taken else slot for slot in range(len(running))] + unused
            ids += [pending.ids[-1] for pending in running] + unused
            places += [place + 1 for place in places[: len(running)]] + unused
            kept = [rows + slot if slot in taken else slot for slot in kept]
        output = self._forward(batch, hidden[:, sources], ids, places, ForwardPlan(blocks, rows))
        logits = head(batch.model, output[:, kept + [kept[-1]] * (align(len(kept)) - len(kept))])[0, : len(kept)]
        drawn, _ = draw(logits, next_uniforms(running, logits), sampling)
        for pending, token in zip(running, drawn.tolist(), strict=True):
            pending.draft = token
        self.taken = []

    def _read_prompt(self, batch: Batch, prompt: JoiningPrompt, hidden: Tensor) -> None:
        """Store the module's keys and values at all places of a prompt but the last, whose next token differs by completion."""
        length = prompt.stop - prompt.start - 1
        if length < 1:
            return
        ids = batch.items[prompt.slots.start].prompt[1:]
        plan = ForwardPlan(1, 0, [JoiningPrompt(0, length, prompt.slots)])
        self._forward(batch, hidden[:, :length], ids, list(range(length)), plan)

    def _forward(self, batch: Batch, hidden: Tensor, ids: Sequence[int], places: Sequence[int], plan: ForwardPlan) -> Tensor:
        device, spare = hidden.device, align(len(ids)) - len(ids)
        positions = torch.tensor([*places, *[0] * spare], device=device)
        hidden = torch.nn.functional.pad(hidden, (0, 0, 0, spare))
        length = align(max(places) + 1)
        batch.slots.reserve(length)
        decoding = positions[: plan.blocks * plan.rows].view(plan.blocks, plan.rows)
        slots = ForwardPass(batch.slots, decoding, length, plan.prompts)
        tokens = torch.tensor([[*ids, *[0] * spare]], device=device)
        return self.modules.draft(batch.model, hidden, tokens, positions[None], slots=slots)

    def counts(self) -> dict[str, int]:
        """Return the numbers of drafts that were verified, and accepted."""
        return {"draft_tokens": self.verified, "accepted_tokens": self.accepted}


@dataclass(frozen=True)
class ForwardPlan:
    """Layout of a forward pass of the module: blocks of rows, one a completion, or a prompt."""

    blocks: int
    rows: int
    prompts: list[JoiningPrompt] = field(default_factory=list)


def next_uniforms(running: Sequence[Drafted], logits: Tensor) -> Tensor:
    """Return the random number of the next token of each completion; 0 beyond its last one, where none will be drawn."""
    numbers = [float(each.uniforms[len(each.ids)]) if len(each.ids) < len(each.uniforms) else 0.0 for each in running]
    return torch.tensor(numbers, dtype=torch.float64, device=logits.device)
