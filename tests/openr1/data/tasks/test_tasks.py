import hashlib
import random

import pytest
from helpers.configs import composed
from helpers.data import open_source, prepare

from openr1.data.corpus import index_source
from openr1.data.options import TaskSource
from openr1.data.tasks import (
    TASKS,
    Problem,
    accepts,
    direct_completion,
    find_task,
    generate,
    held_out,
    is_held_out,
    options_of,
    reasoned_completion,
    split,
    verify,
)
from openr1.system.errors import ConfigError

# of the first fifty problems with seed 0 and default options: everything that a data set or a score depends on. Where one of
# these changes, the version of the task goes up
DIGESTS = {
    "sums": "bb2cb2240ba5e3a7",
    "arithmetic": "f47b4792e21ef372",
    "countdown": "93e870f4bbd5cdac",
    "linear": "d06e68d639f4b729",
    "modular": "ca73b29f6248b955",
    "strings": "25d2d53cd97dd31d",
    "lists": "4b49f820fe2003ea",
    "multiple_choice": "09e4a06a6ec898cb",
    "code": "99fe4780a9d5eb57",
}
EVERY = pytest.mark.parametrize("name", TASKS)


def problems(**options):
    source = TaskSource(task="sums", problems=options.pop("problems", 500), seed=options.pop("seed", 0), options=options)
    return generate("data.sources.mine", source)


def drawn(name, count=200, seed=0, **options):
    return generate("data.sources.mine", TaskSource(task=name, problems=count, seed=seed, options=options))


def test_sums_are_right_and_so_is_every_step():
    for problem in problems():
        terms = [int(term) for term in problem.prompt.removesuffix("=").split("+")]
        assert int(problem.answer) == sum(terms)
        steps = problem.trace.split(",")
        assert len(steps) == len(terms) - 1 == problem.difficulty
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
    assert task.verify(problem, direct_completion(problem))
    assert task.verify(problem, reasoned_completion(problem))
    assert reasoned_completion(problem) == "<think>12+7=19</think><answer>19</answer>"
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
            r"data\.sources\.mine\.options\.digits: .* there are min_terms, max_terms, maximum",
        ),
        (TaskSource(task="sums", options={"maximum": "big"}), r"data\.sources\.mine\.options\.maximum: "),
        (TaskSource(task="sums", options={"min_terms": 5}), r"data\.sources\.mine\.options\.min_terms: "),
        (TaskSource(task="sums", options={"maximum": 0}), r"data\.sources\.mine\.options\.maximum: must be from 1 to"),
        (
            TaskSource(task="sums", problems=301, options={"maximum": 9}),
            r"data\.sources\.mine\.problems: at most 300 distinct sums",
        ),
        (
            TaskSource(task="arithmetic", problems=99, options={"operators": "+", "maximum": 1, "max_operations": 2}),
            r"data\.sources\.mine\.problems: only \d+ distinct ones of arithmetic",
        ),
    ],
)
def test_impossible_problems_are_refused(source, message):
    with pytest.raises(ConfigError, match=message) as error:
        generate("data.sources.mine", source)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "options", "wrong"),
    [
        ("arithmetic", {"operators": "+/"}, "operators"),
        ("arithmetic", {"operators": ""}, "operators"),
        ("arithmetic", {"min_operations": 0}, "min_operations"),
        ("arithmetic", {"limit": 10}, "limit"),
        ("countdown", {"min_numbers": 1}, "min_numbers"),
        ("countdown", {"operators": "^"}, "operators"),
        ("countdown", {"max_target": 0}, "max_target"),
        ("linear", {"max_unknowns": 3}, "max_unknowns"),
        ("linear", {"maximum": 1}, "maximum"),
        ("linear", {"max_constant": 0}, "max_constant"),
        ("modular", {"min_terms": 4}, "min_terms"),
        ("modular", {"max_modulus": 1}, "max_modulus"),
        ("modular", {"max_exponent": 1}, "max_exponent"),
        ("strings", {"operations": ["reverse", "upper"]}, "operations"),
        ("strings", {"operations": []}, "operations"),
        ("strings", {"letters": 27}, "letters"),
        ("strings", {"max_shift": 26}, "max_shift"),
        ("lists", {"min_items": 7}, "min_items"),
        ("lists", {"operations": ["shuffle"]}, "operations"),
        ("multiple_choice", {"choices": 8}, "choices"),
        ("multiple_choice", {"choices": 1}, "choices"),
        ("multiple_choice", {"topics": ["capital"]}, "topics"),
        ("code", {"min_changes": 4}, "min_changes"),
        ("code", {"tests": 2}, "tests"),
    ],
)
def test_an_impossible_option_is_named(name, options, wrong):
    with pytest.raises(ConfigError, match=rf"^data\.sources\.mine\.options\.{wrong}(\[\d\])?: "):
        drawn(name, **options)


