"""The Hub is asked once, and what does not answer is told in one line within seconds."""

import os
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import ModuleType

import pytest

from openr1.system import hub


class Refusing(BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.send_response(401)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    running = HTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    running.server_close()


@pytest.fixture
def silent(server):
    """Return the address of a port that accepts connections and never answers."""

    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture(autouse=True)
def undecided(monkeypatch):
    monkeypatch.delenv(hub.OFFLINE, raising=False)
    hub._decide.cache_clear()
    yield
    hub._decide.cache_clear()
    os.environ.pop(hub.OFFLINE, None)


def test_a_server_that_refuses_answers(server):
    assert hub.answers(server)


def test_a_server_that_is_silent_is_left_in_time(silent):
    start = time.monotonic()
    assert not hub.answers(silent, 0.3)
    assert time.monotonic() - start < 5


def test_without_the_hub_its_libraries_use_their_caches(monkeypatch, capsys):
    library = ModuleType("huggingface_hub.constants")
    library.HF_HUB_OFFLINE = False
    monkeypatch.setitem(sys.modules, "huggingface_hub.constants", library)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    hub.look_for_hub("some/model")
    hub.look_for_hub("some/other")
    assert library.HF_HUB_OFFLINE is True
    assert os.environ[hub.OFFLINE] == "1"
    assert capsys.readouterr().err == (
        "warning: http://127.0.0.1:9 does not answer; only what is in the cache of the Hub is used\n"
    )


def test_nothing_is_asked_for_a_path(monkeypatch, tmp_path):
    monkeypatch.setattr(hub, "answers", lambda address: pytest.fail("asked"))
    hub.look_for_hub(tmp_path)


def test_nothing_changes_where_the_hub_answers(monkeypatch, server, capsys):
    monkeypatch.setenv("HF_ENDPOINT", server)
    hub.look_for_hub("some/model")
    assert hub.OFFLINE not in os.environ
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("Qwen/Qwen2.5-1.5B", True),
        ("gpt2", True),
        ("/nowhere", False),
        ("~/models/mine", False),
        ("./mine", False),
        ("../mine", False),
        ("outputs/artifacts/sft-0123456789abcdef/model", False),
        ("mine/", False),
    ],
)
def test_a_path_is_nothing_to_ask_the_hub_for(monkeypatch, tmp_path, name, asked):
    monkeypatch.chdir(tmp_path)
    asked_for = []
    monkeypatch.setattr(hub, "answers", lambda address: asked_for.append(address) or True)
    hub.look_for_hub(name)
    assert bool(asked_for) == asked
