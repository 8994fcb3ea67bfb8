import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_ind, ttest_rel

from openr1.analysis.fit.ablation import Ablation, _corrected, compare, differing_settings
from openr1.analysis.report.ablations import markdown, sentences
from openr1.system.errors import ConfigError

PASS = Ablation(metric="pass_at_1")


def runs(seeds=4, noise=0.005):
    """Return runs of a base line and three variants, of which the second is worse."""
    rng, rows = np.random.default_rng(0), []
    for beta, loss, effect in ((0.0, "dapo", 0.0), (0.01, "dapo", 0.0), (0.1, "dapo", -0.06), (0.0, "grpo", 0.001)):
        for seed in range(seeds):
            rate = 0.8 + 0.02 * seed + effect + noise * rng.standard_normal()
            rows.append({"stage.loss.beta": beta, "stage.loss.type": loss, "seed": seed, "pass_at_1": rate, "flops": 1e12})
    return pd.DataFrame(rows)


def by_label(study):
    return {variant.label: variant for variant in study.variants}


def test_differences_are_those_of_pairs_of_seeds():
    frame = runs()
    study = compare(frame, PASS)
    assert study.baseline.mean == pytest.approx(frame["pass_at_1"][:4].mean())
    assert {label: variant.verdict for label, variant in by_label(study).items()} == {
        "beta=0.01": "no difference shown",
        "beta=0.1": "lower",
        "type=grpo": "no difference shown",
    }
    worse = by_label(study)["beta=0.1"]
    test = ttest_rel(frame["pass_at_1"][8:12], frame["pass_at_1"][:4])
    low, high = test.confidence_interval()
    assert (worse.pairs, worse.p) == (4, pytest.approx(test.pvalue))
    assert (worse.low, worse.high) == pytest.approx((low, high))
    assert worse.low <= worse.difference <= worse.high < 0


def test_runs_of_other_seeds_are_compared_by_their_means():
    frame = runs()
    frame.loc[frame["stage.loss.type"] == "grpo", "seed"] += 10
    other = by_label(compare(frame, PASS))["type=grpo"]
    test = ttest_ind(frame["pass_at_1"][12:], frame["pass_at_1"][:4], equal_var=False)
    assert (other.pairs, other.p) == (0, pytest.approx(test.pvalue))
    assert (other.low, other.high) == pytest.approx(tuple(test.confidence_interval()))


def test_pairs_can_be_of_sizes_and_seeds_and_what_they_decide_makes_no_variants():
    frame = pd.concat([runs().assign(scale=name, **{"scale.params": size}) for name, size in (("1m", 1e6), ("2m", 2e6))])
    frame["pass_at_1"] += 0.1 * (frame["scale"] == "2m")
    assert "scale.params" in differing_settings(frame)
    study = compare(frame, Ablation(metric="pass_at_1", pair=["scale", "seed"]))
    assert set(study.baseline.settings) == {"stage.loss.beta", "stage.loss.type"}
    worse = by_label(study)["beta=0.1"]
    values = frame.sort_values(["stage.loss.type", "stage.loss.beta", "scale", "seed"])["pass_at_1"].to_numpy().reshape(4, 8)
    assert (worse.pairs, worse.p) == (8, pytest.approx(ttest_rel(values[2], values[0]).pvalue))
    assert "Differences are of 8 pairs of runs of equal scale and seed, with intervals by Student's t." in sentences(study)
    with pytest.raises(ConfigError, match=r"ablation.pair: there is no column 'size'"):
        compare(frame, Ablation(metric="pass_at_1", pair=["size"]))


def test_one_seed_shows_nothing_and_equal_results_are_said():
    single = compare(runs(seeds=1), PASS)
    assert {variant.verdict for variant in single.variants} == {"not known: too few seeds"}
    assert "A variant of one run has no interval: add seeds." in sentences(single)
    same = runs()
    same.loc[same["stage.loss.type"] == "grpo", "pass_at_1"] = same["pass_at_1"][:4].to_numpy()
    assert by_label(compare(same, PASS))["type=grpo"].verdict == "the same results"


def test_intervals_hold_no_difference_about_as_often_as_they_say():
    held = []
    for seed in range(400):
        rng = np.random.default_rng(seed)
        frame = pd.DataFrame({"k": ["a"] * 3 + ["b"] * 3, "seed": [0, 1, 2] * 2, "m": rng.standard_normal(6)})
        [variant] = compare(frame, Ablation(metric="m", keys=["k"], baseline={"k": "a"})).variants
        held.append(variant.low <= 0 <= variant.high)
    assert 0.92 < np.mean(held) < 0.98


