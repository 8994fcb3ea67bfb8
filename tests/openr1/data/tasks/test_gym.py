import os
import subprocess
import sys
from dataclasses import replace

import pytest

pytest.importorskip("reasoning_gym")
from helpers.data import open_source

from openr1.data.options import TaskSource
from openr1.data.tasks import (
    direct_completion,
    find_task,
    generate,
    gym,
    held_out,
    is_held_out,
    options_of,
    reasoned_completion,
    verify,
)
from openr1.system.errors import ConfigError

# some that are quick, of each kind: one answer, any of many, text that is evaluated, a set whose content follows its size
SOME = ["chain_sum", "countdown", "propositional_logic", "acre", "spell_backward", "gsm_symbolic"]
# what generates all of them: the digest of every task's first problems
DIGEST = """
import hashlib
from openr1.data.tasks import find_task, gym
for name in gym._names():
    task = find_task(f"reasoning_gym/{name}")
    found = task.generate(3, 5, task.Options())
    print(name, hashlib.sha256(repr([(p.prompt, p.answer, p.trace, p.difficulty) for p in found]).encode()).hexdigest())
"""


def drawn(task, count=8, seed=0, **options):
    return generate("key", TaskSource(task=task, problems=count, seed=seed, options=options))


def check(name, count):
    found = drawn(f"reasoning_gym/{name}", count)
    assert len({problem.prompt for problem in found}) == count
    assert drawn(f"reasoning_gym/{name}", count - 1) == found[:-1]
    gym._load.cache_clear()  # as in another process
    for problem in found:
        assert problem.task == f"reasoning_gym/{name}"
        if problem.answer:
            assert verify(problem, direct_completion(problem))
            assert verify(problem, reasoned_completion(problem))
        assert not verify(problem, problem.answer)
        assert not verify(problem, "<answer>it is not this</answer>")
        assert not verify(problem, "<answer></answer>")


@pytest.mark.parametrize("name", SOME)
def test_its_own_scorer_verifies(name):
    check(name, 8)


@pytest.mark.slow
@pytest.mark.slow
def test_all_of_its_tasks():
    without = []
    for name in gym._names():
        check(name, 3)
        if not all(problem.answer for problem in drawn(f"reasoning_gym/{name}", 3)):
            without.append(name)
    assert without == ["boxnet", "rush_hour"]
    assert len(gym._names()) == 98


@pytest.mark.slow
@pytest.mark.slow
def test_its_problems_are_the_same_in_another_process():
    runs = [
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", DIGEST],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "77")
    ]
    assert runs[0] == runs[1]


def test_two_seeds_have_little_in_common():
    one, other = ({p.prompt for p in drawn("reasoning_gym/chain_sum", 500, seed)} for seed in (0, 1))
    assert len(one & other) < 50  # by chance; with its own seeds 0 and 1 it is 499


def test_more_problems_than_one_of_its_data_sets():
    found = drawn("reasoning_gym/acre", gym.CHUNK + 3)
    assert len({problem.prompt for problem in found}) == len(found)
    assert verify(found[-1], direct_completion(found[-1]))


def test_a_task_by_option_is_the_same_as_by_name():
    assert drawn("reasoning_gym", name="gcd") == drawn("reasoning_gym/gcd")
    assert drawn("reasoning_gym", name="gcd")[0].task == "reasoning_gym/gcd"


def test_difficulty_is_its_config():
    easy = drawn("reasoning_gym/chain_sum", config={"min_terms": 2, "max_terms": 2})
    hard = drawn("reasoning_gym/chain_sum", config={"min_terms": 9, "max_terms": 9})
    assert {problem.difficulty for problem in easy} == {2}
    assert {problem.difficulty for problem in hard} == {9}
    assert verify(hard[0], direct_completion(hard[0]))
    assert not verify(hard[0], direct_completion(hard[1]))


def test_a_trace_where_the_metadata_has_one():
    problem = drawn("reasoning_gym/gsm_symbolic", 1)[0]
    assert problem.trace.rstrip().endswith(problem.answer)
    assert reasoned_completion(problem) == f"<think>{problem.trace}</think><answer>{problem.answer}</answer>"
    problem = drawn("reasoning_gym/chain_sum", 1)[0]
    assert problem.trace == ""
    assert reasoned_completion(problem) == direct_completion(problem)


