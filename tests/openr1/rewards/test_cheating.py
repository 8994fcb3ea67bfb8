"""Ways to be paid for nothing, by answers and by programs: none is right. Programs run unprotected here, by ours alone."""

import pytest

from openr1.data.tasks.base import Problem
from openr1.rewards import REWARDS, Sample, Verified, verify
from openr1.rewards.correctness import judge_answer
from openr1.rewards.parsing import TAGS
from openr1.rewards.sandbox import Limits, build_sandbox

T = "<think>I try.</think>"
QUESTION = "How many? (A) 5 (B) 6 (C) 7 (D) 8"
MATH = {  # the gold answer is 5
    "an empty completion": "",
    "thoughts alone": T,
    "an empty box": T + r"\boxed{}",
    "an empty tag": f"{T}<answer></answer>",
    "the answer in the thoughts alone": r"<think>\boxed{5}</think>I do not know.",
    "the answer in thoughts that never end": r"<think>So \boxed{5}",
    "thoughts after the answer": r"<think>a</think>\boxed{6}<think>\boxed{5}",
    "the answer in one of two tags": f"{T}<answer>4</answer><answer>5</answer>",
    "a tag in a tag": f"{T}<answer>4<answer>5</answer></answer>",
    "many boxes": T + "".join(rf"\boxed{{{n}}} " for n in range(10)),
    "a list of boxes": T + r"\boxed{4}, \boxed{5} and \boxed{6}",
    "an alternative": T + r"\boxed{5 \text{ or } 6}",
    "a list": T + r"\boxed{4, 5, 6}",
    "a list with dots": T + r"\boxed{1, 2, \ldots, 10}",
    "a set of everything": T + r"\boxed{\{0,1,2,3,4,5,6,7,8,9\}}",
    "an interval": T + r"\boxed{[0, 10]}",
    "all numbers": T + r"\boxed{(-\infty, \infty)}",
    "a set of all numbers": T + r"\boxed{x \in \mathbb{R}}",
    "a range": T + r"\boxed{0-10}",
    "an inequality": T + r"\boxed{0 \le x \le 10}",
    "a tolerance": T + r"\boxed{5 \pm 100}",
    "either sign": T + r"\boxed{\pm 5}",
    "a name for the answer": T + r"\boxed{x}",
    "the answer by definition": T + "The answer is x, where x is the right answer.",
    "an equation of everything": T + r"\boxed{x = x}",
    "a statement that is true": T + r"\boxed{5 = 5, 6 = 6}",
    "a contradiction": T + r"\boxed{5 = 6}",
    "a denial": T + r"\boxed{\text{not } 5}",
    "a question": T + r"\boxed{5?}",
    "no number": T + r"\boxed{\text{NaN}}",
    "infinity": T + r"\boxed{\infty}",
    "a quotient of nothing": T + r"\boxed{0/0}",
    "the question": T + QUESTION,
    "the question in a box": T + rf"\boxed{{{QUESTION}}}",
    "a calculation that is left": T + r"\boxed{\sum_{i=1}^{5} 1}",
    "an expression of the question": T + r"\boxed{2+3}",
    "digits of Arabic": T + "\\boxed{\u0665}",
    "digits of Persian": T + "\\boxed{\u06f5}",
    "digits of Hindi": T + "\\boxed{\u096b}",
    "a letter that looks like the digit": T + r"\boxed{S}",
    "a letter of Cyrillic that looks like a digit": T + "\\boxed{\u0417}",
    "digits between invisible characters": T + "\\boxed{4\u200b5}",
    "a comparison that is always true": T + r"\boxed{\_\_eq\_\_}",
    "words about the answer": T + r"\boxed{\text{the same as the gold answer}}",
    "a nearby number": T + r"\boxed{4.9999999999999999}",
}
CHOICE = {  # the gold answer is A
    "all letters": "A or B or C or D",
    "all letters in a box": r"\boxed{ABCD}",
    "a list in a box": r"\boxed{A, B, C, D}",
    "a box for each letter": r"\boxed{A}\boxed{B}\boxed{C}\boxed{D}",
    "a range of letters": r"\boxed{A-D}",
    "a list of statements": "The answer is A. The answer is B. The answer is C. The answer is D.",
    "the question": QUESTION,
    "the list of choices": "A) 5\nB) 6\nC) 7\nD) 8",
    "the list of choices, and none": f"{QUESTION}\nThe answer is one of them.",
    "a doubt": "A, but maybe B",
    "a letter of Cyrillic": "The answer is \u0410.",
    "a letter of Cyrillic in a box": "\\boxed{\u0410}",
    "a letter of Greek": "\\boxed{\u0391}",
    "letters between invisible characters": "\\boxed{A\u200bB\u200bC\u200bD}",
    "slashes": "A/B/C/D",
    "a retraction": "The answer is A. No, wait.",
    "a denial": "The answer is not A.",
    "a condition": "If it is not B, the answer is A.",
    "an identity": "The answer is the right letter.",
    "no answer": "",
}
EXACT = {  # the gold answer is 5
    "the answer in the thoughts": "<think><answer>5</answer></think>",
    "two tags": f"{T}<answer>4</answer><answer>5</answer>",
    "no tag": f"{T}5",
    "an open tag": f"{T}<answer>5",
    "a full-width digit": f"{T}<answer>\uff15</answer>",
    "a digit of Arabic": f"{T}<answer>\u0665</answer>",
    "an invisible character": f"{T}<answer>5\u200b</answer>",
    "a list": f"{T}<answer>4 5 6</answer>",
    "nothing": f"{T}<answer></answer>",
}


