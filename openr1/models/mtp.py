"""Multi-token prediction as in DeepSeek-V3 (arXiv 2412.19437, section 2.2): modules that predict further tokens in training.

With h[0, i] the output of the model at position i, after its last norm, module k = 1 ... D computes (equations 21 to 23)

    h'[k, i] = M_k [RMSNorm(Emb(t[i + k])); RMSNorm(h[k - 1, i])]    M_k: 2 d to d
    h[k, i]  = RMSNorm(TRM_k(h'[k, 1 ... i]))                        TRM_k: a layer of the family's own kind
    P[k, i]  = OutHead(h[k, i])                                      the distribution of t[i + k + 1]

with the embedding and the head of the model itself. The norm after TRM_k, and the order of the two inputs of M_k, are those of
DeepSeek's released weights and of ``MtpLayer`` in transformers. The training loss adds, with lambda = ``model.mtp.weight``
(equations 24 and 25),

    lambda / D * sum over k of L_k,    L_k = -1/T * sum over i of log P[k, i](t[i + k + 1])

where T counts the labels of the next-token loss, whatever k is. The modules are a submodule ``mtp`` of the model while it is
trained, so that optimiser, checkpoints and data parallelism know of them, and stand beside its weights in ``mtp/`` when it is
saved: a saved model is one of transformers without them. transformers itself leaves out such modules of DeepSeek-V3's
checkpoints when it loads a model (``_keys_to_ignore_on_load_unexpected``), and reads them for ``generate(use_mtp=True)`` only.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from openr1.models.mtp_files import CONFIG, FOLDER, WEIGHTS, saved_depth
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

IGNORED = -100  # label of a position without a target
SEEDS = 2**32  # more than any seed of a run, so that modules do not repeat the random numbers of the model


class MtpModule(nn.Module):
    """One module of multi-token prediction.

    :param layer: the layer of the model whose kind the module's own layer has.
    """

    def __init__(self, config: Any, layer: nn.Module, norm: nn.Module, number: int) -> None:
        super().__init__()
        width, eps = config.hidden_size, config.rms_norm_eps
        make_norm, make_layer = type(norm), type(layer)
        self.embedding_norm = make_norm(width, eps=eps)
        self.hidden_norm = make_norm(width, eps=eps)
        self.projection = nn.Linear(2 * width, width, bias=False)
        self.block = make_layer(config, number)
        self.norm = make_norm(width, eps=eps)

    def forward(self, hidden: Tensor, embedded: Tensor, **arguments: Any) -> Tensor:
        """Return h[k] from h[k - 1] and the embeddings of the tokens k ahead, all [batch, tokens, width]."""
        joined = torch.cat([self.embedding_norm(embedded), self.hidden_norm(hidden)], dim=-1)
        return self.norm(self.block(self.projection(joined), **arguments))


class MultiTokenPrediction(nn.Module):
    """The modules of a model, with what they take from its last forward pass.

    :ivar hidden: output of the model after its last norm, [batch, tokens, width].
    :ivar arguments: keyword arguments of the layer of the same kind: mask, positions and their embeddings.
    :ivar losses: sum of the losses of each module over its targets [depth], and the number of targets of each [depth], of the
        last forward pass in training with labels.
    """

    def __init__(self, model: PreTrainedModel, depth: int) -> None:
        super().__init__()
        self.depth = depth
        base: Any = model.get_decoder()
        kinds = getattr(model.config, "layer_types", None)
        whole = [i for i, kind in enumerate(kinds or ()) if kind == "full_attention"]
        place = whole[-1] if whole else len(base.layers) - 1
        self.kind = kinds[place] if kinds else None
        self.layers = nn.ModuleList()
        config = _longer(model.config, depth, self.kind, base.layers[place])
        for number in range(len(base.layers), len(base.layers) + depth):
            self.layers.append(MtpModule(config, base.layers[place], base.norm, number))
        for module in self.modules():
            if hasattr(module, "config"):
                module.config = model.config  # so that a change of its attention or experts holds here too
        self.hidden: Tensor | None = None
        self.arguments: dict[str, Any] = {}
        self.losses: tuple[Tensor, Tensor] | None = None
        self.handles = [
            base.layers[place].register_forward_pre_hook(self._take_arguments, with_kwargs=True),
            base.register_forward_hook(self._take_hidden),
            model.register_forward_hook(self._predict, with_kwargs=True),
        ]

    def _take_arguments(self, layer: nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
        if layer.training:
            unused = ("past_key_values", "hidden_states")
            self.arguments = {name: value for name, value in kwargs.items() if name not in unused}

    def _take_hidden(self, base: nn.Module, args: Any, output: Any) -> None:
        self.hidden = output.last_hidden_state

    def _predict(self, model: PreTrainedModel, args: Any, kwargs: dict[str, Any], output: Any) -> None:
        labels = kwargs.get("labels")
        if labels is not None and model.training:
            self.losses = self.loss_sums(model, kwargs["input_ids"], labels, kwargs.get("position_ids"))
            self.hidden = None

    def loss_sums(self, model: PreTrainedModel, ids: Tensor, labels: Tensor, positions: Tensor | None) -> tuple[Tensor, Tensor]:
        """Compute the losses after a forward pass of the model over the same tokens.

        :param ids: [batch, tokens]; ``labels`` are the same, or -100 where the loss does not count.
        :param positions: of packed examples, whose last tokens have no targets in the example after them.
        :returns: for each module the sum of the losses of its targets, in nats, and their number.
        """
        hidden, sums, counts = self.hidden, [], []
        embed: Any = model.get_input_embeddings()
        assert hidden is not None  # the pass set it
        for ahead, module in enumerate(self.layers, 1):
            hidden = module(hidden, embed(_shifted(ids, ahead, 0)), **self.arguments)
            targets = _shifted(labels, ahead + 1, IGNORED)
            if positions is not None:
                same = _shifted(positions, ahead + 1, -1) == positions + ahead + 1
                targets = targets.masked_fill(~same, IGNORED)
            logits = head(model, hidden).flatten(0, 1).float()
            sums.append(functional.cross_entropy(logits, targets.flatten(), reduction="sum", ignore_index=IGNORED))
            counts.append((targets != IGNORED).sum())
        return torch.stack(sums), torch.stack(counts)

    def draft(self, model: PreTrainedModel, hidden: Tensor, ids: Tensor, positions: Tensor, **arguments: Any) -> Tensor:
        """Return h[1] at positions of which h[0] and the next tokens are known.

        :param hidden: h[0], [1, tokens, width]; ``ids`` are the next tokens, and ``positions`` those of h[0], [1, tokens].
        :param arguments: of the layer, such as the slots of the engine.
        """
        rotary: Any = model.get_decoder().rotary_emb  # type: ignore[union-attr]
        kinds = (self.kind,) if hasattr(rotary, "layer_types") else ()  # Gemma 3 has one embedding for each kind of layer
        embedded = model.get_input_embeddings()(ids)
        angles = rotary(embedded, positions, *kinds)
        module: Any = self.layers[0]
        return module(hidden, embedded, position_embeddings=angles, position_ids=positions, attention_mask=None, **arguments)


def attach(model: PreTrainedModel, depth: int, seed: int, checkpoint: str | None = None) -> MultiTokenPrediction:
    """Add modules of multi-token prediction to a model, as its submodule ``mtp``; its own weights stay as they are.

    :param depth: number of modules. Those that the checkpoint has are loaded; further ones get weights from the seed, by the
        family's own initialiser.
    :raises ConfigError: if the modules of the checkpoint do not fit.
    """
    with torch.random.fork_rng(devices=[]):
        modules = MultiTokenPrediction(model, depth)
        for number, module in enumerate(modules.layers, 1):
            torch.manual_seed(number * SEEDS + seed)
            module.apply(model._init_weights)
    if checkpoint and saved_depth(checkpoint):
        _load(modules, Path(checkpoint) / FOLDER)
    fixed = {name: tensor for name, tensor in modules.named_buffers() if name.endswith("e_score_correction_bias")}
    modules.to(device=model.device, dtype=model.dtype)
    for name, tensor in fixed.items():  # the bias of experts is in single precision in any model
        modules.get_submodule(name.rpartition(".")[0]).e_score_correction_bias = tensor.to(model.device)
    model.mtp = modules
    return modules


def detach(model: PreTrainedModel) -> MultiTokenPrediction | None:
    """Take the modules off a model, if it has any, and return them."""
    modules = getattr(model, "mtp", None)
    if modules is not None:
        for handle in modules.handles:
            handle.remove()
        del model.mtp
    return modules


def save(modules: MultiTokenPrediction, checkpoint: Path) -> None:
    """Write modules into the folder ``mtp/`` of a model directory, in the precision that they have."""
    from safetensors.torch import save_file

    folder = checkpoint / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in modules.layers.state_dict().items()}
    save_file(state, folder / WEIGHTS, metadata={"format": "pt"})
    (folder / CONFIG).write_text(json.dumps({"depth": modules.depth}) + "\n")


def head(model: PreTrainedModel, hidden: Tensor) -> Tensor:
    """Return the logits of the model's own head, capped as its family caps them."""
    logits = model.get_output_embeddings()(hidden)
    cap = getattr(model.config, "final_logit_softcapping", None)
    return logits if cap is None else cap * torch.tanh(logits / cap)


def _load(modules: MultiTokenPrediction, folder: Path) -> None:
    """Load the modules of a folder, as many as there are here and there."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        state = load_file(folder / WEIGHTS)
        known = modules.layers.state_dict()
        modules.layers.load_state_dict(known | {name: tensor for name, tensor in state.items() if name in known})
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()
        raise ConfigError(f"model.checkpoint: {folder} cannot be loaded: {reason}") from error


def _longer(config: Any, depth: int, kind: str | None, layer: Any) -> Any:
    """Return the config of the model with ``depth`` further layers of the kind of ``layer``."""
    longer = copy.deepcopy(config)
    longer.num_hidden_layers = config.num_hidden_layers + depth
    if kind is not None:
        longer.layer_types = [*config.layer_types, *[kind] * depth]
    if hasattr(config, "first_k_dense_replace"):
        sparse = hasattr(layer.mlp, "experts")
        longer.first_k_dense_replace = 0 if sparse else longer.num_hidden_layers
    return longer


def _shifted(tokens: Tensor, by: int, filling: int) -> Tensor:
    """Return the tokens [batch, tokens] that come ``by`` positions later; ``filling`` beyond the end."""
    return functional.pad(tokens[:, by:], (0, min(by, tokens.shape[1])), value=filling)
