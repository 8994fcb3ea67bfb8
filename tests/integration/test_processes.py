"""Runs on two processes of this machine: their results and their ends."""

import importlib.util
import json
import os
import signal
import sys
import textwrap
import time

import psutil
import pytest
from helpers.cli import start_run
from helpers.configs import composed

from openr1.runs.fingerprint import identify
from openr1.runs.stage_run import run_stage
from openr1.system.artifacts import Store
from openr1.system.errors import RunError
from openr1.tracking import mlflow as tracking

pytestmark = pytest.mark.integration

needs_deepspeed = pytest.mark.skipif(
    importlib.util.find_spec("deepspeed") is None, reason="DeepSpeed is not installed: pip install 'openr1[deepspeed]'"
)
STRATEGIES = [
    "ddp",
    pytest.param("zero2", marks=needs_deepspeed),
    pytest.param("zero3", marks=needs_deepspeed),
]
COMPARED = {"train_loss", "mtp_loss", "eval_loss", "grad_norm", "lr", "tokens", "flops"}


@pytest.fixture
def runs(tiny, tmp_path):
    """Return overrides by what is trained: text, with a module of multi-token prediction or without, or completions in several
    forward passes, with all weights or adapters."""
    pairs = tmp_path / "pairs.jsonl"
    rows = [{"question": f"{i * 7919 % 1000} ?" * (1 + i % 3), "reply": " yes" * (1 + i % 4)} for i in range(300)]
    pairs.write_text("".join(json.dumps(row) + "\n" for row in rows))
    columns = {"path": pairs, "prompt": "question", "completion": "reply"}
    sft = ["stage=sft", *(f"data.sources.files.{key}={value}" for key, value in columns.items())]
    sft += ["optim.batch_tokens=400", "compute.micro_batch=8", "budget.steps=6"]
    rewards = ["stage=reward_model", "data=readability", "data.sources.readability.problems=300", "optim.batch_tokens=1400"]
    rewards += [option for option in tiny if not option.startswith(("data", "optim.batch_tokens"))]
    rewards += ["data.eval_tokens=4096", "data.eval_fraction=0.2", "budget.steps=6"]
    mtp = [*tiny, "model.mtp.depth=1", "compute.micro_batch=1"]
    return {"pretrain": tiny, "mtp": mtp, "sft": [*tiny, *sft], "lora": [*tiny, *sft, "stage.lora.rank=4"], "rewards": rewards}


@pytest.mark.parametrize(
    ("kind", "strategy"),
    [
        pytest.param("pretrain", "ddp", marks=pytest.mark.nightly),
        ("mtp", "ddp"),
        ("sft", "ddp"),
        ("rewards", "ddp"),
        pytest.param("pretrain", "zero2", marks=[needs_deepspeed, pytest.mark.nightly]),
        pytest.param("sft", "zero2", marks=[needs_deepspeed, pytest.mark.nightly]),
        pytest.param("pretrain", "zero3", marks=needs_deepspeed),
        pytest.param("lora", "zero3", marks=needs_deepspeed),
    ],
)
def test_two_processes_give_what_one_gives(runs, tmp_path, kind, strategy):
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

    overrides = [*runs[kind], "stage.log_points=6"]
    single = run_stage(composed(*overrides), quiet=True)
    config = composed(*overrides, f"compute={strategy}", f"paths.artifacts={tmp_path}/two", "study=two")
    two = run_stage(config, quiet=True)
    assert not two.reused
    assert two.artifact.fingerprint == single.artifact.fingerprint

    first, second = single.artifact.history(), two.artifact.history()
    assert [row["step"] for row in first] == [row["step"] for row in second]
    for before, after in zip(first, second, strict=True):
        assert after.keys() == before.keys()
        for name in before.keys() & COMPARED:
            assert after[name] == pytest.approx(before[name], abs=1e-5, rel=1e-6)
    auto_class = AutoModelForSequenceClassification if kind == "rewards" else AutoModelForCausalLM
    whole, again = (auto_class.from_pretrained(each.artifact.model).state_dict() for each in (single, two))
    assert whole.keys() == again.keys()
    # softmax does not see the biases of keys: their gradient is rounding, which Adam makes as large as any other
    seen = [name for name in whole if not name.endswith("k_proj.bias")]
    assert max(float((whole[name] - again[name]).abs().max()) for name in seen) < 1e-4

    (tracked,) = tracking.read_runs(config.tracking.uri, "two")
    measured = {"wall_seconds", "eval_seconds", "tokens_per_second", "peak_memory_bytes"}
    assert tracked.metrics["eval_loss"] == pytest.approx(single.metrics["eval_loss"], abs=1e-5)
    for name in single.metrics.keys() - measured:
        assert two.metrics[name] == pytest.approx(single.metrics[name], rel=1e-5, abs=1e-5), name
    points = tracking.client(config.tracking.uri).get_metric_history(tracked.run_id, "train_loss")
    assert [point.step for point in points] == [row["step"] for row in second if "train_loss" in row]
    assert not (two.artifact.path / "ranks").exists()