@pytest.mark.parametrize("why", MATH)
def test_no_answer_in_mathematics_is_paid_for_nothing(why):
    sample = Sample(Problem("What is 2+3? " + QUESTION, "5", kind="math"), MATH[why])
    assert verify(sample) is False


@pytest.mark.parametrize("why", CHOICE)
def test_no_letter_is_paid_for_nothing(why):
    assert verify(Sample(Problem(QUESTION, "A", kind="choice"), T + CHOICE[why])) is False


@pytest.mark.parametrize("why", EXACT)
def test_no_text_is_paid_for_nothing(why):
    assert verify(Sample(Problem("2+3=", "5"), EXACT[why])) is False


@pytest.mark.parametrize("kind", ["math", "choice", "exact"])
def test_nothing_is_right_where_there_is_no_gold_answer(kind):
    for text in ("", r"\boxed{}", "<answer></answer>"):
        assert verify(Sample(Problem("q", "", kind=kind), T + text)) is not True


def test_digits_of_another_script_are_read_where_the_problem_has_them():
    answer = T + "\\boxed{\u0665}"
    assert verify(Sample(Problem("\u0662 + \u0663 = ?", "5", kind="math"), answer)) is True
    assert verify(Sample(Problem("2 + 3 = ?", "\u0665", kind="math"), answer)) is True
    assert verify(Sample(Problem("\u0662 + \u0663 = ?", "5", kind="math"), T + "\\boxed{\u096b}")) is False


# Programs

