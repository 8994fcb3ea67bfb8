import json
import multiprocessing
import pickle
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from helpers.damage import FAULTS
from helpers.data import fingerprint, open_source, prepare

from openr1.config.schema import to_dict
from openr1.data.corpus import index_source
from openr1.data.options import TaskSource
from openr1.data.sequences import Documents
from openr1.system.errors import ConfigError


@pytest.fixture
def sums():
    return TaskSource(task="sums", problems=400)


def texts_of(dataset, source, split):
    """The documents of a split, decoded, in their stored order."""
    documents, tokenizer = Documents(dataset.path / source / split), dataset.tokenizer()
    bounds = zip(documents.offsets[:-1], documents.offsets[1:], strict=True)
    return [tokenizer.decode(documents.tokens[start : end - 1]) for start, end in bounds]


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_every_document_is_on_one_side(configure, texts):
    dataset = prepare(configure({"texts": texts}))
    train, held_out = texts_of(dataset, "texts", "train"), texts_of(dataset, "texts", "eval")
    assert sorted(train + held_out) == sorted(f"text {i} has {i * i} words" for i in range(300))
    assert 10 < len(held_out) < 60
    stats = dataset.sources["texts"]
    assert (stats["documents"], stats["eval_documents"]) == (len(train), len(held_out))
    assert stats["bytes"] == sum(map(len, train))


def test_the_side_does_not_depend_on_order_or_on_other_documents(configure, texts, write_rows):
    rows = [{"text": f"text {i} has {i * i} words"} for i in range(50, 400)]
    other = replace(texts, path=str(write_rows("other.jsonl", rows[::-1])))
    first, second = (set(texts_of(prepare(configure({"texts": t})), "texts", "eval")) for t in (texts, other))
    assert {text for text in first if int(text.split()[1]) >= 50} == {text for text in second if int(text.split()[1]) < 300}


def test_one_prompt_is_on_one_side(configure, pairs):
    dataset = prepare(configure({"pairs": pairs}))
    prompts = [{text.split("?")[0] for text in texts_of(dataset, "pairs", split)} for split in ("train", "eval")]
    assert not prompts[0] & prompts[1]
    assert sum(len(texts_of(dataset, "pairs", split)) for split in ("train", "eval")) == 400


