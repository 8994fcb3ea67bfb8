"""``openr1-plan check``: damaged artifacts and tokenised data of an outputs folder, found by the hashes of their files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig

from openr1.config.schema import PathsConfig
from openr1.options import load_config
from openr1.system.artifacts import Store, check_artifact
from openr1.system.errors import ConfigError, RunError
from openr1.system.records import DamagedFile

ALL = "all"
PARTS = ("artifacts", "data")


@dataclass
class CheckConfig:
    """Options of ``openr1-plan check``."""

    check: str = ALL  # all, artifacts or data
    paths: PathsConfig = field(default_factory=PathsConfig)

    def __post_init__(self) -> None:
        if self.check not in (ALL, *PARTS):
            raise ConfigError(f"check: {self.check!r} is not one of {', '.join((ALL, *PARTS))}")


def register() -> None:
    """Put the schema into Hydra's store, without a group."""
    ConfigStore.instance().store(name="CheckConfig", node=CheckConfig)


def run(cfg: DictConfig, command: str) -> None:
    """Check the folders of a composed config.

    :raises ConfigError: for an invalid config.
    :raises RunError: if a folder is damaged.
    """
    report(load_config(CheckConfig, cfg))


def report(config: CheckConfig) -> None:
    """Print a line for each artifact and each set of tokenised data, with the reason if it is damaged.

    :raises RunError: if one is damaged.
    """
    damaged = checked = 0
    for folder, check in folders(config):
        checked += 1
        try:
            check(folder)
        except DamagedFile as damage:
            damaged += 1
            print(f"damaged  {folder}: {damage}")
        else:
            print(f"sound    {folder}")
    if damaged:
        raise RunError(
            f"{damaged} of {checked} folders are damaged; delete each of them, and the commands that made them make them again"
        )
    print(f"{checked} folders are sound" if checked else f"there is nothing to check in {config.paths.outputs}")


def folders(config: CheckConfig) -> Iterator[tuple[Path, Callable[[Path], None]]]:
    """Yield each folder that is to be checked, and the function that checks it."""
    from openr1.data.dataset import check_token_cache, token_caches

    if config.check in (ALL, "artifacts"):
        yield from ((folder, check_artifact) for folder in Store(config.paths.artifacts).folders())
    if config.check in (ALL, "data"):
        yield from ((folder, check_token_cache) for folder in token_caches(config.paths))
