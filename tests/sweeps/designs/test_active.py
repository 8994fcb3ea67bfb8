"""Rounds of runs that are chosen from what MLflow has of the study."""

import numpy as np
import pandas as pd
import pytest
from helpers.cli import command
from helpers.configs import composed

from openr1.analysis.laws import LAWS
from openr1.analysis.sources.frame import tidy
from openr1.sweeps.active import choice
from openr1.sweeps.active.choice import Candidate
from openr1.sweeps.active.options import ActiveSweep, CandidateGrid, Target
from openr1.sweeps.config import Allowance
from openr1.sweeps.designs.active import Active
from openr1.sweeps.designs.base import Finished
from openr1.system.errors import ConfigError

TRUTH = np.array([[1.8, 480.0, 0.35, 2000.0, 0.37]])
LAW = LAWS["chinchilla"]()
GRID = [Candidate(f"{n:g}", d, n, d, 6 * n * d) for n in np.geomspace(1e7, 1e9, 5) for d in np.geomspace(2e8, 2e10, 5)]
GIVEN = {"name": "mine", "target": Target(flops=1e22), "candidates": CandidateGrid(["50k"], [1e6])}


@pytest.fixture
def store(monkeypatch):
    """The offers that MLflow has as finished runs, and the source that was asked."""
    made, asked = [], []

    def read_finished(source, law):
        asked.append(source)
        frame = pd.DataFrame({"N": [o.N for o in made], "D": [o.D for o in made], "C": [o.C for o in made]})
        return tidy(frame.assign(loss=LAW.predict(TRUTH, frame)[0])).frame if made else None

    monkeypatch.setattr(choice, "read_finished", read_finished)
    return made, asked


def design(*given, **options):
    some = Active(ActiveSweep(**{**GIVEN, **options}), lambda overrides: composed(*given))
    some.candidates = GRID  # which would be planned with their data
    return some


@pytest.mark.slow
def test_rounds_go_on_until_the_allowance_is_used(store):
    made, asked = store
    some = design("study=mine", allowance=Allowance(flops=1e20))
    rounds = []
    while found := some.next([]):
        rounds.append(found)
        made += [candidate for candidate in GRID if candidate.overrides in found]
    assert len(made) == sum(map(len, rounds)) == len(set(made))
    assert max(map(len, rounds)) == 4
    assert sum(candidate.C for candidate in made) <= 1e20
    lines = some.report([])
    assert lines[0].startswith(f"{len(made)} runs, ")
    assert lines[1].startswith("Loss at N = ")
    assert lines[2].startswith("Nothing to run: ")
    source = asked[0]
    assert (source.study, source.where) == ("mine", {"stage": "pretrain", "family": "qwen2", "data": "python_stdlib"})


def test_a_command_that_was_killed_chooses_as_if_it_had_not_been(store):
    made, _ = store
    made += GRID[:12]
    assert design().next([]) == design().next([])


def test_a_run_that_failed_is_not_made_again(store):
    some = design()
    failed = some.next([])
    assert not set(failed) & set(some.next([Finished(one, None, {}) for one in failed]))


@pytest.mark.parametrize(
    ("given", "options", "line"),
    [
        ((), {"law": "best"}, "sweep.law: 'best' is not one of power_law"),
        ((), {"law": "isoflop"}, "sweep.law: isoflop is not one curve through independent runs"),
        ((), {"law": "data_constrained", "target": Target(N=1e6, D=1e7)}, "sweep.law: data_constrained needs U"),
        ((), {"law_options": {"depth": 1}}, "sweep.law_options.depth: no such key; there are"),
        ((), {"law_options": {"objective": "best"}}, "sweep.law_options.objective: 'best' is not one of"),
        ((), {"target": Target()}, "sweep.target: give flops, or both of N and D"),
        ((), {"candidates": CandidateGrid()}, "sweep.candidates: give scale and tokens"),
        (("recipe=r1_zero", "data=sums"), {}, "sweep: active has runs of one stage"),
    ],
)
def test_a_wrong_option_is_one_line_before_anything_is_read(given, options, line, store):
    with pytest.raises(ConfigError) as caught:
        design(*given, **options).next([])
    assert str(caught.value).startswith(line)
    assert not store[1]


@pytest.mark.integration
def test_the_whole_command_goes_on_from_the_runs_of_others(tiny, tmp_path):
    words = [word for word in tiny if not word.startswith(("budget", "scale"))] + ["study=mine", "hydra/launcher=basic"]
    grid = command("openr1", "-m", *words, "scale=30k,50k,70k", "budget.tokens=1536,3072", cwd=tmp_path)
    assert grid.returncode == 0, grid.stderr
    words += ["sweep=active", "sweep.target.flops=1e10", "sweep.candidates.scale=[30k,50k]", "sweep.batch=1"]
    words += ["sweep.candidates.tokens=[1536,6144]"]
    done = command("openr1", "-m", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("1 run, 0 done") == 2
    assert "8 runs, " in done.stderr
    assert "Loss at N = " in done.stderr
    assert "Nothing to run: all candidates are done." in done.stderr
    again = command("openr1", "-m", *words, cwd=tmp_path)
    assert "runs, 0 done" not in again.stderr
    assert "Nothing to run: all candidates are done." in again.stderr