def test_packed_sequences_are_the_documents_end_to_end(configure, texts):
    dataset = prepare(configure({"texts": texts}))
    stream = Documents(dataset.path / "texts" / "train").tokens
    epoch = dataset.train(len(stream) // 16, seed=0)
    assert {tuple(row["input_ids"]) for row in epoch} == {tuple(row) for row in stream[: len(epoch) * 16].reshape(-1, 16)}
    assert epoch[0]["input_ids"].dtype == np.int64
    assert epoch.epochs == {"texts": 1.0, "total": 1.0}
    assert epoch.unique_tokens == epoch.tokens == dataset.unique_tokens == len(epoch) * 16
    assert dataset.tokens_per_sequence == 16


def test_examples_carry_a_mask_of_their_completion(configure, pairs):
    dataset = prepare(configure({"pairs": pairs}, stage="sft", context=64))
    tokenizer = dataset.tokenizer()
    for row in dataset.train(50, seed=0):
        prompt, completion = (tokenizer.decode(row["input_ids"][row["completion_mask"] == side]) for side in (0, 1))
        assert prompt.startswith("what is")
        assert prompt.endswith("?")
        assert completion.startswith("it is")
        assert completion.endswith("<|endoftext|>")


def test_long_examples_are_dropped_and_counted(configure, pairs, caplog):
    caplog.set_level("INFO")
    whole = prepare(configure({"pairs": pairs}, stage="sft", context=64))
    lengths = np.array([len(row["input_ids"]) for row in whole.train(whole.sources["pairs"]["documents"], seed=0)])
    assert whole.sources["pairs"]["dropped"] == 0
    assert whole.tokens_per_sequence == pytest.approx(lengths.mean())
    context = int(np.median(lengths))
    cut = prepare(configure({"pairs": pairs}, stage="sft", context=context))
    assert cut.unique_tokens == lengths[lengths <= context].sum()
    assert 0 < cut.sources["pairs"]["dropped"] < 400
    assert f"longer than data.context={context}" in caplog.text
    assert cut.path == whole.path  # the tokens are the same
    with pytest.raises(ConfigError, match=r"data\.context: .*pairs"):
        prepare(configure({"pairs": pairs}, stage="sft", context=4))


@pytest.mark.parametrize("stage", ["pretrain", "sft"])
def test_access_by_index_by_batch_and_after_pickling_agree(configure, pairs, sums, stage):
    dataset = prepare(configure({"pairs": pairs, "sums": sums}, stage=stage, context=48))
    sequences = dataset.train(300, seed=1)
    wanted = [299, 0, 7, 7]
    rows = sequences.__getitems__(wanted)
    frozen = pickle.dumps(sequences)
    assert len(frozen) < 50_000
    for found in ([sequences[i] for i in wanted], pickle.loads(frozen).__getitems__(wanted)):
        for row, same in zip(rows, found, strict=True):
            assert row.keys() == same.keys()
            assert all(np.array_equal(row[key], same[key]) for key in row)


def test_a_longer_run_begins_as_a_shorter_one_and_another_seed_does_not(configure, texts, sums):
    dataset = prepare(configure({"texts": texts, "sums": sums}))
    short, long, other = dataset.train(100, seed=0), dataset.train(2000, seed=0), dataset.train(100, seed=1)
    assert np.array_equal(short.items, long.items[:100])
    assert np.array_equal(short.choice, long.choice[:100])
    assert not np.array_equal(short.items, other.items)


def test_a_mix_counts_epochs_and_distinct_tokens(configure, texts, sums):
    texts.weight, sums.weight = 3.0, 1.0
    dataset = prepare(configure({"texts": texts, "sums": sums}))
    held = {name: stats["unique_tokens"] for name, stats in dataset.sources.items()}
    sequences = dataset.train(4000, seed=0)
    assert sequences.tokens == 64_000
    assert sequences.epochs["texts"] == pytest.approx(48_000 / held["texts"])
    assert sequences.epochs["sums"] == pytest.approx(16_000 / held["sums"])
    assert sequences.unique_tokens == dataset.unique_tokens == sum(held.values())
    assert sequences.epochs["total"] == pytest.approx(64_000 / dataset.unique_tokens)
    few = dataset.train(20, seed=0)
    assert few.unique_tokens == few.tokens == 320


@pytest.mark.parametrize("stage", ["pretrain", "sft"])
def test_capped_data_are_nested(configure, pairs, sums, stage):
    seen = []
    for cap in (400, 1200, None):
        dataset = prepare(configure({"pairs": pairs, "sums": sums}, stage=stage, context=40, unique_tokens=cap))
        assert cap is None or 0.7 * cap < dataset.unique_tokens <= cap
        seen.append({row["input_ids"].tobytes() for row in dataset.train(2000, seed=0)})
    assert seen[0] < seen[1] < seen[2]
    with pytest.raises(ConfigError, match=r"data\.unique_tokens: .*pairs.* below one sequence"):
        prepare(configure({"pairs": pairs, "sums": sums}, stage=stage, context=40, unique_tokens=10))


def test_evaluation_is_held_out_fixed_and_in_proportion(configure, texts, sums):
    texts.weight, sums.weight = 3.0, 1.0
    config = configure({"texts": texts, "sums": sums}, eval_tokens=320)
    held_out = prepare(config).evaluation()
    assert held_out.tokens == held_out.unique_tokens == 320
    assert np.bincount(held_out.choice).tolist() == [15, 5]
    again = prepare(replace(config, seed=5)).evaluation()
    assert all(np.array_equal(a["input_ids"], b["input_ids"]) for a, b in zip(held_out, again, strict=True))
    train = {row["input_ids"].tobytes() for row in prepare(config).train(2000, seed=0)}
    assert not train & {row["input_ids"].tobytes() for row in held_out}
    everything = prepare(replace(config, data=replace(config.data, eval_tokens=10**6))).evaluation()
    assert everything.unique_tokens == everything.tokens < 10**6
    assert max(everything.epochs["texts"], everything.epochs["sums"]) == 1


def test_bytes_per_token_of_the_evaluation_set(configure, texts, pairs):
    packed = prepare(configure({"texts": texts}, vocab_size=258))
    tokens = np.concatenate([row["input_ids"] for row in packed.evaluation()])
    assert packed.bytes_per_token == pytest.approx((tokens != packed.eos_token_id).mean(), rel=0.02)
    examples = prepare(configure({"pairs": pairs}, vocab_size=300, stage="sft", context=64))
    tokenizer, rows = examples.tokenizer(), examples.evaluation()
    completions = [tokenizer.decode(row["input_ids"][row["completion_mask"] == 1][:-1]) for row in rows]
    counted = sum(int(row["completion_mask"].sum()) for row in rows)
    assert examples.bytes_per_token == pytest.approx(sum(len(text.encode()) for text in completions) / counted)


def test_what_changes_the_sequences_changes_the_fingerprint(configure, texts, sums, tmp_path):
    sources = {"texts": texts, "sums": sums}
    base = fingerprint(configure(sources))
    assert base == fingerprint(configure(sources)) == prepare(configure(sources)).fingerprint
    moved = tmp_path / "moved.jsonl"
    moved.write_bytes(Path(texts.path).read_bytes())
    assert base == fingerprint(configure({"texts": replace(texts, path=str(moved)), "sums": sums}))
    others = [
        configure(sources, **{key: value})
        for key, value in {
            "context": 32, "eval_tokens": 512, "eval_fraction": 0.2, "unique_tokens": 2000, "vocab_size": 301, "stage": "sft"
        }.items()
    ]  # fmt: skip
    others += [configure({"texts": replace(texts, weight=2.0), "sums": sums})]
    others += [configure({"texts": texts, "sums": replace(sums, **change)}) for change in ({"seed": 1}, {"reasoned": 0.1})]
    moved.write_text(moved.read_text().replace("text 7 ", "text seven "))
    others += [configure({"texts": replace(texts, path=str(moved)), "sums": sums})]
    assert len({base, *map(fingerprint, others)}) == len(others) + 1


def test_the_same_config_gives_the_same_bits(configure, texts, pairs, sums, tmp_path):
    config = configure({"texts": texts, "pairs": pairs, "sums": sums}, vocab_size=400)
    again = replace(config, paths=replace(config.paths, cache=str(tmp_path / "again")))
    assert contents(prepare(config).path) == contents(prepare(again).path)


def test_what_a_killed_build_left_is_cleared_away(configure, texts):
    config = configure({"texts": texts})
    whole = prepare(config).path
    before = contents(whole)
    partial = whole.with_name(f".{whole.name}")
    whole.rename(partial)
    (partial / "texts" / "train" / "tokens.npy").write_bytes(b"half")
    assert contents(prepare(config).path) == before
    assert not partial.exists()


def _prepare(config, queue):
    import logging

    messages = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())
    logger = logging.getLogger("openr1.data")
    logger.setLevel("INFO")
    logger.addHandler(handler)
    dataset = prepare(config)
    queue.put((dataset.unique_tokens, any("is ready" in message for message in messages)))


