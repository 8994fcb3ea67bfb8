"""Loads the config of a run: typed, and checked as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from openr1.config import recipe
from openr1.config.schema import Config
from openr1.config.validation import validate
from openr1.options import load_config


def load_run_config(cfg: DictConfig | Mapping[str, Any]) -> Config:
    """Build the config of a run, interpolations resolved, and check it.

    :raises ConfigError: for an unknown key, a wrong type, a missing value or an impossible combination.
    """
    raw: dict[str, Any] = dict(cast(Mapping[str, Any], OmegaConf.to_container(cfg) if isinstance(cfg, DictConfig) else cfg))
    raw.pop("sweep", None)  # decides which runs to make, not what one of them does
    config = load_config(Config, raw)
    validate(config)
    if config.recipe is not None:
        recipe.check(config)
    return config
