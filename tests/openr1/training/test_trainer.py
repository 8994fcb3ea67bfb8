from types import SimpleNamespace

import pytest
from helpers.configs import composed
from transformers import Trainer, TrainingArguments

from openr1.runs.stage_run import run_stage
from openr1.training.budget import resolve
from openr1.training.trainer import limit_to_one_device, training_arguments


def arguments_of(folder, *overrides):
    config = composed(*overrides)
    return training_arguments(SimpleNamespace(config=config, budget=resolve(config), folder=folder))


@pytest.mark.parametrize("compiled", [False, True])
def test_on_a_gpu_precision_alone_decides_and_batches_do_not_wait(tiny, tmp_path, compiled):
    arguments = arguments_of(tmp_path, *tiny, "compute=gpu", f"compute.compile={compiled}")
    # compilation turns TF32 on unless it is refused
    assert arguments["tf32"] is False
    accepted = TrainingArguments(**arguments | {"use_cpu": True, "bf16": False})
    assert accepted.tf32 is False
    # a copy does not wait only if its memory is pinned
    assert (accepted.accelerator_config.non_blocking, arguments["dataloader_pin_memory"]) == (True, True)
    assert accepted.torch_compile is compiled


def test_a_processor_has_the_arguments_that_it_had(tiny, tmp_path):
    assert not {"tf32", "accelerator_config"} & set(arguments_of(tmp_path, *tiny))


def test_a_process_uses_one_of_the_gpus_that_it_sees():
    assert limit_to_one_device(SimpleNamespace(n_gpu=8))._n_gpu == 1
    assert limit_to_one_device(SimpleNamespace(n_gpu=0))._n_gpu == 0


def test_a_step_counts_no_parameters(tiny, monkeypatch):
    counted = []
    monkeypatch.setattr(Trainer, "floating_point_ops", lambda self, inputs: counted.append(1) or 0)
    run_stage(composed(*tiny), quiet=True)
    assert not counted


def test_utilisation_does_not_count_what_is_computed_again(tiny):
    metrics = [
        run_stage(
            composed(*tiny, "compute.peak_flops=1e12", f"compute.gradient_checkpointing={on}", f"seed={on:d}"), quiet=True
        )
        for on in (False, True)
    ]
    plain, recomputed = (result.metrics for result in metrics)
    assert recomputed["flops"] > plain["flops"]
    per_token = plain["flops"] / plain["tokens"]
    for result in (plain, recomputed):
        assert result["mfu"] == pytest.approx(per_token * result["tokens_per_second"] / 1e12)