def test_two_processes_at_once_build_once(configure, texts):
    config = configure({"texts": texts}, vocab_size=290)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    workers = [context.Process(target=_prepare, args=(config, queue)) for _ in range(2)]
    for worker in workers:
        worker.start()
    results = [queue.get(timeout=50) for _ in workers]
    for worker in workers:
        worker.join()
    assert results[0][0] == results[1][0]
    assert [built for _, built in results].count(True) == 1


@pytest.mark.parametrize(
    ("rows", "eval_fraction", "message"),
    [
        ([], 0.1, r"data\.sources\.texts: holds no document"),
        ([{"text": ""}, {"text": None}], 0.1, r"data\.sources\.texts: holds no document"),
        ([{"text": "one"}], 0.01, r"data\.eval_fraction: .* for evaluation; raise it"),
        ([{"text": "one"}], 0.999999, r"data\.eval_fraction: .* for training; lower it"),
        ([{"text": f"{i}"} for i in range(30)], 0.05, r"data\.eval_fraction: the eval split of .*texts has no sequence"),
    ],
)
def test_a_source_without_both_sides_is_refused(configure, texts, write_rows, rows, eval_fraction, message):
    source = replace(texts, path=str(write_rows("few.jsonl", rows)))
    with pytest.raises(ConfigError, match=message):
        prepare(configure({"texts": source}, eval_fraction=eval_fraction))


def test_summary_is_plain(configure, texts):
    summary = prepare(configure({"texts": texts})).summary()
    assert json.loads(json.dumps(summary)) == summary
    assert summary["sources"]["texts"]["documents"] > 200


