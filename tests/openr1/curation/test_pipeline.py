import json
import subprocess
import sys

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.tables import exact, synthetic, table

from openr1.curation.card import Card
from openr1.curation.options import STEPS, Length, Select, steps_of
from openr1.curation.pipeline import FUNCTIONS, curate
from openr1.curation.table import read_samples, write_examples
from openr1.data.answers import answer_schema
from openr1.data.snippets import snippet
from openr1.system.errors import ConfigError, RunError

ALL = {
    "errors": {},
    "verify": {},
    "pass_rate": {},
    "finished": {},
    "format": {},
    "length": {"max": 800},
    "language": {},
    "exact_dedupe": {},
    "near_dedupe": {},
    "decontaminate": {},
    "balance": {"by": ["task", "difficulty"]},
    "select": {"k": 2},
}


@pytest.fixture
def steps(tmp_path):
    def steps(evaluation, **changed):
        path = tmp_path / "evaluation.jsonl"
        path.write_text("".join(json.dumps({"text": text}) + "\n" for text in evaluation))
        sets = {"made_up": {"kind": "files", "path": str(path)}}
        return steps_of("stage.steps", {**ALL, "decontaminate": {"sets": sets}, **changed})

    return steps


def test_every_kind_of_step_has_options_and_a_function():
    assert set(STEPS) == set(FUNCTIONS) == {*ALL, "preferred"}


@pytest.mark.slow
def test_a_whole_curation_is_the_same_in_one_process_and_in_two(steps, monkeypatch):
    monkeypatch.setattr("openr1.curation.rows.BYTES_PER_PROCESS", 100)
    made, evaluation = synthetic(300)
    one, two = (curate(made, steps(evaluation), verifier=exact, processes=processes) for processes in (1, 2))
    assert one.rows.to_dict() == two.rows.to_dict()
    assert one.card == two.card
    by_name = {step.name: step for step in one.card.steps}
    assert list(by_name) == list(ALL)
    assert all(by_name[name].reasons for name in ALL if name not in ("errors", "finished", "format", "language"))
    for before, after in zip(one.card.steps, one.card.steps[1:], strict=False):
        assert before.after == after.before
    for step in one.card.steps:
        assert step.before.rows - step.after.rows == sum(step.reasons.values())
    # what is left is in the order it came in, right, and at most two of a problem
    ids, samples = one.rows["problem_id"][:], one.rows["sample"][:]
    assert list(zip(ids, samples, strict=True)) == sorted(zip(ids, samples, strict=True))
    assert all(one.rows["verified"])
    assert all(0.1 < rate < 0.9 for rate in one.rows["pass_rate"])
    assert max(ids.count(name) for name in set(ids)) == 2
    assert one.card.after.tokens == sum(one.rows["tokens"])
    assert sum(count.rows for count in one.card.tasks.values()) == len(ids)
    assert one.card.metrics() == {
        "rows_before": 1200,
        "rows_after": len(ids),
        "rows_kept": len(ids) / 1200,
        "problems_before": 300,
        "problems_after": len(set(ids)),
        "tokens_before": sum(made["tokens"]),
        "tokens_after": sum(one.rows["tokens"]),
    }


def test_the_pass_rate_is_over_all_samples_though_the_wrong_ones_are_gone():
    given = [("a", 1), ("a", 2), ("b", 1), ("b", 1)]
    rows = [{"problem_id": name, "completion": f"<answer>{answer}</answer>"} for name, answer in given]
    curated = curate(table(rows), steps_of("steps", {"verify": {}, "pass_rate": {}}), verifier=exact)
    assert curated.rows["problem_id"][:] == ["a"]
    assert curated.rows["pass_rate"][:] == [0.5]


def test_steps_run_in_the_order_given_and_may_come_twice():
    rows = [{"problem_id": "a", "sample": i, "tokens": tokens} for i, tokens in enumerate((3, 5, 9))]
    for order, expected in ((("length", "select"), [1]), (("select", "length"), None)):
        given = {"length": {"min": 4}, "select": {"by": "shortest"}}
        steps = steps_of("steps", {name: given[name] for name in order})
        if expected:
            assert curate(table(rows), steps).rows["sample"][:] == expected
        else:
            with pytest.raises(RunError, match=r"stage\.steps\.length: drops all of its 1 .* \(shorter than 4 tokens: 1\)"):
                curate(table(rows), steps)
    twice = steps_of("steps", {"long": {"kind": "length", "min": 4}, "short": {"kind": "length", "max": 6}})
    assert curate(table(rows), twice).rows["sample"][:] == [1]


