"""Params of a run: those that people read, and the rest of the config, which the UI does not show.

A run has some 140 params. MLflow makes a column and an axis of each, so that the few that matter are lost among them. The
others are kept in tags under MLflow's own prefix, which its pages hide, and reading puts them back: the analysis and the
sweepers have the whole config of a thousand runs in one request. Runs of version 0.2 have all of them as params.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

HIDDEN = "mlflow.openr1.params."  # prefix of the tags; the rest is the number of the piece
PIECE = 4900  # characters of a piece, below the most that a tag may have
# amounts that are known before a run and are no results: as metrics they would be charts of one dot
FACTS = (
    *("params_total", "params_active", "params_trained", "params_mtp", "unique_tokens", "epochs", "flops_6nd"),
    *("flops_per_token", "problems", "samples"),
)


def split_params(flat: Mapping[str, Any], shown: Collection[str] | None) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the params that are shown, and the tags that keep the others.

    :param shown: None to show all.
    """
    if shown is None:
        return dict(flat), {}
    hidden = {key: str(value) for key, value in flat.items() if key not in shown}
    text = json.dumps(hidden)
    pieces = [text[start : start + PIECE] for start in range(0, len(text), PIECE)] if hidden else []
    return {key: flat[key] for key in shown if key in flat}, {f"{HIDDEN}{i}": piece for i, piece in enumerate(pieces)}


def hidden_params(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the params that the tags of a run keep."""
    pieces = sorted((int(key.removeprefix(HIDDEN)), value) for key, value in tags.items() if key.startswith(HIDDEN))
    return json.loads("".join(piece for _, piece in pieces)) if pieces else {}


def split_facts(metrics: Mapping[str, float]) -> tuple[dict[str, float], dict[str, float]]:
    """Return the results among the metrics of a run, and its facts, which are logged as params."""
    facts = {name: value for name, value in metrics.items() if name in FACTS}
    return {name: value for name, value in metrics.items() if name not in facts}, facts


def take_facts(params: dict[str, str]) -> dict[str, float]:
    """Take the facts out of the params of a run, as the metrics that they are for whoever reads runs."""
    return {name: float(params.pop(name)) for name in FACTS if name in params}
