"""Training speed: model FLOPs utilisation, and tokens a second beside a bare PyTorch loop of the same model and batches."""

import gc
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import torch
from helpers.configs import composed, write_text
from training_speed import bare_loop, framework

from openr1.distributed.peaks import peak_flops
from openr1.runs.dataset import prepare_dataset
from openr1.stages import pretrain
from openr1.training.budget import resolve

GOAL, GOAL_OF_LOOP = 0.45, 0.95
SECONDS = 20.0  # that a measurement takes at least; none begins with less


def run(setting, figures) -> None:
    arguments = pretrain.training_arguments

    def with_backend(context):
        options = arguments(context)
        return options | ({"torch_compile_backend": setting.compile_backend} if options["torch_compile"] else {})

    pretrain.training_arguments = with_backend
    common = [*setting.train, f"paths.outputs={figures.folder}/mfu", f"paths.cache={figures.folder}/cache", "optim.lr=1e-4"]
    if setting.device == "cpu":
        common += ["data=files", f"data.sources.files.path={write_text(figures.folder / 'text_mfu.jsonl')}"]
    for compiled in (False, True):
        for scale, (micro_batch, steps) in setting.trained.items():
            name = f"{scale}, {'compiled' if compiled else 'not compiled'}"
            if setting.device == "cuda" and figures.seconds_left < SECONDS:
                figures.add(name, None, note="left out: the time is over")
                continue
            with figures.attempt(name):
                words = [f"scale={scale}", f"budget.steps={steps}", "stage.eval_points=1", "stage.log_points=4"]
                words += [f"compute.micro_batch={micro_batch}", f"compute.compile={compiled}"]
                measure(composed(*common, *words), name, setting, figures)


def measure(config, name: str, setting, figures) -> None:
    """Measure one size. The sequences of a forward pass are halved until they fit in memory."""
    try:
        ours, memory = framework(config, setting.warm)
        free()
    except torch.OutOfMemoryError:
        if config.compute.micro_batch == 1:
            raise
        config = replace(config, compute=replace(config.compute, micro_batch=config.compute.micro_batch // 2))
    else:
        return add(config, name, setting, figures, ours, memory)
    free()
    return measure(config, name, setting, figures)


def add(config, name: str, setting, figures, ours: float, memory: float) -> None:
    note = f"forward passes of {config.compute.micro_batch} sequences"
    peak, per_token = peak_flops(config.compute), resolve(config, prepare_dataset(config)).flops_per_token
    utilisation = per_token * ours / peak if peak else None
    figures.add(f"{name}: MFU", utilisation, at_least=GOAL, note=note if peak else "the peak of this device is not known")
    figures.add(f"{name}: tokens a second", ours, "tokens/s", note=note)
    figures.add(f"{name}: peak memory", memory / 2**30, "GiB")
    bare = bare_loop(config, setting.warm, setting.compile_backend)
    free()
    overhead = f"{config.optim.batch_tokens * (1 / ours - 1 / bare) * 1e3:.3g} ms a step more" if bare else ""
    figures.add(f"{name}: beside the bare loop", ours / bare, at_least=GOAL_OF_LOOP, note=f"{bare:,.0f} tokens/s; {overhead}")


def free() -> None:
    """Free what the last run held, so that the next one has the whole memory."""
    torch._dynamo.reset()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
