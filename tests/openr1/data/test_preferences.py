"""Preference pairs of tables and of the procedural source: what is read, left out and refused, and how it is split."""

import json
from dataclasses import replace

import numpy as np
import pytest
from helpers.configs import composed
from helpers.data import fingerprint, open_source, prepare

from openr1.data.options import PreferenceFilesSource
from openr1.data.readability import readability
from openr1.system.errors import ConfigError

USER = {"role": "user", "content": "Add 1 and 2."}
ROWS = [{"prompt": f"Add 1 and {i}.", "chosen": f"It is {i + 1}.", "rejected": f"It may be {i}."} for i in range(40)]


def answer(text):
    return {"role": "assistant", "content": text}


@pytest.fixture
def table(tmp_path):
    """Makes overrides of a run on a table: ``table(rows, *overrides)``."""

    def write(rows, *overrides):
        path = tmp_path / "pairs.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        data = ["data=preference_files", f"data.sources.pairs.path={path}", "data.context=64", "data.tokenizer.vocab_size=300"]
        more = ["stage=reward_model", "data.eval_fraction=0.3", "data.eval_tokens=4096", f"paths.outputs={tmp_path}/outputs"]
        return composed(*data, *more, *overrides)

    return write


def read(config):
    return list(open_source(config, "pairs").documents())


def test_pairs_of_text(table):
    first, *_ = pairs = read(table(ROWS))
    assert len(pairs) == 40
    assert first[:2] == ("It is 1.", "Add 1 and 0.")
    assert (first.rejected, first.margin, first.turns) == ("It may be 0.", None, ())


@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.parametrize("form", ["conversations", "one turn", "turns before"])
def test_pairs_of_turns_are_those_of_text(table, form, as_text):
    before = [USER] if form == "conversations" else []
    prompt = USER["content"] if form != "turns before" else [{"role": "system", "content": "Be brief."}, USER]
    row = {"prompt": prompt, "chosen": [*before, answer("3.")], "rejected": [*before, answer("4.")]}
    if as_text:  # as a CSV file holds them
        row = {name: cell if isinstance(cell, str) else json.dumps(cell) for name, cell in row.items()}
    [pair] = read(table([row]))
    assert (pair.completion, pair.prompt, pair.rejected) == ("3.", USER["content"], "4.")
    assert [turn["role"] for turn in pair.turns] == (["system", "user"] if form == "turns before" else [])


def test_text_that_only_looks_like_turns_is_text(table):
    [pair] = read(table([{"prompt": "[{", "chosen": '[{"a": 1}]', "rejected": "[{}"}]))
    assert (pair.completion, pair.prompt, pair.rejected) == ('[{"a": 1}]', "[{", "[{}")


def test_conversations_need_no_column_of_prompts(table):
    rows = [{"chosen": [USER, answer("3.")], "rejected": [USER, answer("4.")]}]
    [pair] = read(table(rows, "data.sources.pairs.columns.prompt=null"))
    assert pair.prompt == USER["content"]


def test_a_label_orders_two_answers(table):
    rows = [{**row, "label": label} for row, label in zip(ROWS, [-3, 2, 0, 1], strict=False)]
    labelled = ["label: label", "first: [-3, -2, -1]", "second: [1, 2, 3]", "margin: label"]
    columns = f"data.sources.pairs.columns={{{', '.join(labelled)}}}"
    first, second, third = read(table(rows, columns))  # 0 prefers neither
    assert (first.completion, first.rejected, first.margin) == ("It is 1.", "It may be 0.", 3)
    assert (second.completion, second.rejected, second.margin) == ("It may be 1.", "It is 2.", 2)
    assert third.margin == 1


def test_scores_give_the_margin(table):
    rows = [{**row, "a": 7.5, "b": 3 + 5 * (i == 0)} for i, row in enumerate(ROWS)]
    pairs = read(table(rows, "data.sources.pairs.columns.scores=[a,b]"))
    assert len(pairs) == 39  # the first contradicts its scores
    assert {pair.margin for pair in pairs} == {4.5}


