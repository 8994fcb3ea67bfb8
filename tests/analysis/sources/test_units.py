import math

import numpy as np
import pandas as pd
import pytest

from openr1.analysis.sources.columns import Columns
from openr1.analysis.sources.frame import tidy
from openr1.analysis.sources.units import parse_option, split_header
from openr1.system.errors import ConfigError

PF_DAY = 8.64e19


@pytest.mark.parametrize(
    ("key", "header", "name", "factor"),
    [
        ("N", "params (B)", "params", 1e9),
        ("N", "N (M)", "N", 1e6),
        ("N", "N_M", "N", 1e6),
        ("N", "params [in millions]", "params", 1e6),
        ("N", "params_bn", None, None),
        ("N", "params_B", "params", 1e9),
        ("D", "tokens_B", "tokens", 1e9),
        ("D", "D [T]", "D", 1e12),
        ("D", "tokens in billions", "tokens", 1e9),
        ("D", "tokens (1e9)", "tokens", 1e9),
        ("D", "D (B tokens)", "D", 1e9),
        ("D", "data (Gtokens)", "data", 1e9),
        ("C", "flops (1e18)", "flops", 1e18),
        ("C", "compute (x10^21 FLOPs)", "compute", 1e21),
        ("C", "compute (PF-days)", "compute", PF_DAY),
        ("C", "PFLOP/s-days", "", PF_DAY),
        ("C", "compute_PFdays", "compute", PF_DAY),
        ("C", "compute_pf_days", "compute", PF_DAY),
        ("C", "C (petaflop/s-days)", "C", PF_DAY),
        ("C", "train_EFLOPs", "train", 1e18),
        ("C", "flops_1e18", "flops", 1e18),
        ("loss", "loss (bits/token)", "loss", math.log(2)),
        ("kl", "kl (bits)", "kl", math.log(2)),
        ("kl", "KL [nats per answer]", "KL", 1.0),
        ("pass_at_1", "accuracy (%)", "accuracy", 0.01),
        ("N", "N/1e6", "N", 1e6),
        ("N", "params, M", "params", 1e6),
        ("N", "million params", "params", 1e6),
        ("D", "B tokens", "tokens", 1e9),
        ("D", "Gtokens", "tokens", 1e9),
        ("D", "tokens/10^9", "tokens", 1e9),
        ("C", "flops/1e18", "flops", 1e18),
        ("C", "FLOPs x 1e18", "FLOPs", 1e18),
        ("C", "flops (G)", "flops", 1e9),
    ],
)
def test_a_header_names_its_unit(key, header, name, factor):
    found = split_header(header, key)
    if name is None:
        assert found is None
        return
    assert found[0] == name
    assert found[2].factor == pytest.approx(factor)


@pytest.mark.parametrize(
    ("key", "header"),
    [
        *(("N", name) for name in ("params", "params_b", "params_total", "params (total)", "N_2", "model_size_large")),
        *(("D", name) for name in ("tokens (train)", "D_test", "tokens_seen")),
        *(("C", name) for name in ("flops", "GPU hours", "C_B", "compute (GPU-hours)", "log C")),
        ("k", "pass/k"),
        *(("loss", name) for name in ("loss (C4)", "loss_M", "loss (bytes)")),
    ],
)
def test_other_headers_name_no_unit(key, header):
    found = split_header(header, key)
    assert found is None or found[2].factor == 1


def test_headers_with_a_unit_scale_their_columns(table):
    given = table().rename(columns={"N": "N_M", "D": "tokens (B)", "C": "compute (PF-days)"})
    given["N_M"] /= 1e6
    given["tokens (B)"] /= 1e9
    given["compute (PF-days)"] /= PF_DAY
    runs = tidy(given, Columns(D="tokens (B)", C="compute (PF-days)"))
    assert np.allclose(runs.frame[["N", "D", "C", "loss"]], table())
    assert runs.warnings == [
        "N: the column 'N_M' is multiplied by 1e+06, the unit in its header",
        "D: the column 'tokens (B)' is multiplied by 1e+09, the unit in its header",
        "C: the column 'compute (PF-days)' is multiplied by 8.64e+19, the unit in its header",
    ]


def test_a_cell_with_its_own_unit_is_not_scaled_by_the_header():
    given = pd.DataFrame({"N (B)": ["0.02", "0.3B", "400M"], "D": [1e9, 2e9, 4e9], "loss": [3.5, 3.1, 2.9]})
    assert tidy(given, needs=("N", "D", "loss")).frame["N"].tolist() == [2e7, 3e8, 4e8]


