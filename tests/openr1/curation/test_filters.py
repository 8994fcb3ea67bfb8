import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from helpers.tables import exact, table

from openr1.curation import filters
from openr1.curation.options import Errors, Finished, Format, Language, Length, PassRate, Verify
from openr1.curation.rows import Rows
from openr1.data.language import share
from openr1.system.errors import ConfigError


def rows_of(*rows):
    made = table(rows)
    return Rows(made, np.arange(len(made)))


def answers(problem, *given):
    row = {"problem_id": problem, "prompt": f"what is {problem}?"}
    return [{**row, "sample": i, "completion": f"<answer>{answer}</answer>"} for i, answer in enumerate(given)]


def test_verify_keeps_what_is_right_and_says_why_there_is_no_verdict():
    rows = rows_of(*answers("a", "1", "2", "1", "?"), *answers("b", "?", "!"), *answers("c", "1"))

    def verifier(samples):
        given = [sample.completion[8:-9] for sample in samples]
        return [None if text == "!" else "gold answer cannot be parsed" if text == "?" else text == "1" for text in given]

    decision = filters.verify(rows, Verify(), "steps.verify", verifier)
    gold = "gold answer cannot be parsed"
    assert decision.reasons.tolist() == [None, "wrong", None, gold, gold, "no verdict", None]
    assert decision.columns["verified"].to_pylist() == [True, False, True, None, None, None, True]
    # of those with a verdict; a problem without one has no pass rate
    assert decision.columns["pass_rate"].to_pylist() == [2 / 3] * 4 + [None] * 2 + [1.0]
    assert decision.notes == {"asked": 7, "without verdict": 3, "pass rate": 0.75}
    only = filters.verify(rows, Verify(drop=False), "steps.verify", verifier)
    assert not any(only.reasons)
    assert only.columns == decision.columns


def test_the_verifier_sees_the_whole_sample():
    seen = []
    rows = rows_of(
        {
            "prompt": "add",
            "completion": "print()",
            "answer": None,
            "kind": "code",
            "tests": [["1", "2"]],
            "task": "t",
            "difficulty": 3,
        }
        | {"tokens": 7, "finished": False}
    )
    filters.verify(rows, Verify(), "key", lambda samples: seen.extend(samples) or [True])
    (sample,) = seen
    assert (sample.completion, sample.tokens, sample.finished) == ("print()", 7, False)
    problem = sample.problem
    assert (problem.prompt, problem.answer, problem.kind, problem.tests) == ("add", "", "code", (("1", "2"),))
    assert (problem.task, problem.difficulty) == ("t", 3.0)


def test_a_failed_request_has_no_verdict_and_does_not_count():
    rows = rows_of(*answers("a", "1", "2"), {"problem_id": "a", "completion": None, "finished": False, "error": "timeout"})
    decision = filters.verify(rows, Verify(), "key", exact)
    assert decision.reasons.tolist() == [None, "wrong", "no completion"]
    assert decision.columns["pass_rate"].to_pylist() == [0.5] * 3


def test_verdicts_that_are_there_are_not_asked_for_again():
    given = [{**row, "verified": known} for row, known in zip(answers("a", "1", "1", "2"), (False, None, None), strict=True)]
    asked = []
    decision = filters.verify(rows_of(*given), Verify(), "key", lambda samples: asked.extend(samples) or exact(samples))
    assert len(asked) == 2
    assert decision.reasons.tolist() == ["wrong", None, "wrong"]
    with pytest.raises(ConfigError, match=r"key: 2 rows have no verdict, and there is no verifier"):
        filters.verify(rows_of(*given), Verify(), "key")


def test_a_killed_verification_goes_on_where_it_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(filters, "CHUNK", 10)
    rows = rows_of(*(row for i in range(10) for row in answers(f"p{i}", *map(str, range(4)))))
    batches = []

    def verifier(samples):
        batches.append(len(samples))
        if len(batches) == 3:
            raise KeyboardInterrupt
        return exact(samples)

    done = []
    with pytest.raises(KeyboardInterrupt):
        filters.verify(rows, Verify(), "key", verifier, tmp_path)
    again = filters.verify(rows, Verify(), "key", verifier, tmp_path, lambda *state: done.append(state))
    assert batches == [10] * 5
    assert done == [(10, 40), (20, 40), (30, 40), (40, 40)]
    assert again.reasons.tolist() == filters.verify(rows, Verify(), "key", exact).reasons.tolist()
    # other rows have other verdicts, though they be of the same problems and texts
    for other, expected in (("aab", [None, None, "wrong"]), ("abb", [None, "wrong", "wrong"])):
        gold = {"a": "1", "b": "2"}
        rows = rows_of(*({**answers(name, "1")[0], "answer": gold[name]} for name in other))
        assert filters.verify(rows, Verify(), "key", exact, tmp_path).reasons.tolist() == expected


