"""A server with OpenAI's interface that adds up, or judges, and fails by plan if told to."""

import json
import random
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class SumsServer(ThreadingHTTPServer):
    """Completes every prompt with its sum, after a while.

    :ivar asked: the prompts.
    :ivar failures: draws which requests fail, and how; None for a server that never fails.
    :ivar verdict: replies to what a judge is asked to score, given the response between its marks.
    """

    daemon_threads = True
    request_queue_size = 256

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        self.failures: random.Random | None = None
        self.lock = threading.Lock()
        self.url = f"http://127.0.0.1:{self.server_port}/v1"
        self.verdict = lambda response: f'{{"score": {len(response) % 11}}}'

    def judge(self, body):
        """Reply to a chat as a judge does."""
        question = body["messages"][-1]["content"]
        with self.lock:
            self.asked.append(question)
        text = self.verdict(question.partition("<response>\n")[2].removesuffix("\n</response>"))
        choices = [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]
        usage = {"prompt_tokens": 50, "completion_tokens": 9, "total_tokens": 59}
        return {"id": "x", "object": "chat.completion", "choices": choices, "usage": usage}

    def handle_error(self, *_):
        """Say nothing of clients that were killed."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.reply(200, {"object": "list", "data": [{"id": "m", "object": "model"}]})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.endswith("/chat/completions"):
            return self.reply(200, self.server.judge(body))
        with self.server.lock:
            self.server.asked.append(body["prompt"])
            failure = self.server.failures.choice([*FAILURES, *[None] * 8]) if self.server.failures else None
        time.sleep(0.02)
        if failure:
            return FAILURES[failure](self)
        return self.reply(200, completions(body))

    def reply(self, status, value, **headers):
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", headers.pop("length", str(len(content))))
        for name, text in headers.items():
            self.send_header(name.replace("_", "-"), text)
        self.end_headers()
        self.wfile.write(content)

    def hang_up(self):
        self.close_connection = True
        self.connection.shutdown(2)


def completions(body):
    text = f"<answer>{eval(body['prompt'].removesuffix('='))}</answer>"
    choices = [{"index": i, "text": text, "finish_reason": "stop"} for i in range(body.get("n", 1))]
    usage = {"prompt_tokens": 5, "completion_tokens": 9, "total_tokens": 14}
    return {"id": "x", "object": "text_completion", "choices": choices, "usage": usage}


def cut_short(handler):
    handler.reply(200, b'{"id": "x", "cho', length="1000")
    handler.hang_up()


FAILURES = {
    "overloaded": lambda handler: handler.reply(503, {"error": {"message": "overloaded"}}),
    "throttled": lambda handler: handler.reply(429, {"error": {"message": "slow down"}}, Retry_After="0.2"),
    "hung up": lambda handler: handler.hang_up(),
    "cut short": cut_short,
}


@contextmanager
def sums_server():
    """Serve sums in this process."""
    server = SumsServer()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
