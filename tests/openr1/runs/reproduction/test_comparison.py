import math

from openr1.runs.record import StageRecord
from openr1.runs.reproduction.comparison import Comparison, Figure, compare_stages


def stage(content="abc", tracked=False, **metrics):
    return StageRecord("", "pretrain", "0" * 16, {}, metrics, content, {}, is_tracked=tracked)


def test_figures_of_the_clock_are_not_compared_and_all_others_are():
    before, now = stage(eval_loss=3.0, wall_seconds=1.0, mfu=0.2), stage(eval_loss=3.0, wall_seconds=2.0, mfu=0.3)
    compared = compare_stages(before, now, {})
    assert [figure.name for figure in compared.figures] == ["eval_loss"]
    assert compared.is_same
    assert Comparison("run", [compared]).verdict() == "all 1 figures are the same to the bit, and so are the weights"


def test_the_least_difference_is_one_and_its_relative_size_is_told():
    compared = compare_stages(stage(eval_loss=2.0), stage(eval_loss=math.nextafter(2.0, 3)), {})
    (figure,) = compared.differing
    assert str(figure) == "differs by +4.44e-16 (relative 2.2e-16)"
    assert not compared.is_same


def test_weights_that_differ_are_a_difference_though_all_figures_agree():
    compared = compare_stages(stage("abc", eval_loss=2.0), stage("abd", eval_loss=2.0), {})
    assert not compared.is_same
    assert "the weights differ" in Comparison("run", [compared]).verdict()


def test_a_figure_that_only_the_original_has_is_a_difference_and_one_that_only_the_rerun_has_is_shown():
    compared = compare_stages(stage(eval_loss=2.0, pass_at_1=0.5), stage(eval_loss=2.0, later=1.0), {})
    assert [figure.name for figure in compared.differing] == ["pass_at_1"]
    assert str(Figure("later", None, 1.0)) == "only in the rerun"
    assert Figure("nan", math.nan, math.nan).is_same


def test_the_last_points_of_curves_of_a_tracked_original_are_compared_with_those_of_the_tracked_rerun():
    before = stage(tracked=True, eval_loss=2.0, train_loss=1.0)
    assert compare_stages(before, stage(eval_loss=2.0), {"train_loss": 1.0}).is_same
    assert not compare_stages(before, stage(eval_loss=2.0), {"train_loss": 1.5}).is_same
