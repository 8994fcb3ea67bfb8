"""The curation step ``preferred``, by a rater whose scores are known."""

import numpy as np
import pytest
from helpers.tables import table

from openr1.curation import preference
from openr1.curation.options import Preferred, steps_of
from openr1.curation.pipeline import curate
from openr1.curation.rows import Rows
from openr1.rewards import RewardConfig
from openr1.rewards.options import ScoringTerm
from openr1.rewards.rater import Rater
from openr1.system.errors import ConfigError


class LengthRater:
    """Scores a completion by its length, and counts what it is asked; an ``x`` has no score."""

    def __init__(self):
        self.groups, self.flops = [], 0.0

    def rate(self, groups):
        self.groups += groups
        self.flops += sum(map(len, groups))
        return [["is an x" if one.completion == "x" else float(len(one.completion)) for one in group] for group in groups]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


# of two problems, whose rows are mixed
ROWS = [
    {"problem_id": name, "sample": number, "completion": text, "prompt": name}
    for number, (name, text) in enumerate(
        [("a", "22"), ("b", "1"), ("a", "333"), ("a", "x"), ("b", "4444"), ("a", "333"), ("b", None), ("b", "55555")]
    )
]


def keep(rater=None, rows=ROWS, folder=None, **options):
    made = table(rows)
    step = Preferred(function="preference", options={"model": "m"}, **options)
    opened = rater or LengthRater()
    return preference.keep_preferred(Rows(made, np.arange(len(made))), step, "key", lambda *_: opened, folder)


def kept(decision):
    return np.flatnonzero(decision.kept).tolist()


def test_the_best_of_each_problem_are_kept_and_ties_go_to_the_first():
    assert kept(keep(best_of=1)) == [2, 7]
    decision = keep(best_of=2)
    assert kept(decision) == [2, 4, 5, 7]
    assert decision.reasons[[0, 1, 3, 6]].tolist() == [
        *["not among the best 2"] * 2,
        "no score: is an x",
        "no completion",
    ]
    assert decision.detail(0) == "score 2"
    assert decision.notes == {"scored": 6, preference.FLOPS: 7.0, "mean score": 3.0}
    assert decision.columns["score"].to_pylist() == [2, 1, 3, None, 4, 3, None, 5]


def test_what_is_above_a_quantile_of_all_is_kept():
    decision = keep(quantile=0.5)
    assert kept(decision) == [2, 4, 5, 7]  # 3, 4, 3 and 5, of which the median is 3
    assert decision.notes["score at the quantile"] == 3.0
    assert decision.reasons[0] == "below the quantile 0.5 of the scores"


def test_a_killed_curation_scores_no_chunk_twice(tmp_path, monkeypatch):
    monkeypatch.setattr(preference, "CHUNK", 3)
    many = [{"problem_id": f"p{i % 5}", "sample": i, "completion": "1" * (i + 1), "prompt": f"p{i % 5}"} for i in range(20)]
    first = LengthRater()
    whole = keep(first, many, tmp_path, best_of=1)
    assert [len(group) for group in first.groups] == [4] * 5  # whole problems
    sorted(tmp_path.iterdir())[2].unlink()
    again = LengthRater()
    resumed = keep(again, many, tmp_path, best_of=1)
    assert len(again.groups) == 1
    assert resumed.reasons.tolist() == whole.reasons.tolist()
    assert resumed.notes == whole.notes  # the FLOPs too


def test_the_card_counts_it_as_any_step():
    steps = steps_of("stage.steps", {"preferred": {"function": "tag_count", "best_of": 1}})
    texts = ["<think>a</think>", "<think>", "<answer>2</answer>", "no"]
    made = table([{"problem_id": f"p{i // 2}", "sample": i, "completion": text} for i, text in enumerate(texts)])

    def open_rater(step, key):
        assert key == "stage.steps.preferred"
        return Rater(ScoringTerm(step.function, step.options), key, RewardConfig(workers=1))

    curated = curate(made, steps, open_rater=open_rater)
    assert curated.rows["completion"] == ["<think>a</think>", "<answer>2</answer>"]
    [card] = curated.card.steps
    assert (card.before.rows, card.after.rows, card.reasons) == (4, 2, {"not among the best 1": 2})
    assert card.notes == {"scored": 4, "mean score": 0.3125}


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({}, "stage.steps.preferred.function: no value is given"),
        ({"function": "tag_count"}, "stage.steps.preferred: best_of or quantile decides what is kept; neither is given"),
        ({"function": "tag_count", "best_of": 1, "quantile": 0.5}, "stage.steps.preferred: best_of or quantile decides"),
        ({"function": "tags", "best_of": 1}, "stage.steps.preferred.function: 'tags' is not one of accuracy"),
        ({"function": "tag_count", "best_of": 0}, "stage.steps.preferred.best_of: must be at least 1, not 0"),
        ({"function": "tag_count", "quantile": 1}, "stage.steps.preferred.quantile: must be above 0 and below 1, not 1"),
        ({"function": "preference", "best_of": 1}, "stage.steps.preferred.options.model: no value is given"),
        ({"function": "judge", "best_of": 1, "options": {"model": "m"}}, "stage.steps.preferred.options.rubric: no value"),
        (
            {"function": "preference", "best_of": 1, "options": {"model": "m", "clip": 1}},
            "stage.steps.preferred.options.clip: is for reinforcement learning; raw scores are compared here",
        ),
    ],
)
def test_impossible_options_are_refused_in_one_line(options, line):
    with pytest.raises(ConfigError) as caught:
        steps_of("stage.steps", {"preferred": options})
    assert str(caught.value).startswith(line)
