"""Active choice of runs, on points made from known parameters."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from openr1.analysis.laws import LAWS, TrainingFlops
from openr1.analysis.sources.frame import MlflowRuns, tidy
from openr1.sweeps import cli
from openr1.sweeps.active.choice import Candidate, choose, read_finished
from openr1.sweeps.active.choosers import CHOOSERS, State, active, choose_first
from openr1.sweeps.active.config import PlanSweep, Replay
from openr1.sweeps.active.options import ActiveOptions, CandidateGrid, Target
from openr1.sweeps.active.pool import Pool
from openr1.sweeps.active.posterior import sample_posterior
from openr1.sweeps.active.proposal import commands, estimate_candidates
from openr1.sweeps.active.replay import ReplayResult, read_pool, run_replay
from openr1.sweeps.commands.propose import compose
from openr1.sweeps.config import Allowance
from openr1.system.errors import ConfigError

TRUTH = np.array([[1.8, 480.0, 0.35, 2000.0, 0.37]])
LAW = LAWS["chinchilla"]()
EXACT = {"discrepancy": 0.0}


def table(noise=0.003, sizes=8, tokens=8, seed=0):
    """A grid of runs of the parametric law, C = 6ND."""
    n, d = (axis.ravel() for axis in np.meshgrid(np.geomspace(1e7, 1e9, sizes), np.geomspace(2e8, 2e10, tokens)))
    frame = pd.DataFrame({"N": n, "D": d, "C": 6 * n * d})
    error = np.random.default_rng(seed).normal(0, noise, len(frame))
    return frame.assign(loss=LAW.predict(TRUTH, frame)[0] * np.exp(error))


def pool(targets=None, **options):
    runs = tidy(table(**options)).frame
    targets = pd.DataFrame({"N": [1e10], "D": [2e11], "C": [1.2e22]}) if targets is None else targets
    return Pool(LAW, runs, targets, runs["C"].to_numpy())


def truth_at(pool):
    return np.log(LAW.predict(TRUTH, pool.targets)[0])


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "points.csv"
    table().to_csv(path, index=False)
    return path


def test_the_posterior_covers_the_truth_and_narrows():
    some = pool()
    few, many = np.arange(0, 64, 9), np.arange(64)
    deviations = []
    for chosen in (few, many):
        found = sample_posterior(some, chosen, np.random.default_rng(0), **EXACT)
        deviation = np.sqrt(found.covariance[64, 64])
        assert abs(found.mean[64] - truth_at(some)[0]) < 3 * deviation
        deviations.append(deviation)
    assert deviations[1] < deviations[0] / 2
    assert 0.002 < np.sqrt(found.noise) < 0.005


def test_a_discrepancy_widens_the_prediction_and_is_learned():
    some = pool()
    exact, off = (sample_posterior(some, np.arange(64), np.random.default_rng(0), share) for share in (0.0, 0.02))
    assert off.covariance[64, 64] > 2 * exact.covariance[64, 64]
    bend = 0.02 * np.log10(some.runs["C"] / 1e18) ** 2  # which the law cannot follow
    bent = some.runs.assign(loss=some.runs["loss"] * (1 + bend))
    seen, held = np.arange(63), bent.iloc[[63]]
    known = Pool(LAW, bent, held, bent["C"].to_numpy())
    with_off = sample_posterior(known, seen, np.random.default_rng(0)).mean[63]
    law = LAW.predict(LAW.estimate(bent.iloc[:63]).params, held)[0, 0]
    truth = np.log(held["loss"].item())
    assert abs(with_off - truth) < abs(np.log(law) - truth) / 2


def test_an_unseen_response_changes_nothing():
    some = pool()
    other = Pool(LAW, some.runs.assign(loss=some.runs["loss"].where(some.runs.index < 20, 9.0)), some.targets, some.costs)
    picked = [
        active(State(p, ActiveOptions(), list(range(20)), np.random.default_rng(0)), 1e21, 1e21, 5) for p in (some, other)
    ]
    assert picked[0] == picked[1]


@pytest.mark.parametrize("name", CHOOSERS)
def test_a_rule_stays_within_its_allowance_and_repeats_no_run(name):
    some = pool()
    begun = choose_first(some, np.random.default_rng(0))
    assert len(begun) == len(set(begun)) == 7
    state = State(some, ActiveOptions(), list(begun), np.random.default_rng(0))
    allowance = 0.1 * some.costs.sum()
    made = CHOOSERS[name](state, allowance, allowance, 64)
    assert made
    assert len({*begun, *made}) == len(begun) + len(made)
    assert some.costs[made].sum() <= allowance
    assert (
        CHOOSERS[name](State(some, ActiveOptions(), list(begun), np.random.default_rng(0)), allowance, allowance, 2) == made[:2]
    )


def test_cheapest_is_cheapest():
    some = pool()
    made = CHOOSERS["cheapest"](State(some, ActiveOptions(), [], np.random.default_rng(0)), 1e18, 1e18, 3)
    assert made == np.argsort(some.costs, kind="stable")[:3].tolist()


def test_active_choice_narrows_the_prediction_more_than_others_of_the_same_cost():
    some = pool()
    begun = choose_first(some, np.random.default_rng(0))
    allowance = 0.1 * some.costs.sum()
    deviation = {}
    for name in ("active", "cheapest", "random"):
        state = State(some, ActiveOptions(), list(begun), np.random.default_rng(0))
        state.done += CHOOSERS[name](state, allowance, allowance, 64)
        deviation[name] = np.sqrt(state.posterior().covariance[64, 64])
    assert deviation["active"] < min(deviation["cheapest"], deviation["random"])


def test_flops_are_saved_up_for_a_run_that_is_too_dear_for_now():
    far = pool(targets=pd.DataFrame({"N": [1e9], "D": [2e10], "C": [1.2e20]}))
    state = State(far, ActiveOptions(cost_exponent=0.0), list(range(0, 60, 5)), np.random.default_rng(0))
    assert active(state, far.costs[:20].min(), far.costs.sum(), 5) == []
    assert active(state, far.costs.sum(), far.costs.sum(), 1)


@pytest.mark.slow
def test_a_replay_reaches_the_error_of_the_full_table_on_part_of_its_flops(written):
    replay = Replay(path=str(written), seeds=2, shares=[0.05, 0.25], choosers=["active", "cheapest"])
    found = run_replay(read_pool(LAW, replay), ActiveOptions(), replay)
    assert len(found.steps) == 2 * 2 * 2
    assert (found.steps["used"] <= found.steps["share"] + 1e-12).all()
    median = found.median("posterior")
    assert median.loc["active", 0.25] < 0.01
    assert median.loc["active", 0.25] < median.loc["cheapest", 0.25]
    once = Replay(path=str(written), seeds=1, shares=[0.05, 0.25], choosers=["active"])
    again = run_replay(read_pool(LAW, once), ActiveOptions(), once).steps
    pd.testing.assert_frame_equal(found.steps.head(2), again)


def test_reached_is_from_where_the_error_stays():
    steps = [
        {"chooser": "active", "seed": 0, "share": s, "law": e} for s, e in ((0.1, 1.0), (0.2, 2.0), (0.3, 1.09), (0.4, 0.5))
    ]
    found = ReplayResult(None, pd.DataFrame(steps), {"law": 1.0})
    assert found.reached("law", "law") == {"active": 0.3}


def run(monkeypatch, *words):
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    monkeypatch.delenv("OPENR1_OUTPUTS", raising=False)
    monkeypatch.setattr(sys, "argv", ["openr1-plan", *words])
    cli.main()


@pytest.mark.slow
def test_the_command_prints_and_writes_a_replay(written, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run(monkeypatch, "sweep=active", f"replay.path={written}", "replay.seeds=1", "replay.shares=[0.1]")
    out = tmp_path / "outputs/plans/points"
    assert {path.name for path in out.iterdir()} == {"replay.csv", "replay.json", "replay.svg", "replay.png"}
    found = json.loads((out / "replay.json").read_text())
    assert found["runs"] + found["targets"] == 64
    assert found["command"].startswith("openr1-plan sweep=active")
    printed = capsys.readouterr().out
    for word in ("active", "random", "cheapest first", "D-optimal", "as good from"):
        assert word in printed


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["sweep=active"], "runs.study: no value is given, or replay.path for a table of finished runs"),
        (["replay.path=nowhere.csv"], "runs.path: there is no file nowhere.csv"),
        (["replay.path={path}", "law=isoflop"], "law: isoflop is not one curve through independent runs"),
        (["replay.path={path}", "replay.choosers=[best]"], "replay.choosers[0]: 'best' is not one of active, random"),
        (["replay.path={path}", "replay.shares=[0.5,0.1]"], "replay.shares: must increase"),
        (["replay.path={path}", "sweep.batch=0"], "sweep.batch: must be at least 1"),
        (["replay.path={path}", "+sweep.size=1"], "sweep.size: no such key"),
        (["runs.study=a", "sweep.target.N=1e6"], "sweep.target: give flops, or both of N and D"),
        (["runs.study=a", "sweep.target.flops=1e9"], "sweep.candidates: give scale and tokens"),
        (["runs.study=a", "sweep.candidates.scale=[50k]", "sweep.candidates.tokens=[1e6]"], "sweep.target: give flops"),
    ],
)
def test_a_wrong_config_is_one_line(words, line, written, monkeypatch, capsys):
    with pytest.raises(SystemExit) as stop:
        run(monkeypatch, *(word.format(path=written) for word in words))
    assert stop.value.code == 2
    assert line in capsys.readouterr().err.splitlines()[0]


def grid():
    return [Candidate(f"{n:g}", d, n, d, 6 * n * d) for n in np.geomspace(1e7, 1e9, 5) for d in np.geomspace(2e8, 2e10, 5)]


def measured(picked):
    frame = pd.DataFrame({"N": [o.N for o in picked], "D": [o.D for o in picked], "C": [o.C for o in picked]})
    return tidy(frame.assign(loss=LAW.predict(TRUTH, frame)[0])).frame


SOME = CandidateGrid(["50k"], [1e6])  # what choose is given in its place


def test_a_study_goes_on_from_nothing_until_the_interval_is_reached_or_the_allowance_is_spent():
    sweep = ActiveOptions(target=Target(flops=1e22), candidates=SOME, allowance=Allowance(flops=3e20), interval=0.03)
    done: list[Candidate] = []
    for _ in range(20):
        found = choose(LAW, sweep, measured(done) if done else None, grid())
        assert not set(found.candidates) & set(done)
        if not found.candidates:
            break
        done += found.candidates
    assert found.runs == len(done)
    assert found.spent == pytest.approx(sum(candidate.C for candidate in done))
    assert found.spent <= sweep.allowance.flops
    assert found.reason in (
        "the interval is within 3 % of the prediction",
        "the allowance covers none of the remaining candidates",
    )
    loss = LAW.frontier(TRUTH, np.array([1e22]), TrainingFlops())["loss"][0, 0]
    assert found.target["predicted"] == pytest.approx(loss, rel=0.03)


def test_a_study_that_was_killed_in_its_first_runs_goes_on_with_the_others():
    sweep = ActiveOptions(target=Target(flops=1e22), candidates=SOME)
    begun = choose(LAW, sweep, None, grid()).candidates
    rest = choose(LAW, sweep, measured(begun[1:3]), grid()).candidates
    assert len(begun) == 4
    assert {begun[0], begun[3]} < set(rest)
    without = choose(LAW, sweep, measured(begun[:3]), grid(), tried={begun[3]})
    assert without.candidates == choose(LAW, sweep, measured(begun), grid()).candidates


def test_the_order_in_which_runs_were_finished_is_nothing():
    sweep = ActiveOptions(target=Target(flops=1e22), candidates=SOME)
    some = grid()[:12]
    assert choose(LAW, sweep, measured(some), grid()) == choose(LAW, sweep, measured(some[::-1]), grid())


def test_what_was_tried_is_not_offered_again():
    sweep = ActiveOptions(target=Target(flops=1e22), candidates=SOME)
    found = choose(LAW, sweep, measured(grid()[:12]), grid(), tried=set(grid()))
    assert (found.candidates, found.reason) == ([], "all candidates are done")


def test_one_command_a_size_makes_the_runs_chosen():
    picked = [Candidate(scale, tokens, 1.0, 1.0, 1.0) for scale, tokens in (("50k", 1e6), ("70k", 2e6), ("50k", 4e6))]
    assert commands(["data=python_stdlib"], picked, "mine") == [
        "openr1 -m data=python_stdlib study=mine scale=50k budget.tokens=1000000,4000000",
        "openr1 -m data=python_stdlib study=mine scale=70k budget.tokens=2000000",
    ]


def test_candidates_are_priced_as_the_runs_that_they_would_be():
    sweep = PlanSweep(candidates=CandidateGrid(["50k", "100k"], [1e6, 4e6]), run=["data=python_stdlib"])
    found = estimate_candidates(sweep)
    assert [(o.scale, o.tokens) for o in found] == [("50k", 1e6), ("50k", 4e6), ("100k", 1e6), ("100k", 4e6)]
    assert abs(found[1].C / found[0].C - 4) < 0.01
    assert found[2].N > found[0].N
    with pytest.raises(ConfigError, match=r"sweep\.run: .*nothing"):
        estimate_candidates(PlanSweep(candidates=sweep.candidates, run=["data=nothing"]))


def test_the_command_proposes_runs_of_a_study(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows = measured([Candidate("", d, n, d, 12 * n * d) for n in (4e4, 8e4, 1.5e5) for d in (5e5, 1e6, 2e6, 4e6)])
    rows.rename(columns={"loss": "eval_loss"}).to_csv("mine.csv", index=False)
    words = ["sweep=active", "runs=csv", "runs.path=mine.csv", "runs.columns.loss=eval_loss", "sweep.target.flops=1e15"]
    words += ["sweep.candidates.scale=[50k,200k]", "sweep.candidates.tokens=[4e6,16e6]", "sweep.run=['data=python_stdlib']"]
    run(monkeypatch, *words)
    printed = capsys.readouterr().out
    assert "4 runs to make" in printed
    assert "openr1 -m data=python_stdlib study=mine scale=200k budget.tokens=" in printed
    assert len(json.loads((tmp_path / "outputs/plans/mine/next.json").read_text())["candidates"]) == 4


def test_the_shipped_config_of_the_plan_composes():
    config = compose(["replay.path=points.csv"])
    assert config.sweep == PlanSweep()
    assert config.law.name == "chinchilla"
    assert isinstance(config.directory, Path)


def test_composing_a_plan_imports_nothing_heavy(tmp_path):
    code = "import sys; from openr1.sweeps.commands.propose import compose; compose(['replay.path=points.csv'])"
    code += "; print([m for m in ('torch', 'mlflow', 'pandas', 'matplotlib', 'scipy', 'optuna') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], cwd=tmp_path, text=True).strip() == "[]"


def test_the_first_runs_of_a_study_need_no_store(tmp_path):
    source = MlflowRuns(uri=f"sqlite:///{tmp_path}/none.db", study="mine")
    assert read_finished(source, LAW) is None
    found = choose(LAW, ActiveOptions(batch=7, target=Target(flops=1e22), candidates=SOME), None, grid())
    assert len(set(found.candidates)) == 7
    assert found.target is None
