"""Every step of every oracle is right, and the last is the answer: checked by other means than those that wrote it."""

import ast
import random
import re
import subprocess
import sys
from itertools import accumulate, pairwise

import pytest

from openr1.data.options import TaskSource
from openr1.data.tasks import TASKS, Problem, direct_completion, generate, reasoned_completion
from openr1.data.tasks.expressions import evaluate

MODULO = re.compile(r" mod ")


def drawn(name, count=300, **options):
    return generate("key", TaskSource(task=name, problems=count, seed=3, options=options))


def holds(equation):
    """Whether all sides of ``a=b=c`` have one value."""
    return len({eval(side) for side in equation.split("=")}) == 1


def test_arithmetic():
    for problem in drawn("arithmetic", min_operations=1, max_operations=6):
        expression = problem.prompt.removesuffix("=")
        assert int(problem.answer) == eval(expression)
        steps = problem.trace.split(",")
        assert all(map(holds, steps))
        assert steps[-1].endswith(f"={problem.answer}")
        assert len(steps) == problem.difficulty == len(re.findall(r"[+*-]", expression))
        # a step takes numbers that are there: of the expression, or of an earlier step
        there = re.findall(r"\d+", expression)
        for step in steps:
            left, right, result = re.fullmatch(r"(-?\d+)[+*-](-?\d+)=(-?\d+)", step).groups()
            there.remove(left)
            there.remove(right)
            there.append(result)
        assert there == [problem.answer]


def test_arithmetic_keeps_to_its_options():
    found = drawn("arithmetic", maximum=9, limit=30, operators="*-")
    numbers = [int(number) for problem in found for number in re.findall(r"\d+", problem.prompt)]
    assert (min(numbers), max(numbers)) == (0, 9)
    results = [int(result) for problem in found for result in re.findall(r"=(-?\d+)", problem.trace)]
    assert 20 < max(map(abs, results)) <= 30
    assert not any("+" in problem.prompt for problem in found)
    assert any("(" in problem.prompt for problem in found)


def test_brackets_are_there_only_where_they_are_needed():
    """Without any pair of them, the expression is another one: it has another tree."""
    for problem in drawn("arithmetic", max_operations=5):
        expression = problem.prompt.removesuffix("=")
        for opened in (match.start() for match in re.finditer(r"\(", expression)):
            depths = list(accumulate({"(": 1, ")": -1}.get(character, 0) for character in expression[opened:]))
            closed = opened + depths.index(0)
            without = expression[:opened] + expression[opened + 1 : closed] + expression[closed + 1 :]
            assert ast.dump(ast.parse(without)) != ast.dump(ast.parse(expression))


def test_countdown():
    for problem in drawn("countdown", max_numbers=5, operators="+-*/"):
        target, *numbers = map(int, re.findall(r"\d+", problem.prompt))
        assert eval(problem.answer) == target <= 99
        assert sorted(map(int, re.findall(r"\d+", problem.answer))) == sorted(numbers)
        steps = problem.trace.split(",")
        assert all(map(holds, steps))
        assert steps[-1].endswith(f"={target}")
        assert len(steps) == len(numbers) - 1 == problem.difficulty
        there = list(map(str, numbers))
        for step in steps:
            left, right, result = re.fullmatch(r"(\d+)[+*/-](\d+)=(\d+)", step).groups()
            assert int(result) >= 1
            there.remove(left)
            there.remove(right)
            there.append(result)
        assert there == [str(target)]


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("(50-25)*3+7", True),
        ("7 + 3 * (50 - 25)", True),
        ("7-3*(25-50)", True),
        ("(50-25)*3+7=82", True),
        ("(50-25)*3+7 = 82", True),
        ("-(25-50)*3+7", True),
        ("7+(50-25)/(1/3)", False),  # a number that is not there
        ("(50-25)*3+7=83", False),
        ("(50-25)*3+8", False),
        ("(50-25)*3", False),  # 7 is left
        ("50+25+7", False),  # right, without the 3
        ("(50-25)*3+7+7-7", False),
        ("82", False),
        ("50+25+3+7", False),
        ("(50-25)*3+7)", False),
        ("__import__('os').getpid()", False),
        ("(50-25)*3+0b111", False),
        ("50-25 if 1 else 7", False),
        ("9**9**9**9", False),
        ("(" * 300, False),
        ("7/(3-3)+50+25", False),
        ("", False),
    ],
)
def test_countdown_accepts_any_right_expression(answer, right):
    problem = Problem("make 82 from 3,7,25,50:", "(50-25)*3+7", task="countdown")
    assert TASKS["countdown"].verify(problem, f"<answer>{answer}</answer>") is right


