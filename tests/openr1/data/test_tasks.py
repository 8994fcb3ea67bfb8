import pytest

from openr1.config import TaskSource
from openr1.data.tasks import TASKS, Problem, direct, generate, options_of, reasoned
from openr1.errors import ConfigError


def problems(**options):
    source = TaskSource(task="sums", problems=options.pop("problems", 500), seed=options.pop("seed", 0), options=options)
    return generate("data.sources.mine", source)


def test_sums_are_right_and_so_is_every_step():
    for problem in problems():
        terms = [int(term) for term in problem.prompt.removesuffix("=").split("+")]
        assert int(problem.answer) == sum(terms)
        steps = problem.trace.split(",")
        assert len(steps) == len(terms) - 1
        assert all(eval(step.replace("=", "==")) for step in steps)
        assert steps[-1].endswith(f"={problem.answer}")


def test_sums_are_distinct_and_a_larger_set_begins_with_a_smaller():
    found = problems()
    assert len({problem.prompt for problem in found}) == 500
    assert problems(problems=100) == found[:100]
    assert problems(seed=1) != found


def test_sums_are_the_same_on_every_machine():
    assert [problem.prompt for problem in problems(problems=3)] == ["84+75=", "42+25+51=", "40+78+30+47="]
    assert problems(problems=2)[1] == Problem("42+25+51=", "118", "42+25=67,67+51=118")


def test_sums_keep_to_their_options():
    terms = [p.prompt.removesuffix("=").split("+") for p in problems(min_terms=3, max_terms=3, maximum=9)]
    assert {len(row) for row in terms} == {3}
    assert {number for row in terms for number in row} == {str(number) for number in range(10)}


def test_verifier_accepts_exactly_the_right_answer():
    task, problem = TASKS["sums"], Problem("12+7=", "19", "12+7=19")
    assert task.verify(problem, direct(problem))
    assert task.verify(problem, reasoned(problem))
    assert reasoned(problem) == "<think>12+7=19</think><answer>19</answer>"
    for wrong in (
        "19",
        "<answer>20</answer>",
        "<answer>19</answer><answer>19</answer>",
        "<think>19</think>",
        "<answer>019</answer>",
    ):
        assert not task.verify(problem, wrong)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (TaskSource(task="sum"), r"data\.sources\.mine\.task: 'sum' is not one of sums"),
        (
            TaskSource(task="sums", options={"digits": 2}),
            r"data\.sources\.mine\.options\.digits: .* takes min_terms, max_terms, maximum",
        ),
        (TaskSource(task="sums", options={"maximum": "big"}), r"data\.sources\.mine\.options\.maximum: "),
        (TaskSource(task="sums", options={"min_terms": 5}), r"data\.sources\.mine\.options\.min_terms: "),
        (TaskSource(task="sums", options={"maximum": 0}), r"data\.sources\.mine\.options\.maximum: must be at least 1"),
        (
            TaskSource(task="sums", problems=301, options={"maximum": 9}),
            r"data\.sources\.mine\.problems: at most 300 distinct sums",
        ),
    ],
)
def test_impossible_problems_are_refused(source, message):
    with pytest.raises(ConfigError, match=message) as error:
        generate("data.sources.mine", source)
    assert "\n" not in str(error.value)


def test_every_problem_there_is_can_be_asked_for():
    assert len(problems(problems=300, maximum=9)) == 300


def test_options_have_defaults():
    task, options = options_of("key", TaskSource(task="sums"))
    assert options == task.Options()
