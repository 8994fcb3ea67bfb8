"""Learning rate and batch size as functions of model size N and training tokens D.

A rule is a power law, so a hyperparameter found at one size carries over to another. N counts non-embedding parameters.
"""

from __future__ import annotations

from dataclasses import dataclass

SCHEDULES = ("wsd", "cosine", "linear", "constant")


@dataclass(frozen=True)
class Rule:
    """Power law ``coefficient * (N / n_unit) ** n_exponent * D ** d_exponent``."""

    coefficient: float
    n_exponent: float = 0.0
    d_exponent: float = 0.0
    n_unit: float = 1.0

    def __call__(self, params: float, tokens: float) -> float:
        return self.coefficient * (params / self.n_unit) ** self.n_exponent * tokens**self.d_exponent


LR_RULES: dict[str, Rule] = {
    # for batches of 512 tokens and up to a million parameters; experiment=lr_small measures its neighbours
    "small": Rule(0.005, n_exponent=-0.3, n_unit=1e5),
    # Step Law, arXiv 2503.04715, eq. 1: fitted on 60M to 1B parameters
    "step_law": Rule(1.79, n_exponent=-0.713, d_exponent=0.307),
}

BATCH_RULES: dict[str, Rule] = {
    # a small model on few tokens gains more from more steps than from larger ones (see experiment=demo)
    "small": Rule(512),
    # Step Law, arXiv 2503.04715, eq. 1, in tokens
    "step_law": Rule(0.58, d_exponent=0.571),
}
