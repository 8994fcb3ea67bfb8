"""Sizes of activations over width and over depth after a few steps, in each parametrization: flat if a learning rate transfers.

    python tests/benchmarks/coordinate_check.py                                   # qwen3, AdamW
    python tests/benchmarks/coordinate_check.py --families qwen2 llama gemma3 deepseek_v3 --kind muon
    python tests/benchmarks/coordinate_check.py --out docs/coordinate_check.svg   # and a figure of the first family

Models of several widths (at depth 2) and of several depths (at width 64) take five steps on text of the Python standard
library. Printed are the exponents of two sizes in width and in depth: of the mean absolute activation after the steps ("size"),
and of its mean absolute change since the initial weights ("change"). An exponent near 0 means that the size does not depend on
the model, as mup has it over width and completep over both; 0.5 means that four times the width doubles it. The baseline is
``standard``. Attention and feed-forward blocks are measured before the multiplier of completep, base depth / depth.
"""

import argparse
import inspect
import sys
from argparse import ArgumentParser
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from openr1.analysis.charts.marks import BLUE, GREEN, ORANGE, PURPLE, SKY, Axis, Chart, Line, Panel, Scatter, span
from openr1.analysis.charts.matplotlib import draw, to_bytes
from openr1.models.build import build
from openr1.models.options import ModelConfig, ScaleConfig
from openr1.models.parametrization import PARAMETRIZATIONS, Parametrization
from openr1.models.shape import Shape, count, solve_shape
from openr1.training.optimisers import optimiser_of
from openr1.training.options import MuonOptions, OptimConfig

WIDTHS, DEPTHS = (64, 128, 256, 512), (2, 4, 8, 16, 32)
VOCABULARY, CONTEXT, BATCH, HEAD = 256, 64, 8, 32
PLACES = {"embedding": BLUE, "attention": SKY, "feed-forward": GREEN, "residual stream": ORANGE, "logits": PURPLE}


def shape_of(family: str, width: int, depth: int) -> Shape:
    """Return a shape with heads of 32 and a feed-forward size of about 3 widths."""
    heads = width // HEAD
    model = ModelConfig(family=family)
    params = 14.0 * depth * width**2 * (2.5 if family == "deepseek_v3" else 1.0)
    return solve_shape(model, ScaleConfig("check", params, width, depth, heads, heads), VOCABULARY, CONTEXT)


def batches(steps: int, seed: int) -> torch.Tensor:
    """Return bytes (steps + 1, batch, context) of the source code of this Python; the last ones are those that are measured."""
    text = torch.tensor(list(inspect.getsource(argparse).encode()))
    starts = torch.randint(len(text) - CONTEXT, (steps + 1, BATCH), generator=torch.Generator().manual_seed(seed))
    return text[starts[..., None] + torch.arange(CONTEXT)]


