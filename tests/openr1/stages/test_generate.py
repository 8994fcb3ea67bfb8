import pyarrow.parquet as pq
import pytest
from helpers.configs import composed
from helpers.damage import FAULTS
from helpers.data import read_problems

from openr1.data.answers import Answer, ProblemAnswers, answer_rows, read_answers, write_answers
from openr1.data.tasks.base import Problem, is_held_out
from openr1.engines.journal import Journal, fill_journal
from openr1.models.flops import generation_flops
from openr1.runs.fingerprint import identify
from openr1.runs.stage_run import run_stage
from openr1.system.artifacts import Store
from openr1.system.errors import RunError
from openr1.tracking import mlflow as tracking


@pytest.fixture
def config(sums, student):
    return composed(*sums, "stage=generate", f"model.checkpoint={student.model}", "stage.samples=2", "stage.shard=16")


def rows(artifact):
    return list(read_answers(artifact.path))


@pytest.mark.slow
def test_every_problem_that_is_not_held_out_is_answered_in_order(config, scripted):
    engine = scripted()
    result = run_stage(config, quiet=True)
    asked = read_problems(config)
    assert not [problem for problem in asked if is_held_out(problem, 0.2)]
    found = rows(result.artifact)
    assert [(row["problem_id"], row["sample"]) for row in found] == [(p.id, i) for p in asked for i in (0, 1)]
    assert sorted(engine.asked) == sorted(problem.id for problem in asked)
    assert found[0]["completion"] == f"<answer>{asked[0].answer}</answer>"
    assert (found[0]["prompt"], found[0]["answer"], found[0]["task"]) == (asked[0].prompt, asked[0].answer, "sums")
    assert found[0]["finished"]
    assert found[0]["tokens"] == len(found[0]["completion"])  # without the end token
    assert not (result.artifact.path / "answers").exists()


def test_its_cost_is_that_of_every_token_the_teacher_read_and_wrote(config, scripted):
    scripted()
    result = run_stage(config, quiet=True)
    shape, found = result.estimate.shape, rows(result.artifact)
    cost = sum(generation_flops(shape, row["prompt_tokens"], row["tokens"] + 1) for row in found)
    assert result.metrics["flops_teacher"] == pytest.approx(cost)
    assert result.metrics["completion_tokens"] == sum(row["tokens"] + 1 for row in found)
    assert cost < result.estimate.flops  # the plan has the most that it may cost
    (tracked,) = tracking.read_runs(config.tracking.uri, config.study)
    assert tracked.metrics["flops_teacher"] == result.metrics["flops_teacher"]


def test_failures_are_rows_with_a_reason(config, scripted):
    scripted(fails=lambda request: request.id < "4")
    result = run_stage(config, quiet=True)
    failed = [row for row in rows(result.artifact) if row["error"]]
    assert {row["problem_id"] < "4" for row in failed} == {True}
    assert {row["error"] for row in failed} == {"TimeoutError: no answer"}
    assert {row["completion"] for row in failed} == {None}
    assert result.metrics["failed"] == len(failed) / 2 > 20
    assert result.metrics["answers"] == 2 * (result.metrics["problems"] - result.metrics["failed"])


def test_too_many_failures_stop_the_run_and_are_asked_again(config, scripted):
    scripted(fails=lambda request: request.id < "c")
    with pytest.raises(RunError, match=r"stage\.max_failed=0\.5.*TimeoutError: no answer; the same command asks those again"):
        run_stage(config, quiet=True)
    engine = scripted()
    result = run_stage(config, quiet=True)
    assert result.metrics["failed"] == 0
    assert {problem < "c" for problem in engine.asked} == {True}


@pytest.mark.parametrize("together", [False, True])
def test_a_killed_run_goes_on_asks_nothing_twice_and_gives_the_same_rows(sums, student, scripted, tmp_path, together):
    overrides = [*sums, "stage=generate", f"model.checkpoint={student.model}", "stage.shard=16"]
    scripted(together=together)
    whole = run_stage(composed(*overrides, f"paths.artifacts={tmp_path}/whole", "study=whole"), quiet=True)
    config, asked = composed(*overrides), []
    for breaks in (50, 1, 100):
        engine = scripted(together=together, breaks=breaks)
        with pytest.raises(KeyboardInterrupt):
            run_stage(config, quiet=True)
        asked += engine.asked
    kind, mark = config.stage.kind, identify(config)[0]
    assert Store(config.paths.artifacts).find(kind, mark) is None
    engine = scripted(together=together)
    result = run_stage(config, quiet=True)
    asked += engine.asked
    assert result.artifact.sha256() == whole.artifact.sha256()
    assert rows(result.artifact) == rows(whole.artifact)
    if together:
        # what was not whole of a shard is asked again with the rest of it, for it depends on what it is asked with
        assert len(asked) - len(set(asked)) <= 3 * 16
    else:
        assert sorted(asked) == sorted(problem.id for problem in read_problems(config))


