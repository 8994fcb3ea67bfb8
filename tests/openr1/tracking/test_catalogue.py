"""The catalogue of metrics, tags and files, against what the stages declare and the page that is written from it."""

import runpy
from fnmatch import fnmatchcase

import pytest
from helpers.source import ROOT

from openr1.rl.callback import TRL_METRIC_NAMES
from openr1.stages.figures import FIGURES
from openr1.tracking.catalogue import METRICS, TAGS, is_known, is_metric
from openr1.tracking.params import FACTS
from openr1.training.callback import METRIC_NAMES
from openr1.training.pairs import CURVES, TRAIN_CURVES


def test_every_figure_of_a_stage_has_a_meaning():
    known = {name for table in METRICS.values() for name in table}
    declared = {name for names in FIGURES.values() for name in names}
    assert sorted(name for name in declared if not any(fnmatchcase(entry, name) for entry in known)) == []


def test_every_curve_has_a_meaning():
    curves = {*METRIC_NAMES.values(), *TRL_METRIC_NAMES.values(), *CURVES, *TRAIN_CURVES.values(), *FACTS} - {"flops_per_token"}
    assert sorted(name for name in curves if not is_metric(name)) == []


def test_no_metric_is_listed_twice():
    names = [name for table in METRICS.values() for name in table]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", ["eval_loss", "pass_at_64", "base.eval_loss", "fit.Power law.E", "seconds_per_step_rollout"])
def test_known_metrics(name):
    assert is_metric(name)


@pytest.mark.parametrize("name", ["loss", "pass_at", "base.loss", "eval"])
def test_unknown_metrics(name):
    assert not is_metric(name)


def test_patterns_of_tags():
    assert is_known("input.model", TAGS)
    assert not is_known("input", TAGS)


def test_the_page_is_that_of_the_code():
    page = runpy.run_path(str(ROOT / "docs" / "tracked.py"))["page"]()
    assert page == (ROOT / "docs" / "tracked.md").read_text(), "run: python docs/tracked.py"