def test_fingerprint_and_vocabulary_are_light(configure, texts, sums, tmp_path):
    from openr1.data.options import PythonStdlibSource

    config = configure({"texts": texts, "sums": sums, "stdlib": PythonStdlibSource()}, vocab_size=512)
    expected = fingerprint(config)
    path = tmp_path / "config.json"
    raw = to_dict(config)
    raw["data"]["sources"] = {name: asdict(source) for name, source in config.data.sources.items()}
    raw["stage"], raw["engine"], raw["tracking"] = {"kind": "pretrain"}, {"kind": "transformers"}, {"uri": "none"}
    path.write_text(json.dumps(raw))
    code = (
        "import json, sys, openr1.data as data; from openr1.config.load import load_run_config\n"
        f"run = load_run_config(json.load(open({str(path)!r})))\n"
        "print(data.fingerprint(run.data, run.model, run.scale, run.paths), data.vocab_size(run.data, run.model, run.scale))\n"
        "print({'torch', 'transformers', 'datasets', 'tokenizers', 'pandas', 'pyarrow'} & set(sys.modules))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    assert printed == [f"{expected} 512", "set()"]
    start = time.perf_counter()
    fingerprint(config)
    assert time.perf_counter() - start < 1


def test_a_million_sequences_are_planned_quickly(configure, texts, sums):
    dataset = prepare(configure({"texts": texts, "sums": sums}))
    start = time.process_time()
    assert len(dataset.train(1_000_000, seed=0)) == 1_000_000
    assert time.process_time() - start < 10


def test_the_split_follows_the_text_alone(configure, texts):
    source = open_source(configure({"texts": texts}), "texts")
    small, large = index_source(source, 0.1), index_source(source, 0.3)
    assert small.held_out.sum() < large.held_out.sum()
    assert (large.held_out | ~small.held_out).all()  # what a smaller fraction holds out, a larger one holds out too


def test_mixes_of_one_reference_have_one_tokenizer_and_one_held_out_set(configure, texts, sums):
    reference = {"texts": 3, "sums": 1}
    weights = [(3.0, 1.0), (1.0, 3.0), (0.0, 1.0)]
    mixes = [configure({"texts": replace(texts, weight=a), "sums": replace(sums, weight=b)}) for a, b in weights]
    free = [prepare(mix) for mix in mixes[:2]]
    assert free[0].path != free[1].path  # since the tokenizers are different ones
    held = [prepare(replace(mix, data=replace(mix.data, reference=reference))) for mix in mixes]
    assert len({dataset.path for dataset in held}) == 1
    assert len({dataset.fingerprint for dataset in held}) == 3
    evaluated = [[row["input_ids"].tolist() for row in dataset.evaluation()] for dataset in held]
    assert evaluated[0] == evaluated[1] == evaluated[2]
    assert {0, 1} == set(held[2].evaluation().choice.tolist())
    alone = held[2].train(40, seed=0)
    assert alone.epochs["total"] == alone.epochs["sums"]
    assert held[2].unique_tokens == held[2].sources["sums"]["unique_tokens"]
    assert held[2].sources["texts"]["unique_tokens"] == 0


def test_a_mix_that_is_its_reference_is_the_mix(configure, texts, sums):
    given = configure({"texts": replace(texts, weight=3.0), "sums": sums})
    same = replace(given, data=replace(given.data, reference={"texts": 3.0, "sums": 1.0}))
    assert prepare(given).path == prepare(same).path
    first, second = (prepare(config).train(8, seed=0)[5]["input_ids"].tolist() for config in (given, same))
    assert first == second


@pytest.mark.parametrize("fault", FAULTS)
def test_a_damaged_token_cache_is_made_again(configure, texts, fault, capsys):
    config = configure({"texts": texts})
    folder = prepare(config).path
    before = contents(folder)
    for name in ("corpus.json", "tokenizer/tokenizer.json", "texts/train/tokens.npy", "texts/eval/offsets.npy"):
        FAULTS[fault](folder / name)
        prepare(config)
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"{folder / name} ")
        assert line.endswith(f"; the tokenised data {folder} are made again")
        assert contents(folder) == before
    prepare(config)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("fault", FAULTS)
def test_a_damaged_hash_of_files_is_computed_again(configure, texts, fault):
    config = configure({"texts": texts})
    first = fingerprint(config)
    (path,) = (Path(config.paths.cache) / "hashes").iterdir()
    FAULTS[fault](path)
    assert fingerprint(config) == first
