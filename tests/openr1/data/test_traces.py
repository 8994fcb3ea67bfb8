import pytest

from openr1.config.schema import PathsConfig
from openr1.data.options import DataConfig, TaskSource
from openr1.data.readability import readability
from openr1.data.registry import open_sources
from openr1.data.tasks import generate, reasoned_completion, verify
from openr1.data.traces import oracle_completion
from openr1.data.validation import check_data
from openr1.system.errors import ConfigError


def sums(**options):
    return TaskSource(task="sums", problems=200, reasoned=1, options={"min_terms": 3, "max_terms": 4}, **options)


@pytest.fixture(scope="module")
def problems():
    return generate("data.sources.sums", sums())


def test_without_defects_of_layout_a_trace_is_readable_and_right(problems):
    for problem in problems:
        text = oracle_completion(problem, sums(defects=0))
        assert readability(text).score == 1
        assert verify(problem, text)
        assert text == oracle_completion(problem, sums(defects=0))


def test_defects_make_it_less_readable_and_leave_it_right(problems):
    texts = [oracle_completion(problem, sums(defects=0.35)) for problem in problems]
    assert all(verify(problem, text) for problem, text in zip(problems, texts, strict=True))
    scores = [readability(text).score for text in texts]
    assert 0.05 < sum(score == 1 for score in scores) / len(scores) < 0.35
    assert min(scores) <= 0.6


def test_a_bare_trace_and_a_bare_answer_are_as_they_were(problems):
    problem = problems[0]
    assert oracle_completion(problem, sums()) == reasoned_completion(problem)
    assert oracle_completion(problem, TaskSource(task="sums", reasoned=0, defects=0)) == f"<answer>{problem.answer}</answer>"


def test_defects_without_a_layout_to_vary_are_refused(tmp_path):
    def data(**options):
        return DataConfig(name="d", sources={"s": TaskSource(problems=20, defects=0.3, **options)})

    with pytest.raises(ConfigError, match=r"data.sources.s.defects: .* and data.sources.s.reasoned is 0"):
        check_data(data(task="sums", reasoned=0))
    paths = PathsConfig(artifacts=str(tmp_path), cache=str(tmp_path))
    with pytest.raises(ConfigError, match=r"data.sources.s.defects: no trace of task=code has several steps"):
        next(open_sources(data(task="code"), paths)["s"].read())
    assert next(open_sources(data(task="sums"), paths)["s"].read()).prompt