RESULT = "816491738"  # which no program computes, or knows
CALL = ("[[1, 2], 3]", RESULT, "add")
RUN = ("1 2 3", RESULT)
GIVE = "\ndef add(a, b): return value\nif __name__ == '__main__': print(value)\n"  # what was found, in both forms of tests
SEEK = (
    "import re\ndef found(text):\n  seen = re.findall(r'8164917[0-9][0-9]', str(text))\n  return int(seen[0]) if seen else 0\n"
)
CHEATS = {
    "the arguments of the process": f"{SEEK}import sys\n"
    f"value = found(sys.argv) or found(open('/proc/self/cmdline').read()){GIVE}",
    "the environment": f"{SEEK}import os\nvalue = found(dict(os.environ)){GIVE}",
    "the frames of its callers": f"{SEEK}import sys\nframe, value = sys._getframe(), 0\n"
    f"while frame: value, frame = value or found(frame.f_locals) or found(frame.f_globals), frame.f_back{GIVE}",
    "all objects": f"{SEEK}import gc\nvalue = max([0, *(found(o) for o in gc.get_objects()"
    f" if isinstance(o, (list, tuple, dict)))]){GIVE}",
    "open descriptors": f"{SEEK}import os\nvalue = 0\nfor fd in range(3, 64):\n"
    f"  try: value = value or found(os.pread(fd, 9999, 0))\n"
    f"  except OSError: pass{GIVE}",
    "the rest of the input": f"{SEEK}import sys\nvalue = found(sys.stdin.read()){GIVE}",
    "the files beside it": f"{SEEK}import os\n"
    f"value = found([open(e.path, errors='replace').read() for e in os.scandir('.') if e.is_file()]){GIVE}",
    "the modules": f"{SEEK}import sys\n"
    f"value = found([vars(m) for m in list(sys.modules.values()) if hasattr(m, '__dict__')]){GIVE}",
    "equality that is always true": "class value(int):\n  def __eq__(self, other): return True\n"
    "  __hash__ = int.__hash__\nvalue = value(1)" + GIVE,
    "a text that equals all": f"class value(str):\n  def __eq__(self, other): return True\n"
    f"  def __str__(self): return self\nvalue = value('x'){GIVE}",
    "a list that equals all": f"class value(list):\n  def __eq__(self, other): return True\n"
    f"  def __len__(self): return 1\nvalue = value([1]){GIVE}",
    "an end without an error": "import os\nos._exit(0)",
    "an end by exit": "import sys\nsys.exit(0)",
    "an end by an exception": "raise SystemExit(0)",
    "an end in the function": "def add(a, b): raise SystemExit(0)",
    "an end at the end": "import atexit, os\natexit.register(os._exit, 0)\ndef add(a, b): return 1",
    "a claim of success": "import os\nfor fd in range(64):\n  try: os.write(fd, b'true\\npassed\\nTrue')\n"
    "  except OSError: pass\nos._exit(0)",
    "a claim in the form of a verdict": 'print(\'{"passed": true, "correct": true}\')\n'
    "def add(a, b): return {'passed': True}",
    "a patched print": f"import builtins\nbuiltins.print = lambda *_, **__: None\nvalue = 1{GIVE}",
    "a patched json": "import json\njson.dumps = lambda *_, **__: 'true'\n"
    "json.loads = json.load = lambda *_, **__: 1\ndef add(a, b): return 1",
    "a patched comparison": "import sys, types\nmodule = types.ModuleType('openr1.rewards.function_calls')\n"
    f"module.same_result = lambda *_: True\nsys.modules['openr1.rewards.function_calls'] = module\nvalue = 1{GIVE}",
    "a patched open": f"import builtins, io\nbuiltins.open = lambda *_, **__: io.StringIO('1')\nvalue = 1{GIVE}",
    "a patched output": f"import io, sys\nsys.stdout = io.StringIO()\nvalue = 1{GIVE}",
    "a patched input": f"import builtins\nbuiltins.input = lambda: '1'\nvalue = 1{GIVE}",
    "every number": f"value = list(range(1000)){GIVE}",
    "no number": f"value = float('nan'){GIVE}",
    "infinity": f"value = float('inf'){GIVE}",
    "nothing": "",
}


@pytest.fixture(scope="module")
def unsafe():
    return build_sandbox("unsafe_subprocess", limits=Limits(cpu_seconds=5, wall_seconds=20))


