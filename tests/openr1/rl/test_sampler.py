from openr1.data.tasks.base import Problem
from openr1.rl.sampler import ProblemSampler


def sampler(seed=0, drawn=None, **weights):
    sources = {name: [Problem(f"{name}{i}", "") for i in range(count)] for name, count in {"a": 5, "b": 3}.items()}
    problem_sampler = ProblemSampler(sources, {"a": 1.0, "b": 1.0} | weights, seed)
    if drawn:
        problem_sampler.drawn = drawn
    return problem_sampler


def names(problem_sampler, count):
    return [problem.prompt for _, problem in (problem_sampler.draw() for _ in range(count))]


def test_every_problem_comes_once_in_a_pass_in_another_order_each_time():
    single = ProblemSampler({"a": [Problem(str(i), "") for i in range(50)]}, {"a": 2.0}, seed=1)
    first, second = names(single, 50), names(single, 50)
    assert sorted(first) == sorted(second)
    assert len({*first}) == 50
    assert first != second
    assert single.epochs == 2


def test_sources_take_turns_by_their_weights():
    drawn = names(sampler(a=3.0), 40)
    assert sum(name.startswith("a") for name in drawn) == 30
    # no source is ever far behind its share
    for end in range(1, 40):
        assert abs(sum(name.startswith("a") for name in drawn[:end]) - 0.75 * end) < 1


def test_what_comes_next_follows_from_what_was_drawn():
    first = sampler(seed=3)
    before = names(first, 13)
    state = dict(first.drawn)
    assert names(first, 20) == names(sampler(seed=3, drawn=state), 20)
    assert before != names(sampler(seed=4), 13)
    assert first.draw()[0] == 33