def broken(tmp_path, monkeypatch, what):
    """Have the second rank do something else where it reads its evaluation's result, which the first one waits for."""
    module = f"""
        import os, signal
        if os.environ.get("RANK") == "1":
            from openr1.distributed import collectives
            gather = collectives.gather
            def other(value):
                if isinstance(value, tuple):
                    {what}
                return gather(value)
            collectives.gather = other
    """
    (tmp_path / "sitecustomize.py").write_text(textwrap.dedent(module))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("raise LookupError('no more')", r"^rank 1 of 2: LookupError: no more \(its log: .*rank-1\.log\)$"),
        (
            "os.kill(os.getpid(), signal.SIGKILL)",
            r"^rank 1 of 2: killed by SIGKILL, perhaps because memory ran out \(its log: .*\)$",
        ),
    ],
)
def test_the_crash_of_one_rank_ends_the_run_with_its_reason(tiny, tmp_path, monkeypatch, what, line):
    config = composed(*tiny, "compute=ddp", "compute.checkpoint_minutes=null")
    broken(tmp_path, monkeypatch, what)
    with pytest.raises(RunError, match=line) as error:
        run_stage(config, quiet=True)
    assert "\n" not in str(error.value)
    (failed,) = tracking.read_runs(config.tracking.uri, config.study, status="FAILED")
    assert failed.tags["failure"].startswith("RunError: rank 1 of 2: ")
    assert Store(config.paths.artifacts).find(config.stage.kind, identify(config)[0]) is None


def test_a_diverging_run_fails_as_on_one_process(tiny):
    config = composed(*tiny, "compute=ddp", "optim.lr=1000", "optim.grad_clip=0", "optim.warmup=0")
    with pytest.raises(RunError, match=r"^training diverged"):
        run_stage(config, quiet=True)
    (failed,) = tracking.read_runs(config.tracking.uri, config.study, status="FAILED")
    assert failed.tags["failure"].startswith("RunError: training diverged")


@pytest.mark.parametrize(
    "strategy",
    [
        "ddp",
        pytest.param("zero2", marks=[needs_deepspeed, pytest.mark.nightly]),
        pytest.param("zero3", marks=[needs_deepspeed, pytest.mark.nightly]),
    ],
)
def test_a_run_whose_parent_is_killed_ends_and_goes_on_to_the_same_bits(tiny, tmp_path, strategy):
    long = [*tiny, "budget.steps=120", "compute.checkpoint_steps=10", "stage.log_points=12", f"compute={strategy}"]
    config = composed(*long)
    kind, mark = config.stage.kind, identify(config)[0]
    partial = Store(config.paths.artifacts).partial(kind, mark)
    parent = start_run(long, tmp_path)
    while parent.poll() is None and not list(partial.glob("checkpoints/checkpoint-*/complete")):
        time.sleep(0.01)
    started = psutil.Process(parent.pid).children(recursive=True)
    assert len(started) >= 3  # the launcher and two ranks
    os.kill(parent.pid, signal.SIGKILL)
    parent.finish()
    _, alive = psutil.wait_procs(started, timeout=20)
    assert not alive

    result = run_stage(config, quiet=True)
    assert tracking.read_runs(config.tracking.uri, config.study)[0].run_id == result.run_id  # the killed run was resumed
    whole = run_stage(composed(*long, f"paths.artifacts={tmp_path}/whole", "study=whole"), quiet=True)
    assert result.artifact.sha256() == whole.artifact.sha256()
    for name in ("eval_loss", "train_loss"):
        curves = [[row[name] for row in each.artifact.history() if name in row] for each in (result, whole)]
        assert curves[0][-1] == curves[1][-1]
    points = tracking.client(config.tracking.uri).get_metric_history(result.run_id, "eval_loss")
    steps = [point.step for point in points if point.step < 120]
    assert steps == sorted(set(steps))
    assert not partial.exists()