def test_fractions_on_the_way_are_allowed():
    problem = Problem("make 24 from 3,3,8,8:", "8/(3-8/3)", task="countdown")
    assert TASKS["countdown"].accepts(problem, problem.answer)


def test_expressions_are_read_exactly():
    assert evaluate("8/(3-8/3)") == (24, [8, 3, 8, 3])
    assert evaluate("1/3+1/3+1/3") == (1, [1, 3, 1, 3, 1, 3])
    assert [evaluate(text) for text in ("1/0", "1//2", "2**3", "1.5", "x", "1,2", "-", "+1", "007", "1 2")] == [None] * 10


def substituted(equation, values):
    """``2x-y=3`` with the values of its unknowns, as Python has it."""
    return re.sub(r"(\d?)([xy])", lambda found: f"{found[1]}{'*' if found[1] else ''}({values[found[2]]})", equation)


@pytest.mark.parametrize("options", [{}, {"negative": False}, {"both_sides": True, "max_unknowns": 1}, {"min_unknowns": 2}])
def test_linear(options):
    for problem in drawn("linear", **options):
        values = {name: int(value) for name, value in re.findall(r"([xy])=(-?\d+)", problem.answer)}
        equations = problem.prompt.removesuffix(":").split(",")
        assert len(equations) == len(values)
        steps = problem.trace.split(",")
        for equation in (*equations, *steps):
            assert holds(substituted(equation, values))
        # each unknown is alone on the left once, at the end of its own steps
        assert [step[0] for step in steps if re.match("[xy]=", step)] == list(values)
        assert problem.answer == ",".join(f"{name}={value}" for name, value in values.items())
        assert problem.difficulty == len(steps)


def test_linear_equations_have_one_solution():
    for problem in drawn("linear", both_sides=True):
        equations = [equation.split("=") for equation in problem.prompt.removesuffix(":").split(",")]

        def side(text, x, y):
            return eval(re.sub(r"(?<=\d)(?=[xy])", "*", text), {"x": x, "y": y})

        rows = [[side(left, *at) - side(right, *at) for at in ((0, 0), (1, 0), (0, 1))] for left, right in equations]
        slopes = [(x - zero, y - zero) for zero, x, y in rows]
        if len(rows) == 1:
            assert slopes[0][0] != 0
        else:
            assert slopes[0][0] * slopes[1][1] != slopes[0][1] * slopes[1][0]


def test_linear_keeps_to_its_options():
    positive = drawn("linear", negative=False, max_unknowns=1)
    assert all("-" not in problem.prompt + problem.answer for problem in positive)
    assert all(problem.prompt.count("x") == 2 for problem in drawn("linear", both_sides=True, max_unknowns=1))
    numbers = [int(n) for p in drawn("linear", max_constant=12, max_unknowns=1) for n in re.findall(r"x[+-](\d+)", p.prompt)]
    assert max(numbers) == 12


def test_linear_answers_in_any_order():
    problem = Problem("x+y=3,x-y=-1:", "x=1,y=2", task="linear")
    accepts = TASKS["linear"].accepts
    assert all(accepts(problem, answer) for answer in ("x=1,y=2", "y=2, x=1", "x = 1, y = 2"))
    assert not any(accepts(problem, answer) for answer in ("x=1", "x=2,y=1", "1,2", "x=1,x=1,y=2"))


def test_modular():
    for problem in drawn("modular", max_terms=4):
        text, modulus = re.fullmatch(r"(.+) mod (\d+)=", problem.prompt).groups()
        assert int(problem.answer) == eval(text.replace("^", "**")) % int(modulus)
        steps = problem.trace.split(",")
        assert all(holds(MODULO.sub("%", step)) for step in steps)
        assert steps[-1].endswith(f"={problem.answer}")
        assert {re.search(r"mod (\d+)=", step).group(1) for step in steps} == {modulus}
        terms = {int(term) for term in re.findall(r"\d+", text.split("^")[0])}
        reduced = {int(step.split()[0]) for step in steps if "(" not in step}
        assert reduced == {term for term in terms if term >= int(modulus)}
        # no number outgrows the modulus once it is reduced
        for step in steps:
            operands = re.fullmatch(r"\((\d+)[+*](\d+)\) mod \d+=\d+", step)
            assert not operands or max(map(int, operands.groups())) < int(modulus)
        assert problem.difficulty == len(steps)
    assert {re.search(r"[+*^]", problem.prompt).group() for problem in drawn("modular")} == set("+*^")