def test_too_few_verdicts_are_an_error():
    with pytest.raises(ValueError, match="the verifier gave 1 verdicts for 2 samples"):
        filters.verify(rows_of(*answers("a", "1", "1")), Verify(), "key", lambda samples: [True])


def test_errors_are_counted_by_what_they_begin_with():
    messages = (None, "TimeoutError: after 3 s", "", "HTTP 500\nbody", "TimeoutError: after 9 s", " ")
    decision = filters.drop_errors(rows_of(*({"error": message} for message in messages)), Errors(), "key")
    assert decision.reasons.tolist() == [None, "TimeoutError", None, "HTTP 500", "TimeoutError", "failed"]
    assert decision.detail(4) == "TimeoutError: after 9 s"


def test_finished_drops_what_was_cut_off():
    decision = filters.drop_unfinished(rows_of({"finished": True}, {"finished": False}, {"finished": None}), Finished(), "key")
    assert decision.reasons.tolist() == [None, "cut off", "not known whether it ended"]


GOOD = "<think>so\n\nit is</think>\n<answer>1</answer>\n"


@pytest.mark.parametrize(
    ("text", "options", "fault"),
    [
        (GOOD, {}, None),
        ("<answer>1</answer>", {}, "no <think>"),
        ("<answer>1</answer>", {"tags": ["answer"]}, None),
        ("<think>so</think><answer>1", {}, "<answer> is not closed"),
        (GOOD + "<answer>2</answer>", {}, "more than one <answer>"),
        ("<think>so</think></think><answer>1</answer>", {}, "more than one <think>"),
        ("<answer>1</answer><think>so</think>", {}, "tags out of order"),
        ("<think>so<answer>1</answer></think>", {}, "tags out of order"),
        ("</think>so<think><answer>1</answer>", {}, "tags out of order"),
        ("Well. " + GOOD, {}, "text outside the tags"),
        ("<think>so</think> hence <answer>1</answer>", {}, "text outside the tags"),
        (GOOD + "Bye.", {}, "text outside the tags"),
        ("<think>so</think>It is 1.", {"tags": ["think"], "outside": True}, None),
        ("<think> </think><answer>1</answer>", {}, "empty <think>"),
        ("<think>so</think><answer>\n</answer>", {}, "empty <answer>"),
        ("so</think><answer>1</answer>", {}, "no <think>"),
        ("so</think><answer>1</answer>", {"opened": True}, None),
        ("<think>so</think><answer>1</answer>", {"opened": True}, None),
        ("<think>```x```</think><answer>1</answer>", {}, None),
        ("<think>```x```</think><answer>1</answer>", {"code": False}, "code in <think>"),
        ("<think>so</think><answer>```x```</answer>", {"code": False}, None),
        (GOOD, {"paragraph": 5}, None),
        (GOOD, {"paragraph": 4}, "long paragraph in <think>"),
    ],
)
def test_format_names_the_fault(text, options, fault):
    assert filters.format_fault(text, Format(**options)) == fault


def test_format_reads_every_row():
    decision = filters.drop_malformed(rows_of({"completion": GOOD}, {"completion": "1"}, {"completion": None}), Format(), "key")
    assert decision.reasons.tolist() == [None, "no <think>", "no <think>"]


def test_length_in_tokens_or_characters():
    rows = rows_of(
        *({"tokens": tokens, "completion": text} for tokens, text in ((5, "é"), (10, "ab"), (11, "abc"), (None, "")))
    )
    decision = filters.drop_by_length(rows, Length(min=10, max=10), "key")
    assert decision.reasons.tolist() == ["shorter than 10 tokens", None, "longer than 10 tokens", "no token count"]
    assert decision.detail(0) == "5 tokens"
    decision = filters.drop_by_length(rows, Length(unit="characters", min=1, max=2), "key")
    assert decision.reasons.tolist() == [None, None, "longer than 2 characters", "shorter than 1 characters"]


