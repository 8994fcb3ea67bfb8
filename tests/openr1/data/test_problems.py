import base64
import json
import pickle
import zlib

import numpy as np
import pytest
from helpers.configs import composed
from helpers.data import problems_by_source, problems_extent, problems_fingerprint, read_problems

from openr1.data.cells import label
from openr1.data.tasks.problem import Problem, is_held_out
from openr1.system.errors import ConfigError

MODEL = "model.checkpoint=sft-0123456789abcdef"


@pytest.fixture
def table(tmp_path):
    """Writes rows, and gives the overrides of a config whose problems they are."""

    def write(rows, *overrides, stage="generate"):
        path = tmp_path / "problems.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        group = "data.sources.files"
        given = ["data=files", f"{group}.path={path}", f"{group}.prompt=question", f"paths.outputs={tmp_path}/outputs"]
        return composed(*given, f"stage={stage}", MODEL, *(f"{group}.columns.{override}" for override in overrides))

    return write


def task(*overrides, stage="generate", **paths):
    return composed(
        "data=sums", "data.sources.sums.problems=400", "data.eval_fraction=0.1", f"stage={stage}", MODEL, *overrides
    )


def test_no_problem_is_trained_on_and_tested_with():
    train, test = (read_problems(task(stage=stage)) for stage in ("generate", "evaluate"))
    assert len(train) + len(test) == 400
    assert not {problem.id for problem in train} & {problem.id for problem in test}
    assert 20 < len(test) < 60
    # nor of another seed and count
    other = read_problems(task("data.sources.sums.seed=1", "data.sources.sums.problems=2000", stage="evaluate"))
    assert not {problem.id for problem in train} & {problem.id for problem in other}


@pytest.mark.slow
def test_so_many_of_each_source_and_none_twice():
    config = composed("data=tasks", "stage=generate", MODEL, "stage.problems=7")
    found = problems_by_source(config)
    assert [len(some) for some in found.values()] == [7] * len(found)
    assert len({problem.id for problem in read_problems(config)}) == 7 * len(found)
    assert problems_extent(config).problems == 7 * len(found)


def test_a_table_holds_problems_of_its_kind(table):
    rows = [{"question": f"{i}+{i}=", "answer": 2 * i, "level": f"Level {i % 5}", "subject": "sums"} for i in range(50)]
    config = table([*rows, {"question": "", "answer": 1}, {"question": "no answer", "answer": None}], "kind=math")
    found = read_problems(config)
    assert 40 < len(found) <= 50
    told = {(problem.prompt, problem.answer, problem.kind) for problem in found}
    assert told <= {(f"{i}+{i}=", f"{2 * i}", "math") for i in range(50)}
    assert {problem.task for problem in found} == {"files"}
    found = read_problems(table(rows, "kind=math", "difficulty=level", "task=subject"))
    assert {problem.difficulty for problem in found} == {0, 1, 2, 3, 4}
    assert {problem.task for problem in found} == {"sums"}


def test_tests_of_programs_are_lists_json_or_packed_and_calls_of_functions_are_left_out(table, caplog):
    pairs = [{"input": "1\n", "output": "2\n", "testtype": "stdin"}, {"input": "3", "output": "4", "testtype": "stdin"}]
    packed = base64.b64encode(zlib.compress(pickle.dumps(json.dumps(pairs)))).decode()
    call = [{"input": "[1]", "output": "2", "testtype": "functional"}]
    rows = [
        {"question": "lists", "public": pairs[:1], "hidden": {"cases": [["5", "6"]]}},
        {"question": "packed", "public": json.dumps(pairs[:1]), "hidden": {"cases": packed}},
        {"question": "calls", "public": call, "hidden": {"cases": []}},
        {"question": "none", "public": [], "hidden": {"cases": []}},
    ]
    found = {p.prompt: p for p in read_problems(table(rows, "kind=code", "tests=[public,hidden.cases]"))}
    assert found["lists"].tests == (("1\n", "2\n"), ("5", "6"))
    assert found["packed"].tests == (("1\n", "2\n"), ("1\n", "2\n"), ("3", "4"))
    assert set(found) == {"lists", "packed"}
    assert "2 of 4 rows hold no problem that can be verified" in caplog.text


