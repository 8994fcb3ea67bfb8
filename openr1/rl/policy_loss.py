"""TRL's policy losses on the distribution that answers are sampled from, the same however a step is split.

Three things differ from TRL's own trainer (version 1.16):

- Probabilities are those of :mod:`openr1.rl.answer_scoring`, and are compared with the sampler's (:mod:`openr1.rl.mismatch`).
- Means over tokens (entropy, KL divergence, clip ratios, the losses ``bnpo`` and the entropy bonus, the quantile of
  ``top_entropy``) are taken over a step and all ranks. TRL takes them over each micro-batch of a rank and then over these,
  where a token of a short answer counts more.
- The rows of a step are sorted by length before they are split into micro-batches.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from trl import GRPOTrainer

from openr1.engines.base import KeptTokens
from openr1.rl.answer_scoring import ROWS, Rows, score_answers, truncated_scores
from openr1.rl.generation import PolicyReply
from openr1.rl.mismatch import Mismatch, mismatch, truncated_weights
from openr1.rl.shared_updates import SharedUpdates

# TRL's names of means over tokens
TOKEN_MEANS = ("entropy", "kl", "clip_ratio/low_mean", "clip_ratio/high_mean", "clip_ratio/region_mean", "cispo_clip_ratio")
MAXIMA = ("sampler_difference_max",)  # metrics whose largest value counts, not their mean
Batch = dict[str, Any]


class PolicyLossTrainer(SharedUpdates, GRPOTrainer):
    """Trainer whose losses fit the sampler, and do not depend on ``compute.micro_batch``.

    :ivar kept: of each answer of the last rollout, on all ranks, the tokens that the sampler kept; None where it kept all.
    :ivar tis_cap: cap of truncated importance sampling; None for no weights.
    """

    kept: Sequence[KeptTokens | None] = ()
    tis_cap: float | None = None
    entropy_coef: float
    _buffered_inputs: list[Batch] | None
    _rows: Tensor | None = None  # of the answers that are being scored, their places in ``kept``
    _scored: tuple[Tensor, Tensor | None, Tensor | None] | None = None  # what TRL's loss is about to ask for
    _high_entropy: list[Tensor] | None = None  # of each micro-batch of this step, the tokens of high entropy

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._parts: dict[str, list[tuple[float, float]]] = defaultdict(list)  # values and weights of a step's micro-batches
        self._mismatches: list[Mismatch] = []

    # --- rollouts ---

    def _generate_and_score_completions(self, inputs: list[Batch]) -> Batch:
        self._rows = None  # the rollout brings them in order
        output = super()._generate_and_score_completions(inputs)
        output["row"] = torch.tensor(self._own_places(len(inputs)), device=output["completion_ids"].device)
        if "old_per_token_logps" in output:
            self._compare(output["old_per_token_logps"], output["sampling_per_token_logps"], output["completion_mask"])
        return output

    def _own_places(self, answers: int) -> list[int]:
        """Return the places of this rank's answers among those of all ranks."""
        start = self.accelerator.process_index * answers
        return list(range(start, start + answers))

    def _prepare_inputs(self, generation_batch: Any) -> Batch:
        before = self._buffered_inputs
        inputs = super()._prepare_inputs(generation_batch)
        size = self.args.gradient_accumulation_steps
        batches = self._buffered_inputs
        if not self.model.training or size == 1 or batches is before or batches is None:
            return inputs
        steps = (batches[start : start + size] for start in range(0, len(batches), size))
        self._buffered_inputs = [part for step in steps for part in _sorted_by_length(step)]
        return self._buffered_inputs[self._step % self.args.steps_per_generation]

    # --- probabilities ---

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: Tensor,
        attention_mask: Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        compute_entropy: bool = False,
        compute_aux_loss: bool = False,
        **_: Any,
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        if self._scored is not None:
            scored, self._scored = self._scored, None
            return scored
        places = self._own_places(len(input_ids)) if self._rows is None else self._rows.tolist()
        kept = [self.kept[place] for place in places] if self.kept and self.kept[0] is not None else None
        aux_losses = []

        def score(rows: Rows) -> tuple[Tensor, Tensor | None]:
            # no answer sees the padding on its right, so only the balance of experts needs a mask
            options: Batch = {"attention_mask": rows.attention_mask, "output_router_logits": True} if compute_aux_loss else {}
            with self.accelerator.autocast():
                if kept is None:
                    output = model(input_ids=rows.ids, labels=rows.labels, fused_lm_head=True, **options)
                    scores = output.log_probs, output.entropy if compute_entropy else None
                else:
                    output = model(input_ids=rows.ids, use_cache=False, **options)
                    of_rows = [kept[row] for row in rows.index.tolist()]
                    scores = truncated_scores(output.logits, rows, of_rows, self.temperature)
            if compute_aux_loss:
                aux_losses.append(output.aux_loss)
            return scores

        size = batch_size or len(input_ids)
        if not compute_aux_loss:  # the balance of experts is that of all rows together
            size = min(size, ROWS)
        logprobs, entropies = score_answers(input_ids, attention_mask, logits_to_keep, score, size)
        return logprobs, entropies if compute_entropy else None, torch.stack(aux_losses).mean() if aux_losses else None

    def _score_batch(self, model: Any, inputs: Batch) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Score the answers of a micro-batch as TRL's loss does."""
        self._rows = inputs["row"]
        return self._get_per_token_logps_and_entropies(
            model,
            torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], dim=1),
            torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], dim=1),
            inputs["completion_ids"].size(1),
            compute_entropy=True,
            compute_aux_loss=self.aux_loss_enabled,
        )

    @torch.no_grad()
    def compare_replies(self, replies: Sequence[PolicyReply], answers: int) -> Mismatch:
        """Compare the probabilities of sampler and trainer for answers outside of a rollout.

        :param answers: at most so many answers are compared.
        """
        rows = [
            (torch.tensor(reply.prompt_ids), torch.tensor(ids), torch.tensor(logprobs), kept)
            for reply in replies
            for ids, logprobs, kept in zip(reply.token_ids, reply.sampled_logprobs, reply.kept, strict=True)
        ][:answers]
        prompts, ids, logprobs, kept = zip(*rows, strict=True)
        pad_id, device = self.processing_class.pad_token_id, self.model.device
        prompt_ids, prompt_mask = (_padded(parts, value, "left") for parts, value in ((prompts, pad_id), (_ones(prompts), 0)))
        answer_ids, answer_mask = (_padded(parts, value, "right") for parts, value in ((ids, pad_id), (_ones(ids), 0)))
        input_ids = torch.cat([prompt_ids, answer_ids], dim=1).to(device)
        attention_mask = torch.cat([prompt_mask, answer_mask], dim=1).to(device)
        training, self.kept, self._rows = self.model.training, kept, torch.arange(len(rows))
        self.model.eval()
        scores, _, _ = self._get_per_token_logps_and_entropies(self.model, input_ids, attention_mask, answer_ids.shape[1])
        self.model.train(training)
        return mismatch(scores, _padded(logprobs, 0.0, "right").to(device), answer_mask.to(device))

    # --- losses ---

    def _compute_loss(self, model: Any, inputs: Batch) -> Tensor:
        accumulated = self.current_gradient_accumulation_steps if self.model.training else 1
        step = self._step_batches(accumulated)
        if self.top_entropy_quantile < 1 and self._is_split(step) and self._step % accumulated == 0:
            self._high_entropy = self._find_high_entropy(model, step)
        scored = self._score_batch(model, inputs)
        before = inputs.get("old_per_token_logps")
        if before is None:
            before = scored[0].detach()
            self._compare(before, inputs["sampling_per_token_logps"], inputs["completion_mask"])
        if self.tis_cap is not None:
            weights = truncated_weights(before, inputs["sampling_per_token_logps"], self.tis_cap)
            # each loss is linear in the advantage, and TRL takes one for each token too
            inputs = inputs | {"advantages": inputs["advantages"][:, None] * weights}
        self._scored = scored
        loss_factor, entropy_factor = self._step_factors(step, self._step % accumulated)
        coefficient = self.entropy_coef
        self.entropy_coef = coefficient * (entropy_factor / loss_factor if loss_factor else 0.0)
        loss = super()._compute_loss(model, inputs) * loss_factor
        assert self._scored is None  # TRL's loss has taken the scores
        self.entropy_coef = coefficient
        self._join_means(inputs)
        return loss

    def _step_batches(self, accumulated: int) -> list[Batch]:
        """Return the micro-batches of this step."""
        assert self._buffered_inputs is not None  # the rollout has filled it
        start = self._step % self.args.steps_per_generation // accumulated * accumulated
        return self._buffered_inputs[start : start + accumulated]

    def _is_split(self, step: list[Batch]) -> bool:
        """Return True if the answers of a step are not all in one forward pass."""
        return len(step) > 1 or self.accelerator.num_processes > 1

    def _step_factors(self, step: list[Batch], place: int) -> tuple[float, float]:
        """Return the factors of the loss and of the entropy bonus of a micro-batch.

        They turn a mean over its tokens, divided by the number of micro-batches, into its part of the mean over the step.

        :param place: of the micro-batch within the step.
        """
        if not self._is_split(step):
            return 1.0, 1.0
        masks = [_loss_mask(batch) for batch in step]
        loss_factor = self._share(masks, place) if self.loss_type == "bnpo" else 1.0
        chosen = masks if self._high_entropy is None else self._high_entropy
        return loss_factor, self._share(chosen, place) if self._entropy_bonus_enabled else loss_factor

    def _share(self, masks: Sequence[Tensor], place: int) -> float:
        """Return the tokens of one micro-batch over the mean of all micro-batches of all ranks."""
        counts = torch.stack([mask.sum() for mask in masks]).double()
        total = self.accelerator.reduce(counts.sum(), reduction="sum").item()
        return counts[place].item() * len(counts) * self.accelerator.num_processes / max(1.0, total)

    @torch.no_grad()
    def _find_high_entropy(self, model: Any, step: list[Batch]) -> list[Tensor]:
        """Find the tokens of highest entropy among all of a step, bool [answers, tokens] for each micro-batch."""
        entropies = [self._score_batch(model, batch)[1] for batch in step]
        masks = [_loss_mask(batch) for batch in step]
        chosen = super().get_high_entropy_mask(torch.cat(entropies), torch.cat(masks), 1 - self.top_entropy_quantile)
        return list(chosen.split([len(mask) for mask in masks]))

    def get_high_entropy_mask(self, entropies: Tensor, mask: Tensor, threshold: float) -> Tensor:
        if self._high_entropy is None:
            return super().get_high_entropy_mask(entropies, mask, threshold)
        return self._high_entropy[self._step % len(self._high_entropy)]

    # --- metrics ---

    def _compare(self, trainer: Tensor, sampler: Tensor, mask: Tensor) -> None:
        """Compare sampler and trainer before the first update on answers; at the end of a step, log what it comes to."""
        self._mismatches.append(mismatch(trainer, sampler, mask))

    def _join_means(self, inputs: Batch) -> None:
        """Replace the means of a step's micro-batches by those over all of its tokens, at the end of the step."""
        metrics = self._metrics["train"]
        tokens = self.accelerator.reduce(_loss_mask(inputs).sum().double(), reduction="sum").item()
        by_answer = self.importance_sampling_level == "sequence" and self.tis_cap is None
        for name in TOKEN_MEANS:
            if metrics.get(name):
                weight = 1.0 if by_answer and "clip" in name else tokens
                self._parts[name].append((metrics[name].pop(), weight))
        if not self.accelerator.sync_gradients:
            return
        for name, parts in self._parts.items():
            total = sum(weight for _, weight in parts)
            metrics[name].append(parts[0][0] if len(parts) == 1 else sum(v * w for v, w in parts) / total if total else 0.0)
        self._parts.clear()
        if self._mismatches:
            for name, value in self._all_mismatches().metrics().items():
                metrics[name].append(value)
            self._mismatches.clear()

    def _all_mismatches(self) -> Mismatch:
        """Return the mismatch of all micro-batches and processes."""
        sums = [torch.stack([one.tokens, one.differences, one.divergences]) for one in self._mismatches]
        tokens, differences, divergences = self.accelerator.reduce(torch.stack(sums).sum(0), reduction="sum")
        largest = self.accelerator.gather(torch.stack([one.largest for one in self._mismatches]).max()).max()
        return Mismatch(tokens, differences, largest, divergences)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        for name in MAXIMA:
            if values := self._metrics["train"].get(name):
                self._metrics["train"][name] = [max(values)]
        super().log(logs, start_time)


def _ones(parts: Sequence[Tensor]) -> list[Tensor]:
    return [torch.ones_like(part) for part in parts]


def _padded(parts: Sequence[Tensor], value: float, side: str) -> Tensor:
    return torch.nn.utils.rnn.pad_sequence(list(parts), batch_first=True, padding_value=value, padding_side=side)


def _loss_mask(batch: Batch) -> Tensor:
    """Return 1 for the tokens that count in the loss, [answers, tokens]."""
    mask = batch["completion_mask"]
    return mask * batch["tool_mask"] if "tool_mask" in batch else mask


def _sorted_by_length(batches: list[Batch]) -> list[Batch]:
    """Sort the rows of a step's micro-batches by the tokens of prompt and answer, so that rows of like length meet."""
    whole = {key: torch.cat([batch[key] for batch in batches]) if value.ndim else value for key, value in batches[0].items()}
    order = (whole["prompt_mask"].sum(1) + whole["completion_mask"].sum(1)).argsort(stable=True)
    parts = order.split(len(batches[0]["completion_ids"]))
    return [{key: value[part] if value.ndim else value for key, value in whole.items()} for part in parts]