def test_rows_without_a_pair_are_left_out_and_counted(table, caplog):
    odd = [
        {**ROWS[0], "rejected": ROWS[0]["chosen"]},
        {**ROWS[0], "chosen": ""},
        {**ROWS[0], "rejected": None},
        {"prompt": "Hi", "chosen": [USER, answer("1")], "rejected": [{**USER, "content": "Other"}, answer("2")]},
    ]
    assert len(read(table([*ROWS, *odd]))) == 40
    assert (
        "4 of 44 rows are left out: 1 for two answers that are the same, 2 for an empty cell, 1 for answers to dif"
        in caplog.text
    )


WRONG = {
    r"^data.sources.pairs.columns.chosen: .*pairs.jsonl:1 has no column 'chosen'; it has prompt, better, rejected$": (
        [{"prompt": "a", "better": "b", "rejected": "c"}],
        [],
    ),
    r"^data.sources.pairs.columns: none of the 2 rows is a preference pair: 2 with two answers that are the same$": (
        [{**row, "rejected": row["chosen"]} for row in ROWS[:2]],
        [],
    ),
    r"^data.sources.pairs.columns.label: all 40 rows prefer the first answer, so that the label says nothing; ": (
        [{**row, "label": "a"} for row in ROWS],
        ["data.sources.pairs.columns={label: label, first: [a], second: [b]}"],
    ),
    r"^data.sources.pairs.columns.margin: column 'margin' of .*:1 holds str, not a number$": (
        [{**row, "margin": "much"} for row in ROWS],
        ["data.sources.pairs.columns.margin=margin"],
    ),
    r"^data.sources.pairs.columns.chosen: column 'chosen' of .*:1 holds int, not text or turns$": (
        [{**row, "chosen": 3} for row in ROWS],
        [],
    ),
    r"^data.sources.pairs.columns.rejected: .*:1 holds a conversation that does not end with the assistant's answer$": (
        [{**row, "rejected": [USER]} for row in ROWS],
        [],
    ),
    r"^data.sources.pairs.columns.prompt: the answers of .*:1 hold no prompt; name the column of the prompts$": (
        ROWS,
        ["data.sources.pairs.columns.prompt=null"],
    ),
    r"^data.context: the train split of data.sources.pairs has no sequence of data.context=4$": (ROWS, ["data.context=4"]),
}


@pytest.mark.parametrize("match", WRONG)
def test_a_table_without_pairs_is_refused_in_one_line(table, match):
    rows, overrides = WRONG[match]
    with pytest.raises(ConfigError, match=match) as refused:
        prepare(table(rows, *overrides))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ("{rejected: chosen}", "columns.rejected: is 'chosen' as columns.chosen is"),
        ("{scores: [a]}", "columns.scores: needs two columns"),
        ("{scores: [a, b], margin: c}", "columns.scores: cannot be given beside margin"),
        ("{label: a, first: [1]}", "columns.label: needs columns.first and columns.second"),
        ("{label: a, first: [1], second: [2, 1]}", "columns.second: 1 prefers the first answer already"),
        ("{first: [1]}", "columns.first: is for a table with columns.label"),
    ],
)
def test_columns_that_contradict_each_other_are_refused(table, columns, message):
    with pytest.raises(ConfigError) as refused:
        table(ROWS, f"data.sources.pairs.columns={columns}")
    assert str(refused.value).startswith(f"data.sources.pairs.{message}")


def test_stages_and_sources_must_fit(table):
    with pytest.raises(
        ConfigError, match=r"stage=reward_model needs preference pairs; a task source has none; use preference_f"
    ):
        composed("stage=reward_model", "data=sums")
    with pytest.raises(
        ConfigError, match=r"readability source has preference pairs, which stage=sft cannot use; they are for rew"
    ):
        composed("stage=sft", "data=readability")


def test_sharded_training_is_refused():
    with pytest.raises(
        ConfigError, match=r"^compute.strategy: stage=reward_model trains on several processes by ddp, not by zer"
    ):
        composed("stage=reward_model", "data=readability", "compute=zero2")


def test_a_prompt_on_both_sides_is_refused(table, tmp_path):
    test = tmp_path / "test.jsonl"
    test.write_text(json.dumps(ROWS[3] | {"chosen": "Three."}) + "\n" + json.dumps(ROWS[0] | {"prompt": "New"}) + "\n")

    def held_out(rows):
        config = table(rows, "data.eval_fraction=0.01")
        return replace(config, data=replace(config.data, held_out={"pairs": PreferenceFilesSource(path=str(test))}))

    with pytest.raises(ConfigError, match=r"^data.held_out.pairs: 1 of its 2 prompts are in data.sources.pairs too; take them"):
        prepare(held_out(ROWS))
    assert prepare(held_out([row for row in ROWS if row != ROWS[3]])).evaluation_prompts().shape == (2,)


