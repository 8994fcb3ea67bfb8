import base64
import json
import pickle
import zlib

import pytest

from openr1.data.program_tests import read_tests

PAIRS = (("3 4\n", "7\n"), ("10 5\n", "15\n"))
OBJECT = {"inputs": ["3 4\n", "10 5\n"], "outputs": ["7\n", "15\n"]}
CASES = [{"input": given, "output": expected} for given, expected in PAIRS]
CALLS = (("[[1, 2], 3]", "6", "add"), ("[[], 0]", "0", "add"))


def packed(value):
    return base64.b64encode(zlib.compress(pickle.dumps(value))).decode()


@pytest.mark.parametrize(
    "cell",
    [
        [list(pair) for pair in PAIRS],
        CASES,
        [{**case, "testtype": "stdin"} for case in CASES],  # LiveCodeBench
        [{**case, "type": "stdin_stdout", "fn_name": None} for case in CASES],  # verifiable-coding-problems
        [{**case, "testtype": "stdin", "metadata": {"func_name": None}} for case in CASES],
        OBJECT,  # APPS, TACO
        {**OBJECT, "fn_name": None},
        {"input": OBJECT["inputs"], "output": OBJECT["outputs"]},  # CodeContests
        {"input": OBJECT["inputs"], "output": OBJECT["outputs"], "testtype": ["stdin", "stdin"], "fn_name": [None, None]},
        {"language": "python", "test_cases": CASES},
        {"language": "python", "test_cases": json.dumps(CASES)},
        {"inputs": [["3 4", ""], ["10 5", ""]], "outputs": [["7", ""], ["15", ""]]},  # lists of lines
        packed(json.dumps(CASES)),
    ],
)
def test_pairs_in_every_form(cell):
    assert read_tests([cell]) == PAIRS
    assert read_tests([json.dumps(cell)]) == PAIRS
    assert read_tests([json.dumps(json.dumps(cell))]) == PAIRS
    assert read_tests([cell], "") == PAIRS


@pytest.mark.parametrize(
    ("cell", "tests"),
    [
        ({"inputs": [["3 4", "5 6"]], "outputs": [["7", "11"]]}, (("3 4\n5 6", "7\n11"),)),
        ({"inputs": [[3, 4.5]], "outputs": [7]}, (("3\n4.5", "7"),)),
        ({"input": "3", "output": "4"}, (("3", "4"),)),
        ({"inputs": [""], "outputs": [[]]}, (("", ""),)),
        ([["a\ud800b", "\ud83d\ude00"]], (("a�b", "😀"),)),
        ([["3", "4"], ["5", "6"]], (("3", "4"), ("5", "6"))),
        (f'[["{"7" * 5000}", {"7" * 5000}]]', (("7" * 5000, "7" * 5000),)),
    ],
)
def test_pairs_of_lines_and_numbers(cell, tests):
    assert read_tests([cell]) == tests


@pytest.mark.parametrize(
    ("cell", "function"),
    [
        ({"fn_name": "add", "inputs": [[[1, 2], 3], [[], 0]], "outputs": [6, 0]}, None),
        ({"fn_name": "add", "inputs": ["[1, 2]\n3", "[]\n0"], "outputs": ["6", "0"]}, None),  # LiveCodeBench's own
        ({"inputs": [[[1, 2], 3], [[], 0]], "outputs": [6, 0]}, "add"),
        (
            [
                {"input": "[1,2]\n3", "output": "6", "testtype": "functional"},
                {"input": "[]\n0\n", "output": "0", "testtype": "functional"},
            ],
            "add",
        ),
        (
            [
                {"input": "[1,2]\n3", "output": "6", "testtype": "functional", "metadata": {"func_name": "add"}},
                {"input": "[]\n0", "output": "0", "testtype": "functional", "metadata": {"func_name": "add"}},
            ],
            None,
        ),
        (
            [
                {"type": "function_call", "fn_name": "add", "input": [[1, 2], 3], "output": 6},
                {"type": "function_call", "fn_name": "add", "input": "[[], 0]", "output": "0"},
            ],
            None,
        ),
    ],
)
def test_calls_in_every_form(cell, function):
    assert read_tests([cell], function) == CALLS
    assert read_tests([json.dumps(cell)], function) == CALLS
    assert read_tests([packed(json.dumps(cell))], function) == CALLS


def test_a_result_that_may_be_wrapped_is_right_both_ways():
    apps = {"fn_name": "f", "inputs": [[1], ["a"]], "outputs": [[2], [[3, "b"]]]}
    assert read_tests([apps]) == (("[1]", "2", "f", "[2]"), ('["a"]', '[3, "b"]', "f", '[[3, "b"]]'))
    lists = {"fn_name": "f", "inputs": [[1], [2]], "outputs": [[2], [3, 4]]}  # it returns lists, of which one is of one
    assert read_tests([lists]) == (("[1]", "[2]", "f"), ("[2]", "[3, 4]", "f"))
    texts = {"fn_name": "f", "inputs": ["1"], "outputs": ["[2]"]}
    assert read_tests([texts]) == (("[1]", "[2]", "f"),)


def test_values_of_calls_keep_their_kind():
    cell = {"fn_name": "f", "inputs": [["1", None, True, 2.5, {"a": []}]], "outputs": ["6"]}
    assert read_tests([cell]) == (('["1", null, true, 2.5, {"a": []}]', '"6"', "f"),)
    digits = "7" * 5000
    assert read_tests([f'{{"fn_name": "f", "inputs": [[{digits}]], "outputs": [{digits}]}}']) == ((f"[{digits}]", digits, "f"),)