def test_holm_s_correction_counts_all_comparisons():
    study = compare(runs(), PASS)
    assert [variant.label for variant in study.variants if variant.corrected] == ["beta=0.1"]
    text = " ".join(sentences(study))
    assert "1 of 3 intervals leave out 0; by chance alone 0.15 would" in text
    assert "1 differs: beta=0.1" in text


def test_a_difference_that_holm_s_correction_does_not_leave_is_only_perhaps_one():
    frame = runs(seeds=3)
    worse = np.array([-0.014, -0.010, -0.018])  # p = .026: below .05, above .05 / 3
    frame.loc[frame["stage.loss.beta"] == 0.1, "pass_at_1"] = frame["pass_at_1"][:3].to_numpy() + worse
    study = compare(frame, PASS)
    variant = by_label(study)["beta=0.1"]
    assert 0.05 / 3 < variant.p < 0.05
    assert (variant.leaves_out_zero, variant.corrected, variant.verdict) == (True, False, "perhaps lower")
    assert "After Holm's correction for 3 comparisons, 0 differ." in " ".join(sentences(study))


def test_variants_whose_labels_are_cut_to_the_same_have_verdicts_of_their_own():
    frame = runs()
    more = {f"stage.loss.{name}": frame["stage.loss.beta"] for name in ("a", "b", "c")}
    frame = frame.assign(**more, **{"stage.loss.z": np.where(frame["stage.loss.type"] == "grpo", 1.0, 0.0)})
    study = compare(frame, Ablation(metric="pass_at_1", baseline={"stage.loss.beta": 0, "stage.loss.type": "dapo"}))
    same = [dataclasses.replace(variant, label="equal") for variant in study.variants]
    assert [one.corrected for one in _corrected(same, 0.95)] == [one.corrected for one in study.variants]
    assert {one.corrected for one in study.variants} == {True, False}


def test_the_settings_that_differ_tell_variants_apart():
    frame = runs().assign(**{"stage.loss.epsilon": 0.2, "name": "x", "recipe.steps.zero.seed": range(16), "eval_loss": 1.0})
    assert differing_settings(frame) == ["stage.loss.beta", "stage.loss.type"]


def test_a_base_line_may_be_given_and_must_be_if_it_is_not_clear():
    frame = runs()
    two = frame[frame["stage.loss.beta"] < 0.05].query("`stage.loss.type` == 'dapo'")
    with pytest.raises(ConfigError, match=r"ablation\.baseline: several variants may be the base line; choose one, such as"):
        compare(two, PASS)
    given = compare(two, Ablation(metric="pass_at_1", baseline={"stage.loss.beta": 0.01}))
    assert [variant.label for variant in given.variants] == ["beta=0"]


def test_the_table_in_markdown_has_a_row_per_variant():
    text = markdown(compare(runs(), PASS), "mine")
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert rows[0].startswith("| variant | runs | mean | difference | 95 % interval | p | compute | verdict |")
    assert rows[1].endswith("| base line |")
    assert len(rows) == 5


def test_compute_that_differs_is_said():
    frame = runs()
    frame.loc[frame["stage.loss.type"] == "grpo", "flops"] = 3e12
    assert "Compute is not equal: the most is 3 times the least." in sentences(compare(frame, PASS))


@pytest.mark.parametrize(
    ("options", "change", "words"),
    [
        ({"metric": "missing"}, {}, "ablation.metric: there is no column 'missing'"),
        ({"metric": "pass_at_1"}, {"pass_at_1": np.nan}, "ablation.metric: pass_at_1 is a finite number in none of 16 runs"),
        ({"metric": "pass_at_1", "keys": ["no"]}, {}, "ablation.keys: there is no column 'no'"),
        ({"metric": "pass_at_1", "keys": ["flops"]}, {}, "ablation.keys: all runs have the same flops"),
        ({"metric": "pass_at_1"}, {"stage.loss.beta": 0, "stage.loss.type": "dapo"}, "ablation.keys: the runs differ in no"),
        ({"metric": "pass_at_1", "baseline": {"no": 1}}, {}, "ablation.baseline.no: there is no such column"),
        ({"metric": "pass_at_1", "baseline": {"stage.loss.beta": 7}}, {}, "ablation.baseline: no run has stage.loss.beta=7"),
        ({"metric": "pass_at_1", "level": 1.0}, {}, "ablation.level: "),
        ({"metric": "pass_at_1", "baseline": 3}, {}, "ablation.baseline: must name settings"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_line(options, change, words):
    with pytest.raises(ConfigError, match=words):
        compare(runs().assign(**change), Ablation(**options))