def test_the_oracle_writes_its_own_traces_and_costs_nothing(sums):
    config = composed(*sums, "stage=generate", "stage.teacher=oracle")
    result = run_stage(config, quiet=True)
    found = rows(result.artifact)
    reasoned = [row for row in found if row["completion"].startswith("<think>")]
    assert 0.35 < len(reasoned) / len(found) < 0.65
    assert all(row["completion"].endswith(f"<answer>{row['answer']}</answer>") for row in found)
    assert result.metrics["flops_teacher"] == 0
    assert result.estimate.shape is None


def test_a_real_engine_gives_the_same_rows_again(sums, student, tmp_path):
    overrides = [*sums, "stage=generate", f"model.checkpoint={student.model}", "stage.problems=20", "stage.samples=2"]
    first, second = (
        run_stage(
            composed(*overrides, "stage.sampling.max_tokens=16", f"paths.artifacts={tmp_path}/{n}", f"study={n}"), quiet=True
        )
        for n in "ab"
    )
    assert first.artifact.sha256() == second.artifact.sha256()
    pairs = [row["completion"] for row in rows(first.artifact)]
    assert len(set(pairs)) > 20  # samples of one problem differ
    other = run_stage(composed(*overrides, "stage.sampling.max_tokens=16", "seed=1"), quiet=True)
    assert rows(other.artifact) != rows(first.artifact)


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ("stage.sampling.temperature=0.9", False),
        ("stage.samples=3", False),
        ("seed=1", False),
        ("data.sources.sums.problems=200", False),
        ("data.eval_fraction=0.3", False),
        ("data.instruction='Solve: {prompt}'", False),
        ("engine.dtype=bfloat16", False),
        ("engine.batch_size=8", True),
        ("compute.threads=2", True),
        ("study=other", True),
        ("budget.tokens_per_param=3", True),
        ("optim.lr=1", True),
    ],
)
def test_what_changes_the_answers_changes_the_fingerprint(config, sums, student, change, same):
    changed = composed(
        *sums, "stage=generate", f"model.checkpoint={student.model}", "stage.samples=2", "stage.shard=16", change
    )
    assert (identify(changed)[0] == identify(config)[0]) is same


def journal(folder, count=5, shard=2):
    return Journal(folder, [Problem(f"{i}", str(i)) for i in range(count)], shard)


def test_a_line_that_a_kill_cut_off_is_asked_again(tmp_path):
    first = journal(tmp_path)
    for problem in first.problems[:3]:
        first.append(ProblemAnswers(problem.id, (Answer("x", 1),), 1))
    path = first.path(1)
    path.write_bytes(path.read_bytes()[:-4])
    second = journal(tmp_path)
    second.cut_unfinished()
    assert [(shard, [p.prompt for p in left]) for shard, left in second.missing()] == [(1, ["2", "3"]), (2, ["4"])]
    for problem in second.problems[2:]:
        second.append(ProblemAnswers(problem.id, (Answer("é\n\u2028", None, False),), None, "why\nnot"))
    assert [(p.prompt, a.answers[0].text) for p, a in journal(tmp_path).asked()][2:] == [(n, "é\n\u2028") for n in "234"]


@pytest.mark.parametrize("fault", FAULTS)
def test_problems_of_a_damaged_journal_are_asked_again(tmp_path, fault, capsys):
    first = journal(tmp_path, shard=5)
    answers = {problem.id: ProblemAnswers(problem.id, (Answer(problem.prompt, 1),), 1) for problem in first.problems}
    for asked in answers.values():
        first.append(asked)
    path = first.path(0)
    whole = path.read_bytes()
    FAULTS[fault](path)

    def answer(problems):
        return (answers[problem.id] for problem in problems)

    second = journal(tmp_path, shard=5)
    fill_journal(second, answer, whole_shards=True, report=lambda *_: None, samples=1)
    assert path.read_bytes() == whole
    assert [asked for _, asked in second.asked()] == list(answers.values())
    expected = f"{path} has 1 damaged lines; their problems are asked again\n" if fault == "alter" else ""
    assert capsys.readouterr().err == expected


def test_rows_have_the_columns_that_curation_reads(tmp_path):
    from openr1.data.answers import answer_schema

    problem = Problem("p", "", kind="code", tests=(("1", "2"), ("3", "4")))
    path = write_answers(tmp_path, answer_rows(problem, ProblemAnswers(problem.id, (Answer("a"),), None, "one is missing"), 2))
    written = pq.read_schema(path)
    assert {field.name: field.type for field in answer_schema() if field.name != "pass_rate"}.items() <= {
        field.name: field.type for field in written
    }.items()
    first, second = read_answers(tmp_path)
    assert first["tests"] == [["1", "2"], ["3", "4"]]
    assert (first["completion"], first["error"]) == ("a", None)
    assert (second["completion"], second["error"]) == (None, "one is missing")
