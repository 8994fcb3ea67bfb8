import numpy as np
import pandas as pd
import pytest

from openr1.analysis.laws import LAWS
from openr1.analysis.sources.columns import Columns
from openr1.analysis.sources.frame import tidy
from openr1.system.errors import ConfigError

NEEDS = ("N", "D", "loss")
GRID = [(n, d) for n in (2e7, 6e7, 2e8, 6e8, 2e9, 7e9) for d in (4e8, 4e9, 4e10)]
STUDY = pd.DataFrame(GRID, columns=["N", "D"])
STUDY["loss"] = 1.8 + 480 * STUDY["N"] ** -0.35 + 2100 * STUDY["D"] ** -0.37
OF_N_AND_D = [
    law for law in (kind() for kind in LAWS.values()) if {"N", "D", "loss"} <= set(law.needs) and "C" not in law.needs
]
MORE = {"teacher_loss": 2.0, "supervised_loss": 3.0, "lr": 1e-3, "U": 1e9}


@pytest.mark.parametrize("law", OF_N_AND_D, ids=lambda law: law.name)
@pytest.mark.parametrize(
    ("scale", "key"),
    [
        ({"N": 1e6, "D": 1e9}, "N"),
        ({"N": 1e6}, "N"),
        ({"N": 1e9}, "N"),
        ({"D": 1e9}, "D"),
        ({"D": 1e12}, "D"),
        ({"N": 1e9, "D": 1e9}, "N"),
        ({"D": 1e6}, "D"),
    ],
)
def test_n_and_d_in_other_units_are_refused_without_c_too(law, scale, key):
    given = STUDY.assign(**MORE, **{name: STUDY[name] / factor for name, factor in scale.items()})
    tidy(STUDY.assign(**MORE), needs=law.needs)
    with pytest.raises(ConfigError, match=rf"^columns\.{key}: .*units=\{{'"):
        tidy(given, needs=law.needs)


def test_large_models_in_millions_are_refused_by_their_tokens():
    given = pd.DataFrame({"N": [7e3, 13e3, 70e3], "D": [1e12, 1.4e12, 2e12], "loss": [2.1, 2.0, 1.9]})
    with pytest.raises(ConfigError, match=r"^columns\.D: there are at least .* tokens per parameter"):
        tidy(given, needs=NEEDS)


def test_micro_studies_are_plausible(table):
    micro = pd.DataFrame({"N": [3e4, 6e4, 2e5], "D": [1e5, 1e6, 1e7], "loss": [5.5, 4.5, 3.5]})
    for frame in (table(), micro, micro.assign(C=6 * micro["N"] * micro["D"]), micro.assign(N=micro["N"] + 0.25)):
        assert tidy(frame, needs=NEEDS).warnings == []


def test_a_study_that_may_be_in_millions_is_said_unless_its_flops_agree():
    small = pd.DataFrame({"N": [1e3, 7e3, 7e4], "D": [2e4, 1.4e5, 1.4e6], "loss": [2.6, 2.2, 1.9]})
    (warning,) = tidy(small, needs=NEEDS).warnings
    assert warning.startswith(
        "the largest N is 70 thousand parameters and the largest D 1.4 million tokens; for millions, write"
    )
    assert tidy(small.assign(C=6 * small["N"] * small["D"]), needs=NEEDS).warnings == []


@pytest.mark.parametrize(
    ("key", "values"),
    [("N", [21.0, 2e7, 3e8]), ("N", [0.35, 7e9, 2.3e8]), ("D", [7.8, 5e9, 6e9])],
)
def test_rows_in_another_unit_than_the_others_are_refused_by_name(key, values):
    given = pd.DataFrame({"N": [2e7, 3e7, 4e7], "D": [1e9, 2e9, 4e9], "loss": [3.5, 3.3, 3.1]}).assign(**{key: values})
    with pytest.raises(
        ConfigError, match=rf"^columns\.{key}: 1 of 3 rows are in another unit than the others: row 0 \({values[0]:g}\)"
    ):
        tidy(given, needs=NEEDS)


def test_the_first_points_of_curves_have_few_tokens():
    curve = pd.DataFrame({"run": "a", "N": 3e8, "D": np.geomspace(512, 1e10, 20), "loss": np.linspace(10, 3, 20)})
    assert tidy(curve, needs=("run", *NEEDS)).warnings == []


