"""The check of the folders of a config, before Hydra makes the first of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from openr1.options.guard import exiting
from openr1.system.files import check_place


class PlacesCheck(Callback):
    """A callback of Hydra that refuses ``paths`` in which nothing can be written."""

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        check_places(config)

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        check_places(config)


def check_places(config: DictConfig) -> None:
    """Exit with one line if one of the folders of ``paths`` cannot be made or written.

    Hydra turns exceptions of a callback into warnings, so this does not raise one.
    """
    with exiting():
        for key, path in config.paths.items():
            check_place(Path(str(path)), f"paths.{key}")
