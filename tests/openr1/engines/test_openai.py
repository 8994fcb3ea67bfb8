"""The engine against a local server that answers, throttles, fails, hangs and talks nonsense."""

import itertools
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from openr1.engines import Request, Sampling, open_engine
from openr1.engines.options import OpenAIEngine
from openr1.system.errors import ConfigError, RunError


class Server(ThreadingHTTPServer):
    """Answers by the word that a prompt begins with; ``seen`` holds every request with its time."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen, self.lock, self.open, self.most = [], threading.Lock(), 0, 0
        self.status = None  # for every request, whatever it asks
        self.released = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}/v1"

    def handle_error(self, *_):
        """A client that hung up: what several tests are about."""

    def asked(self, prompt):
        return [one for one in self.seen if one["text"] == prompt]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        chat = self.path.endswith("/chat/completions")
        text = body["messages"][-1]["content"] if chat else body["prompt"]
        with server.lock:
            times = len(server.asked(text))
            entry = {
                "text": text,
                "body": body,
                "path": self.path,
                "time": time.monotonic(),
                "key": self.headers["Authorization"],
            }
            server.seen.append(entry)
            server.open += 1
            server.most = max(server.most, server.open)
        try:
            self.answer(text.split()[0], times, body, chat)
        finally:
            with server.lock:
                server.open -= 1

    def answer(self, word, times, body, chat):
        if self.server.status:
            return self.send(self.server.status, {"error": {"message": "no\nway", "code": self.server.status}})
        if word == "flaky" and times < 2:
            return self.send(500 + times, {"error": {"message": "overloaded"}})
        if word == "throttled" and times < 2:
            return self.send(429, {"error": {"message": "slow down"}}, {"Retry-After": "0.3"})
        if word == "broken":
            return self.send(503, {"error": {"message": "always"}})
        if word == "bad":
            return self.send(400, {"error": {"message": "this prompt is not for me"}})
        if word == "hangs" and times < 1:
            self.server.released.wait(20)
            return None
        if word == "drips":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            while not self.server.released.wait(0.1):
                self.wfile.write(b" ")
                self.wfile.flush()
        if word == "gone" or (word == "dropped" and times < 1):
            self.close_connection = True
            return self.connection.shutdown(2)
        if word == "empty":
            return self.send(200, {"id": "1", "choices": [], "usage": None})
        if word == "nonsense":
            return self.send(200, ["what?"])
        if word == "garbage":
            return self.send(200, None)
        if word == "slow":
            time.sleep(0.05)
        return self.send(200, self.chat(word) if chat else self.completion(body))

    def completion(self, body):
        choice = {"index": 0, "text": f" says {body['seed']}", "finish_reason": "stop", "logprobs": None}
        if "logprobs" in body:
            choice["logprobs"] = {"tokens": ["a", "b"], "token_logprobs": [-0.5, -0.25]}
        usage = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
        return {"id": "1", "object": "text_completion", "choices": [choice], "usage": usage}

    def chat(self, word):
        message, reason = {"role": "assistant", "content": "4"}, "stop"
        if word in ("thinks", "thinks-long"):
            message["reasoning_content"] = "2 and 2"
        if word == "thinks-long":
            message["content"], reason = None, "length"
        choice = {"index": 0, "message": message, "finish_reason": reason}
        choice["logprobs"] = {"content": [{"token": "4", "logprob": -0.125, "top_logprobs": []}]}
        usage = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
        return {"id": "1", "object": "chat.completion", "choices": [choice], "usage": usage}

    def send(self, status, value, headers=()):
        data = json.dumps(value).encode() if value else b"{<html>"
        self.send_response(status)
        for name, text in {"Content-Type": "application/json", "Content-Length": str(len(data)), **dict(headers)}.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def server():
    server = Server()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def engine(server):
    def engine(**options):
        defaults = {"model": "m", "base_url": server.url, "api_key_env": None, "backoff": 0.01}
        return open_engine(OpenAIEngine(**defaults | options))

    return engine


def replies(engine, asked, sampling=None):
    return {reply.id: reply for reply in engine.generate(asked, sampling)}


def plain(*prompts, n=1):
    return [Request(prompt, prompt=prompt, n=n) for prompt in prompts]


def user(text, name="a"):
    return Request(name, messages=[{"role": "system", "content": "be brief"}, {"role": "user", "content": text}])


def test_plain_prompts_go_to_the_completions_endpoint(server, engine, monkeypatch):
    monkeypatch.setenv("SOME_KEY", "secret")
    sampling = Sampling(temperature=0.5, top_p=0.9, top_k=20, max_tokens=11, stop=["x", "y"])
    [reply] = engine(api_key_env="SOME_KEY", options={"min_p": 0.1}).generate(plain("two and two"), sampling)
    [entry] = server.seen
    assert entry["path"] == "/v1/completions"
    assert entry["key"] == "Bearer secret"
    seed = plain("two and two")[0].sample_seed(0)
    wanted = {"model": "m", "prompt": "two and two", "temperature": 0.5, "top_p": 0.9, "top_k": 20, "max_tokens": 11}
    assert entry["body"] == {**wanted, "stop": ["x", "y"], "seed": seed, "min_p": 0.1}
    [completion] = reply.completions
    assert (completion.text, completion.finish_reason, completion.tokens) == (f" says {seed}", "stop", 5)
    assert (completion.token_ids, completion.logprobs) == (None, None)
    assert (reply.prompt_tokens, reply.completion_tokens, reply.error) == (7, 5, None)


def test_messages_go_to_the_chat_endpoint(server, engine):
    [reply] = engine(max_tokens_key="max_completion_tokens", logprobs=True).generate([user("two")], Sampling(max_tokens=11))
    [entry] = server.seen
    assert entry["path"] == "/v1/chat/completions"
    assert entry["body"]["messages"] == [{"role": "system", "content": "be brief"}, {"role": "user", "content": "two"}]
    assert entry["body"]["max_completion_tokens"] == 11
    assert not {"max_tokens", "top_k", "stop", "prompt"} & set(entry["body"])
    assert reply.completions[0].text == "4"
    assert reply.completions[0].logprobs == (-0.125,)


def test_logprobs_of_plain_prompts(engine):
    [reply] = engine(logprobs=True).generate(plain("two"))
    assert reply.completions[0].logprobs == (-0.5, -0.25)


def test_thoughts_that_are_set_apart_are_part_of_the_answer(engine):
    found = replies(engine(), [user("thinks", "whole"), user("thinks-long", "cut")])
    assert found["whole"].completions[0].text == "<think>2 and 2</think>4"
    assert found["cut"].completions[0].text == "<think>2 and 2"
    assert not found["cut"].completions[0].finished


def test_each_completion_is_a_request_with_a_seed_of_its_own(server, engine):
    asked = plain("a", "b", n=3)
    found = replies(engine(), asked)
    assert len(server.seen) == 6
    for request in asked:
        seeds = [request.sample_seed(i) for i in range(3)]
        assert [completion.text for completion in found[request.id].completions] == [f" says {seed}" for seed in seeds]
        assert (found[request.id].prompt_tokens, found[request.id].completion_tokens) == (7, 15)


@pytest.mark.parametrize(("word", "tries"), [("flaky", 3), ("throttled", 3), ("dropped", 2)])
def test_what_fails_for_now_is_tried_again(server, engine, word, tries):
    [reply] = engine().generate(plain(word))
    assert (reply.error, len(reply.completions)) == (None, 1)
    assert len(server.asked(word)) == tries


def test_a_hanging_request_is_given_up_and_tried_again(server, engine):
    start = time.monotonic()
    found = replies(engine(timeout=0.5), plain("hangs", "fine"))
    assert time.monotonic() - start < 5
    assert found["hangs"].error is None
    assert len(server.asked("hangs")) == 2


def test_waits_are_as_long_as_the_server_asks_for(server, engine):
    """And nothing else starts in that time."""
    list(engine(concurrency=2).generate(plain("throttled", *[f"slow {i}" for i in range(30)])))
    first, second, third = (entry["time"] for entry in server.asked("throttled"))
    assert second - first > 0.3
    assert third - second > 0.3
    assert not [entry for entry in server.seen if first + 0.1 < entry["time"] < first + 0.3]


def test_waits_grow(server, engine):
    list(engine(backoff=0.1, retries=3).generate(plain("warm up", "broken")))
    times = [entry["time"] for entry in server.asked("broken")]
    waits = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert len(waits) == 3
    for wait, least in zip(waits, (0.05, 0.1, 0.2), strict=True):
        assert least < wait < 2 * least + 0.3


def test_a_failure_costs_one_completion(server, engine):
    found = replies(engine(retries=2), plain("bad", "broken", "empty", "nonsense", "garbage", "fine"))
    assert found["fine"].error is None
    assert found["bad"].error.startswith("400: ")
    assert "this prompt is not for me" in found["bad"].error
    assert len(server.asked("bad")) == 1
    assert found["broken"].error.startswith("503: ")
    assert found["broken"].error.endswith("at the last of 3 tries")
    assert len(server.asked("broken")) == 3
    assert found["empty"].error == "the answer has no choices"
    assert found["nonsense"].error.startswith("the answer has an unknown form: ")
    assert found["garbage"].error.startswith("the answer has an unknown form: ")
    for reply in found.values():
        assert bool(reply.completions) == (reply.id == "fine")
        assert "\n" not in (reply.error or "")


@pytest.mark.parametrize(("status", "key"), [(401, "engine.api_key_env"), (404, "engine.model"), (402, "engine.base_url")])
def test_what_no_request_can_overcome_ends_the_run(server, engine, status, key):
    server.status = status
    with pytest.raises(RunError) as refused:
        list(engine(concurrency=4).generate(plain(*map(str, range(100)))))
    assert str(refused.value).startswith(f"{key}: ")
    assert "\n" not in str(refused.value)
    assert len(server.seen) < 20


def test_a_server_that_is_not_there_ends_the_run(engine):
    with pytest.raises(RunError, match=r"^engine\.base_url: no server answers at http://127\.0\.0\.1:9/v1"):
        list(engine(base_url="http://127.0.0.1:9/v1", retries=1).generate(plain("a", "b")))


def test_a_server_that_goes_away_costs_what_it_left_open(engine):
    found = replies(engine(concurrency=1, retries=1), plain("fine", "gone"))
    assert found["fine"].error is None
    assert found["gone"].error.startswith("no connection: ")
    with pytest.raises(RunError, match=r"^engine\.base_url: no server answers"):
        list(engine(retries=1).generate(plain("gone")))


def test_an_answer_that_drips_in_is_given_up(engine):
    [reply] = engine(timeout=0.5, retries=0).generate(plain("drips"))
    assert reply.error == "no answer within 0.5 s, at the last of 1 tries"


def test_no_more_requests_are_under_way_than_allowed(server, engine):
    list(engine(concurrency=5).generate(plain(*[f"slow {i}" for i in range(40)])))
    assert server.most == 5
    server.most = 0
    list(engine(concurrency=20).generate(plain(*[f"slow {i}" for i in range(100)])))
    assert 10 < server.most <= 20


def test_requests_a_minute_are_kept(server, engine):
    list(engine(requests_per_minute=1200).generate(plain(*map(str, range(20)))))
    times = sorted(entry["time"] for entry in server.seen)
    assert times[-1] - times[0] > 19 * 0.05 * 0.9


def test_tokens_a_minute_are_kept(server, engine):
    """A request is 105 tokens to begin with, prompt and longest completion, and 12 when it is answered: 0.2 s at this pace."""
    asked, sampling = plain(*[f"{i:015d}" for i in range(8)]), Sampling(max_tokens=100)
    start = time.monotonic()
    list(engine(tokens_per_minute=3600, concurrency=1).generate(asked, sampling))
    assert 7 * 0.2 * 0.9 < time.monotonic() - start < 7 * 1.75 / 2


def test_replies_come_as_they_are_made(engine):
    stream = engine(timeout=15).generate(plain("hangs", "fine"))
    assert next(stream).id == "fine"
    stream.close()


def test_what_is_left_is_dropped(server, engine):
    stream = engine(concurrency=2).generate(plain(*[f"slow {i}" for i in range(200)]))
    next(stream)
    stream.close()
    asked = len(server.seen)
    time.sleep(0.3)
    assert len(server.seen) == asked < 20


def test_it_works_where_an_event_loop_runs_already(engine):
    import asyncio

    async def notebook():
        return list(engine().generate(plain("fine")))

    assert asyncio.run(notebook())[0].error is None


def test_the_servers_model_must_be_named(engine):
    with pytest.raises(ConfigError, match=r"^engine\.model: "):
        engine(model=None)