def test_every_problem_there_is_can_be_asked_for():
    assert len(problems(problems=300, maximum=9)) == 300


def test_options_have_defaults():
    task, options = options_of("key", TaskSource(task="sums"))
    assert options == task.Options()


@EVERY
def test_problems_are_distinct_labelled_and_a_larger_set_begins_with_a_smaller(name):
    found = drawn(name)
    assert len({problem.prompt for problem in found}) == len({problem.id for problem in found}) == 200
    assert all(len(problem.id) == 16 and int(problem.id, 16) >= 0 for problem in found)
    assert {problem.task for problem in found} == {name}
    assert min(problem.difficulty for problem in found) < max(problem.difficulty for problem in found)
    assert drawn(name, count=50) == found[:50]
    assert not {problem.prompt for problem in drawn(name, count=20, seed=1)} >= {problem.prompt for problem in found[:20]}


@EVERY
def test_problems_are_the_same_in_every_version(name):
    found = [(p.prompt, p.answer, p.trace, p.kind, p.tests, p.difficulty) for p in drawn(name, count=50)]
    assert hashlib.sha256(repr(found).encode()).hexdigest()[:16] == DIGESTS[name]
    assert TASKS[name].version == 1


@EVERY
def test_nothing_but_random_is_drawn_from_the_generator(name):
    class Random(random.Random):
        def getrandbits(self, k):
            raise AssertionError("only random() is promised to be the same in every version of Python")

    task, rng = TASKS[name], Random(0)
    for place in range(100):
        task.draw(rng, place, task.Options())


@EVERY
def test_what_verifies_a_problem_follows_from_its_prompt(name):
    small = {
        "sums": {"maximum": 9},
        "arithmetic": {"max_operations": 2, "maximum": 3},
        "countdown": {"max_numbers": 3, "maximum": 5},
        "linear": {"max_unknowns": 1, "max_constant": 2},
        "modular": {"maximum": 9, "max_modulus": 3},
        "strings": {"letters": 2, "min_length": 4, "max_length": 6},
        "lists": {"maximum": 2, "max_items": 4},
        "multiple_choice": {"maximum": 8},
        "code": {"max_changes": 1},
    }
    one, other = ({p.prompt: p for p in drawn(name, 120, seed, **small[name])} for seed in (0, 1))
    common = one.keys() & other.keys()
    assert len(common) >= 10
    for prompt in common:
        if name == "countdown":  # its oracle may take another way
            assert accepts(one[prompt], other[prompt].answer)
        else:
            assert one[prompt] == other[prompt]


@pytest.mark.parametrize("name", sorted(TASKS.keys() - {"code"}))
def test_the_oracle_is_right_and_a_changed_answer_is_wrong(name):
    for problem in drawn(name):
        assert verify(problem, direct_completion(problem))
        assert verify(problem, reasoned_completion(problem))
        assert reasoned_completion(problem) == f"<think>{problem.trace}</think>{direct_completion(problem)}"
        assert problem.trace
        for wrong in mutations(problem.answer):
            assert not verify(problem, f"<think>{problem.trace}</think><answer>{wrong}</answer>")
        assert not verify(problem, f"<answer>{problem.answer}</answer>" * 2)
        assert not verify(problem, problem.answer)
        assert not verify(problem, "<answer></answer>")


def mutations(answer):
    """Each letter and digit changed into its neighbour, the answer cut short, and made longer."""
    for place, character in enumerate(answer):
        if character.isalnum():
            other = {"9": "0", "z": "y", "Z": "A"}.get(character, chr(ord(character) + 1))
            yield answer[:place] + other + answer[place + 1 :]
    yield answer[:-1]
    yield answer + answer[-1]


def test_code_is_not_verified_without_a_sandbox():
    (problem,) = drawn("code", count=1)
    assert problem.kind == "code"
    assert problem.answer == ""
    with pytest.raises(NotImplementedError, match="sandbox"):
        verify(problem, direct_completion(problem))


