import json
import os
import re
from types import SimpleNamespace

import pytest
from helpers.configs import composed

from openr1.distributed import launcher
from openr1.distributed.deepspeed import deepspeed_config
from openr1.distributed.devices import keep_own_gpu
from openr1.runs.fingerprint import identify
from openr1.runs.plan import plan, run_steps
from openr1.runs.stage_run import run_stage
from openr1.system.errors import ConfigError, RunError
from openr1.training.budget import resolve, split_batch

SEVERAL = ["compute=ddp", "compute.processes=2"]


def failed(message, timestamp=0, exitcode=1):
    return SimpleNamespace(message={"message": message}, timestamp=timestamp, exitcode=exitcode, signal_name=lambda: "SIGKILL")


@pytest.mark.parametrize(
    ("strategy", "device", "how"),
    [
        ("ddp", "cpu", "--multi_gpu"),
        ("ddp", "cuda", "--multi_gpu"),
        ("zero2", "cpu", "--use_deepspeed"),
        ("zero3", "cuda", "--use_deepspeed"),
    ],
)
def test_accelerate_understands_what_it_is_given(tmp_path, strategy, device, how):
    commands = pytest.importorskip("accelerate.commands.launch")
    compute = composed(f"compute={strategy}", f"compute.device={device}", "compute.processes=8", "compute.threads=3").compute
    arguments = launcher.launch_arguments(compute, tmp_path)
    assert arguments[0] == how
    parsed = commands.launch_command_parser().parse_args(arguments)
    assert (parsed.num_processes, parsed.main_process_port, parsed.num_cpu_threads_per_process) == (8, 0, 3)
    assert (parsed.module, parsed.training_script, parsed.training_script_args) == (True, "openr1.runs.worker", [str(tmp_path)])
    hidden = launcher.process_environment(compute).get("CUDA_VISIBLE_DEVICES")
    assert hidden == ("" if device == "cpu" else None)


def test_a_gpu_group_trains_in_bfloat16():
    compute = composed("compute=zero3", "compute.device=cuda", "compute.processes=8").compute
    assert (compute.precision, compute.micro_batch, compute.threads) == ("bfloat16", 32, None)
    written = deepspeed_config(compute)
    assert written["zero_optimization"]["stage"] == 3
    assert written["torch_autocast"] == {"enabled": True, "dtype": "bfloat16"}
    assert deepspeed_config(composed("compute=zero2").compute)["torch_autocast"]["enabled"] is False


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["compute.processes=2"], "compute.strategy: 2 processes need one of ddp, zero2, zero3"),
        (["compute.strategy=fsdp"], "compute.strategy: 'fsdp' is not one of none, ddp, zero2, zero3"),
        (["compute=ddp", "compute.processes=0"], "compute.processes: must be at least 1"),
        (["compute=ddp", "compute.port=70000"], "compute.port: must be from 0 to 65535, not 70000"),
    ],
)
def test_an_impossible_group_of_processes_is_refused(overrides, line):
    with pytest.raises(ConfigError, match=f"^{line}"):
        composed(*overrides)


def test_a_step_that_cannot_be_shared_evenly_is_refused_with_what_can(tiny):
    with pytest.raises(
        ConfigError, match=r"^compute\.processes: 4 sequences .* by 3 processes; give optim.batch_tokens=96 or 192"
    ):
        resolve(composed(*tiny, "compute=ddp", "compute.processes=3"))
    with pytest.raises(ConfigError, match=r"give optim.batch_tokens=256, or"):
        resolve(composed(*tiny, "compute=ddp", "compute.processes=8"))


def test_a_run_has_the_same_budget_and_fingerprint_on_any_number_of_processes(tiny):
    one, several = composed(*tiny), composed(*tiny, *SEVERAL)
    assert resolve(one) == resolve(several)
    assert identify(one) == identify(several) == identify(composed(*tiny, "compute=zero2", "compute.port=29501"))


def test_random_numbers_of_each_process_count_in_the_fingerprint(tiny):
    columns = ["stage=sft", "data.sources.files.prompt=text", "data.sources.files.completion=text", "stage.lora.rank=2"]
    assert identify(composed(*tiny, *columns))[0] == identify(composed(*tiny, *columns, *SEVERAL))[0]
    columns.append("stage.lora.dropout=0.1")
    assert identify(composed(*tiny, *columns))[0] != identify(composed(*tiny, *columns, *SEVERAL))[0]


@pytest.mark.parametrize(
    ("batch", "processes", "micro", "expected"),
    [(8, 1, None, (8, 1)), (8, 1, 4, (4, 2)), (8, 2, None, (4, 1)), (8, 2, 32, (4, 1)), (96, 8, 8, (6, 2)), (14, 2, 4, (1, 7))],
)
def test_forward_passes_share_a_step(batch, processes, micro, expected):
    size, count = split_batch(batch, processes, micro)
    assert (size, count) == expected
    assert size * count * processes == batch