def test_a_view_of_a_table_is_curated_like_the_table_it_shows():
    made = table([{"tokens": i} for i in range(20)])
    view = made.select([7, 3, 18, 4])
    curated = curate(view, steps_of("steps", {"verify": {"drop": False}, "length": {"max": 10}}), verifier=exact)
    assert curated.rows["problem_id"][:] == ["p7", "p3", "p4"]
    assert curated.rows["verified"][:] == [False] * 3


def test_rows_without_verdicts_keep_null_beside_rows_with():
    curated = curate(table([{}] * 3), steps_of("s", {"verify": {"drop": False}}), verifier=lambda samples: [True, None, "why"])
    assert curated.rows["verified"][:] == [True, None, None]
    assert curated.card.steps[0].notes["without verdict"] == 2


def test_verdicts_belong_to_their_rows_after_others_are_gone():
    rows = [{"tokens": i % 3, "completion": f"<answer>{i % 2}</answer>"} for i in range(12)]
    curated = curate(table(rows), steps_of("s", {"length": {"min": 1}, "verify": {"drop": False}}), verifier=exact)
    assert curated.rows["problem_id"][:] == [f"p{i}" for i in range(12) if i % 3]
    assert curated.rows["verified"][:] == [i % 2 == 1 for i in range(12) if i % 3]


def test_progress_and_an_empty_table():
    seen, steps = [], steps_of("s", {"errors": {}, "length": {"max": 3}})
    curate(table([{"tokens": 3}]), steps, progress=lambda *state: seen.append(state))
    assert seen == [("errors", 0, 1), ("errors", 1, 1), ("length", 0, 1), ("length", 1, 1)]
    with pytest.raises(RunError, match="curation: there are no rows"):
        curate(table([{}]).select([]), steps_of("s", {"errors": {}}))


def test_the_card_says_what_was_dropped_and_why(steps):
    made, evaluation = synthetic(200)
    card = curate(made, steps(evaluation), verifier=exact).card
    again = Card.from_dict(json.loads(json.dumps(card.to_dict(), sort_keys=True)))
    assert again == card
    assert [list(step.reasons) for step in again.steps] == [list(step.reasons) for step in card.steps]
    verify = card.steps[1]
    assert list(verify.reasons) == ["wrong"]
    first, second = verify.examples
    assert first.problem_id != second.problem_id
    assert first.completion.startswith("<think>")
    assert first.completion.endswith("<answer>wrong</answer>")
    assert len(first.completion) < 120
    page = card.markdown()
    lines = page.splitlines()
    assert lines[2].startswith(f"{card.after.rows:,} of 800 samples (")
    counts = f"800 | {verify.after.rows} | 200 | {verify.after.problems} | wrong: {800 - verify.after.rows}"
    assert f"| verify | {counts} |" in lines
    assert "| errors | 800 | 800 | 200 | 200 | - |" in lines
    assert f"| task0 | {card.tasks['task0'].rows}" in page
    assert "## decontaminate\n\n`words=8`; made_up: 100 problems, 5,300 n-grams of 8 words\n\n- " in page
    assert f"- {first.problem_id}/{first.sample}, wrong\n  - `{first.prompt}`\n  - `{first.completion}`\n" in page


def test_the_card_without_token_counts_and_with_many_reasons():
    rows = [{"error": f"Error{i % 12}: no | here"} for i in range(30)] + [{"task": None}]
    card = curate(table(rows), steps_of("s", {"errors": {}})).card
    assert card.before.tokens is None
    assert "tokens were not counted" in card.markdown()
    assert "tokens_after" not in card.metrics()
    assert next(iter(card.steps[0].reasons.items())) == ("Error0", 3)
    assert "Error5: 3; Error10: 2; Error11: 2; 4 other reasons: 8 |" in card.markdown()
    assert len(card.steps[0].examples) == 10
    assert card.tasks == {"-": card.after}


