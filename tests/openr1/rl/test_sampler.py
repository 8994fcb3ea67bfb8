from openr1.data.tasks.base import Problem
from openr1.rl.sampler import ProblemSampler


def sampler(seed=0, drawn=None, **weights):
    sources = {name: [Problem(f"{name}{i}", "") for i in range(count)] for name, count in {"a": 5, "b": 3}.items()}
    made = ProblemSampler(sources, {"a": 1.0, "b": 1.0} | weights, seed)
    if drawn:
        made.drawn = drawn
    return made


def names(one, count):
    return [problem.prompt for _, problem in (one.draw() for _ in range(count))]


def test_every_problem_comes_once_in_a_pass_in_another_order_each_time():
    one = ProblemSampler({"a": [Problem(str(i), "") for i in range(50)]}, {"a": 2.0}, seed=1)
    first, second = names(one, 50), names(one, 50)
    assert sorted(first) == sorted(second)
    assert len({*first}) == 50
    assert first != second
    assert one.passes == 2


def test_sources_take_turns_by_their_weights():
    drawn = names(sampler(a=3.0), 40)
    assert sum(name.startswith("a") for name in drawn) == 30
    # at no time is one far behind
    for end in range(1, 40):
        assert abs(sum(name.startswith("a") for name in drawn[:end]) - 0.75 * end) < 1


def test_what_comes_next_follows_from_what_was_drawn():
    one = sampler(seed=3)
    before = names(one, 13)
    state = dict(one.drawn)
    assert names(one, 20) == names(sampler(seed=3, drawn=state), 20)
    assert before != names(sampler(seed=4), 13)
    assert one.draw()[0] == 33
