"""The bias of IsoFLOP parabolas: how far their shape alone moves the compute-optimal size, and the compute that this wastes.

A profile of loss in log N is a parabola only if both exponents of the parametric law are equal and the sizes are centred. With
other profiles the exponent of N* may be exact while N* itself is off (Open-Athena 2026, *scaling-law-analysis*, experiments
of approach 2). Here the parametric law of the same runs says how they would be off without noise.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from openr1.analysis.laws.base import Law, Solution, TrainingFlops
from openr1.analysis.laws.chinchilla import Chinchilla
from openr1.analysis.laws.isoflop import IsoFlop
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd


def measure_parabola_bias(law: Law, frame: pd.DataFrame, solution: Solution) -> dict[str, dict[str, float]] | None:
    """Fit the parametric law to the runs of the fitted budgets, and parabolas to its losses at the same N and D.

    :returns: ``surface``, the parameters of the parametric law; ``flops_of``, the FLOPs of the runs; and ``parabolas``, the
        N_coefficient and N_exponent of N* by the parabolas. None for a law without parabolas, or runs that do not determine
        the parametric law.
    """
    if not isinstance(law, IsoFlop) or law.curve != "parabola":
        return None
    fitted = [row["C"] for row in solution.tables["budgets"] if not row["excluded"]]
    runs = frame[np.isclose(frame["budget"].to_numpy()[:, None], fitted, rtol=1e-9).any(axis=1)].reset_index(drop=True)
    parametric = Chinchilla()
    try:
        surface = parametric.estimate(runs).params
        noiseless = runs.assign(loss=parametric.predict(surface, runs)[0])
        # without noise there are no variances to weight budgets by
        parabolas = replace(law, weighted=False).estimate(noiseless).params[0]
    except ConfigError:
        return None
    flops_of = TrainingFlops.of(frame)
    return {
        "surface": dict(zip(parametric.names, surface[0].tolist(), strict=True)),
        "flops_of": {"coefficient": flops_of.coefficient, "exponent": flops_of.exponent},
        "parabolas": {"N_coefficient": float(parabolas[0]), "N_exponent": float(parabolas[1])},
    }


def bias_at(bias: dict[str, dict[str, float]], flops: float) -> dict[str, float]:
    """Return the bias of parabolas at a budget.

    :param bias: as :func:`measure_parabola_bias` returns it.
    :returns: ``N`` by the parabolas, ``N_optimal`` of the surface that they are fitted to, ``shift``, the relative difference
        of both, and ``wasted``, the share of the budget that a model of size ``N`` wastes.
    """
    surface, flops_of, parabolas = bias["surface"], TrainingFlops(**bias["flops_of"]), bias["parabolas"]
    params = np.array([list(surface.values())])
    best = {name: float(value[0, 0]) for name, value in Chinchilla().frontier(params, np.array([flops]), flops_of).items()}
    n = parabolas["N_coefficient"] * flops ** parabolas["N_exponent"]
    alpha, beta = surface["alpha"], surface["beta"]
    loss = surface["E"] + surface["A"] * n**-alpha + surface["B"] * (flops / flops_of(n, 1)) ** -beta
    # along the frontier, the loss above E is a power of the budget with this exponent
    exponent = alpha * beta / (alpha + flops_of.exponent * beta)
    equivalent = ((loss - surface["E"]) / (best["loss"] - surface["E"])) ** (-1 / exponent)
    return {"N": float(n), "N_optimal": best["N"], "shift": float(n / best["N"] - 1), "wasted": float(1 - equivalent)}
