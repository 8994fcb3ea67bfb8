"""The data that a run takes from its config: the data set that it trains on, and the problems that it asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openr1 import data
from openr1.data import problems

if TYPE_CHECKING:
    from openr1.config.schema import Config
    from openr1.data import Dataset
    from openr1.data.problems import Extent


def prepare_dataset(config: Config) -> Dataset:
    """Open the data set that a run trains on, and build its token cache first if it does not exist.

    :raises ConfigError: as :func:`openr1.data.prepare` does.
    """
    return data.prepare(config.data, config.model, config.scale, config.paths, **_form(config))


def dataset_fingerprint(config: Config) -> str:
    """Return the SHA-256 of the data set that a run trains on."""
    return data.fingerprint(config.data, config.model, config.scale, config.paths, **_form(config))


def problems_fingerprint(config: Config) -> str:
    """Return the SHA-256 of the problems that a run asks."""
    return problems.fingerprint(config.data, config.paths, _asks_held_out(config), config.stage.problems)


def problems_extent(config: Config) -> Extent:
    """Return the number and mean length of the problems that a run asks."""
    return problems.extent(config.data, config.paths, _asks_held_out(config), config.stage.problems)


def _form(config: Config) -> dict[str, bool]:
    """Return the form of the sequences that a run trains on; neither is packed text."""
    return {"examples": config.stage.kind == "sft", "pairs": config.stage.pairs}


def _asks_held_out(config: Config) -> bool:
    return config.stage.kind == "evaluate"
