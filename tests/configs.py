"""Configs composed as the command line composes them."""

from hydra import compose, initialize_config_module

from openr1.config import Config, register, typed


def composed(*overrides: str) -> Config:
    register()
    with initialize_config_module("conf", version_base="1.3"):
        cfg = compose("config", overrides=list(overrides))
    return typed(cfg)
