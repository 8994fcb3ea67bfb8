"""Configs of the trials of a sweep, composed once and changed for each trial, since Hydra's composition costs more than the
rest of a short trial."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf, open_dict

from openr1.config.load import load_run_config
from openr1.config.schema import Config
from sweeps.compat import apply_overrides, group_exists


def trial_config(loader: ConfigLoader, config: DictConfig, overrides: Sequence[str]) -> Config:
    """The config of one trial, checked.

    :param config: of the app, composed without the sweeps.
    :raises ConfigError: for one that cannot be.
    """
    found = loader.load_sweep_config(config, list(overrides))
    with open_dict(found):
        OmegaConf.resolve(found.paths)  # first: the rest may refer to it
        del found["hydra"]
    return load_run_config(found)


class TrialLoader:
    """A config loader that composes a sweep's config once for each choice of groups; plain values are set in a copy, as Hydra
    itself sets them after composition. All else is the loader's that it is given."""

    def __init__(self, loader: ConfigLoader) -> None:
        self.loader = loader
        self.composed: dict[tuple[str, ...], DictConfig] = {}

    def __getattr__(self, name: str) -> Any:
        if name in ("loader", "composed"):
            raise AttributeError(name)  # while it is unpickled
        return getattr(self.loader, name)

    def __getstate__(self) -> dict[str, Any]:
        return {"loader": self.loader, "composed": {}}

    def load_sweep_config(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        overrides = OverridesParser.create(config_loader=self.loader).parse_overrides(list(sweep_overrides))
        plain = [override for override in overrides if self._is_plain(override)]
        chosen = tuple(override.input_line for override in overrides if not self._is_plain(override))
        if chosen not in self.composed:
            self.composed[chosen] = self.loader.load_sweep_config(master_config, list(chosen))
        config = copy.deepcopy(self.composed[chosen])
        OmegaConf.copy_cache(from_config=master_config, to_config=config)
        apply_overrides(plain, config)
        task = [override for override in overrides if not override.is_hydra_override()]
        config.hydra.overrides.task = [override.input_line for override in task]
        naming = config.hydra.job.config.override_dirname
        config.hydra.job.override_dirname = naming.item_sep.join(
            override.input_line.replace("=", naming.kv_sep, 1)
            for override in sorted(task, key=lambda override: override.input_line)
            if override.key_or_group not in naming.exclude_keys
        )
        return config

    def _is_plain(self, override: Override) -> bool:
        """A value at a key, or that it is deleted, rather than a choice of a group or a word for Hydra."""
        return not (
            override.is_hydra_override()
            or override.package is not None
            or group_exists(self.loader, override.key_or_group)
        )