def test_compute_too_small_for_flops_is_refused_unless_its_unit_is_given():
    days = pd.DataFrame({"C": [0.01, 0.3, 12.0], "loss": [3.5, 3.1, 2.8]})
    for factor in (1, 1e3):
        with pytest.raises(ConfigError, match=r"^columns\.C: C is at most .*units=\{'C': 'PF-days'\} or units=\{'C': 1e18\}"):
            tidy(days.assign(C=factor * days["C"]), needs=("C", "loss"))
    assert tidy(days, needs=("C", "loss"), units={"C": "PF-days"}).frame["C"].max() == pytest.approx(12 * 8.64e19)
    kept = tidy(days, needs=("C", "loss"), units={"C": 1})
    assert (kept.frame["C"].tolist(), kept.warnings) == ([0.01, 0.3, 12.0], [])
    # of reinforcement learning it may be in any unit
    assert tidy(days.assign(pass_at_1=0.5), needs=("C", "pass_at_1")).warnings == []


def test_the_n_of_reinforcement_learning_is_checked_too():
    given = pd.DataFrame({"N": [500, 1500, 700], "C": [1.0, 2.0, 3.0], "pass_at_1": [0.1, 0.2, 0.3]})
    with pytest.raises(ConfigError, match=r"^columns\.N: N is 700 in the median, too few parameters"):
        tidy(given, needs=("N", "C", "pass_at_1"))


def test_tokens_per_parameter_of_n_or_d_in_thousands_are_said_unless_flops_agree():
    for key, words in (("N", "tokens per parameter in the median, which is many"), ("D", "which is few unless the models")):
        given = STUDY.assign(**{key: STUDY[key] / 1e3})
        (warning,) = tidy(given, needs=NEEDS).warnings
        assert words in warning
        assert warning.endswith(f"for {key} in thousands, write units={{'{key}': 1e3}}")
        assert tidy(given, needs=NEEDS, units={"N": "1", "D": "1"}).warnings == []
        assert tidy(given.assign(C=6 * given["N"] * given["D"]), needs=NEEDS).warnings == []


def test_perplexities_are_refused_or_said():
    perplexed = STUDY.assign(loss=np.exp(STUDY["loss"]))
    with pytest.raises(
        ConfigError, match=r"^columns\.loss: .*if it is a perplexity, units=\{'loss': 'perplexity'\} takes its log"
    ):
        tidy(perplexed, needs=NEEDS)
    taken = tidy(perplexed, needs=NEEDS, units={"loss": "perplexity"})
    assert np.allclose(taken.frame["loss"], STUDY["loss"])
    assert taken.warnings == []
    (low,) = tidy(STUDY.assign(loss=8 + STUDY["loss"] / 2), needs=NEEDS).warnings
    assert "many nats per token; if it is a perplexity" in low
    (named,) = tidy(STUDY.rename(columns={"loss": "val_ppl"}), Columns(loss="val_ppl"), needs=NEEDS).warnings
    assert named.startswith("loss is taken from the column 'val_ppl' as nats per token; if it is a perplexity")
    (few,) = tidy(STUDY.assign(loss=[40.0, *STUDY["loss"][1:]]), needs=NEEDS).warnings
    assert few.startswith("loss is more nats per token than chance gives in 1 of 18 rows: row 0 (40); if it is a perplexity")
    # a law of larger models gives such losses at micro sizes
    micro = pd.DataFrame(
        {"N": [3e4, 6e4, 2e5], "D": [1e5, 1e6, 1e7], "C": [1.8e10, 3.6e11, 1.2e13], "loss": [40.0, 22.0, 14.0]}
    )
    (small,) = tidy(micro, needs=NEEDS).warnings
    assert small.startswith("loss is more nats per token than chance gives in 3 of 3 rows")
    # bits per byte cannot be told from nats
    assert tidy(STUDY.assign(loss=STUDY["loss"] / 3), needs=NEEDS).warnings == []


def test_shares_in_percent_are_refused():
    given = pd.DataFrame({"C": [1.0, 2.0, 3.0], "pass_at_1": [0.9, 20.0, 35.5]})
    with pytest.raises(ConfigError, match=r"^columns\.pass_at_1: .* reaches 35\.5; if it is in percent, write units="):
        tidy(given, needs=("C", "pass_at_1"))
    assert np.allclose(
        tidy(given, needs=("C", "pass_at_1"), units={"pass_at_1": "percent"}).frame["pass_at_1"], [0.009, 0.2, 0.355]
    )
