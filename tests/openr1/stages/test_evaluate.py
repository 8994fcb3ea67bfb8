import json

import pytest
from helpers.configs import composed
from helpers.data import read_problems

from openr1.data.answers import read_answers, write_answers
from openr1.data.tasks.base import is_held_out
from openr1.engines import Completion, Reply
from openr1.evaluation import metrics
from openr1.evaluation.grouping import grouped
from openr1.runs.stage_run import run_stage
from openr1.system.artifacts import RECORD
from openr1.system.errors import ConfigError, RunError
from openr1.system.records import read_record, write_record
from openr1.tracking import mlflow as tracking


@pytest.fixture
def evaluation(sums, student):
    return [*sums, "stage=evaluate", f"model.checkpoint={student.path}", "stage.samples=4"]


def test_the_pass_rate_of_held_out_problems_with_its_interval(evaluation, student, scripted):
    # sample i answers i more than it should, to problems of two terms; to the others every sample is right
    scripted(answer=lambda p, i: f"<think>so</think><answer>{eval(p[:-1]) + i * (p.count('+') == 1)}</answer>")
    config = composed(*evaluation)
    result = run_stage(config, quiet=True)
    asked = read_problems(config)
    assert all(is_held_out(problem, 0.2) for problem in asked)
    easy = sum(problem.prompt.count("+") == 1 for problem in asked)
    expected = (easy / 4 + len(asked) - easy) / len(asked)
    assert result.metrics["pass_at_1"] == pytest.approx(expected)
    assert result.metrics["pass_at_1_low"] < expected < result.metrics["pass_at_1_high"]
    assert result.metrics["pass_at_4"] == 1
    assert result.metrics["format_rate"] == 1
    # the model's own figures come along, so that this run is a point of a scaling law
    for name in ("params_non_embedding", "tokens", "flops", "flops_train", "eval_loss"):
        assert result.metrics[name] == student.metrics[name]
    assert 0 < result.metrics["flops_eval"] < result.estimate.flops
    (tracked,) = tracking.read_runs(config.tracking.uri, config.study)
    assert tracked.metrics["pass_at_1_high"] == result.metrics["pass_at_1_high"]
    scores = json.loads((result.artifact.path / "scores.json").read_text())
    assert scores["tasks"]["sums"]["1"]["pass_at_1"] == 0.25
    assert scores["tasks"]["sums"]["2"]["pass_at_1"] == 1
    assert "sums, difficulty 1" in (result.artifact.path / "scores.md").read_text()


def test_every_answer_is_kept_with_its_verdict_so_that_scores_can_be_had_again(evaluation, scripted):
    scripted()
    result = run_stage(composed(*evaluation), quiet=True)
    kept = list(read_answers(result.artifact.path))
    assert len(kept) == 4 * result.metrics["problems"]
    assert [row["verified"] for row in kept[:4]] == [True, False, False, False]
    again = metrics.score(list(grouped(kept)), 4)
    assert {name: result.metrics[name] for name in again} == again


def test_kept_answers_are_verified_again_without_asking(evaluation, sums, scripted, monkeypatch):
    engine = scripted()
    first = run_stage(composed(*evaluation), quiet=True)
    asked = len(engine.asked)
    # the same answers, verified when every answer was taken to be wrong
    kept = [row | {"verified": False} for row in read_answers(first.artifact.path)]
    record = read_record(first.artifact.path / RECORD)
    write_answers(first.artifact.path, kept)
    write_record(first.artifact.path / RECORD, record.content)  # as if the stage had written them
    told = ["data=python_stdlib", "stage=evaluate", f"stage.answers={first.artifact.name}", sums[-1]]
    again = run_stage(composed(*told), quiet=True)
    assert len(engine.asked) == asked
    for name in (
        "pass_at_1",
        "pass_at_4",
        "maj_at_4",
        "problems",
        "samples",
        "format_rate",
        "response_tokens",
        "tokens",
        "flops",
    ):
        assert again.metrics[name] == first.metrics[name], name
    assert [row["verified"] for row in read_answers(again.artifact.path)][:4] == [True, False, False, False]
    assert again.artifact.fingerprint != first.artifact.fingerprint
    assert first.artifact.name in (again.artifact.path / "scores.md").read_text()
    sampling = [json.loads((one.artifact.path / "scores.json").read_text())["sampling"] for one in (first, again)]
    assert sampling[0] == sampling[1]
    assert again.config.data.name == first.config.data.name == "sums"


def test_a_result_depends_on_how_answers_are_verified(evaluation, monkeypatch):
    from openr1.runs import fingerprint

    before = fingerprint.identify(composed(*evaluation))[0]
    monkeypatch.setattr(fingerprint, "VERDICTS", fingerprint.VERDICTS + 1)
    assert fingerprint.identify(composed(*evaluation))[0] != before


def test_answers_to_verify_again_are_answers(sums, student):
    with pytest.raises(ConfigError, match=r"^stage\.answers: stage=sft makes model; answers or scores are made by"):
        composed(*sums, "stage=evaluate", f"stage.answers={student.name}")


def test_fewer_answers_than_asked_for_are_an_error(evaluation, scripted):
    engine = scripted()
    whole = engine._generate

    def short(requests, sampling):
        for reply in whole(requests, sampling):
            yield Reply(reply.id, reply.completions[: 3 if reply.id < "2" else 4], reply.prompt_tokens)

    engine._generate = short
    with pytest.raises(RunError, match=r"problems have fewer than 4 answers .*: 3 of 4 answers came; the same command asks"):
        run_stage(composed(*evaluation), quiet=True)
    engine = scripted()
    assert run_stage(composed(*evaluation), quiet=True).metrics["problems"] > len(engine.asked) > 0
    assert {problem < "2" for problem in engine.asked} == {True}


def test_a_killed_evaluation_judges_no_shard_twice(evaluation, scripted, monkeypatch):
    from openr1.stages import evaluate

    calls = []

    class Grader:
        def __init__(self, config):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def __call__(self, samples):
            if len(calls) == 3:
                calls.append(0)
                raise KeyboardInterrupt
            calls.append(len(samples))
            return [True if "7" in sample.completion else "no end within 10 s" for sample in samples]

    monkeypatch.setattr(evaluate, "Grader", Grader)
    config = composed(*evaluation, "stage.shard=8")
    engine = scripted()
    with pytest.raises(KeyboardInterrupt):
        run_stage(config, quiet=True)
    result = run_stage(config, quiet=True)
    assert sum(calls) == 4 * result.metrics["problems"] == 4 * len(engine.asked)
    assert max(calls) == 32
    errors = {row["error"] for row in read_answers(result.artifact.path) if row["verified"] is None}
    assert errors == {"no end within 10 s"}


def test_more_problems_than_the_data_have_are_drawn_for_tests(evaluation, scripted):
    scripted()
    result = run_stage(composed(*evaluation, "stage.problems=150"), quiet=True)
    assert result.metrics["problems"] == 150


@pytest.mark.slow
def test_a_real_model_is_asked_and_its_length_counted(evaluation, student):
    config = composed(*evaluation, "stage.problems=10", "stage.sampling.max_tokens=12")
    result = run_stage(config, quiet=True)
    assert 0 <= result.metrics["pass_at_1"] <= 1
    assert 0 < result.metrics["response_tokens"] <= 12
    assert result.artifact.inputs["model"] == student.name


def test_a_completion_that_failed_has_no_length(scripted):
    reply = Reply("a", (Completion("x", "length", None),))
    from openr1.engines.generate import to_asked

    one = to_asked(reply)
    assert (one.answers[0].tokens, one.answers[0].finished) == (None, False)