def test_a_problem_from_elsewhere_is_verified_by_its_text_or_letter():
    assert accepts(Problem("capital of France?", "Paris"), "Paris")
    assert not accepts(Problem("capital of France?", "Paris", task="geography"), "paris")
    assert not accepts(Problem("unknown?", ""), "")
    # another's problem under the name of a task
    assert accepts(Problem("make 3:", "1+2", task="countdown"), "1+2")
    choice = Problem("which? A) a B) b", "B", kind="choice")
    assert all(accepts(choice, text) for text in ("B", "b", "(B)", "B.", " B) "))
    assert not any(accepts(choice, text) for text in ("A", "AB", "", "B) b"))


def test_a_problem_without_an_oracle_has_no_completion():
    problem = Problem("solve", "", task="mine")
    for write in (direct_completion, reasoned_completion):
        with pytest.raises(ValueError, match="mine: no oracle"):
            write(problem)
    with pytest.raises(ValueError, match="no oracle"):
        direct_completion(Problem("program", "", kind="code", tests=(("1", "2"),)))
    assert reasoned_completion(Problem("2+2=", "4")) == "<answer>4</answer>"


@EVERY
def test_train_and_test_problems_are_disjoint_whatever_the_seed_and_count(name):
    train, test = split(drawn(name, 400), 0.25)
    assert len(train) + len(test) == 400
    assert len(test) / 400 == pytest.approx(0.25, abs=0.08)
    others = split(drawn(name, 300, seed=1), 0.25)
    assert not {p.prompt for p in (*train, *others.train)} & {p.prompt for p in (*test, *others.test)}
    # what a smaller fraction holds out, a larger one does
    assert {p.prompt for p in split(drawn(name, 400), 0.1).test} < {p.prompt for p in test}


@pytest.mark.parametrize("name", ["sums", "countdown"])
def test_held_out_problems_are_those_that_a_corpus_holds_out(name, configure):
    source = TaskSource(task=name, problems=600)
    corpus = index_source(open_source(configure({"mine": source})), 0.1)
    found = generate("key", source)
    assert [is_held_out(problem, 0.1) for problem in found] == corpus.held_out.tolist()
    test = held_out("key", source, 100, 0.1)
    assert len(test) == 100
    assert test[: corpus.held_out.sum()] == split(found, 0.1).test
    assert all(is_held_out(problem, 0.1) for problem in test)


def test_held_out_problems_come_to_an_end():
    source = TaskSource(task="sums", options={"maximum": 1, "max_terms": 2})
    assert len(held_out("key", source, 1, 0.5)) == 1
    with pytest.raises(ConfigError, match=r"^key\.options: leave \d held-out problems of sums, of 5 that"):
        held_out("key", source, 5, 0.5)
    with pytest.raises(ConfigError, match=r"^key\.fraction: "):
        held_out("key", source, 5, 0.0)


def test_problems_of_one_prompt_and_kind_are_one():
    problem = Problem("1+1=", "2", task="sums", difficulty=1)
    assert problem.id == Problem("1+1=", "3", "guessed").id
    assert problem.id != Problem("1+1=", "2", kind="math").id
    assert problem == Problem("1+1=", "2")


@pytest.mark.parametrize("name", sorted(TASKS.keys() - {"sums"}))
def test_every_task_has_a_data_config_that_lists_its_options(name):
    """So that they can be overridden and swept without ``+``."""
    source = composed(f"data={name}").data.sources[name]
    assert source.options == vars(TASKS[name].Options())


@pytest.mark.slow
@pytest.mark.parametrize("name", [*TASKS, "tasks", "reasoning_gym"])
def test_every_completion_fits_into_the_context_of_its_data_config(name, tmp_path):
    config = composed(f"data={name}", "stage=sft", "data.eval_fraction=0.1", f"paths.cache={tmp_path}")
    for source in config.data.sources.values():
        source.problems = 2000
    assert {counts["dropped"] for counts in prepare(config).sources.values()} == {0}


def test_a_task_is_found_by_name():
    assert find_task("sums") is TASKS["sums"]
    with pytest.raises(ValueError, match=r"'sum/s' is not one of sums, .*, reasoning_gym/NAME"):
        find_task("sum/s")