def test_a_packed_list_of_tests_runs_nothing(table):
    class Harm:
        def __reduce__(self):
            return print, ("harm",)

    packed = base64.b64encode(zlib.compress(pickle.dumps(Harm()))).decode()
    with pytest.raises(ConfigError, match=r"^data\.sources\.files\.columns\.tests: .*names builtins\.print; only text is read"):
        read_problems(table([{"question": "x", "hidden": packed}], "kind=code", "tests=hidden"))


APPS = {"inputs": ["3 4\n", "10 5\n"], "outputs": ["7\n", "15\n"]}


@pytest.mark.parametrize("tests", [APPS, json.dumps(APPS)])
def test_an_object_of_inputs_and_outputs_is_their_pairs(table, tests):
    [problem] = read_problems(table([{"question": "add", "tests": tests}], "kind=code", "tests=tests"))
    assert problem.tests == (("3 4\n", "7\n"), ("10 5\n", "15\n"))


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ({"in": [], "out": []}, "holds an object with in, out; tests are"),
        ('{"inputs": [', "holds text that is not JSON: Expecting value"),
    ],
)
def test_a_cell_that_holds_no_tests_is_refused_with_its_row(table, cell, message):
    rows = [{"question": "first", "cell": None}, {"question": "second", "cell": cell}]
    with pytest.raises(ConfigError, match=rf"^data\.sources\.files\.columns\.tests: (?=.*problems\.jsonl).*\b2\b.* {message}"):
        read_problems(table(rows, "kind=code", "tests=cell"))


def test_calls_have_their_function_and_its_beginning_from_columns(table):
    call = json.dumps([{"input": "[1]\n2", "output": "3", "testtype": "functional"}])
    pair = json.dumps([{"input": "1 2", "output": "3", "testtype": "stdin"}])
    rows = [
        {
            "question": "call",
            "public": call,
            "metadata": '{"func_name": "add"}',
            "starter_code": "class Solution:\n    def add(",
        },
        {"question": "pair", "public": pair, "metadata": "{}", "starter_code": ""},
    ]
    overrides = ["kind=code", "tests=public", "function=metadata.func_name", "starter=starter_code"]
    call, pair = read_problems(table(rows, *overrides))
    assert call.tests == (("[[1], 2]", "3", "add"),)
    assert call.prompt == "call\n\nBegin with this code:\n```python\nclass Solution:\n    def add(\n```"
    assert (pair.prompt, pair.tests) == ("pair", (("1 2", "3"),))


def test_tests_that_call_a_function_survive_a_table_of_answers(tmp_path):
    from openr1.data.answers import (
        PROBLEM_COLUMNS,
        Answer,
        ProblemAnswers,
        answer_rows,
        problem_of,
        read_answers,
        write_answers,
    )

    tests = (("[1]", "2", "f", "[2]"), ("in", "out"))
    asked = Problem("q", "", kind="code", tests=tests)
    row = answer_rows(asked, ProblemAnswers(asked.id, (Answer("a"),)), 1)
    write_answers(tmp_path, row)
    [found] = read_answers(tmp_path)
    assert problem_of(*(found[name] for name in PROBLEM_COLUMNS)) == asked


def test_options_are_lettered_in_an_order_that_the_question_decides(table):
    rows = [{"question": f"question {i}?", "right": "yes", "wrong": "no", "other": "maybe"} for i in range(60)]
    found = read_problems(table(rows, "kind=choice", "answer=right", "wrong=[wrong,other]"))
    for problem in found:
        question, *options = problem.prompt.split("\n")
        assert question.startswith("question")
        lettered = dict(option.split(") ") for option in options[1:])
        assert lettered[problem.answer] == "yes"
        assert set(lettered.values()) == {"yes", "no", "maybe"}
    assert {problem.answer for problem in found} == {"A", "B", "C"}
    assert read_problems(table(rows[::-1], "kind=choice", "answer=right", "wrong=[wrong,other]"))[::-1] == found


def test_a_test_set_is_tested_with_as_a_whole(tmp_path):
    path = tmp_path / "exam.jsonl"
    path.write_text("".join(json.dumps({"problem": f"{i}", "answer": f"{i}", "level": i}) + "\n" for i in range(30)))
    config = composed("benchmark=math_500", MODEL, "data.held_out.math_500.columns.task=null")
    from openr1.data.options import FilesSource, ProblemColumns

    columns = ProblemColumns(kind="math", difficulty="level")
    config.data.held_out = {"math_500": FilesSource(path=str(path), prompt="problem", columns=columns)}
    found = read_problems(config)
    assert len(found) == 30
    assert sum(is_held_out(problem, config.data.eval_fraction) for problem in found) < 10