def test_strings():
    seen = set()
    for problem in (*drawn("strings", letters=6), *drawn("strings")):
        operation, *words = problem.prompt.removesuffix(":").split()
        seen.add(operation)
        word = words[2] if operation == "count" else words[0]
        steps = problem.trace.split(",")
        assert len(steps) == len(word) == problem.difficulty
        if operation == "reverse":
            assert problem.answer == "".join(reversed(word)) == steps[-1]
            assert all(after == word[place + 1] + before for place, (before, after) in enumerate(pairwise(steps)))
        elif operation == "sort":
            assert problem.answer == "".join(sorted(word)) == steps[-1]
            assert steps == ["".join(sorted(word[: end + 1])) for end in range(len(word))]
        elif operation == "count":
            assert int(problem.answer) == word.count(words[0]) == int(steps[-1][1:])
            counts = [0, *(int(step[1:]) for step in steps)]
            for letter, step, (before, after) in zip(word, steps, pairwise(counts), strict=True):
                assert step[0] == letter
                assert after - before == (letter == words[0])
        else:
            shift = int(words[2])
            assert 1 <= shift <= 5
            assert "".join(step[0] for step in steps) == word
            assert "".join(step[2] for step in steps) == problem.answer
            assert all((ord(step[2]) - ord(step[0])) % 26 == shift for step in steps)
    assert seen == {"reverse", "sort", "count", "shift"}


def test_lists():
    seen = set()
    for problem in drawn("lists", 600):
        *asked, text = problem.prompt.removesuffix(":").split()
        items, steps = list(map(int, text.split(","))), problem.trace.split(";")
        answer = [] if problem.answer == "none" else list(map(int, problem.answer.split(",")))
        assert len(steps) == len(items) == problem.difficulty
        seen.add(asked[0] + (asked[1].rstrip("0123456789") if asked[0] == "keep" else ""))
        if asked == ["sort"]:
            assert answer == sorted(items)
            assert [sorted(items[: end + 1]) for end in range(len(items))] == [list(map(int, s.split(","))) for s in steps]
        elif asked == ["dedupe"]:
            assert len(answer) == len(set(items))
            assert [item for place, item in enumerate(items) if item not in items[:place]] == answer
            assert steps[-1] == problem.answer
            assert all(after == before or after.startswith(f"{before},") for before, after in pairwise(steps))
        elif asked[0] == "keep":
            test = {"even": "%2==0", "odd": "%2==1"}.get(asked[1], asked[1])
            verdicts = [step.split() for step in steps]
            assert [int(item) for item, _ in verdicts] == items
            assert all(eval(item + test) == (verdict == "yes") for item, verdict in verdicts)
            assert [int(item) for item, verdict in verdicts if verdict == "yes"] == answer
        else:
            change = f"+{asked[1]}" if asked[0] == "add" else f"*{asked[2]}"
            assert all(map(holds, steps))
            assert [step.split("=")[0] for step in steps] == [f"{item}{change}" for item in items]
            assert [int(step.split("=")[1]) for step in steps] == answer
    assert seen == {"sort", "dedupe", "add", "multiply", "keepeven", "keepodd", "keep>", "keep<"}
    assert TASKS["lists"].accepts(Problem("sort 2,1:", "1,2"), "1, 2")


DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


@pytest.mark.parametrize("choices", [2, 4, 7])
def test_multiple_choice(choices):
    seen, letters = set(), []
    for problem in drawn("multiple_choice", choices=choices):
        question, offered = problem.prompt.split("?")[0], dict(re.findall(r"([A-Z])\) (\w+)", problem.prompt))
        assert list(offered) == list("ABCDEFG")[:choices]
        assert len(set(offered.values())) == choices
        right = offered[problem.answer]
        *steps, last = problem.trace.split(",")
        assert last == f"{right} is {problem.answer}"
        assert problem.difficulty == len(steps)
        numbers = list(map(int, re.findall(r"\d+", question)))
        if question.startswith("What is"):
            assert int(right) == numbers[0] * numbers[1]
            assert all(map(holds, steps))
        elif question == "Which is the largest":
            assert int(right) == max(map(int, offered.values()))
            assert all(map(eval, steps))
            assert len(steps) == choices - 1
        elif question.startswith("Which is a multiple"):
            assert [mark for mark, text in offered.items() if int(text) % numbers[0] == 0] == [problem.answer]
            assert all(holds(MODULO.sub("%", step)) for step in steps)
            assert steps[-1] == f"{right} mod {numbers[0]}=0"
        else:
            start = DAYS.index(question.split()[-1])
            assert right == DAYS[(start + numbers[0]) % 7]
            days = [DAYS[start], *(step for step in steps if step in DAYS)]
            assert all((DAYS.index(after) - DAYS.index(before)) % 7 == 1 for before, after in pairwise(days))
            assert days[-1] == right
            assert all(holds(MODULO.sub("%", step)) for step in steps if step not in DAYS)
        seen.add(re.sub(r"\d+|[A-Z]\w+day", "#", question))
        letters.append(problem.answer)
    assert seen == {"What is #*#", "Which is the largest", "Which is a multiple of #", "Which day is # days after #"}
    assert set(letters) == set("ABCDEFG"[:choices])
    assert min(map(letters.count, letters)) > 300 / choices / 2


