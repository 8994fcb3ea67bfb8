import subprocess
import sys

import pytest

from openr1.engines import ENGINES, Completion, Reply, Request, Sampling
from openr1.engines.base import ReplyCollector, RequestError
from openr1.engines.options import OpenAIEngine, TransformersEngine, VllmEngine, check_engine
from openr1.options import check_ranges
from openr1.system.errors import ConfigError


def test_the_defaults_are_possible(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    for engine in ENGINES.values():
        check_engine(engine())
    check_ranges(Sampling())


@pytest.mark.parametrize(
    ("config", "key"),
    [
        (TransformersEngine(device="tpu"), "engine.device: 'tpu' is not one of cpu, cuda"),
        (TransformersEngine(dtype="int8"), "engine.dtype: 'int8' is not one of float32, bfloat16, float16"),
        (TransformersEngine(batch_size=0), "engine.batch_size: must be at least 1, not 0"),
        (TransformersEngine(context=-1), "engine.context: must be at least 2"),
        (VllmEngine(gpu_memory=1.5), "engine.gpu_memory: must be above 0 and at most 1"),
        (OpenAIEngine(api_key_env=None, retries=-1), "engine.retries: must be at least 0"),
        (OpenAIEngine(api_key_env=None, requests_per_minute=0), "engine.requests_per_minute: must be above 0"),
        (OpenAIEngine(api_key_env="NO_SUCH_KEY_HERE"), "engine.api_key_env: the environment has no NO_SUCH_KEY_HERE"),
    ],
)
def test_impossible_engines_are_refused_in_one_line(config, key):
    with pytest.raises(ConfigError) as refused:
        check_engine(config)
    assert str(refused.value).startswith(key)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("sampling", "key"),
    [
        (Sampling(temperature=-1), "stage.sampling.temperature: must be from 0 to 100"),
        (Sampling(top_p=0), "stage.sampling.top_p: must be above 0 and at most 1"),
        (Sampling(top_p=1.1), "stage.sampling.top_p: "),
        (Sampling(top_k=0), "stage.sampling.top_k: must be at least 1"),
        (Sampling(max_tokens=0), "stage.sampling.max_tokens: must be at least 1"),
        (Sampling(n=0), "stage.sampling.n: must be at least 1"),
        (Sampling(stop=["a", ""]), "stage.sampling.stop[1]: needs at least 1 character"),
    ],
)
def test_impossible_sampling_is_refused(sampling, key):
    with pytest.raises(ConfigError) as refused:
        check_ranges(sampling, "stage.sampling")
    assert str(refused.value).startswith(key)


def test_what_is_fingerprinted_is_a_field():
    for engine in ENGINES.values():
        assert set(engine.fingerprinted) <= set(vars(engine()))


def test_no_retries_and_a_greedy_temperature_are_possible():
    check_engine(OpenAIEngine(api_key_env=None, retries=0))
    check_ranges(Sampling(temperature=0))


def test_a_request_has_a_prompt_or_messages():
    for wrong in ({}, {"prompt": "a", "messages": [{"role": "user", "content": "a"}]}):
        with pytest.raises(ValueError, match="request 7: takes either a prompt or messages"):
            Request("7", **wrong)


def test_seeds_of_samples_are_small_and_apart():
    seeds = {Request(name, prompt="p", seed=seed).sample_seed(i) for name in "ab" for seed in (0, 1) for i in range(100)}
    assert len(seeds) == 400
    assert 0 <= min(seeds) <= max(seeds) < 2**31
    assert Request("a", prompt="x").sample_seed(3) == Request("a", prompt="y", n=9).sample_seed(3)


def test_a_reply_is_whole_with_its_last_completion():
    collector = ReplyCollector([Request("a", prompt="p", n=3), Request("b", prompt="p")], default=1)
    made = [Completion(str(i), "stop", tokens=i + 1) for i in range(3)]
    collector.prompt_tokens[0] = 4
    assert collector.add(0, 2, made[2]) is None
    assert collector.add(0, 1, RequestError("lost")) is None
    assert collector.add(0, 0, made[0]) == Reply("a", (made[0], made[2]), 4, "lost")
    assert collector.add(1, 0, made[1]) == Reply("b", (made[1],))


def test_tokens_of_a_reply_are_known_where_all_are():
    assert Reply("a", (Completion("", "stop", 2), Completion("", "length", 3))).completion_tokens == 5
    assert Reply("a", (Completion("", "stop", 2), Completion("", "stop", None))).completion_tokens is None


def test_nothing_heavy_is_imported_with_the_interface():
    heavy = ("torch", "transformers", "openai", "vllm", "jinja2")
    script = f"import sys, openr1.engines, openr1.engines.end_tokens; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n"