def test_rare_reasons_are_counted_together():
    rows = [{"error": f"request {i}"} for i in range(150)] + [{"error": "often"}] * 2 + [{}]
    step = curate(table(rows), steps_of("s", {"errors": {}})).card.steps[0]
    assert list(step.reasons.items())[:3] == [("other reasons", 51), ("often", 2), ("request 0", 1)]
    assert len(step.reasons) == 101
    assert sum(step.reasons.values()) == 152


def test_snippet_shows_both_ends_on_one_line():
    assert snippet("one\n two") == "one two"
    long = "a" * 60 + "b" * 500 + "c" * 40
    assert snippet(long) == "a" * 60 + " … " + "c" * 40


def sets_of(**options):
    return {"decontaminate": {"sets": {"a": options}}}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, r"stage\.steps: at least one step is needed, of verify, errors"),
        ({"errors": None}, r"stage\.steps: at least one step is needed"),
        ({"mine": {}}, r"stage\.steps\.mine\.kind: 'mine' is not one of verify, "),
        ({"select": {"by": "best"}}, r"stage\.steps\.select\.by: 'best' is not one of shortest, longest, random, all"),
        ({"select": {"k": 0}}, r"stage\.steps\.select\.k: must be at least 1, not 0"),
        ({"select": {"k": "many"}}, r"stage\.steps\.select\.k: "),
        ({"select": {"n": 1}}, r"stage\.steps\.select\.n: no such key; there are kind, k, by, seed$"),
        ({"length": {}}, r"stage\.steps\.length: give min, max or both"),
        ({"length": {"min": 3, "max": 2}}, r"stage\.steps\.length\.min: 3 is above stage\.steps\.length\.max=2"),
        ({"length": {"of": "prompt", "max": 2}}, r"stage\.steps\.length\.unit: prompts have no token counts"),
        ({"format": {"tags": []}}, r"stage\.steps\.format\.tags: "),
        ({"format": {"tags": ["<think>"]}}, r"stage\.steps\.format\.tags: .* without brackets"),
        ({"language": {"language": "xx"}}, r"stage\.steps\.language\.language: 'xx' is not one of "),
        ({"language": {"share": 2}}, r"stage\.steps\.language\.share: must be from 0 to 1"),
        ({"pass_rate": {"low": 0.9, "high": 0.1}}, r"stage\.steps\.pass_rate\.low: 0\.9 is not below "),
        ({"near_dedupe": {"threshold": 0}}, r"stage\.steps\.near_dedupe\.threshold: must be above 0"),
        ({"near_dedupe": {"keep": "last"}}, r"stage\.steps\.near_dedupe\.keep: 'last' is not one of first, shortest, longest"),
        ({"exact_dedupe": {"of": "answer"}}, r"stage\.steps\.exact_dedupe\.of: 'answer' is not one of completion, prompt"),
        ({"balance": {"by": ["colour"]}}, r"stage\.steps\.balance\.by\[0\]: 'colour' is not one of task, difficulty, kind"),
        ({"decontaminate": {}}, r"stage\.steps\.decontaminate\.sets: needs at least 1 value"),
        (sets_of(kind="task"), r"stage\.steps\.decontaminate\.sets\.a\.kind: 'task' is not one of files, hub"),
        (sets_of(kind="hub", pth=1), r"stage\.steps\.decontaminate\.sets\.a\.pth: no such key"),
        (sets_of(kind="hub"), r"stage\.steps\.decontaminate\.sets\.a\.path: no value is given"),
    ],
)
def test_impossible_steps_are_refused_in_one_line(given, message):
    with pytest.raises(ConfigError, match=message) as error:
        steps_of("stage.steps", given)
    assert "\n" not in str(error.value)


def test_steps_are_typed_named_and_in_order():
    steps = steps_of("steps", {"short": {"kind": "length", "max": 5}, "off": None, "select": {"k": 3}})
    assert steps == {"short": Length(max=5), "select": Select(k=3)}
    assert list(steps) == ["short", "select"]