def of_rows(rows, table, *overrides):
    """The problems of rows by their prompts, whichever side they are on."""
    config = table(rows, *overrides)
    config.data.eval_fraction = 0.0
    return {problem.prompt: problem for problem in read_problems(config)}


@pytest.mark.parametrize(
    ("level", "difficulty"),
    [
        ("Level 5", 5),
        ("level 2", 2),
        ("5", 5),
        (" 0.5 ", 0.5),
        (3, 3),
        ("Level ?", None),
        ("hard", None),
        ("", None),
        (None, None),
        (float("nan"), None),
        ("inf", None),
        (True, None),
        ([1], None),
    ],
)
def test_a_difficulty_that_is_no_number_is_none(table, level, difficulty, caplog):
    rows = [{"question": "a", "answer": "1", "level": "Level 1"}, {"question": "b", "answer": "2", "level": level}]
    found = of_rows(rows, table, "kind=math", "difficulty=level")
    assert (found["a"].difficulty, found["b"].difficulty) == (1, difficulty)
    counted = difficulty is None and repr(level) not in ("''", "None", "nan")
    assert ("1 of 2 rows have none that is a number" in caplog.text) == counted


def test_a_row_may_lack_a_label_but_not_all_of_them(table):
    rows = [{"question": "a", "answer": "1"}, {"question": "b", "answer": "2", "level": 3, "subject": 7}]
    found = of_rows(rows, table, "kind=math", "difficulty=level", "task=subject")
    assert [(one.difficulty, one.task) for one in found.values()] == [(None, "files"), (3, "7")]
    with pytest.raises(
        ConfigError, match=r"^data\.sources\.files\.columns\.task: .*:2 has no column 'topic'; it has question, a"
    ):
        of_rows(rows, table, "kind=math", "task=topic")


def test_an_unknown_difficulty_is_warned_of_once(table, caplog):
    rows = [{"question": f"{i}", "answer": "1", "level": "Level ?" if i % 2 else "Level 1"} for i in range(10)]
    for _ in range(3):
        of_rows(rows, table, "kind=math", "difficulty=level")
    assert caplog.text.count("data.sources.files.columns.difficulty: 5 of 10 rows have none that is a number") == 1


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("4", "4"),
        (4, "4"),
        (4.0, "4"),
        (0.25, "0.25"),
        (1e-7, "0.0000001"),
        (1e22, "10000000000000000000000"),
        (["4"], "4"),
        ([4], "4"),
        ("", None),
        (None, None),
        ([], None),
        (float("nan"), None),
    ],
)
def test_answers_are_text_numbers_or_a_list_of_one(table, answer, text):
    rows = [{"question": "a", "answer": answer}, {"question": "b", "answer": "1"}]
    found = of_rows(rows, table, "kind=math")
    assert (found["a"].answer if "a" in found else None) == text


@pytest.mark.parametrize("answer", [True, False, ["a", "b"], {"x": 1}, [["a"]], float("inf")])
@pytest.mark.parametrize("option", ["answer", "wrong", "task"])
def test_cells_of_problems_of_another_form_are_refused_with_their_row(table, option, answer):
    rows = [{"question": "a", "answer": "1", "other": "2"}, {"question": "b", "answer": "1", "other": "2"}]
    rows[1]["answer" if option == "answer" else "other"] = answer
    overrides = {"answer": [], "wrong": ["wrong=[other]"], "task": ["task=other"]}[option]
    with pytest.raises(
        ConfigError, match=rf"^data\.sources\.files\.columns\.{option}.*problems\.jsonl:2 holds \w+, not text or a"
    ):
        of_rows(rows, table, "kind=exact", *overrides)


def test_numbers_of_any_size_are_the_text_that_they_were(table):
    assert label(10**400) == "1" + "0" * 400
    assert label(float(np.float32(0.1))) == "0.1"  # as Parquet gives a column of half the bits
    assert label(0.1) == "0.1"


def test_an_option_that_is_null_is_no_option(table):
    rows = [{"question": "a", "answer": "yes", "w": "no", "v": None}, {"question": "b", "answer": "yes", "w": None, "v": None}]
    [found] = of_rows(rows, table, "kind=choice", "wrong=[w,v]").values()
    assert sorted(line[3:] for line in found.prompt.split("\n")[2:]) == ["no", "yes"]


def turns(*said):
    return [{"role": role, "content": content} for role, content in said]


