import json

import pyarrow.parquet as pq
import pytest
from helpers.configs import composed

from openr1.runs.fingerprint import identify
from openr1.runs.stage_run import run_stage
from openr1.system.artifacts import Store
from openr1.system.errors import ConfigError, RunError


@pytest.fixture
def teacher(sums, student, scripted):
    """Makes answers: sample i is i too large, and every third problem's request fails."""

    def make(*overrides, **options):
        scripted(**{"answer": lambda p, i: f"<think>{p}</think><answer>{eval(p[:-1]) + i}</answer>", **options})
        config = composed(*sums, "stage=generate", f"model.checkpoint={student.model}", "stage.samples=3", *overrides)
        return run_stage(config, quiet=True).artifact

    return make


def curate(sums, *artifacts, changes=()):
    return composed(*sums, "stage=curate", f"stage.inputs=[{','.join(a.name for a in artifacts)}]", *changes)


def test_right_answers_are_kept_and_the_card_says_why_the_others_are_not(sums, teacher):
    answers = teacher(fails=lambda request: request.id < "4")
    result = run_stage(curate(sums, answers), quiet=True)
    table = pq.read_table(result.artifact.data / "examples.parquet").to_pylist()
    assert len(table) == result.metrics["rows_after"] == answers.metrics["problems"] - answers.metrics["failed"]
    assert all(f"<answer>{eval(row['prompt'][:-1])}</answer>" in row["completion"] for row in table)
    card = json.loads((result.artifact.path / "card.json").read_text())
    assert [step["name"] for step in card["steps"]] == ["errors", "verify", "finished", "format", "exact_dedupe", "select"]
    verify = card["steps"][1]
    assert verify["reasons"] == {"wrong": 2 * len(table)}
    assert (verify["before"]["rows"], verify["after"]["rows"]) == (3 * len(table), len(table))
    page = (result.artifact.path / "card.md").read_text()
    assert "TimeoutError" in page
    assert "wrong" in page
    assert result.metrics["flops_teacher"] == answers.metrics["flops_teacher"] > 0


@pytest.mark.slow
def test_several_teachers_are_put_together(sums, teacher):
    first, second = teacher(), teacher("seed=1", "data.sources.sums.seed=1")
    result = run_stage(curate(sums, first, second), quiet=True)
    assert result.metrics["rows_before"] == first.metrics["answers"] + second.metrics["answers"]
    assert result.metrics["flops_teacher"] == first.metrics["flops_teacher"] + second.metrics["flops_teacher"]
    assert set(result.artifact.inputs.values()) == {first.name, second.name}


@pytest.mark.slow
def test_what_changes_the_examples_changes_the_fingerprint(sums, teacher):
    answers, other = teacher(), teacher("seed=1")
    first = identify(curate(sums, answers))[0]
    for changes in (["stage.steps.verify=null"], ["stage.steps.select.k=2"], ["+stage.steps.length={max: 9}"]):
        assert identify(curate(sums, answers, changes=changes))[0] != first
    assert identify(curate(sums, other))[0] != first
    # the same artifact by its directory, and what has no part in it
    assert identify(composed(*sums, "stage=curate", f"stage.inputs=[{answers.path}]"))[0] == first
    assert identify(curate(sums, answers, changes=["seed=3", "scale=50k", "compute.threads=2"]))[0] == first
    # the order of the steps counts
    one, two = (["errors", "verify"], ["verify", "errors"])
    marks = []
    for names in (one, two):
        config = curate(sums, answers)
        config.stage.steps = {name: {} for name in names}
        marks.append(identify(config)[0])
    assert marks[0] != marks[1]


def test_evaluation_sets_count_by_their_content(sums, teacher, tmp_path):
    answers, path = teacher(), tmp_path / "exam.jsonl"
    sets = f"+stage.steps.decontaminate={{sets: {{exam: {{kind: files, path: {path}, text: problem}}}}}}"
    marks = []
    for problem in ("nothing of it", "1+2="):
        path.write_text(json.dumps({"problem": problem}) + "\n")
        marks.append(identify(curate(sums, answers, changes=[sets]))[0])
    assert len({*marks, identify(curate(sums, answers))[0]}) == 3


def test_answers_that_are_not_there_are_one_line(sums):
    config = composed(*sums, "stage=curate", "stage.inputs=[generate-0123456789abcdef]")
    with pytest.raises(ConfigError, match=r"^stage\.inputs\[0\]: there is no artifact generate-0123456789abcdef in "):
        run_stage(config, quiet=True)


def test_a_curation_that_leaves_nothing_is_no_artifact(sums, teacher):
    config = curate(sums, teacher(answer=lambda p, i: "<think>x</think><answer>no</answer>"))
    with pytest.raises(RunError, match=r"stage\.steps\.verify: drops all"):
        run_stage(config, quiet=True)
    assert Store(config.paths.artifacts).find("curate", identify(config)[0]) is None