def test_columns_are_read_one_after_the_other():
    assert read_tests([CASES[:1], packed(json.dumps(CASES[1:])), None, "", []]) == PAIRS


@pytest.mark.parametrize(
    "cell", [None, float("nan"), "", "  ", [], "[]", "null", {"inputs": [], "outputs": []}, {"test_cases": None}, packed("[]")]
)
def test_an_empty_cell_has_no_tests(cell):
    assert read_tests([cell]) == ()


def test_calls_of_a_function_that_nothing_names_are_no_tests():
    assert read_tests([[{"input": "[1]", "output": "2", "testtype": "functional"}]]) == ()


class Harm:
    def __reduce__(self):
        return print, ("harm",)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ({"in": ["1"], "out": ["2"]}, "holds an object with in, out; tests are pairs, objects"),
        ({}, "holds an object with no keys; tests are"),
        ({f"key\n{number}": 0 for number in range(999)}, r"holds an object with key 0, key 1, .*\.\.\.; tests are"),
        ({"inputs": ["1"]}, "holds an object with inputs; tests are"),
        ({"inputs": ["1", "2", "3"], "outputs": ["2", "3"]}, "holds 3 inputs and 2 outputs"),
        ({"inputs": "12", "outputs": "34"}, "holds inputs and outputs that are not both lists"),
        ({"inputs": ["1"], "outputs": None}, "holds inputs and outputs that are not both lists"),
        ({"inputs": [None], "outputs": ["1"]}, "holds null in the input of test 1, which is text or a list of lines"),
        ({"inputs": ["1"], "outputs": [True]}, "holds true in the output of test 1, which is text or a list of lines"),
        ({"inputs": ["1"], "outputs": [float("nan")]}, "holds NaN in the output of test 1"),
        ({"inputs": [{"n": 1}], "outputs": ["1"]}, r'holds \{"n": 1\} in the input of test 1'),
        ({"inputs": [[["1"]]], "outputs": ["1"]}, r'holds \["1"\] in the input of test 1'),
        (["ab"], "holds 'ab' as test 1; tests are"),
        (["3 4\n", "7\n"], "holds '3 4' as test 1; tests are"),
        (["assert f(1) == 2"], r"holds 'assert f\(1\) == 2' as test 1; tests are"),
        ([["1", "2"], ["1", "2", "3"]], r'holds \["1", "2", "3"\] as test 2; tests are'),
        ([{"input": "1"}], r'holds \{"input": "1"\} as test 1; tests are'),
        ([["1", "2"], None], "holds null as test 2; tests are"),
        ([{**CASES[0], "type": "interactive"}], "holds 'interactive' as the type of test 1, not one of functional"),
        (7, "holds 7; tests are"),
        (True, "holds true; tests are"),
        ("7", "holds 7; tests are"),
        (b"[]", "holds .bytes.; tests are"),
        ('[["1", "2"]', "holds text that is not JSON: Expecting"),
        ("{'inputs': ['1'], 'outputs': ['2']}", "holds text that is not JSON: Expecting property name"),
        ('[["1", NaN]]', "holds text that is not JSON: NaN is no number in JSON"),
        ("[" * 200_000, "holds text that is not JSON: maximum recursion depth"),
        ("assert f(1) == 2", r"holds the text 'assert f\(1\) == 2'; tests are .*, or packed as in LiveCodeBench"),
        ("def check(candidate):\n" * 9, "holds the text 'def check.candidate.: def check.*'; tests are"),
        ("aGVsbG8=", "holds the text 'aGVsbG8='; tests are"),
        (packed("[]")[:-8], "holds the text .*; tests are"),
        (packed(["1", "2"]), "holds packed tests that are list, not JSON text"),
        (base64.b64encode(zlib.compress(b"not a pickle")).decode(), "holds packed tests that cannot be read: "),
        (packed(Harm()), "holds packed tests that cannot be read: it names builtins.print; only text is read"),
        ({"fn_name": "f", "inputs": [5], "outputs": [6]}, "holds 5 as the input of test 1, not a list of the arguments of f"),
        (
            {"fn_name": "f", "inputs": [{"x": 1}], "outputs": [6]},
            r'holds \{"x": 1\} as the input of test 1, not a list of the arguments of f',
        ),
        ({"fn_name": "f", "inputs": ["n = 5"], "outputs": ["6"]}, "holds 'n = 5' in the input of test 1, which is not JSON"),
        ({"fn_name": "f", "inputs": ["5"], "outputs": ["six"]}, "holds 'six' in the output of test 1, which is not JSON"),
        ({"fn_name": "f(x)", "inputs": [[5]], "outputs": [6]}, r"holds 'f\(x\)' as the function of test 1, not a name"),
        ({"fn_name": 3, "inputs": [[5]], "outputs": [6]}, "holds 3 as the function of test 1, not a name"),
        ({"fn_name": "f", "inputs": [[float("inf")]], "outputs": [6]}, "holds test 1 that is not JSON: Out of range"),
        ({"fn_name": "f", "inputs": [[5]], "outputs": [b"6"]}, "holds test 1 that is not JSON: .*bytes"),
    ],
)
def test_a_cell_of_another_form_is_refused(cell, message):
    with pytest.raises(ValueError, match=f"^{message}") as refusal:
        read_tests([cell])
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 300


def test_the_function_may_be_named_in_metadata_that_is_json_text():
    test = {"input": "[1]", "output": "2", "testtype": "functional", "metadata": '{"func_name": "f"}'}
    assert [one[2] for one in read_tests([[test]])] == ["f"]