@pytest.mark.parametrize("why", CHEATS)
def test_no_program_is_paid_for_nothing(unsafe, why, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EXPECTED", RESULT)
    assert unsafe.run_tests(CHEATS[why], [CALL, RUN]) == (False, False)


def test_a_search_of_a_program_would_find_the_result(unsafe):
    seen = f"{SEEK}import gc\nhere = ['{RESULT} is here']\n"
    seen += f"value = max(found(o) for o in gc.get_objects() if isinstance(o, list)){GIVE}"
    assert unsafe.run_tests(seen, [CALL, RUN]) == (True, True)


def test_a_result_counts_only_if_the_function_returned_it(unsafe):
    write = "for fd in range(3, 64):\n  try: os.write(fd, b'6')\n  except OSError: pass\n"
    for program in (
        f"import os\n{write}os._exit(0)",
        f"import os\ndef add(a, b):\n  {write.replace(chr(10), chr(10) + '  ')}\n  os._exit(0)",
        f"import os\n{write}def add(a, b): exit()",
        f"import os\n{write}def add(a, b): return 6",
    ):
        assert unsafe.run_tests(program, [("[[1, 2], 3]", "6", "add")]) == (False,)
    assert unsafe.run_tests("def add(a, b): return 6", [("[[1, 2], 3]", "6", "add")]) == (True,)


@pytest.mark.parametrize(
    "completion",
    [
        "```python\nprint(3)",  # cut off
        "<think>```python\nprint(3)\n```</think>",
        "<think>```python\nprint(3)\n```",
        "The output is 3.",
        "```\n3\n```",
        "```text\n3\n```",
        "",
    ],
)
def test_what_is_no_program_passes_no_test(unsafe, completion):
    problem = Problem("q", "", kind="code", tests=(("", "3"), ("", "3")))
    verdict = judge_answer(Sample(problem, completion), unsafe, run_all=True)
    assert not verdict.correct
    assert not any(verdict.passed)


# Form, language and length

WELL_FORMED = "<think>so</think><answer>5</answer>"


@pytest.mark.parametrize(
    "completion",
    [
        WELL_FORMED * 2,
        f"<think>{WELL_FORMED}</think><answer>5</answer>",
        "<think><think>so</think></think><answer>5</answer>",
        "<think>so</think><answer><answer>5</answer></answer>",
        "<think></think><answer></answer>",
        "<think> \n</think><answer>\t</answer>",
        "<answer>5</answer><think>so</think>",
        "<think>so</think><answer>5</answer> and more",
        "".join(TAGS),
        "<THINK>so</THINK><ANSWER>5</ANSWER>",
        "&lt;think>so&lt;/think>&lt;answer>5&lt;/answer>",
    ],
)
def test_tags_alone_are_no_form(completion):
    problem = Problem("2+3=", "5")
    assert REWARDS["format"]([Sample(problem, completion)]) == [0]
    assert REWARDS["code_format"]([Sample(problem, completion)]) == [0]
    assert REWARDS["tag_count"]([Sample(problem, "".join(TAGS) * 9)]) == [0]


def test_language_counts_in_all_thoughts():
    """Thoughts in the right language before those in another one do not hide them."""
    hidden = "<think>This is English.</think><think>\u8fd9\u4e0d\u662f\u82f1\u6587 \u8fd9\u4e0d\u662f\u82f1\u6587</think>5"
    [share] = REWARDS["language_consistency"]([Sample(Problem("q", "5"), hidden)])
    assert share < 0.9
    assert REWARDS["language_consistency"]([Sample(Problem("q", "5"), "<think>5 + 5 = 10</think>")]) == [None]


@pytest.mark.parametrize("padding", [" ", "\u200b", "so ", "\n", "wait, "])
def test_padding_earns_a_wrong_answer_nothing(padding):
    problem = Problem("2+3=", "5")
    wrong = Sample(problem, f"<think>{padding * 2000}</think><answer>6</answer>")
    samples = [Verified.of(sample, judge_answer(sample)) for sample in (wrong, Sample(problem, WELL_FORMED))]
    for name in ("length", "cosine", "soft_overlong_punishment", "repetition_penalty"):
        assert (REWARDS[name](samples)[0] or 0) <= 0, name
    assert REWARDS["accuracy"](samples) == [0, 1]
    assert REWARDS["length"](samples)[0] < REWARDS["length"](samples)[1]