def test_a_header_that_the_values_contradict_is_refused():
    given = pd.DataFrame({"N_M": [2e7, 3e8], "D": [1e9, 2e9], "loss": [3.5, 3.1]})
    with pytest.raises(ConfigError, match=r"^columns\.N: the header 'N_M' says M, .*; write units=\{'N': 1\}"):
        tidy(given, needs=("N", "D", "loss"))
    assert tidy(given, needs=("N", "D", "loss"), units={"N": 1}).frame["N"].tolist() == [2e7, 3e8]


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("N", "1e6", 3e6),
        ("D", "524288", 3 * 524288),
        ("D", "B", 3e9),
        ("C", "PF-days", 3 * PF_DAY),
        ("C", "EFLOPs", 3e18),
        ("loss", "perplexity", math.log(3)),
        ("loss", "bits", 3 * math.log(2)),
        ("pass_at_1", "percent", 0.03),
    ],
)
def test_a_unit_may_be_given(key, text, value):
    needs = (key, "k")
    runs = tidy(pd.DataFrame({key: [3.0, 3.0], "k": [1, 2]}), needs=needs, units={key: text})
    assert runs.frame[key].tolist() == [pytest.approx(value)] * 2


@pytest.mark.parametrize(("key", "text"), [("N", "Q"), ("N", "0"), ("N", "-1"), ("C", "GPU-hours"), ("N", "perplexity")])
def test_a_unit_that_is_not_known_is_refused(key, text):
    assert parse_option(text, key) is None
    with pytest.raises(ConfigError, match=rf"^units\.{key}: .* is no unit of {key}; write a factor"):
        tidy(pd.DataFrame({key: [1e7, 2e7], "loss": [3.0, 2.0]}), needs=(key, "loss"), units={key: text})


def test_a_unit_of_a_column_that_is_not_there_is_refused(table):
    with pytest.raises(ConfigError, match=r"^units\.U: the table has no column of U"):
        tidy(table(), units={"U": "B"})


@pytest.mark.parametrize("header", ["loss (bits)", "loss [bits/token]", "loss (bits per token)"])
def test_a_loss_in_bits_is_converted_by_its_header(header):
    assert split_header(header, "loss")[2].factor == pytest.approx(math.log(2))


@pytest.mark.parametrize(
    ("key", "header", "logarithm", "base"),
    [
        ("C", "log10 C", np.log10, "10"),
        ("C", "log10(FLOPs)", np.log10, "10"),
        ("C", "log_10(C)", np.log10, "10"),
        ("C", "ln C", np.log, "e"),
        ("N", "log10_params", np.log10, "10"),
        ("N", "log2(N)", np.log2, "2"),
        ("D", "lg D", np.log10, "10"),
    ],
)
def test_logarithms_are_read_by_their_header(table, key, header, logarithm, base):
    given = table()
    given[key] = logarithm(given[key])
    runs = tidy(given.rename(columns={key: header}), {key: header})
    assert np.allclose(runs.frame[["N", "D", "C", "loss"]], table())
    assert runs.warnings == [
        f"{key}: the column {header!r} holds logarithms, and is read as powers of {base}, as its header says"
    ]


def test_logarithms_are_read_by_an_option(table):
    given = table().assign(C=np.log10(table()["C"]))
    assert np.allclose(tidy(given, units={"C": "log10"}).frame["C"], table()["C"])
    assert np.allclose(tidy(table().assign(N=np.log(table()["N"])), units={"N": "ln"}).frame["N"], table()["N"])


def test_logarithms_of_no_certain_base_are_refused(table):
    given = table().rename(columns={"C": "log C"})
    with pytest.raises(
        ConfigError, match=r"^columns\.C: the header 'log C' says .*; write units=\{'C': 'log10'\} or units=\{'C'"
    ):
        tidy(given.assign(**{"log C": np.log10(given["log C"])}), {"C": "log C"})
    assert np.allclose(tidy(given, {"C": "log C"}).frame["C"], table()["C"])  # no logarithms, whatever the header says
    with pytest.raises(
        ConfigError, match=r"^columns\.C: the header 'log10 C' says log10, and values such as 5005171556352 do not"
    ):
        tidy(table().rename(columns={"C": "log10 C"}))


def test_a_perplexity_is_converted_by_the_unit_in_its_header(table):
    given = table().assign(loss=np.exp(table()["loss"])).rename(columns={"loss": "loss (ppl)"})
    runs = tidy(given)
    assert np.allclose(runs.frame["loss"], table()["loss"])
    assert runs.warnings == [
        "loss: the column 'loss (ppl)' is a perplexity, of which the logarithm is taken, as its header says"
    ]
    given.loc[3, "loss (ppl)"] = 0.5
    with pytest.raises(
        ConfigError, match=r"^columns\.loss: the header 'loss \(ppl\)' says ppl, and values such as 0\.5 do not"
    ):
        tidy(given)


@pytest.mark.parametrize("header", ["val_bpb", "bits_per_byte", "loss (bits/byte)", "bpc", "nll per word"])
def test_a_loss_that_is_not_per_token_is_said(table, header):
    (warning,) = tidy(table().rename(columns={"loss": header}), {"loss": header}).warnings
    assert warning.startswith(f"loss is taken as it is from the column {header!r}, which is not per token by its name")


@pytest.mark.parametrize("header", ["nll", "loss (nats)", "log_ppl", "loss per token"])
def test_a_loss_per_token_is_not_remarked(table, header):
    assert tidy(table().rename(columns={"loss": header}), {"loss": header}).warnings == []