def test_a_task_without_an_oracle_still_verifies():
    problem = drawn("reasoning_gym/rush_hour", 1)[0]
    assert problem.answer == ""
    with pytest.raises(ValueError, match="reasoning_gym/rush_hour: no oracle"):
        direct_completion(problem)
    assert not verify(problem, "<answer>A+1</answer>")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (TaskSource(task="reasoning_gym/chain_sums"), r"key\.task: 'chain_sums' is not one of ab, "),
        (TaskSource(task="reasoning_gym/word_ladder"), r"key\.task: 'word_ladder' is not one of "),
        (TaskSource(task="reasoning_gym"), r"key\.options\.name: None is not one of ab, "),
        (TaskSource(task="reasoning_gym/gcd", options={"name": "lcm"}), r"key\.options\.name: the task is "),
        (TaskSource(task="reasoning_gym/gcd", options={"terms": 2}), r"key\.options\.terms: .* there are name, config"),
        (
            TaskSource(task="reasoning_gym/gcd", options={"config": {"terms": 2}}),
            r"key\.options\.config\.terms: gcd has no such key; there are min_numbers, ",
        ),
        (TaskSource(task="reasoning_gym/gcd", options={"config": {"seed": 2}}), r"key\.options\.config\.seed: "),
        (TaskSource(task="reasoning_gym/gcd", options={"config": {"min_numbers": 1}}), r"key\.options\.config: gcd refuses it"),
    ],
)
def test_what_it_does_not_have_is_refused(source, message):
    with pytest.raises(ConfigError, match=message) as error:
        generate("key", source)
    assert "\n" not in str(error.value)


def test_without_the_package_the_config_is_refused(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"key\.task: reasoning-gym is not installed"):
        options_of("key", TaskSource(task="reasoning_gym/gcd"))


def test_it_is_not_imported_before_there_are_problems():
    code = "import sys, openr1.cli, openr1.data.tasks as t; t.find_task('reasoning_gym/gcd')\n"
    code += "print('reasoning_gym' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


def test_its_version_is_part_of_a_data_set(configure, monkeypatch):
    source = open_source(configure({"mine": TaskSource(task="reasoning_gym/gcd")}))
    first = source.content()
    assert first["version"] == "0.1.25"
    monkeypatch.setattr("importlib.metadata.version", lambda name: "0.1.26")
    assert source.content() != first


def test_a_problem_of_another_version_is_not_scored():
    problem = replace(drawn("reasoning_gym/gcd", 1)[0], prompt="Find the GCD of 1 and 2.")
    with pytest.raises(ValueError, match="another version"):
        verify(problem, "<answer>1</answer>")


@pytest.mark.parametrize("name", ["countdown", "n_queens", "spiral_matrix", "simple_integration"])
def test_an_answer_is_never_run(name, tmp_path):
    problem, made = drawn(f"reasoning_gym/{name}", 1)[0], tmp_path / "made"
    for attack in (f"open('{made}', 'w')", f"__import__('os').mkdir('{made}')", f'eval(\'open("{made}", "w")\')'):
        assert not verify(problem, f"<answer>{attack}</answer>")
        assert not made.exists()


@pytest.mark.parametrize(
    ("name", "cheats"),
    [
        ("coin_flip", ["0", "0.", "0/1", "1/0", "1/00", "1e999999999"]),
        ("complex_arithmetic", ["nan", "nani", "NaN+2i", "inf"]),
        ("fraction_simplification", ["{gold} or 7", "{gold}, 1/2", "{gold} and not {gold}"]),
        ("game_of_life_halting", ["x", "0", "True or False", "the answer"]),
        ("gsm_symbolic", ["{gold} or 7", "not {gold}", "{gold} 8 9", "{gold}*4*1*1", "{prompt}"]),
        ("kakurasu", ["{gold} or 7", "not {gold}"]),
        ("knights_knaves", ["{gold} or not", "not {gold}", "{gold}{gold}"]),
        ("letter_jumble", ["{gold} or 7", "{gold} and not {gold}"]),
        pytest.param("puzzle24", ["6*4*1*1", "4*3*2*1", "24", "{gold}+0", "{gold}*1"], marks=pytest.mark.slow),
    ],
)
def test_no_text_is_right_for_every_problem(name, cheats):
    for problem in drawn(f"reasoning_gym/{name}", 4):
        texts = [cheat.format(gold=problem.answer, prompt=problem.prompt) for cheat in cheats]
        assert [text for text in texts if verify(problem, f"<answer>{text}</answer>")] == []
        assert verify(problem, f"<answer>{problem.answer}</answer>")


def test_the_forms_of_a_right_answer_are_right():
    [half] = [problem for problem in drawn("reasoning_gym/coin_flip", 40) if problem.answer in ("0.5", "1/2")][:1]
    assert all(verify(half, f"<answer>{text}</answer>") for text in ("0.5", "1/2", "0.50"))
    problem = drawn("reasoning_gym/gsm_symbolic", 1)[0]
    assert all(verify(problem, f"<answer>{mark}{problem.answer}</answer>") for mark in ("", "$", " "))


def test_held_out_problems():
    test = held_out("key", TaskSource(task="reasoning_gym/gcd"), 20, 0.1)
    assert len(test) == 20
    assert all(is_held_out(problem, 0.1) for problem in test)
    assert find_task("reasoning_gym/gcd").verify(test[0], direct_completion(test[0]))