def test_pairs_are_split_by_prompt_and_measured_by_both_sides(table):
    rows = [{**row, "rejected": f"No. {i}"} for row in ROWS for i in range(3)]
    dataset = prepare(table(rows))
    tokenizer, held_out = dataset.tokenizer(), dataset.evaluation()
    train = dataset.train(len(rows) - len(held_out), 0)
    prompts = [{tokenizer.decode(row["chosen_ids"]).partition(".")[0] for row in side} for side in (train, held_out)]
    assert not prompts[0] & prompts[1]
    assert len(prompts[0] | prompts[1]) == 40
    assert len(set(dataset.evaluation_prompts().tolist())) == len(prompts[1])
    sides = [row[side] for row in train for side in ("chosen_ids", "rejected_ids")]
    lengths = np.array([len(ids) for ids in sides])
    assert all(ids[-1] == dataset.eos_token_id for ids in sides)
    assert train.tokens == lengths.sum()
    assert dataset.tokens_per_sequence == pytest.approx(lengths.sum() / len(train))
    assert dataset.attended == pytest.approx((lengths**2).sum() / lengths.sum())
    assert dataset.without_margin() == ["pairs"]


def test_pairs_that_are_too_long_are_dropped(table):
    long = {"prompt": "Add.", "chosen": "One.", "rejected": " ".join(str(i * 7919 % 1000) for i in range(60))}
    assert prepare(table([*ROWS, long])).sources["pairs"]["dropped"] == 1


def test_the_fingerprint_knows_columns_and_form(table):
    renamed = [{"prompt": r["prompt"], "chosen": r["rejected"], "rejected": r["chosen"]} for r in ROWS]
    swapped = "data.sources.pairs.columns={chosen: rejected, rejected: chosen}"
    prints = {fingerprint(table(ROWS)), fingerprint(table(ROWS, swapped)), fingerprint(table(renamed))}
    assert len(prints) == 3


@pytest.fixture(scope="module")
def readable():
    def compose(*overrides):
        return composed("stage=reward_model", "data=readability", "data.sources.readability.problems=400", *overrides)

    return compose


def test_procedural_pairs_are_right_and_prefer_the_more_readable(readable):
    pairs = list(open_source(readable(), "readability").documents())
    assert len(pairs) > 380
    for pair in pairs:
        assert pair.margin == pytest.approx(readability(pair.completion).score - readability(pair.rejected).score)
        assert pair.margin > 0
        total = f"<answer>{eval(pair.prompt.removesuffix('='))}</answer>"
        assert pair.completion.endswith(total)
        assert pair.rejected.endswith(total)
    again = list(open_source(readable(), "readability").documents())
    assert again == pairs
    assert list(open_source(readable("data.sources.readability.seed=1"), "readability").documents()) != pairs
    defects = np.array([readability(pair.rejected) for pair in pairs]) < 1
    assert defects.mean(axis=0).min() > 0.1  # each part is at stake


def test_noise_turns_preferences_as_the_model_of_bradley_and_terry(readable):
    options = ["data.sources.readability.temperature=0.1", "data.sources.readability.pairs_each=4"]
    pairs = list(open_source(readable(*options), "readability").documents())
    gaps = np.array([readability(pair.completion).score - readability(pair.rejected).score for pair in pairs])
    margins = np.array([pair.margin for pair in pairs])
    assert np.allclose(np.abs(gaps), margins)
    chance = 1 / (1 + np.exp(-margins / 0.1))
    error = 4 * np.sqrt((chance * (1 - chance)).sum()) / len(pairs)
    assert (gaps > 0).mean() == pytest.approx(chance.mean(), abs=error)
    assert (gaps < 0).any()


def test_a_task_without_reasoning_gives_no_pairs(readable):
    short = "data.sources.readability.options={min_terms: 2, max_terms: 2, maximum: 99}"
    with pytest.raises(
        ConfigError, match=r"^data.sources.readability.task: the oracle of sums writes no reasoning of two steps"
    ):
        list(open_source(readable(short), "readability").documents())
