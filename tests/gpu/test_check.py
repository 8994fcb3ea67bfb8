"""The check for a GPU: a tiny form of all its parts on a processor, and the whole of it where there is a GPU."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

CHECK = Path(__file__).with_name("check.py")


def check(*words, seconds):
    command = [sys.executable, str(CHECK), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)


def report_module():
    spec = importlib.util.spec_from_file_location("gpu_report", CHECK.with_name("report.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


RESULT = {
    "tiny": False,
    "card": "NVIDIA H100 PCIe",
    "peak_flops": 756e12,
    "versions": {"torch": "2.13.0", "vllm": None},
    "commit": "0123456789abcdef",
    "started": "2000-01-01 00:00",
    "seconds": 500.0,
    "parts": {"mfu": {"ended": "done", "seconds": 400.0}, "grpo": {"ended": "out of time after 99 s", "seconds": 99.0}},
    "figures": [
        {"part": "mfu", "name": "MFU", "value": 0.5, "unit": "", "goal": "at least 0.45", "met": True, "note": "a | b"},
        {"part": "grpo", "name": "a step", "value": 12345.0, "unit": "s", "goal": "", "met": None, "note": ""},
    ],
}


def test_figures_fill_the_document_in_the_place_of_those_before(tmp_path):
    report, document = report_module(), tmp_path / "gpu.md"
    document.write_text(f"Before\n\n{report.BEGIN}\n\nold\n\n{report.END}\n\nAfter\n")
    report.fill(RESULT, document)
    report.fill(RESULT, document)
    text = document.read_text()
    assert text.startswith("Before\n\n<!-- figures -->\n\nNVIDIA H100 PCIe, peak 756 TFLOP/s in bfloat16; torch 2.13.0;")
    assert text.endswith("<!-- end of figures -->\n\nAfter\n")
    assert "| mfu | MFU | 0.5 | at least 0.45 | yes | a / b |" in text
    assert "| grpo | a step | 12,345 s |  |  |  |\n| grpo |  |  |  |  | out of time after 99 s |" in text
    assert "old" not in text


def test_figures_of_a_processor_do_not_fill_the_document(tmp_path):
    with pytest.raises(SystemExit, match="on a processor"):
        report_module().fill(RESULT | {"tiny": True}, tmp_path / "gpu.md")


def test_the_shipped_document_has_the_place_of_the_figures():
    report = report_module()
    assert report.BEGIN in report.DOCUMENT.read_text()
    assert report.END in report.DOCUMENT.read_text()


@pytest.mark.slow
def test_a_part_that_is_not_there_is_refused():
    done = check("--only", "mfu,speed", seconds=60)
    assert done.returncode == 2
    assert "--only: speed is not one of resume, zero3, generation, grpo, mfu" in done.stderr


@pytest.mark.integration
def test_all_parts_work_in_their_tiny_form(tmp_path):
    done = check("--tiny", "--minutes", 30, "--json", tmp_path / "out.json", seconds=1900)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads((tmp_path / "out.json").read_text())
    assert {name: part["ended"] for name, part in result["parts"].items()} == dict.fromkeys(result["parts"], "done")
    assert result["tiny"]
    assert result["card"]
    assert result["versions"]["torch"] == torch.__version__
    figures = {(figure["part"], figure["name"]): figure for figure in result["figures"]}
    failed = [figure for figure in result["figures"] if figure["note"].startswith("failed")]
    assert not failed
    for name in ("killed and resumed", "run twice"):  # to the bit, on a processor
        assert figures["resume", f"{name}: largest relative difference of losses"]["value"] == 0
    for compiled in ("compiled", "not compiled"):
        assert figures["mfu", f"30k, {compiled}: beside the bare loop"]["value"] > 0
    assert {part for part, _ in figures} == {"resume", "zero3", "generation", "grpo", "mfu"}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU")
def test_all_parts_work_on_a_gpu(tmp_path):
    done = check("--json", tmp_path / "out.json", seconds=600)
    print(done.stdout)
    result = json.loads((tmp_path / "out.json").read_text())
    assert not [figure for figure in result["figures"] if figure["note"].startswith("failed")]
    assert not [name for name, part in result["parts"].items() if part["ended"].startswith("failed")]
