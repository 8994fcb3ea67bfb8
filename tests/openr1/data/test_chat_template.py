"""Chat templates of others: rendered in a sandbox, and bounded. Each fault is one line that names the file."""

import resource
import time
from types import SimpleNamespace

import pytest
from helpers.models import TEMPLATE, tokenizer

from openr1.data import chat_template
from openr1.data.chat import ChatEncoder
from openr1.data.chat_template import ChatTemplate, ConversationError, end_of_turn, render
from openr1.data.options import DataConfig
from openr1.data.tokenizer import load_checkpoint
from openr1.engines.base import Request, RequestError
from openr1.engines.codec import Codec
from openr1.engines.end_tokens import check_agreement
from openr1.system.errors import ConfigError

CHAT = [{"role": "user", "content": "a"}]
ESCAPES = {
    "the classes of Python": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "the globals of a function": "{{ raise_exception.__globals__['jinja2'] }}",
    "the globals of a helper of Jinja": "{{ cycler.__init__.__globals__.os.system('touch MADE') }}",
    "the module of the time": "{{ strftime_now.__globals__['datetime'] }}",
    "the code of a method": "{{ messages.append.__self__.__class__.__base__.__name__ }}",
    "an attribute by a filter": "{{ ('' | attr('__class__')).mro() }}",
    "an attribute in a format": "{{ '{0.__class__.__mro__}'.format('') }}",
    "a change of the messages": "{{ messages.append('x') }}{{ messages[0].update({'role': 'x'}) }}",
}
FAULTS = {
    "a very long range": "{% for i in range(10**9) %}{% endfor %}",
    "a division by zero": "{{ 1 // 0 }}",
    "a wrong type": "{{ messages + 1 }}",
    "endless recursion": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "a wrong syntax": "{% for %}",
    "a file": "{% include '/etc/passwd' %}",
    "a module": "{% import 'os' as os %}{{ os.getcwd() }}",
}
ENDLESS = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"


def hostile(folder, template, **files):
    tokens = tokenizer()
    tokens.chat_template = template
    tokens.save_pretrained(folder)
    for name, text in files.items():
        (folder / f"{name}.json").write_text(text)
    return str(folder)


@pytest.mark.parametrize("why", [*ESCAPES, *FAULTS])
def test_a_template_reaches_nothing_and_costs_one_line(why, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = hostile(tmp_path / "model", (ESCAPES | FAULTS)[why] + TEMPLATE.replace("MADE", str(tmp_path / "MADE")))
    tokens = load_checkpoint(folder, None)
    for refused, error in (
        (lambda: render(tokens, CHAT, add_generation_prompt=True), ConversationError),
        (lambda: ChatTemplate(tokens)(CHAT), ConversationError),
        (lambda: end_of_turn(tokens), ConfigError),
        (lambda: ChatEncoder(tokens, DataConfig(chat=True)), ConfigError),
        (lambda: check_agreement(tokens, {tokens.eos_token_id}, 300, chat=True), ConfigError),
    ):
        with pytest.raises(error) as info:
            refused()
        assert "\n" not in str(info.value)
        assert f"{folder}/chat_template.jinja cannot be rendered: " in str(info.value)
    assert not (tmp_path / "MADE").exists()


def test_an_engine_refuses_a_request_that_it_cannot_render(tmp_path):
    folder = hostile(tmp_path, ESCAPES["the classes of Python"], config='{"model_type": "qwen2", "eos_token_id": 0}')
    with pytest.raises(RequestError, match=r"chat_template\.jinja cannot be rendered: access to attribute '__class__'"):
        Codec(folder).encode(Request("0", messages=tuple(CHAT)), 100)


def test_a_template_without_end_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(chat_template, "SECONDS", 0.2)
    tokens = load_checkpoint(hostile(tmp_path, ENDLESS), None)
    start = time.monotonic()
    with pytest.raises(ConversationError, match=r"cannot be rendered: TimeoutError: no end within 0\.2 s"):
        render(tokens, CHAT, add_generation_prompt=True)
    assert time.monotonic() - start < 10


@pytest.mark.parametrize(
    "bomb", ["{{ 'x' * 10**11 }}", "{{ ('x' * 10**9).join(['a'] * 99) }}", "{{ (['a'] * 10**10) | length }}"]
)
def test_a_template_that_takes_all_memory_is_ended(tmp_path, bomb):
    tokens = load_checkpoint(hostile(tmp_path, bomb), None)
    before = resource.getrlimit(resource.RLIMIT_AS)
    with pytest.raises(ConversationError, match=r"cannot be rendered: MemoryError: it takes too much memory"):
        render(tokens, CHAT, add_generation_prompt=True)
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_a_template_that_refuses_a_conversation_is_not_at_fault(tmp_path):
    tokens = load_checkpoint(hostile(tmp_path, "{{ raise_exception('roles must alternate') }}"), None)
    with pytest.raises(ConversationError, match=r"^the chat template refuses the messages: roles must alternate$"):
        render(tokens, CHAT, add_generation_prompt=True)


def test_the_file_of_a_template_is_named(tmp_path):
    def fail(*_, **__):
        raise KeyError("a")

    tokens = SimpleNamespace(chat_template="x", name_or_path=str(tmp_path), apply_chat_template=fail)
    (tmp_path / "tokenizer_config.json").write_text("{}")
    with pytest.raises(ConversationError, match=r"tokenizer_config\.json cannot be rendered: KeyError: 'a'"):
        render(tokens, CHAT, add_generation_prompt=True)
