"""The Python examples of the documents run as they stand there."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.shown_studies import pretraining
from helpers.source import ROOT
from helpers.studies import budgets, loss

from openr1.analysis import Holdout, tidy
from openr1.analysis.laws import Chinchilla
from openr1.tracking.options import TrackingConfig

TESTED_APART = ("extending.md",)  # tests/test_extending.py
PAGES = [ROOT / "README.md", *(path for path in sorted((ROOT / "docs").glob("*.md")) if path.name not in TESTED_APART)]
FENCE = re.compile(r"^```python\n(.*?)^```$", re.S | re.M)
EXAMPLES = [
    pytest.param(code, id=f"{page.name}-{number}")
    for page in PAGES
    for number, code in enumerate(FENCE.findall(page.read_text(encoding="utf-8")))
]


def points() -> pd.DataFrame:
    """Return runs up to 1e22 FLOPs under the names that the examples use."""
    rng = np.random.default_rng(0)
    flops, shift = (part.ravel() for part in np.meshgrid(np.geomspace(1e18, 1e22, 8), np.geomspace(0.25, 4, 5), indexing="ij"))
    n = np.sqrt(flops / 120) * shift
    d = flops / 6 / n
    noisy = loss(n, d) * np.exp(rng.normal(0, 0.003, len(n)))
    return pd.DataFrame({"params": n, "tokens": d, "flops": flops, "loss": noisy})


def reward_curves() -> pd.DataFrame:
    """Return pass rates of two scales against compute."""
    flops = np.geomspace(1e14, 1e17, 24)
    rates = {"1m": 0.2 + 0.3 / (1 + (3e15 / flops) ** 1.2), "3m": 0.2 + 0.5 / (1 + (3e15 / flops) ** 1.2)}
    noise = np.random.default_rng(0).normal(0, 0.003, (2, 24))
    return pd.concat(
        [
            pd.DataFrame({"scale": scale, "C": flops, "pass_at_1": rate + error})
            for (scale, rate), error in zip(rates.items(), noise, strict=True)
        ]
    )


def given(code: str) -> dict[str, object]:
    """Return the names that an example takes as given."""
    if "openr1.sweeps.active" in code:
        runs = tidy(budgets()).frame
        targets = pd.DataFrame({"N": [1e10], "D": [2e11], "C": [1.2e22]})
        return {
            "law": Chinchilla(),
            "runs": runs,
            "targets": targets,
            "costs": runs["C"].to_numpy(),
            "allowance": 1e20,
            "horizon": 1e20,
        }
    if "read_study" in code:
        outputs = Path.cwd() / "outputs"
        pretraining(TrackingConfig(f"sqlite:///{outputs}/mlflow.db", f"{outputs}/mlartifacts"), "demo")
        return {}
    if "fit_by" in code:
        return {"runs": tidy(reward_curves()), "Holdout": Holdout}
    table = points()
    return {"table": table, "runs": tidy(table.rename(columns={"params": "N", "tokens": "D", "flops": "C"}))}


@pytest.mark.parametrize("code", EXAMPLES)
def test_every_example_runs(code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = points()
    table.assign(val_loss=table["loss"]).to_csv(tmp_path / "points.csv", index=False)
    Path("fits").mkdir()
    exec(compile(code, "example", "exec", dont_inherit=True), {"__name__": "example", **given(code)})
