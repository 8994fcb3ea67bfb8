"""Overrides of a resolved config, in Hydra's grammar."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hydra import compose, initialize_config_module
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from openr1.config.load import load_run_config
from openr1.config.schema import Config
from openr1.options import one_line
from openr1.system.errors import ConfigError

GROUPS = ("model", "scale", "data", "stage", "engine", "reward", "budget", "optim", "compute", "tracking", "recipe")


def with_overrides(resolved: dict[str, Any], overrides: Sequence[str]) -> Config:
    """Apply overrides to a resolved config, in Hydra's grammar: ``optim.lr=1e-3``, or a whole group such as ``scale=200k``.

    :raises ConfigError: for an override of a key that the config does not have.
    """
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    choices = [str(override.input_line) for override in parsed if override.key_or_group in GROUPS]
    cfg = OmegaConf.create(resolved)
    if choices:
        with initialize_config_module("openr1.conf", version_base="1.3"):
            composed = compose("config", overrides=choices)
        for group in (override.key_or_group for override in parsed if override.key_or_group in GROUPS):
            cfg[group] = composed[group]
    OmegaConf.set_struct(cfg, True)
    for override in parsed:
        key = override.key_or_group
        if key in GROUPS:
            continue
        if override.is_sweep_override():
            raise ConfigError(f"{key}: a sweep; openr1-reproduce makes one run, openr1 -m a study")
        try:
            OmegaConf.update(cfg, key, override.value(), force_add=override.is_add())
        except OmegaConfBaseException as error:
            raise ConfigError(one_line(error)) from error
    return load_run_config(cfg)
