"""Configs of the trials of a sweep, composed once and changed for each trial: composition takes longer than a short trial."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, cast

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf, open_dict

from openr1.config.load import load_run_config
from openr1.config.schema import Config
from openr1.sweeps.compat import apply_overrides, group_exists


def trial_config(loader: ConfigLoader, config: DictConfig, overrides: Sequence[str]) -> Config:
    """Compose the config of one trial and check it.

    :param config: of the app, composed without the sweeps.
    :raises ConfigError: for an impossible config.
    """
    composed = loader.load_sweep_config(config, list(overrides))
    with open_dict(composed):
        OmegaConf.resolve(composed.paths)  # first, since other keys may refer to it
        del composed["hydra"]
    return load_run_config(composed)


def create_trial_loader(loader: ConfigLoader) -> ConfigLoader:
    """Return a :class:`TrialLoader`, which has all methods of the given loader."""
    return cast(ConfigLoader, TrialLoader(loader))


class TrialLoader:
    """A config loader that composes a sweep's config once for each choice of groups.

    Plain values are set in a copy, as Hydra itself sets them after composition. Other methods are those of the given loader.
    """

    def __init__(self, loader: ConfigLoader) -> None:
        self.loader = loader
        self.composed: dict[tuple[str, ...], DictConfig] = {}

    def __getattr__(self, name: str) -> Any:
        if name in ("loader", "composed"):
            raise AttributeError(name)  # during unpickling they are not set yet
        return getattr(self.loader, name)

    def __getstate__(self) -> dict[str, Any]:
        return {"loader": self.loader, "composed": {}}

    def load_sweep_config(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        overrides = OverridesParser.create(config_loader=self.loader).parse_overrides(list(sweep_overrides))
        plain = [override for override in overrides if self._is_plain(override)]
        chosen = tuple(str(override.input_line) for override in overrides if not self._is_plain(override))
        if chosen not in self.composed:
            self.composed[chosen] = self.loader.load_sweep_config(master_config, list(chosen))
        config = copy.deepcopy(self.composed[chosen])
        OmegaConf.copy_cache(from_config=master_config, to_config=config)
        apply_overrides(plain, config)
        task = [override for override in overrides if not override.is_hydra_override()]
        config.hydra.overrides.task = [override.input_line for override in task]
        naming = config.hydra.job.config.override_dirname
        config.hydra.job.override_dirname = naming.item_sep.join(
            str(override.input_line).replace("=", naming.kv_sep, 1)
            for override in sorted(task, key=lambda override: str(override.input_line))
            if override.key_or_group not in naming.exclude_keys
        )
        return config

    def _is_plain(self, override: Override) -> bool:
        """Return whether an override sets or deletes a key, rather than choosing a group or configuring Hydra."""
        return not (
            override.is_hydra_override() or override.package is not None or group_exists(self.loader, override.key_or_group)
        )