def test_checking_a_config_imports_nothing_heavy():
    heavy = ("datasets", "pandas", "pyarrow", "torch", "transformers", "regex")
    code = "import sys, openr1.curation.options as o; o.steps_of('s', {'select': {}})\n"
    code += f"print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_files_are_read_as_one_memory_mapped_table(tmp_path):
    one = {"problem_id": ["a", "b"], "sample": pa.array([0, 1], pa.int32()), "error": [None, None], "prompt_tokens": [3, 4]}
    two = {"problem_id": ["c"], "tests": [[["1", "2"]]], "error": ["late"], "verified": [True]}
    pq.write_table(pa.table(one), tmp_path / "0.parquet")
    pq.write_table(pa.table(two), tmp_path / "1.parquet")
    table = read_samples([tmp_path / "0.parquet", tmp_path / "1.parquet"], tmp_path / "cache")
    assert table.cache_files[0]["filename"] == str(tmp_path / "cache/rows.arrow")
    assert table["problem_id"][:] == ["a", "b", "c"]
    assert table["sample"][:] == [0, 1, None]
    assert table["error"][:] == [None, None, "late"]
    assert table["tests"][:] == [None, None, [["1", "2"]]]
    assert table["prompt_tokens"][:] == [3, 4, None]
    types = {field.name: field.type for field in table.features.arrow_schema}
    assert all(types[field.name] == field.type for field in answer_schema() if field.name in types)


def test_files_that_are_no_table_of_samples(tmp_path):
    (tmp_path / "0.parquet").write_bytes(b"no")
    with pytest.raises(ConfigError, match=r"stage\.inputs: .*0\.parquet cannot be read as one table: "):
        read_samples([tmp_path / "0.parquet"], tmp_path / "cache")
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "0.parquet")
    with pytest.raises(ConfigError, match=r"stage\.inputs: .*0\.parquet has no column problem_id; it has id"):
        read_samples([tmp_path / "0.parquet"], tmp_path / "cache")
    pq.write_table(pa.table({"problem_id": ["a"], "tokens": ["many"]}), tmp_path / "0.parquet")
    with pytest.raises(ConfigError, match=r"stage\.inputs: .*0\.parquet cannot be read as one table: "):
        read_samples([tmp_path / "0.parquet"], tmp_path / "cache")


ROWS = [{"prompt": f"what is {i}?", "completion": f"it is {i}", "task": "t"} for i in range(2500)]


def test_training_data_as_texts_and_as_messages(tmp_path):
    kept = table(ROWS).select(range(1, 2500, 2))
    assert write_examples(kept, tmp_path / "data" / "text.parquet") == 1250
    text = pq.read_table(tmp_path / "data" / "text.parquet").to_pylist()
    assert len(text) == 1250
    assert text[-1] == {"prompt": "what is 2499?", "completion": "it is 2499", "problem_id": "p2499", "task": "t"}
    write_examples(kept, tmp_path / "chat.parquet", form="messages", system="Be brief.", columns=["tokens", "colour"])
    chat = pq.read_table(tmp_path / "chat.parquet").to_pylist()
    assert chat[0] == {
        "prompt": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "what is 1?"}],
        "completion": [{"role": "assistant", "content": "it is 1"}],
        "tokens": None,
    }
    assert chat[1249]["prompt"][1]["content"] == "what is 2499?"
    assert sorted(path.name for path in tmp_path.glob("*.parquet")) == ["chat.parquet"]
    with pytest.raises(ValueError, match=r"form: 'xml' is not one of text, messages"):
        write_examples(kept, tmp_path / "x.parquet", form="xml")
    with pytest.raises(ValueError, match="only form=messages has a system turn"):
        write_examples(kept, tmp_path / "x.parquet", system="Be brief.")


def test_the_same_rows_are_written_as_the_same_bytes(tmp_path):
    kept = curate(table(ROWS), steps_of("s", {"select": {}})).rows
    for name in ("a", "b"):
        write_examples(kept, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_what_was_filled_in_lies_beside_the_columns_of_the_table(tmp_path):
    made, _ = synthetic(50)
    made.save_to_disk(tmp_path / "table")
    loaded = datasets.load_from_disk(tmp_path / "table")
    curated = curate(loaded, steps_of("s", {"verify": {}, "select": {}}), verifier=exact)
    assert curated.rows.column_names == [*loaded.column_names, "verified", "pass_rate"]
    ids = loaded["problem_id"][:]
    assert all(np.diff([ids.index(name) for name in curated.rows["problem_id"]]) > 0)
    assert curated.rows["verified"][:] == [True] * len(curated.rows)
    assert set(curated.rows["pass_rate"]) <= {0.25, 0.5, 0.75, 1.0}