def test_a_question_has_one_order_of_its_options():
    found = [*drawn("multiple_choice", 3000, maximum=5), *drawn("multiple_choice", 3000, maximum=6)]
    orders = {}
    for problem in found:
        question, offered = problem.prompt.split("?")
        orders.setdefault((question, *sorted(re.findall(r"\) (\w+)", offered))), set()).add(problem.prompt)
    assert {len(prompts) for prompts in orders.values()} == {1}
    facts = {}
    for problem in found:
        if problem.prompt.startswith("What is"):
            facts.setdefault(problem.prompt.split("?")[0], set()).add(problem.prompt)
    assert {len(prompts) for prompts in facts.values()} == {1}


SENTENCES = {
    "Keep the even ones": lambda n, k: [x for x in n if x % 2 == 0],
    "Keep the odd ones": lambda n, k: [x for x in n if x % 2],
    "Keep those above #": lambda n, k: [x for x in n if x > k],
    "Keep those below #": lambda n, k: [x for x in n if x < k],
    "Add # to each": lambda n, k: [x + k for x in n],
    "Multiply each by #": lambda n, k: [x * k for x in n],
    "Square each": lambda n, k: [x**2 for x in n],
    "Sort them": lambda n, k: sorted(n),
    "Reverse their order": lambda n, k: list(reversed(n)),
    "Drop repeats": lambda n, k: [x for place, x in enumerate(n) if x not in n[:place]],
    "Print the sum": lambda n, k: [sum(n)],
    "Print how many there are": lambda n, k: [len(n)],
    "Print the largest or none": lambda n, k: [max(n) if n else "none"],
    "Print the smallest or none": lambda n, k: [min(n) if n else "none"],
    "Print them": lambda n, k: n,
}


def run(program, stdin):
    """What a program prints, read and printed in this process."""
    printed = []
    scope = {"input": lambda: stdin.removesuffix("\n"), "print": lambda *values: printed.append(" ".join(map(str, values)))}
    exec(program, scope)
    return "".join(f"{line}\n" for line in printed)


def program_of(problem):
    return re.fullmatch(r"<answer>```python\n(.*)\n```</answer>", direct_completion(problem), re.DOTALL).group(1)


def test_code():
    seen = set()
    for problem in drawn("code", max_changes=4):
        first, *sentences = problem.prompt.removesuffix(".").split(". ")
        assert first == "Read integers"
        assert len(sentences) - 1 == problem.difficulty
        assert len(problem.tests) == 8
        for number, (stdin, stdout) in enumerate(problem.tests):
            values, worked = list(map(int, stdin.split())), [stdin.strip()]
            for sentence in sentences:
                constant = re.search(r"\d+", sentence)
                name = re.sub(r"\d+", "#", sentence)
                seen.add(name)
                values = SENTENCES[name](values, int(constant.group()) if constant else None)
                worked.append(f"{sentence}: {' '.join(map(str, values)) or 'none'}")
            assert stdout == " ".join(map(str, values)) + "\n"
            if number == 0:
                assert reasoned_completion(problem) == "<think>" + "\n".join(worked) + f"</think>{direct_completion(problem)}"
            assert run(program_of(problem), stdin) == run(problem.trace, stdin) == stdout
        assert problem.tests[1][0] == "\n"
    assert seen == SENTENCES.keys()


def test_the_tests_of_a_program_find_other_programs_wrong():
    """All but those that do the same in other words, as sorting before a sum does."""
    found, rng = drawn("code", 600), random.Random(0)
    inputs = ["".join(f"{rng.randint(-9, 30)} " for _ in range(rng.randint(0, 9))) for _ in range(300)]
    same = 0
    for problem, other in pairwise(found):
        mine, its = program_of(problem), program_of(other)
        if all(run(its, stdin) == stdout for stdin, stdout in problem.tests):
            same += 1
            assert [run(its, stdin) for stdin in inputs] == [run(mine, stdin) for stdin in inputs], (
                problem.prompt,
                other.prompt,
            )
    assert same < 12
    assert all(len({stdout for _, stdout in problem.tests}) >= 3 for problem in found)


def test_a_program_runs_as_it_stands():
    for problem in drawn("code", 3):
        for stdin, stdout in problem.tests[:2]:
            done = subprocess.run(
                [sys.executable, "-I", "-c", program_of(problem)], input=stdin, capture_output=True, text=True
            )
            assert (done.stdout, done.returncode) == (stdout, 0)
