"""A judge behind a local server: what it replies, what is kept of it, and what it costs."""

import json
import multiprocessing
from pathlib import Path

import pytest
from helpers.servers import sums_server

from openr1.data.tasks.base import Problem
from openr1.rewards import RewardConfig, Sample, Scorer, TermConfig
from openr1.rewards.judge import Judge, JudgeOptions, read_score
from openr1.rewards.judge_cache import JudgeCache
from openr1.system.errors import ConfigError, RunError

PROBLEM = Problem("Explain 1+1.", "")
KEY = "reward.terms.judge.options"


def of(*completions):
    return [Sample(PROBLEM, completion) for completion in completions]


@pytest.fixture
def server():
    with sums_server() as server:
        yield server


def options(server, **changed):
    given = {"rubric": "Is it clear?", "model": "m", "base_url": server.url, "api_key_env": None, "backoff": 0.01}
    return given | changed


def judge(server, cache=None, **changed):
    return Judge(JudgeOptions(**options(server, **changed)), KEY, cache)


@pytest.mark.parametrize(
    ("reply", "score"),
    [
        ('{"score": 7}', 7),
        ('{"score": 7.5}', 7.5),
        ('Well written.\n```json\n{"reason": "clear", "score": 3}\n```\nThank you.', 3),
        ('<think>perhaps {"score": 1}</think>{"score": 9}', 9),
        ('first {"score": 2}, but no: {"score": 4}', 4),
        ('{"a": {"score": 1}}', "the judge's reply has no score"),
        ('{{{ {"score": 0}', 0),
        ('{"score": 11}', "the judge's score is not from 0 to 10: 11"),
        ('{"score": -0.5}', "the judge's score is not from 0 to 10: -0.5"),
        ('{"score": "7"}', "the judge's score is no number: '7'"),
        ('{"score": true}', "the judge's score is no number"),
        ('{"score": NaN}', "the judge's score is no number"),
        ('{"score": 7', "the judge's reply has no score: '{\"score\": 7'"),
        ("7 of 10", "the judge's reply has no score: '7 of 10'"),
        ("<think>for ever", "the judge's reply has no score"),
        ("", "the judge's reply has no score: ''"),
        ('{"score": 1' + "0" * 5000 + "}", "the judge's reply has no score"),
        ("[" * 100_000 + '{"score": 2}', 2),
    ],
)
def test_a_score_is_read_from_whatever_the_judge_replies(reply, score):
    found = read_score(reply, 0, 10)
    if isinstance(score, str):
        assert isinstance(found, str)
        assert found.startswith(score)
        assert "\n" not in found
    else:
        assert found == score


def test_the_judge_sees_rubric_question_and_response(server):
    server.verdict = lambda response: '{"score": 4}'
    with judge(server, lowest=2, highest=6, of="summary") as opened:
        assert opened.rate(of("<think>hm</think>It is 2.")) == [0.5]
        assert "Is it clear?" in opened.instruction
        assert "from 2 to 6" in opened.instruction
    assert server.asked == ["<question>\nExplain 1+1.\n</question>\n<response>\nIt is 2.\n</response>"]


def test_a_repeated_answer_costs_nothing(server, tmp_path):
    with judge(server, tmp_path) as first:
        rated = first.rate(of("abc", "abcd", "abc"))
    assert rated == [0.3, 0.4, 0.3]
    assert len(server.asked) == 2
    with judge(server, tmp_path) as again:
        assert again.rate(of("abcd", "abc")) == [0.4, 0.3]
    assert len(server.asked) == 2
    for changed in ({"rubric": "Is it short?"}, {"model": "other"}, {"highest": 20.0}, {"temperature": 0.5}):
        with judge(server, tmp_path, **changed) as other:
            other.rate(of("abc"))
    assert len(server.asked) == 6


def test_a_reply_without_a_score_is_asked_for_again_and_costs_its_own_value_only(server, tmp_path):
    replies = {"bad": ["?", "{}", "?"], "late": ["?", '{"score": 5}'], "good": ['{"score": 10}']}
    server.verdict = lambda response: replies[response].pop(0)
    with Scorer(RewardConfig({"judge": TermConfig(options=options(server, normalise="none"))}), tmp_path) as scorer:
        [scores] = scorer.score([of("bad", "late", "good")])
    assert [score.values["judge"] for score in scores] == [None, 0.5, 1.0]
    assert [score.total for score in scores] == [None, 0.5, 1.0]
    assert scores[0].errors == {"judge": "the judge's reply has no score: '{}'"}
    assert replies == {"bad": ["?"], "late": [], "good": []}


def test_a_judge_that_never_scores_ends_the_run(server):
    server.verdict = lambda response: "no"
    with Scorer(RewardConfig({"judge": TermConfig(options=options(server, tries=1))})) as scorer:
        assert scorer.score([of("a", "b")])[0][0].total is None
        with pytest.raises(RunError, match=r"reward: judge fails on every sample: the judge's reply has no score: 'no'"):
            scorer.score([of(*"abcdefgh")])


def test_scores_on_disk_are_whole_or_absent(tmp_path):
    cache = JudgeCache(tmp_path)
    cache.write("ab12", 3.0)
    [file] = tmp_path.rglob("*.json")
    file.write_text(file.read_text()[:-9])  # cut short
    assert JudgeCache(tmp_path).read("ab12") is None
    cache = JudgeCache(tmp_path)
    cache.write("ab12", 4.0)
    assert JudgeCache(tmp_path).read("ab12") == 4.0
    file.write_text(json.dumps({"value": 9.0, "sha256": "0"}))  # another's
    assert JudgeCache(tmp_path).read("ab12") is None


def keep_many(folder: str, score: float) -> None:
    cache = JudgeCache(Path(folder))
    for number in range(60):
        cache.write(f"{number % 4:04}", score)


def test_two_processes_may_keep_the_same_scores(tmp_path):
    fork = multiprocessing.get_context("fork")
    writers = [fork.Process(target=keep_many, args=(str(tmp_path), score)) for score in (1.0, 2.0)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert all(JudgeCache(tmp_path).read(f"{number:04}") in (1.0, 2.0) for number in range(4))
    assert not list(tmp_path.rglob("*.tmp"))


def refused(config, line):
    with pytest.raises(ConfigError) as caught, Scorer(config) as scorer:
        scorer.open_models()
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_a_judge_that_cannot_judge_is_refused_in_one_line(server, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    def mix(**changed):
        return RewardConfig({"judge": TermConfig(options=options(server, **changed))})

    refused(RewardConfig({"judge": TermConfig(options={"model": "m"})}), f"{KEY}.rubric: no value is given")
    refused(mix(base_url="http://127.0.0.1:9/v1"), f"{KEY}.base_url: no server answers at http://127.0.0.1:9/v1")
    refused(mix(base_url="nowhere"), f"{KEY}.base_url: ")
    refused(mix(api_key_env="OPENAI_API_KEY"), f"{KEY}.api_key_env: the environment has no OPENAI_API_KEY")
    refused(mix(lowest=10), f"{KEY}.lowest: 10 is not below highest=10")
    refused(mix(clip=0), f"{KEY}.clip: must be above 0, not 0")
    refused(mix(rubrik="x"), f"{KEY}.rubrik: no such key")


def test_a_server_that_goes_away_ends_the_run_in_one_line(server):
    with judge(server, retries=0) as opened:
        server.shutdown()
        server.server_close()
        with pytest.raises(RunError, match=rf"^{KEY}\.base_url: no server answers at "):
            opened.rate(of("a"))
