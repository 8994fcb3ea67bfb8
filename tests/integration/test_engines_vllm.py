"""vLLM on a processor, in process and as a server, beside transformers: the same prompts, the same answers.

It has an environment of its own, which `make vllm` makes in .venv-vllm; another one is named by OPENR1_VLLM_PYTHON.
"""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from helpers.models import write_model

from openr1.data.answers import read_answers
from openr1.engines import Request, Sampling, open_engine
from openr1.engines.options import OpenAIEngine, TransformersEngine
from openr1.evaluation.grading import votes
from openr1.tracking import mlflow as tracking

ROOT = Path(__file__).parents[2]
PYTHON = Path(os.environ.get("OPENR1_VLLM_PYTHON", ROOT / ".venv-vllm/bin/python"))
pytestmark = [
    pytest.mark.integration,
    pytest.mark.xdist_group("vllm"),  # each takes all cores
    pytest.mark.skipif(not PYTHON.exists(), reason=f"vLLM is not installed: {PYTHON} is not there; `make vllm` makes it"),
]
# reads {model, prompts, sampling, batch_size} and writes, for each prompt, the text, token ids and log-probabilities
WORKER = """
import json, sys
from openr1.engines import Request, Sampling, open_engine
from openr1.engines.options import VllmEngine

if __name__ == "__main__":
    job = json.load(open(sys.argv[1]))
    config = VllmEngine(model=job["model"], dtype="float32", cpu_cache_gib=0.5, batch_size=32, context=job["context"])
    requests = [Request(str(i), **prompt) for i, prompt in enumerate(job["prompts"])]
    with open_engine(config, Sampling(**job["sampling"])) as engine:
        rounds = [{reply.id: reply for reply in engine.generate(requests)} for _ in range(job["rounds"])]
    completions = [[[answer.text, answer.token_ids, answer.logprobs] for answer in replies[str(i)].completions]
                   for replies in rounds for i in range(len(requests))]
    json.dump(completions, open(sys.argv[2], "w"))
"""


def environment():
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "2", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}


def vllm(folder, model, prompts, context=None, rounds=1, **sampling):
    """Generate with vLLM: for each prompt of each round, ``[text, token ids, log-probabilities]`` of every completion."""
    job, written, script = (folder / name for name in ("job.json", "completions.json", "worker.py"))
    job.write_text(json.dumps({"model": model, "prompts": prompts, "context": context, "rounds": rounds, "sampling": sampling}))
    script.write_text(WORKER)
    done = subprocess.run([PYTHON, script, job, written], env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(written.read_text())


def transformers(model, prompts, **sampling):
    engine = open_engine(TransformersEngine(model=model, batch_size=32))
    requests = [Request(str(i), **prompt) for i, prompt in enumerate(prompts)]
    replies = {reply.id: reply for reply in engine.generate(requests, Sampling(**sampling))}
    return [replies[str(i)] for i in range(len(prompts))]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model"))


PROMPTS = [{"prompt": "12 plus " * (1 + i % 9) + str(i)} for i in range(40)]


def test_in_process_it_writes_what_transformers_writes(model, tmp_path):
    ours = transformers(model, PROMPTS, temperature=0, max_tokens=40)
    written = vllm(tmp_path, model, PROMPTS, temperature=0, max_tokens=40)
    same = [
        answers[0]
        for answers, reply in zip(written, ours, strict=True)
        if tuple(answers[0][1]) == reply.completions[0].token_ids
    ]
    assert len(same) >= 38
    for answers, reply in zip(written, ours, strict=True):
        completion = reply.completions[0]
        if tuple(answers[0][1]) == completion.token_ids:
            assert answers[0][2] == pytest.approx(completion.logprobs, abs=1e-3)


def test_long_prompts_with_seeds_are_drawn_and_drawn_again(model, tmp_path):
    """Long prompts: vLLM would end if it read them in parts, since they have more tokens than it reads at once."""
    prompts = [{"prompt": "12 plus " * 40 + str(i)} for i in range(64)]
    written = vllm(tmp_path, model, prompts, rounds=2, max_tokens=12)
    same = sum(answers[0][0] == again[0][0] for answers, again in zip(written[:64], written[64:], strict=True))
    assert same >= 60
    assert len({answers[0][0] for answers in written[:64]}) > 55


def test_as_a_server_it_writes_what_transformers_writes(model):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [PYTHON, "-m", "vllm.entrypoints.openai.api_server", "--model", model, "--served-model-name", "small"]
    command += ["--dtype", "float32", "--enforce-eager", "--no-enable-chunked-prefill", "--generation-config", "vllm"]
    command += ["--kv-cache-memory-bytes", str(2**29), "--port", str(port)]
    process = subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2)
                break
            except OSError:
                assert process.poll() is None, "the server ended"
                time.sleep(1)
        engine = open_engine(
            OpenAIEngine(model="small", base_url=f"http://127.0.0.1:{port}/v1", api_key_env=None, logprobs=True)
        )
        requests = [Request(str(i), **prompt) for i, prompt in enumerate(PROMPTS)]
        replies = {reply.id: reply for reply in engine.generate(requests, Sampling(temperature=0, max_tokens=40))}
    finally:
        process.terminate()
        process.wait()
    ours = transformers(model, PROMPTS, temperature=0, max_tokens=40)
    same = 0
    for reply in ours:
        [completion], [served] = reply.completions, replies[reply.id].completions
        assert replies[reply.id].prompt_tokens == reply.prompt_tokens
        # not the text: noise is no UTF-8, and a server writes what is none in another way
        same += served.tokens == completion.tokens and served.logprobs == pytest.approx(completion.logprobs, abs=1e-3)
    assert same >= 38


@pytest.mark.slow
@pytest.mark.nightly
def test_a_pretrained_model_gives_the_same_answers(tmp_path):
    """Evaluate SmolLM2-135M on word problems with both engines, by the command that people run."""
    study = [PYTHON.parent / "openr1", "-m", "experiment=smollm2_eval", "engine=transformers,vllm"]
    study += [f"paths.cache={os.environ.get('OPENR1_CACHE', ROOT / 'outputs' / 'cache')}"]
    done = subprocess.run(study, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    runs = {
        run.params["engine.kind"]: run for run in tracking.read_runs(f"sqlite:///{tmp_path}/outputs/mlflow.db", "smollm2_eval")
    }
    assert set(runs) == {"transformers", "vllm"}
    for run in runs.values():
        assert run.tags["scale"] == "135m"
        assert run.metrics["pass_at_1_low"] <= run.metrics["pass_at_1"] <= run.metrics["pass_at_1_high"]
    ours, written = (list(read_answers(Path(runs[kind].tags["artifact"]))) for kind in ("transformers", "vllm"))
    same = sum(len(set(votes([ours_row, theirs]))) == 1 for ours_row, theirs in zip(ours, written, strict=True))
    print(f"the same answer to {same} of {len(ours)}, pass@1 {runs['vllm'].metrics['pass_at_1']:.2f}", file=sys.stderr)
    assert len(ours) == 100
    assert same >= 95
