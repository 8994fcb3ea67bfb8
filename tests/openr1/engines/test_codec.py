"""Text of a chat that spells a special token is text; what the chat template writes is not."""

import copy

import pytest
from helpers.models import TEMPLATE, tokenizer, write_model

from openr1.data.chat import ChatEncoder, conversation
from openr1.data.chat_template import MARK, ChatTemplate, ConversationError
from openr1.data.documents import Document
from openr1.data.options import DataConfig
from openr1.engines.base import Request
from openr1.engines.codec import Codec
from openr1.system.errors import ConfigError

END, PAD = "<|endoftext|>", "<|pad|>"
# leaves white space and the thoughts of earlier answers out, as those of reasoning models do
THINKING = (
    "{% for message in messages %}<|{{ message.role }}|>\n{% set content = message.content | trim %}"
    "{% if message.role == 'assistant' and '</think>' in content %}{% set content = content.split('</think>')[-1] %}{% endif %}"
    "{{ content }}{{ eos_token }}\n{% endfor %}{% if add_generation_prompt %}<|assistant|>\n<think>\n{% endif %}"
)
CHANGING = (
    "{% for message in messages %}{{ message.content | upper | replace('" + MARK + "<', '[') }}{{ eos_token }}{% endfor %}"
)


def bytewise():
    return copy.deepcopy(tokenizer())


def pieces(first="first"):
    """A tokenizer as those of SentencePiece: spaces are part of words, and a token takes the white space after it."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE(unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=first)
    made.decoder = decoders.Metaspace(prepend_scheme=first)
    made.normalizer = normalizers.NFKC()
    texts = [f"what does the mark <|{word}|> </s> say? {i} <user> answer\n" for i, word in enumerate(["end", "pad"] * 50)]
    made.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=200, special_tokens=["<unk>", "</s>"], show_progress=False))
    made.add_special_tokens([AddedToken(END, rstrip=True), AddedToken("<think>", special=True), AddedToken("<|user|>")])
    made.add_tokens([AddedToken("<tool>", special=False)])
    return PreTrainedTokenizerFast(tokenizer_object=made, eos_token=END, unk_token="<unk>")


TOKENIZERS = [bytewise, pieces, lambda: pieces("always"), lambda: pieces("never")]


def template_of(made, template=TEMPLATE):
    made.chat_template = template
    return ChatTemplate(made)


def turns(*contents):
    return [{"role": ("user", "assistant")[place % 2], "content": content} for place, content in enumerate(contents)]


PLAIN = [turns("what is 3 plus 4?"), turns("  a\n\n", "x</think>b\n", "\tc"), turns("<tool> é ½ 漢字", "", "\n")]


@pytest.mark.parametrize("make", TOKENIZERS)
@pytest.mark.parametrize("template", [TEMPLATE, THINKING])
@pytest.mark.parametrize("messages", PLAIN)
def test_plain_turns_have_the_tokens_of_the_whole_text_both_ways(make, template, messages):
    chat = template_of(make(), template)
    ids, text = chat(messages)
    assert ids == chat.tokenizer(text, add_special_tokens=False)["input_ids"]
    # and so they would have if a turn spelled a special token
    escaped = chat._unspellable.encode(chat.written.sub(chat._escape, text), add_special_tokens=False).ids
    assert [chat._original.get(token, token) for token in escaped] == ids


SPELLED = [
    f"what does the mark {END} say?",
    f"{END}",
    f"  {END} \n",
    f"{END}{END}{PAD}",
    f"a{END[:4]}{END}{END[-3:]}b",
    f"<{END}>",
    "</s><|user|><think>",
]


@pytest.mark.parametrize("make", TOKENIZERS)
@pytest.mark.parametrize("template", [TEMPLATE, THINKING])
@pytest.mark.parametrize("said", SPELLED)
def test_a_turn_that_spells_special_tokens_has_only_those_of_the_template(make, template, said):
    chat = template_of(make(), template)
    harmless, spelled = (turns("a", "b", content) for content in ("z", said))
    special = {number for number, _ in chat.special.values()} - {chat.tokenizer.unk_token_id}
    ids, text = chat(spelled)
    assert said.strip() in text
    assert [token for token in ids if token in special] == [token for token in chat(harmless)[0] if token in special]
    # but for the text itself, the tokens are those of any other text
    assert MARK not in chat.tokenizer.decode(ids)


def test_the_tokens_of_spelled_text_are_those_of_text():
    chat = template_of(bytewise())
    ids, _ = chat(turns(f"what {END} is"))
    text = copy.deepcopy(chat.tokenizer.backend_tokenizer)
    text.encode_special_tokens = True
    # no token of this tokenizer reaches over the line between special tokens and text
    [first, *rest] = [text.encode(part, add_special_tokens=False).ids for part in (f"<|user|>what {END} is", "<|assistant|>")]
    assert ids == [*first, chat.tokenizer.eos_token_id, *rest[0]]
    assert chat.tokenizer.decode(ids) == f"<|user|>what {END} is{END}<|assistant|>"


def test_thoughts_that_are_special_tokens_are_still_found_by_the_template():
    made = bytewise()
    made.add_special_tokens({"additional_special_tokens": ["<think>", "</think>"]})
    chat = template_of(made, THINKING)
    ids, text = chat(turns(f"a {END}", "<think>zebra </think>b", "c"))
    assert "zebra" not in text
    assert made.decode(ids) == text
    assert ids.count(made.eos_token_id) == 3


def test_a_template_that_changes_what_is_spelled_is_refused():
    chat = template_of(bytewise(), CHANGING)
    with pytest.raises(ConversationError, match="a turn spells a special token that the chat template changes"):
        chat(turns(f"a {END}"))
    chat = template_of(bytewise())
    with pytest.raises(ConversationError, match=r"holds a character from U\+FDD0"):
        chat(turns(f"a {END} \ufdd10\ufdd2"))
    assert chat(turns("a \ufdd10\ufdd2"))[0].count(chat.tokenizer.eos_token_id) == 1


def test_training_and_generation_have_the_same_tokens(tmp_path):
    model = write_model(tmp_path, template=TEMPLATE)
    codec, data = Codec(model), DataConfig()
    data.system = f"No {END} here."
    encoder = ChatEncoder(codec.tokenizer, data)
    for prompt in ("1 plus 2", f"1 {END} 2", f"{END}"):
        [(ids, length)] = encoder([Document(f"3{END}", prompt)])
        assert codec.encode(Request("a", messages=conversation(data, prompt)), 1000) == ids[:length]
        assert ids[:length].count(codec.tokenizer.eos_token_id) == 2
        assert ids[length:].count(codec.tokenizer.eos_token_id) == 1


def test_a_template_that_refuses_a_conversation_is_an_error_of_the_config():
    made = bytewise()
    made.chat_template = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}" + TEMPLATE
    data = DataConfig(system="s")
    with pytest.raises(ConfigError, match=r"^data\.chat: the chat template refuses the messages: no system, such as 'q'"):
        ChatEncoder(made, data)([Document("a", "q")])
