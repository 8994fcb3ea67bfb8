"""lm-evaluation-harness gives the answers that ``stage=evaluate`` gives to the same problems of the same checkpoint."""

import json
import os
import shlex
import subprocess
import sys

import pytest
from helpers.cli import succeed

from openr1.data.answers import read_answers
from openr1.evaluation.harness import write_task

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def test_the_harness_gives_the_same_answers(tmp_path):
    pytest.importorskip("lm_eval", reason="needs the package lm_eval")
    model = ["data=sums", "data.sources.sums.problems=400", "scale=30k"]
    succeed("openr1", "stage=sft", *model, "budget.tokens=2e4", "optim.batch_tokens=512", cwd=tmp_path)
    artifacts = tmp_path / "outputs" / "artifacts"
    (checkpoint,) = artifacts.glob("sft-*")
    model.append(f"model.checkpoint={checkpoint.name}")
    greedy = ["stage.sampling.temperature=0", "stage.sampling.max_tokens=40", "stage.samples=1"]
    succeed("openr1", "stage=evaluate", *model, *greedy, "stage.problems=20", cwd=tmp_path)
    (evaluation,) = artifacts.glob("evaluate-*")
    words = write_task(evaluation, tmp_path / "task")
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf")}
    command = [sys.executable, "-m", *words, "--device", "cpu", "--log_samples", "--output_path", str(tmp_path / "out")]
    done = subprocess.run(command, env=os.environ | offline, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, (shlex.join(command), done.stderr[-2000:])
    (samples,) = (tmp_path / "out").rglob("samples_*.jsonl")
    theirs = [json.loads(line) for line in samples.read_text().splitlines()]
    ours = {row["prompt"]: row for row in read_answers(evaluation)}
    assert len(theirs) == len(ours) > 10
    for row in theirs:
        own = ours[row["doc"]["prompt"]]
        assert (row["resps"][0][0], bool(row["exact_match"])) == (own["completion"], own["verified"])