def test_a_prompt_may_be_the_turn_of_a_user(table):
    rows = [
        {"question": turns(("user", "a")), "answer": "1"},
        {"question": [{"from": "human", "value": "b"}], "answer": "1"},
        {"question": [{"role": "user", "content": [{"type": "text", "text": "c"}]}], "answer": "1"},
        {"question": None, "answer": "1"},
        {"question": turns(("user", None)), "answer": "1"},
    ]
    assert list(of_rows(rows, table, "kind=math")) == ["a", "b", "c"]


def test_a_prompt_may_have_the_system_turn_of_the_config_before_it(table):
    config = table([{"question": turns(("system", "s"), ("user", "a")), "answer": "1"}], "kind=math")
    config.data.eval_fraction = 0.0
    config.data.system = "s"
    assert [problem.prompt for problem in read_problems(config)] == ["a"]


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        (turns(("system", "s"), ("user", "a")), r"has a system's turn, 's'.*is data\.system"),
        (turns(("user", "a"), ("assistant", "b"), ("user", "c")), "holds a conversation of 3 turns; a problem is one turn"),
        (turns(("user", "a"), ("assistant", "b")), "holds a prompt that does not end with a turn of a user"),
        (["a"], "holds other things than lists of turns"),
        (turns(("user", 3)), "holds a turn whose content is int, not text"),
        (3, "holds int, not text or a list of turns"),
        (True, "holds bool, not text or a list of turns"),
        ({"role": "user", "content": "a"}, "holds dict, not text or a list of turns"),
    ],
)
def test_a_prompt_of_another_form_is_refused_with_its_row(table, prompt, message):
    rows = [{"question": "x", "answer": "1"}, {"question": prompt, "answer": "1"}]
    with pytest.raises(ConfigError, match=rf"^data\.sources\.files\.prompt: .*problems\.jsonl:2 {message}") as error:
        of_rows(rows, table, "kind=math")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "row",
    [
        {"reward_model": {"style": "rule", "ground_truth": "7"}, "extra_info": {"index": 0}},
        {"reward_model": json.dumps({"style": "rule", "ground_truth": 7})},
        {"reward_model.ground_truth": "7"},
    ],
)
def test_the_answer_may_be_nested_as_verl_has_it(table, row):
    rows = [{"question": turns(("user", "3 + 4")), **row}]
    assert of_rows(rows, table, "kind=math", "answer=reward_model.ground_truth")["3 + 4"].answer == "7"
    with pytest.raises(ConfigError, match=r"^data\.sources\.files\.columns\.answer: .* has no object in column 'question\.x'"):
        of_rows(rows, table, "kind=math", "answer=question.x")


def test_a_table_without_rows_says_so(table):
    with pytest.raises(ConfigError, match=r"^data\.sources\.files: .*problems\.jsonl holds no rows"):
        read_problems(table([], "kind=math"))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["kind=poem"], r"columns\.kind: 'poem' is not one of exact, math, choice, code"),
        ([], r"columns\.kind: .* has no column 'kind'"),
        (["kind=math", "answer=solution"], r"columns\.answer: .* has no column 'solution'"),
        (["kind=code"], r"columns\.tests: code needs the column of its tests"),
        (["kind=exact", "difficulty=question"], r"columns\.difficulty: row 1 has 'what', not a number"),
    ],
)
def test_a_table_without_problems_is_refused(table, overrides, message):
    with pytest.raises(ConfigError, match=rf"^data\.sources\.files\.{message}"):
        read_problems(table([{"question": "what", "answer": "that"}], *overrides))


def test_a_side_without_problems_names_the_key_to_change(table):
    config = table([{"question": "what", "answer": "that"}], "kind=exact", stage="evaluate")
    with pytest.raises(ConfigError, match=r"^data\.eval_fraction: at 0\.05 no problem of data\.sources\.files is held out"):
        read_problems(config)


def test_what_decides_the_problems_decides_their_fingerprint(table):
    rows = [{"question": "what", "answer": "that", "other": "this"}]
    first = problems_fingerprint(table(rows, "kind=exact"))
    assert problems_fingerprint(table(rows, "kind=exact")) == first
    changed = [
        problems_fingerprint(table(rows, "kind=math")),
        problems_fingerprint(table(rows, "kind=exact", "answer=other")),
        problems_fingerprint(table(rows * 2, "kind=exact")),
        problems_fingerprint(table(rows, "kind=exact", stage="evaluate")),
    ]
    assert len({first, *changed}) == 5
