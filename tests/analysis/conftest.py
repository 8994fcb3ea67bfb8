"""Synthetic studies whose law is known."""

import numpy as np
import pandas as pd
import pytest

from openr1.analysis.sources.frame import tidy

TRUTH = {"E": 1.9, "A": 30.0, "alpha": 0.35, "B": 126.0, "beta": 0.4}


def loss(n, d):
    return TRUTH["E"] + TRUTH["A"] * n ** -TRUTH["alpha"] + TRUTH["B"] * d ** -TRUTH["beta"]


def isoflop_table(noise=0.0, budgets=5, sizes=5, seed=0):
    """Return a table as a file has it: 3e11 to 5e12 FLOPs, C = 12 N D up to one training step, log-normal noise."""
    rng = np.random.default_rng(seed)
    rows = []
    for flops in np.geomspace(3e11, 5e12, budgets):
        for n in np.round(1e5 * np.sqrt(flops / 1e12) * np.geomspace(0.3, 3.3, sizes)):
            d = 1024 * np.ceil(flops / (12 * n * 1024))
            rows.append({"N": n, "D": d, "C": 12 * n * d, "loss": loss(n, d) * np.exp(rng.normal(0, noise))})
    return pd.DataFrame(rows)


@pytest.fixture
def table():
    """Return :func:`isoflop_table`."""
    return isoflop_table


@pytest.fixture
def runs():
    """Return a function that makes tidy frames of :func:`isoflop_table`."""
    return lambda **options: tidy(isoflop_table(**options)).frame


@pytest.fixture
def truth():
    return dict(TRUTH)


@pytest.fixture
def true_loss():
    return loss
