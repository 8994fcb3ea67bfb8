"""``openr1-verify``: verdicts on the command line, and how both sides were read."""

import json

import pytest

from openr1.evaluation.verify import read_cases, verify_command
from openr1.system.errors import ConfigError

LIMIT = 10.0


def test_one_answer_is_judged_and_said_how_it_was_read(capsys):
    verify_command([r"\frac{1}{2}", r"So it is $\boxed{0.5}$."], "math", "", LIMIT, False)
    assert capsys.readouterr().out == "right: gold 1/2 | answer 1/2 | exact numbers\n"


@pytest.mark.slow
def test_the_cases_of_a_file_with_their_labels(tmp_path, capsys):
    cases = [
        {"gold": "35%", "completion": r"\boxed{35\%}", "right": True},
        {"gold": "7", "completion": r"\boxed{5=7}", "right": True},
        {"gold": "C", "completion": "The correct option is (C).", "kind": "choice"},
        {"gold": "See above.", "completion": "5", "right": None},
        {"gold": "56088", "completion": "<answer>123*456</answer>", "prompt": "What is 123*456?", "right": False},
        {"kind": "code", "tests": [["3 4\n", "7\n"]], "completion": "```python\nprint(sum(map(int, input().split())))\n```"},
    ]
    path = tmp_path / "cases.jsonl"
    path.write_text("\n".join(map(json.dumps, cases)) + "\n")
    verify_command([str(path)], "math", "", LIMIT, True)
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["verdict"] for one in found] == ["right", "wrong", "right", "no verdict", "wrong", "right"]
    assert [one.get("label") for one in found] == [None, "right", None, None, None, None]
    assert found[3]["step"] == "the gold answer is not read to its end"
    assert found[4]["step"] == "the answer repeats the prompt"
    verify_command([str(path)], "math", "", LIMIT, False)
    *lines, summary = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    assert "wrong (its label says right): gold 7 | answer 5=7" in lines[1]
    assert summary == "6 cases: 3 right, 2 wrong, 1 labelled right, judged wrong, 1 no verdict"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "is not JSON"),
        ("[1]", "a case is an object with gold and completion, not a list"),
        ('{"gold": "1"}', "completion is a text, not null"),
        ('{"gold": 1, "completion": "1"}', "gold is a text, not 1"),
        ('{"gold": "1", "completion": "1", "kind": "maths"}', "kind 'maths' is not one of exact, math, choice, code"),
        ('{"gold": "1", "completion": "1", "right": "yes"}', "right is true, false or null"),
        ('{"kind": "code", "completion": "", "tests": 3}', "holds"),
    ],
)
def test_a_line_that_is_no_case_is_one_line_with_its_place(tmp_path, line, message):
    path = tmp_path / "cases.jsonl"
    path.write_text('{"gold": "1", "completion": "1"}\n' + line + "\n")
    with pytest.raises(ConfigError) as error:
        list(read_cases(path, "math"))
    assert str(error.value).startswith(f"{path}:2: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_what_cannot_be_judged_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        verify_command([str(tmp_path / "absent.jsonl")], "math", "", LIMIT, False)
    with pytest.raises(ConfigError, match="--kind=code: needs tests"):
        verify_command(["1", "print(1)"], "code", "", LIMIT, False)
    with pytest.raises(ConfigError, match="--time-limit: must be above 0, not -1"):
        verify_command(["1", "1"], "math", "", -1, False)