def test_length_of_what_is_not_there_is_not_zero():
    rows = rows_of({"completion": None, "tokens": None}, {"completion": "ab", "tokens": 2})
    for unit, reason in (("characters", "no completion"), ("tokens", "no token count")):
        assert filters.drop_by_length(rows, Length(max=5, unit=unit), "key").reasons.tolist() == [reason, None]


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("the sum is 12", "en", 1.0),
        ("the sum is 12", "zh", 0.0),
        ("12 + 7 = 19", "en", None),
        ("", "ja", None),
        ("the sum 你好", "en", 0.5),
        ("the sum 你好", "zh", 0.5),
        ("die Größe ist schön", "de", 1.0),
        ("let π be π and Δ small", "en", 1.0),  # symbols are no words
        ("сумма is 12", "ru", 0.5),
        ("ひらがな", "ja", 1.0),
        ("합은 십이", "ko", 1.0),
        ("<think>你好</think>", "zh", 1.0),
        ("\\frac{π}{2} 你好", "zh", 1.0),
        ("$x^{\\text{two}}$ 你好 \\(abc\\)", "zh", 1.0),
        ("你好\n```\nprint\n```\n", "zh", 1.0),
        ("ሰላም hello", "en", 0.5),  # a script of none of the languages
    ],
)
def test_share_of_words_in_the_script_of_a_language(text, language, expected):
    assert share(text, language) == expected


def test_language_drops_what_is_below_the_share():
    rows = rows_of({"completion": "one two three four"}, {"completion": "one two three 四"}, {"completion": "12"})
    decision = filters.drop_by_language(rows, Language(share=0.8), "key")
    assert decision.reasons.tolist() == [None, "less than 0.8 in en", None]
    assert filters.drop_by_language(rows, Language(share=0.75), "key").reasons.tolist() == [None] * 3


def test_language_reads_the_column_it_is_told_to():
    rows = rows_of({"completion": "one", "prompt": "你好"}, {"completion": "你好", "prompt": "one"})
    assert filters.drop_by_language(rows, Language(), "key").reasons.tolist() == [None, "less than 0.95 in en"]
    assert filters.drop_by_language(rows, Language(of="prompt"), "key").reasons.tolist() == ["less than 0.95 in en", None]


def test_pass_rate_keeps_problems_that_are_neither_too_hard_nor_too_easy():
    verdicts = {
        "never": [False] * 10,
        "once": [True] + [False] * 9,
        "half": [True, False],
        "often": [False] + [True] * 9,
        "always": [True] * 2,
        "unknown": [None] * 2,
    }
    rows = rows_of(*({"problem_id": name, "verified": verdict} for name, each in verdicts.items() for verdict in each))
    decision = filters.drop_by_pass_rate(rows, PassRate(), "key")
    found = dict(zip(rows.column("problem_id").to_pylist(), decision.reasons, strict=True))
    assert found == {
        "never": "pass rate of at most 0.1",
        "once": "pass rate of at most 0.1",
        "half": None,
        "often": "pass rate of at least 0.9",
        "always": "pass rate of at least 0.9",
        "unknown": "no sample with a verdict",
    }
    assert decision.detail(10) == "pass rate 0.1"
    with pytest.raises(ConfigError, match=r"key: needs verdicts; give a verify step before it"):
        filters.drop_by_pass_rate(rows_of({}), PassRate(), "key")


def test_a_missing_column_is_named():
    rows = Rows(table([{}]).remove_columns("finished"), np.arange(1))
    with pytest.raises(ConfigError, match=r"steps\.cut: needs a column 'finished'; the rows have problem_id, sample"):
        filters.drop_unfinished(rows, Finished(), "steps.cut")


def process(batch):
    return pa.table({"process": [os.getpid()] * len(batch)})


def test_texts_are_read_alike_by_several_processes(monkeypatch):
    monkeypatch.setattr("openr1.curation.rows.BYTES_PER_PROCESS", 100)
    made = table([{"completion": GOOD if i % 3 else "1"} for i in range(100)])
    one, two = (Rows(made, np.arange(10, 100), processes=number) for number in (1, 2))
    assert [len(set(rows.map(process, "completion").column(0).to_pylist())) for rows in (one, two)] == [1, 2]
    reasons = [filters.drop_malformed(rows, Format(), "key").reasons.tolist() for rows in (one, two)]
    assert reasons[0] == reasons[1] == [None if i % 3 else "no <think>" for i in range(10, 100)]


def test_nothing_is_written_beside_the_table(tmp_path):
    import datasets

    table([{"completion": GOOD}] * 10).save_to_disk(tmp_path / "table")
    before = sorted(Path(tmp_path / "table").iterdir())
    loaded = datasets.load_from_disk(tmp_path / "table")
    filters.drop_malformed(Rows(loaded, np.arange(10)), Format(), "key")
    assert sorted(Path(tmp_path / "table").iterdir()) == before
