import json

import pandas as pd
import pytest
from helpers.law_runs import isoflop_runs

from openr1.analysis import Bootstrap, forecast
from openr1.analysis.forecast.registry import (
    FOLDER,
    all_faults,
    all_outcomes,
    calibration,
    list_faults,
    read_outcomes,
    register,
    verify,
)
from openr1.analysis.laws import Chinchilla
from openr1.analysis.report.html import render_forecasts
from openr1.system.errors import ConfigError

RUNS = [{"name": "scale=1m", "fingerprint": "abc"}, {"name": "scale=2m", "fingerprint": "def"}]


@pytest.fixture(scope="module")
def made():
    """Return runs, and a forecast of two others from them."""
    frame = isoflop_runs(budgets=7, sizes=5)
    at = pd.DataFrame({"N": [1e10, 2e10], "D": [1e12, 1e12], "C": [6e22, 12e22]})
    return frame, forecast(frame, at=at, laws=[Chinchilla()], bootstrap=Bootstrap(resamples=20))


@pytest.fixture
def folder(made, tmp_path):
    frame, result = made
    register(tmp_path / "study", result, RUNS, ("ladder", frame), "study", "0123")
    return tmp_path / "study"


def test_a_forecast_says_when_and_from_what_it_was_made(folder):
    known = json.loads((folder / FOLDER / "abc.json").read_text())
    assert known["written"].endswith("+00:00")
    assert known["commit"] == "0123"
    assert known["run"] == {"name": "scale=1m", "fingerprint": "abc", "N": 1e10, "D": 1e12, "C": 6e22}
    assert known["fitted"]["study"] == "ladder"
    assert known["fitted"]["runs"] == 35
    low, high = known["intervals"]["95"]
    assert low < known["predicted"] < high


def test_a_registered_forecast_does_not_change(folder, made):
    before = (folder / FOLDER / "abc.json").read_bytes()
    frame, result = made
    with pytest.raises(ConfigError, match="scale=1m has a registered forecast, which does not change"):
        register(folder, result, RUNS[:1], ("ladder", frame), "study", "0123")
    assert (folder / FOLDER / "abc.json").read_bytes() == before


def test_a_run_is_a_hit_or_a_miss_once_it_exists(folder):
    predicted = {o.forecast["run"]["fingerprint"]: o.forecast["predicted"] for o in read_outcomes(folder)}
    assert all(outcome.is_within(0.95) is None for outcome in read_outcomes(folder))
    frame = pd.DataFrame({"fingerprint": ["abc", "def"], "loss": [predicted["abc"], 3 * predicted["def"]]})
    hit, miss = verify(folder, frame)
    assert [hit.is_within(0.5), miss.is_within(0.95)] == [True, False]
    assert miss.error == pytest.approx(-2 / 3)
    later = verify(folder, frame.assign(loss=1.0))
    assert [outcome.measured for outcome in later] == [hit.measured, miss.measured]
    assert calibration(all_outcomes(folder.parent)) == {0.5: (1, 2), 0.8: (1, 2), 0.95: (1, 2)}
    page = render_forecasts(all_outcomes(folder.parent))
    assert "1 of 2" in page
    assert "scale=2m" in page


def test_a_run_without_a_response_waits(folder):
    assert [o.measured for o in verify(folder, pd.DataFrame({"fingerprint": ["abc"]}))] == [None, None]


def test_of_a_curve_the_last_point_is_the_measured_value(folder):
    curve = pd.DataFrame({"fingerprint": "abc", "step": [0, 20, 10], "loss": [9.0, 2.0, 5.0]})
    hit, _ = verify(folder, curve)
    assert hit.measured == 2.0


def test_a_forecast_that_was_changed_later_is_left_out_with_a_word(folder):
    path = folder / FOLDER / "abc.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "predicted": 1.0}))
    assert [outcome.forecast["run"]["fingerprint"] for outcome in read_outcomes(folder)] == ["def"]
    (line,) = list_faults(folder)
    assert line == f"the registered forecast {path} was changed after it was written; it is left out"
    frame = pd.DataFrame({"fingerprint": ["abc", "def"], "loss": [1.0, 1.0]})
    assert len(verify(folder, frame)) == 1
    page = render_forecasts(all_outcomes(folder.parent), all_faults(folder.parent))
    assert "scale=1m" not in page
    assert "was changed after it was written; it is left out." in page


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda text: text[:-40], "is not JSON"),
        (lambda text: "", "is empty"),
        (lambda text: "[1, 2]", "is no record"),
        (lambda text: "{}", "has no hash"),
        (lambda text: text.replace('"abc"', '"abd"'), "was changed after it was written"),
    ],
)
def test_a_damaged_forecast_is_one_line_that_names_its_file(folder, damage, words):
    path = folder / FOLDER / "abc.json"
    path.write_text(damage(path.read_text()))
    assert len(read_outcomes(folder)) == 1
    (line,) = list_faults(folder)
    assert line.startswith(f"the registered forecast {path} {words}")
    (folder / FOLDER / "def.json").write_text("{")
    assert "is left out" in render_forecasts(all_outcomes(folder.parent), all_faults(folder.parent))


def test_a_forecast_of_another_run_is_left_out(folder):
    path = folder / FOLDER / "abc.json"
    (folder / FOLDER / "xyz.json").write_bytes(path.read_bytes())
    assert len(read_outcomes(folder)) == 2
    assert "xyz.json is of another run than its name says" in list_faults(folder)[0]


def test_a_damaged_outcome_is_measured_again(folder):
    frame = pd.DataFrame({"fingerprint": ["abc"], "loss": [2.0]})
    verify(folder, frame)
    path = folder / FOLDER / "abc.outcome.json"
    for text in ('{"measured": 1.5}', '{"meas'):
        path.write_text(text)
        assert "the run is measured again" in list_faults(folder)[0]
        assert verify(folder, frame)[0].measured == 2.0
        assert list_faults(folder) == []
