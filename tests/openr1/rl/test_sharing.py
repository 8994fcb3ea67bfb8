"""How ranks share problems and answers: nothing is lost or done twice, and updates have the answers of one process."""

from types import SimpleNamespace

import pytest
import torch
from helpers.configs import composed

from openr1.rl import rollouts, sharing
from openr1.runs.fingerprint import identify
from openr1.system.errors import ConfigError

PROBLEMS = ["stage=grpo", "data=sums", "optim=rl", "budget.steps=2", "model.checkpoint=sft-0123456789abcdef"]
TWO = ["compute=ddp", "compute.processes=2"]


@pytest.mark.parametrize(("items", "places"), [(0, 2), (1, 3), (4, 2), (7, 3), (12, 5)])
def test_what_is_dealt_is_collected_in_its_order(items, places):
    shares = [sharing.dealt(range(items), place, places) for place in range(places)]
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert sharing.collected(shares) == list(range(items))


@pytest.mark.parametrize(
    ("answers", "updates", "passes", "places"), [(16, 1, 1, 2), (16, 2, 1, 2), (24, 3, 2, 4), (8, 1, 4, 2), (6, 1, 1, 3)]
)
def test_an_update_has_the_answers_of_one_process_on_any_number_of_ranks(answers, updates, passes, places):
    order = torch.randperm(answers, generator=torch.Generator().manual_seed(0)).tolist()
    of_ranks = [sharing.passes_of_rank(order, updates * passes, place, places) for place in range(places)]
    assert len({len(rows) for of_rank in of_ranks for rows in of_rank}) == 1
    for update in range(updates):
        mine = [row for of_rank in of_ranks for rows in of_rank[update * passes : (update + 1) * passes] for row in rows]
        size = answers // updates
        assert sorted(mine) == sorted(order[update * size : (update + 1) * size])


def test_trl_gets_a_block_of_each_rank_in_the_order_of_the_ranks(monkeypatch):
    monkeypatch.setattr(sharing, "world_size", lambda: 3)
    blocks = []
    for place in range(3):
        monkeypatch.setattr(sharing, "rank", lambda place=place: place)
        blocks += sharing.own_block("abcdef")
    assert "".join(blocks) == "abcdef"


def test_scorers_of_all_ranks_use_as_many_cores_as_those_of_one_process(monkeypatch):
    monkeypatch.setattr(sharing.os, "sched_getaffinity", lambda process: set(range(8)))
    assert sharing.workers_of_rank(None) is None
    monkeypatch.setenv("WORLD_SIZE", "3")
    assert sharing.workers_of_rank(None) == 2
    assert sharing.workers_of_rank(5) == 5
    monkeypatch.setenv("WORLD_SIZE", "16")
    assert sharing.workers_of_rank(None) == 1


def test_all_ranks_know_all_groups_and_ask_for_their_own(monkeypatch):
    """Two ranks by turns, each with what the other one would send."""
    drawn = [(number, f"problem {number}") for number in range(5)]
    sent = {}

    def answers_of(place, gathered):
        made = rollouts.Rollouts.__new__(rollouts.Rollouts)
        asked = []
        made.config = SimpleNamespace()
        made.generator = SimpleNamespace(generate=lambda requests: asked.extend(requests) or [f"to {r}" for r in requests])
        made.scorer = SimpleNamespace(refuse_broken_steps=lambda problems, scores: None)
        made.ledger = SimpleNamespace(rollout_seconds=0.0, score_seconds=0.0)
        monkeypatch.setattr(rollouts, "rollout_request", lambda config, problem, number: number)
        monkeypatch.setattr(
            rollouts,
            "score_groups",
            lambda scorer, problems, replies: [
                rollouts.Group(problem, reply, [f"scores of {problem}"])
                for problem, reply in zip(problems, replies, strict=True)
            ],
        )
        monkeypatch.setattr(sharing, "rank", lambda: place)
        monkeypatch.setattr(rollouts, "gather", lambda seconds: [seconds, (5.0, 7.0)])
        monkeypatch.setattr(sharing, "gather", lambda own: sent.__setitem__(place, own) or gathered)
        return made, asked, made.answer(drawn)

    monkeypatch.setattr(sharing, "world_size", lambda: 2)
    monkeypatch.setattr(rollouts, "world_size", lambda: 2)
    for place in range(2):
        answers_of(place, [[(0, [])] * 3, [(0, [])] * 2])
    shares = [sent[0], sent[1]]
    for place, own in enumerate(([0, 2, 4], [1, 3])):
        made, asked, groups = answers_of(place, shares)
        assert asked == own
        assert [(group.problem, group.reply) for group in groups] == [(f"problem {i}", f"to {i}") for i in range(5)]
        assert (made.ledger.rollout_seconds, made.ledger.score_seconds) == (5.0, 7.0)  # of the slowest rank


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["engine=vllm"], r"engine\.kind: vllm writes the answers of one process, not of 2; give engine=transformers"),
        (
            ["stage.prompts=3", "stage.samples=3"],
            r"compute\.processes: 9 answers an update cannot be shared evenly by 2 processes; give other",
        ),
        (["stage.prompts=3", "stage.samples=4", "stage.updates=4"], r"compute\.processes: 3 answers an update"),
    ],
)
def test_what_several_processes_cannot_share_is_refused_in_one_line(overrides, line):
    with pytest.raises(ConfigError, match=f"^{line}") as caught:
        composed(*PROBLEMS, *TWO, *overrides)
    assert "\n" not in str(caught.value)


def test_a_run_has_the_same_fingerprint_on_any_number_of_processes(tmp_path):
    common = [*PROBLEMS[:-1], f"model.checkpoint={tmp_path}"]
    for name in ("config.json", "generation_config.json"):
        (tmp_path / name).write_text("{}")

    def same(*options):
        return identify(composed(*common, *options)) == identify(composed(*common, *options, *TWO))

    assert same()
    assert same("compute.micro_batch=4")
    for loss in ("type=bnpo", "entropy_coef=0.01", "top_entropy=0.2"):
        assert same("compute.micro_batch=4", f"stage.loss.{loss}"), loss