def test_deepspeed_that_is_missing_is_said_before_anything_is_written(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(launcher.importlib.util, "find_spec", lambda name: None)
    config = composed(*tiny, "compute=zero2")
    with pytest.raises(ConfigError, match=r"^compute\.strategy: zero2 needs DeepSpeed: pip install 'openr1\[deepspeed\]'$"):
        run_stage(config)
    assert not (tmp_path / "outputs" / "artifacts").exists()
    assert plan(config)  # it may be planned on another machine


def test_gpus_that_are_missing_are_said(tiny, monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    with pytest.raises(ConfigError, match=r"^compute\.processes: 8 need a GPU each; this machine has 3"):
        launcher.check_processes(composed(*tiny, "compute=ddp", "compute.device=cuda", "compute.processes=8"))


ASKED = ["data=sums", "model.checkpoint=pretrain-0123456789abcdef"]


@pytest.mark.parametrize(
    ("overrides", "shared"),
    [
        ([], True),
        (["compute.processes=1"], False),
        ([*ASKED, "stage=evaluate"], True),
        ([*ASKED, "stage=generate"], True),
        ([*ASKED, "stage=reject"], True),
        ([*ASKED, "stage=evaluate", "compute=zero3"], True),
        (["data=sums", "stage=generate", "stage.teacher=oracle"], False),
        (["stage=evaluate", "stage.answers=evaluate-0123456789abcdef"], False),
        (["stage=curate", "stage.inputs=[generate-0123456789abcdef]"], False),
    ],
)
def test_stages_that_train_or_ask_a_model_run_on_several_processes(overrides, shared):
    assert launcher.is_distributed(composed(*SEVERAL, *overrides)) is shared


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (
            ["engine=vllm_server", "engine.model=m"],
            "compute.processes: a server answers the requests of engine=openai, which one process sends; give 1, and",
        ),
        (["engine=vllm", "engine.tensor_parallel=2"], "engine.tensor_parallel: each of compute.processes=2 has one GPU, and"),
    ],
)
@pytest.mark.parametrize("stage", ["evaluate", "generate", "reject"])
def test_engines_that_processes_cannot_share_are_said(overrides, line, stage):
    with pytest.raises(ConfigError, match=f"^{re.escape(line)}") as refused:
        composed(*ASKED, f"stage={stage}", *SEVERAL, *overrides)
    assert "\n" not in str(refused.value)
    composed(*ASKED, f"stage={stage}", *SEVERAL, *overrides, "compute.processes=1")


def test_steps_of_a_recipe_have_their_own_processes():
    small = ["recipe=r1_distill", "data=sums", "scale=30k", "budget.tokens=2e4"]
    own = {"traces": 1, "curated": 1, "student": 2, "eval": 4}
    config = composed(*small, *SEVERAL, "+recipe.steps.eval.compute.processes=4")
    steps = [step.config for step in run_steps(config)]
    assert [step.compute.processes if launcher.is_distributed(step) else 1 for step in steps] == list(own.values())
    # the artifacts are those of one process
    assert [step.fingerprint for step in run_steps(config)] == [step.fingerprint for step in run_steps(composed(*small))]
    served = "+recipe.steps.eval.engine={kind: openai, model: m, api_key_env: null}"
    with pytest.raises(ConfigError, match=r"^recipe\.steps\.eval\.compute\.processes: a server answers"):
        composed(*small, *SEVERAL, served)
    composed(*small, *SEVERAL, served, "+recipe.steps.eval.compute.processes=1")


def test_processes_that_ask_need_no_deepspeed_and_a_gpu_each_for_their_engines(monkeypatch):
    monkeypatch.setattr(launcher.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    config = composed(*ASKED, "stage=evaluate", "compute=zero2")
    launcher.check_processes(config)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    compute = launcher.launched_compute(config)
    assert (compute.strategy, compute.device, compute.processes) == ("ddp", "cpu", 2)
    # a reward may be on a GPU that the engines do not use
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert launcher.launched_compute(config).device == "cuda"
    needing = ["engine.device=cuda"], ["compute.device=cuda"], ["engine=vllm"]
    for words in needing:
        with pytest.raises(ConfigError, match=r"^compute\.processes: 2 need a GPU each; this machine has 1"):
            launcher.check_processes(composed(*ASKED, "stage=evaluate", "compute=ddp", *words))


@pytest.mark.parametrize(("visible", "own"), [(None, "1"), ("", "1"), ("4,6,7", "6"), ("GPU-a,GPU-b", "GPU-b")])
def test_a_process_sees_its_own_gpu_only(monkeypatch, visible, own):
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    keep_own_gpu(1)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == own


def test_the_rank_that_failed_first_is_named():
    assert launcher.first_failure({0: failed("ValueError: later", 5), 1: failed("KeyError: 'x'\nmore", 4)}) == {
        "rank": 1,
        "kind": "KeyError",
        "message": "'x'",
    }
    followed = failed("RuntimeError: [gloo/transport/tcp/pair.cc:553] Connection closed by peer", 4)
    assert launcher.first_failure({0: followed, 1: failed("ValueError: cause", 4)})["rank"] == 1
    killed = launcher.first_failure(
        {0: followed, 1: failed("Signal 9", 5, exitcode=-9), 2: failed("Signal 15", 4, exitcode=-15)}
    )
    assert killed == {"rank": 1, "kind": "", "message": "killed by SIGKILL, perhaps because memory ran out"}


@pytest.mark.parametrize(
    ("kind", "error", "line"),
    [
        ("RunError", RunError, "^training diverged$"),
        ("ConfigError", ConfigError, "^training diverged$"),
        ("ValueError", RunError, r"^rank 1 of 2: ValueError: training diverged \(its log: .*rank-1.log\)$"),
    ],
)
def test_a_failure_is_one_line(tmp_path, kind, error, line):
    (tmp_path / launcher.FAILURE).write_text(json.dumps({"rank": 1, "kind": kind, "message": "training diverged"}))
    error_read = launcher.read_failure(tmp_path, 2)
    assert type(error_read) is error
    with pytest.raises(error, match=line):
        raise error_read
