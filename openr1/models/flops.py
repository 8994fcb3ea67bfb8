"""Floating-point operations (FLOPs) of training and generation, from a model's shape alone.

A product of an ``m x k`` and a ``k x n`` matrix costs ``2 m k n``, a multiplication and an addition each: for one token, two
for each element of a weight matrix. With W the elements of all weight matrices that one token uses, its forward pass costs

    2 W                              projections of attention, feed-forward blocks, router and the token's experts
    + 2 V d                          the head, tied or not (vocabulary V, width d); of a reward model 2 d, one number a token
    + sum over layers 2 H (q + v) K  attention: each of H heads weighs K keys of size q and adds up K values of size v

Position i attends to i keys, so over a context of T tokens the mean K is (T + 1) / 2; with a sliding window of S positions it
is the mean of min(i, S). Latent attention (MLA) has its low-rank projections in W, and q = head size + rotary part; keys and
values are computed once for each token, in training and in generation. The backward pass costs twice the forward pass: one
product for the gradient of the inputs and one for that of the weights.

Other counts differ:

- *6 N D* (Kaplan et al., arXiv 2001.08361, section 2.1; :func:`six_nd`) is three times 2 W, with N for W. It leaves out the
  head and attention, which are a large part of the cost of a small model.
- Chinchilla (arXiv 2203.15556, appendix F) counts every query with all T keys, masked ones too, as do PaLM's model FLOPs and
  ``torch.utils.flop_counter`` (``causal=False`` here); it also counts the token embedding, a look-up, as a product of 2 V d,
  and the softmax. We count what a causal kernel computes, so that training and generation with a cache agree.
- Modules of multi-token prediction (:mod:`openr1.models.mtp`) count in training only. Each costs a layer, the head, and a
  projection of 2 d to d for every token, the last ones of a sequence included, whose targets lie beyond it.
- We leave out norms, activations, biases, rotary embeddings and the optimiser: for a token they are of order d, not d squared.
"""

from __future__ import annotations

from openr1.models.shape import Shape, attention_weights, ff_weights, lora_weights, mtp_block


def forward_flops(shape: Shape, context: float, causal: bool = True) -> float:
    """Return the FLOPs of one token's forward pass, the mean over a sequence of ``context`` tokens, to predict the next token.

    :param causal: count the keys that a token attends to; False counts the whole sequence, as Chinchilla and PyTorch do.
    """
    return _layers(shape, context, causal) + _head(shape)


def training_flops(shape: Shape, context: float, recompute: bool = False, causal: bool = True) -> float:
    """Return the FLOPs of one token's forward and backward pass, the mean over a sequence of ``context`` tokens.

    :param recompute: with activation (gradient) checkpointing, which runs the layers, not the head, forward once more.
    """
    again = _layers(shape, context, causal) if recompute else 0.0
    if recompute and shape.mtp_depth:
        again += shape.mtp_depth * _layers(mtp_block(shape), context, causal)
    return 3.0 * (forward_flops(shape, context, causal) + mtp_flops(shape, context, causal)) + again


def mtp_flops(shape: Shape, context: float, causal: bool = True) -> float:
    """Return the FLOPs of one token's forward pass through all modules of multi-token prediction and their heads."""
    if not shape.mtp_depth:
        return 0.0
    block = mtp_block(shape)
    return shape.mtp_depth * (_layers(block, context, causal) + 4.0 * shape.width**2 + _head(shape))


def lora_training_flops(shape: Shape, context: float, rank: int, recompute: bool = False, causal: bool = True) -> float:
    """Return the FLOPs of one token's forward and backward pass if only low-rank adapters are trained (LoRA, arXiv 2106.09685).

    With A the elements of the adapters of all linear layers in the blocks, a forward pass costs 2 A more than without them, and
    the gradients of frozen weights are not computed: 4 W + 2 (2 V d) + 3 (attention) + 6 A.

    :param rank: of every adapter.
    """
    adapters = lora_weights(shape, rank)
    forward = _layers(shape, context, causal) + 2.0 * adapters
    attention = _layers(shape, context, causal) - _weights(shape)
    backward = _weights(shape) + 2.0 * attention + 4.0 * adapters
    return (2.0 if recompute else 1.0) * forward + backward + 2.0 * _head(shape)


def generation_flops(shape: Shape, prompt_tokens: int, new_tokens: int) -> float:
    """Return the FLOPs of one completion of ``new_tokens`` (at least one) to a prompt, with a cache of keys and values.

    Every token of prompt and completion but the last passes through the layers once; the head runs once for each new token.
    Each completion of a group counts its prompt in full, as engines without prefix caching compute it.
    """
    tokens = prompt_tokens + new_tokens - 1
    return tokens * _layers(shape, tokens, causal=True) + new_tokens * _head(shape)


def answer_flops(shape: Shape, prompt_tokens: int, new_tokens: int) -> float:
    """Return the FLOPs of a forward pass over a prompt and its completion, with the head at the completion's tokens only."""
    tokens = prompt_tokens + new_tokens
    return tokens * _layers(shape, tokens, causal=True) + new_tokens * _head(shape)


def answer_training_flops(shape: Shape, prompt_tokens: int, new_tokens: int, recompute: bool = False) -> float:
    """Return the FLOPs of a forward and backward pass over a prompt and its completion. See :func:`answer_flops`."""
    tokens = prompt_tokens + new_tokens
    again = tokens * _layers(shape, tokens, causal=True) if recompute else 0.0
    return 3.0 * answer_flops(shape, prompt_tokens, new_tokens) + again


def six_nd(params: float, tokens: float) -> float:
    """Approximate the FLOPs of training N active non-embedding parameters on D tokens as 6 N D."""
    return 6.0 * params * tokens


def _head(shape: Shape) -> float:
    return 2.0 * shape.width * (shape.labels or shape.vocab_size)


def _weights(shape: Shape) -> float:
    return 2.0 * (shape.depth * attention_weights(shape) + ff_weights(shape, active=True))


def _layers(shape: Shape, context: float, causal: bool) -> float:
    keys = (shape.depth - shape.windowed_layers) * _keys(context, None, causal)
    keys += shape.windowed_layers * _keys(context, shape.window, causal)
    return _weights(shape) + 2.0 * shape.heads * (shape.qk_size + shape.v_size) * keys


def _keys(context: float, window: int | None, causal: bool) -> float:
    """Return the mean number of keys that a token of a sequence attends to: the mean of ``min(i, window)`` for i from 1 on."""
    if not causal:
        return float(context)
    seen = min(window or context, context)
    return seen - seen * (seen - 1) / (2 * context)
