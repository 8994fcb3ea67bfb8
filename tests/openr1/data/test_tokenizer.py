import pytest
from helpers.data import fingerprint, prepare, vocab_size

from openr1.data.options import FilesSource
from openr1.data.sources import Document
from openr1.data.tokenizer import Encoder
from openr1.system.errors import ConfigError

STRANGE = "naïve 漢字 🙂 \x00\x7f\r\n\t  12345 <think>x</think>" + "".join(map(chr, range(256)))


@pytest.mark.parametrize("vocab_size", [258, 265])
def test_every_text_survives(configure, texts, vocab_size):
    dataset = prepare(configure({"texts": texts}, vocab_size=vocab_size))
    tokenizer = dataset.tokenizer()
    assert tokenizer.decode(tokenizer(STRANGE)["input_ids"]) == STRANGE
    assert len(tokenizer) == dataset.vocab_size == vocab_size
    assert (tokenizer.eos_token_id, tokenizer.pad_token_id) == (dataset.eos_token_id, dataset.pad_token_id) == (0, 1)


def test_the_smallest_vocabulary_is_bytes(configure, texts):
    tokenizer = prepare(configure({"texts": texts}, vocab_size=258)).tokenizer()
    assert len(tokenizer(STRANGE)["input_ids"]) == len(STRANGE.encode())


def test_fewer_merges_than_asked_for_leave_the_size_as_it_is(configure, texts):
    config = configure({"texts": texts}, vocab_size=5000)
    dataset = prepare(config)
    assert len(dataset.tokenizer()) < 5000
    assert dataset.vocab_size == vocab_size(config) == 5000


def test_too_small_a_vocabulary_is_refused(configure, texts):
    with pytest.raises(ConfigError, match=r"data\.tokenizer\.vocab_size: 257 is below 258"):
        prepare(configure({"texts": texts}, vocab_size=257))


def test_digits_are_tokens_of_their_own(configure, texts):
    tokenizer = prepare(configure({"texts": texts}, vocab_size=600)).tokenizer()
    assert tokenizer.tokenize("1234+56=") == ["1", "2", "3", "4", "+", "5", "6", "="]


def test_documents_are_prompt_completion_and_end(configure, texts):
    encoder = Encoder(prepare(configure({"texts": texts}, vocab_size=258)).tokenizer())
    [(ids, prompt)] = encoder([Document("b<|endoftext|>", "aa")])
    assert prompt == 2
    assert len(ids) == 2 + len("b<|endoftext|>") + 1  # what spells a special token is text
    assert [position for position, token in enumerate(ids) if token == 0] == [len(ids) - 1]


def test_merges_come_from_the_training_split_in_proportion_to_the_weights(configure, write_rows):
    rare = FilesSource(path=str(write_rows("rare.jsonl", [{"text": f"zq zq zq {i}"} for i in range(40)])), weight=0.9)
    common = FilesSource(
        path=str(write_rows("common.jsonl", [{"text": f"hello hello hello {i}"} for i in range(4000)])), weight=0.1
    )
    tokenizer = prepare(configure({"rare": rare, "common": common}, vocab_size=260)).tokenizer()
    assert tokenizer.tokenize("zq") == ["zq"]
    rare.weight, common.weight = 0.1, 0.9
    tokenizer = prepare(configure({"rare": rare, "common": common}, vocab_size=260)).tokenizer()
    assert tokenizer.tokenize("zq") == ["z", "q"]


def checkpoint(folder, start):
    """A tokenizer as a checkpoint has it: words, no padding token, and a start token where ``start``."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = ["<s>", "</s>", "<unk>", "what", "is", "it", "?", "one", "more", "than"]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    if start:
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    made = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")
    made.save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("start", [False, True])
def test_a_checkpoint_brings_its_tokenizer(tmp_path, configure, pairs, start):
    config = configure({"pairs": pairs}, stage="sft", checkpoint=checkpoint(tmp_path / "model", start), context=64)
    dataset = prepare(config)
    assert vocab_size(config) == dataset.vocab_size == 10
    assert dataset.pad_token_id == dataset.eos_token_id == 1
    row = dataset.train(1, seed=0)[0]
    head = ([0] if start else []) + [3, 4, 2, 6]
    assert row["input_ids"][: len(head)].tolist() == head
    assert row["input_ids"][-1] == 1
    assert row["completion_mask"].tolist() == [0] * len(head) + [1] * (len(row["input_ids"]) - len(head))


def test_a_local_checkpoint_counts_by_its_content(tmp_path, configure, pairs):
    prints = [
        fingerprint(configure({"pairs": pairs}, checkpoint=checkpoint(tmp_path / name, start)))
        for name, start in (("a", False), ("b", False), ("c", True))
    ]
    assert prints[0] == prints[1] != prints[2]


def test_a_checkpoint_without_tokenizer_is_refused(tmp_path, configure, pairs):
    with pytest.raises(ConfigError, match=r"model\.checkpoint: "):
        prepare(configure({"pairs": pairs}, checkpoint=str(tmp_path)))
