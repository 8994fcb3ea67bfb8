import json
from pathlib import Path

import pytest
from helpers.models import TEMPLATE, tokenizer, write_model

from openr1.engines.end_tokens import check_end_tokens
from openr1.system.errors import ConfigError

NEVER_ENDS = "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}\n{% endfor %}"
ENDS_ONLY_THE_USER = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}"
    "{% if message['role'] == 'user' %}{{ eos_token }}{% endif %}{% endfor %}"
)
ENDS_WITH_PADDING = "{% for message in messages %}{{ message['content'] }}<|pad|>{% endfor %}"


def change(folder, name, **values):
    path = Path(folder, name)
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.fixture
def model(tmp_path):
    def model(template=None):
        return write_model(tmp_path, template=template)

    return model


def refusal(folder, chat=False):
    with pytest.raises(ConfigError) as refused:
        check_end_tokens(folder, chat=chat)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_model_that_ends_its_answers_passes(model):
    check_end_tokens(model(TEMPLATE), chat=True)


def test_plain_prompts_need_no_template(model):
    folder = model()
    check_end_tokens(folder)
    assert refusal(folder, chat=True).startswith("model.checkpoint: its tokenizer has no chat template")


@pytest.mark.parametrize("template", [NEVER_ENDS, ENDS_ONLY_THE_USER])
def test_a_template_whose_answers_never_end_is_refused(model, template):
    folder = model(template)
    check_end_tokens(folder)  # as a base model it is fine
    assert "without an end token, so that a model trained on it never stops" in refusal(folder, chat=True)


def test_a_template_that_ends_with_another_token_is_refused(model):
    reason = refusal(model(ENDS_WITH_PADDING), chat=True)
    assert "ends the assistant's turn with <|pad|> (1), but generation stops at <|endoftext|> (0)" in reason


def test_a_template_may_end_with_any_token_at_which_generation_stops(model):
    folder = model(ENDS_WITH_PADDING)
    change(folder, "generation_config.json", eos_token_id=[0, 1])
    check_end_tokens(folder, chat=True)


def test_a_generation_config_that_stops_elsewhere_is_refused(model):
    folder = model()
    change(folder, "generation_config.json", eos_token_id=7)
    assert "its tokenizer ends a text with <|endoftext|> (0), but generation stops at" in refusal(folder)


def test_without_a_generation_config_the_models_config_counts(model):
    folder = model()
    Path(folder, "generation_config.json").unlink()
    check_end_tokens(folder)
    change(folder, "config.json", eos_token_id=7)
    assert "but generation stops at" in refusal(folder)


def test_a_tokenizer_larger_than_the_embedding_is_refused(model):
    folder = model()
    last = len(tokenizer()) - 1
    change(folder, "config.json", vocab_size=last)
    assert refusal(folder) == f"model.checkpoint: its tokenizer has token {last}, but its embedding has {last} rows"


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{ raise_exception('never') }}", "the chat template refuses the messages: never"),
        ("<|x|>{{ eos_token }}", "leaves out what the assistant says"),
    ],
)
def test_a_template_that_takes_no_conversation_is_refused(model, template, reason):
    assert reason in refusal(model(template), chat=True)


def test_a_directory_without_a_model_is_refused(tmp_path):
    assert refusal(str(tmp_path)).startswith("model.checkpoint: ")