def activations(model: torch.nn.Module, inputs: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the activations of the last layer, of the embedding and of the head."""
    layer, kept = model.model.layers[-1], {}

    def keep(name):
        def hook(_module, _arguments, output):
            kept[name] = (output[0] if isinstance(output, tuple) else output).detach()

        return hook

    ends = {
        "attention": layer.self_attn,
        "feed-forward": layer.mlp,
        "residual stream": layer,
        "embedding": model.model.embed_tokens,
    }
    if hasattr(layer, "post_feedforward_layernorm"):  # what is added to the residual stream
        ends |= {"attention": layer.post_attention_layernorm, "feed-forward": layer.post_feedforward_layernorm}
    handles = [module.register_forward_hook(keep(name)) for name, module in ends.items()]
    with torch.no_grad():
        kept["logits"] = model(inputs).logits
    for handle in handles:
        handle.remove()
    return kept


def measure(
    family: str, name: str, kind: str, width: int, depth: int, args: argparse.Namespace, seed: int
) -> dict[str, list[float]]:
    """Return the mean absolute activation and its mean absolute change, after all steps, by place."""
    shape, base = shape_of(family, width, depth), shape_of(family, WIDTHS[0], DEPTHS[0])
    parametrization = None if name == "standard" else Parametrization(name, base)
    model = build(ModelConfig(family=family), shape, seed, parametrization=parametrization)
    optim = OptimConfig(kind=kind, parametrization=name, weight_decay=0.1, muon=MuonOptions(scale=args.scale))
    decayed = {key for key, parameter in model.named_parameters() if parameter.ndim > 1}
    cls, arguments = optimiser_of(optim, model, shape, args.lr, decayed, parametrization) or (
        torch.optim.AdamW,
        {"params": model.parameters(), "lr": args.lr, "betas": (optim.beta1, optim.beta2), "eps": optim.eps},
    )
    optimiser = cls(**arguments)
    *train, probe = batches(args.steps, seed)
    before = activations(model, probe)
    for inputs in train:
        model(input_ids=inputs, labels=inputs).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
    after = activations(model, probe)
    sizes = {}
    for place in PLACES:
        multiplied = name == "completep" and place in ("attention", "feed-forward")
        unit = DEPTHS[0] / depth if multiplied else 1.0
        sizes[place] = [float(values.abs().mean()) / unit for values in (after[place], after[place] - before[place])]
    return sizes


def exponent(sizes: list[int], values: np.ndarray) -> float:
    """Return the slope of the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def chart(measured: dict, family: str, args: argparse.Namespace) -> Chart:
    """Chart the sizes of a family: a row of panels over width, and one over depth."""
    panels = []
    for over, sizes in (("width", WIDTHS), ("depth", DEPTHS)):
        every = [values[:, 0] for key, values in measured.items() if key[0] == family and key[2] == over]
        for name in PARAMETRIZATIONS:
            marks = []
            for place, colour in PLACES.items():
                values = measured[family, name, over, place][:, 0]
                look = {"x": np.array(sizes, dtype=float), "y": values, "colour": colour}
                marks += [Line(name=place, **look), Scatter(**look)]
            x, y = (
                Axis(over.capitalize(), True, limits=span(np.array(sizes), 0.06, log=True)),
                Axis("Mean absolute activation", True),
            )
            y = Axis(y.label, True, limits=span(np.concatenate(every), 0.06, log=True))
            panels.append(Panel(x, y, tuple(marks), title=f"{name}, over {over}", legend="shared"))
    caption = f"{family}, {args.kind}, after {args.steps} steps at a learning rate of {args.lr:g}"
    return Chart("Coordinate check", caption, tuple(panels), columns=len(PARAMETRIZATIONS), size=(3.6, 2.9))


def main() -> None:
    """Print a table, and draw a figure."""
    parser = ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--families", nargs="+", default=["qwen3"])
    parser.add_argument("--kind", default="adamw", choices=["adamw", "muon"])
    parser.add_argument("--scale", default="match_rms_adamw", help="scale of Muon's updates")
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="file of the figure, .svg, .png or .pdf")
    args = parser.parse_args()
    measured = {}
    print(f"{args.kind}, learning rate {args.lr:g}, after {args.steps} steps; exponents of size and change\n")
    print(f"| family | parametrization | over | {' | '.join(PLACES)} |\n|{'---|' * (3 + len(PLACES))}")
    for family in args.families:
        for name in PARAMETRIZATIONS:
            for over, models in (
                ("width", [(width, DEPTHS[0]) for width in WIDTHS]),
                ("depth", [(WIDTHS[0], depth) for depth in DEPTHS]),
            ):
                values: dict[str, list] = defaultdict(list)
                for width, depth in models:
                    runs = [measure(family, name, args.kind, width, depth, args, seed) for seed in range(args.seeds)]
                    for place in PLACES:
                        values[place].append(np.mean([run[place] for run in runs], axis=0))
                cells = []
                for place in PLACES:
                    array = measured[family, name, over, place] = np.array(values[place])
                    sizes = [width if over == "width" else depth for width, depth in models]
                    cells.append(f"{exponent(sizes, array[:, 0]):+.2f}, {exponent(sizes, array[:, 1]):+.2f}")
                print(f"| {family} | {name} | {over} | {' | '.join(cells)} |", flush=True)
    largest = count(shape_of(args.families[0], WIDTHS[-1], DEPTHS[0])).total
    print(f"\nthe largest model over width has {largest / 1e6:.1f}M parameters")
    if args.out:
        args.out.write_bytes(to_bytes(draw(chart(measured, args.families[0], args)), args.out.suffix.lstrip(".")))
        print(f"figure: {args.out}")


if __name__ == "__main__":
    main()
