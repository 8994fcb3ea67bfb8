"""The config of one run: the options of all rooms in one dataclass.

Hydra composes the YAML files under ``conf/`` onto these dataclasses, so an unknown key or a wrong type is refused while the
config is composed. :func:`openr1.config.load.load_run_config` does the same for a config from anywhere else (a tracked run, a
file, Python) and checks its values. Nothing here imports torch, transformers or mlflow.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from typing import Any, cast

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, OmegaConf

from openr1.data.options import SOURCES, DataConfig
from openr1.distributed.options import ComputeConfig
from openr1.engines.options import ENGINES, EngineConfig
from openr1.models.options import ModelConfig, ScaleConfig
from openr1.options.ranges import Seed
from openr1.rewards.options import RewardConfig
from openr1.stages.options import STAGES, StageConfig
from openr1.tracking.options import TrackingConfig
from openr1.training.options import BudgetConfig, OptimConfig

PLAIN: dict[tuple[type, str], Any] = {}  # type and repr of a dataclass -> its plain containers
MOST_PLAIN = 10_000


@dataclass
class PathsConfig:
    """Directories that a run writes to. Relative paths are relative to the current directory."""

    outputs: str = "outputs"
    artifacts: str = "${paths.outputs}/artifacts"
    cache: str = "${paths.outputs}/cache"
    studies: str = "${paths.outputs}/studies"


@dataclass
class Step:
    """One stage of a recipe, as the difference from the config of the run.

    ``stage`` and ``budget`` are its own, as is a whole group such as another ``data=`` or ``model=``; in the other groups a key
    replaces that of the run's config. The text ``@NAME`` stands for the artifact of the earlier step NAME.
    """

    stage: StageConfig = MISSING
    model: dict[str, Any] = field(default_factory=dict)
    scale: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    engine: dict[str, Any] = field(default_factory=dict)
    reward: dict[str, Any] = field(default_factory=dict)
    budget: dict[str, Any] = field(default_factory=dict)
    optim: dict[str, Any] = field(default_factory=dict)
    compute: dict[str, Any] = field(default_factory=dict)
    seed: Seed | None = None


@dataclass
class RecipeConfig:
    """``recipe=``: several stages in order. The run's own ``stage`` is not used."""

    name: str = MISSING
    steps: dict[str, Step] = field(default_factory=dict)


@dataclass
class Config:
    """The config of one run."""

    study: str = "default"
    seed: Seed = 0
    model: ModelConfig = field(default_factory=ModelConfig)
    scale: ScaleConfig = field(default_factory=ScaleConfig)
    data: DataConfig = field(default_factory=DataConfig)
    stage: StageConfig = field(default_factory=StageConfig)
    # before what follows from it by default, such as the device of the engine, so that an error names its key
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    engine: EngineConfig = field(default_factory=EngineConfig)
    reward: RewardConfig = field(default_factory=RewardConfig)
    budget: BudgetConfig = field(default_factory=BudgetConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    recipe: RecipeConfig | None = None
    paths: PathsConfig = field(default_factory=PathsConfig)
    sweep: Any = None  # chooses the runs of a study (sweeps/config.py); a run does not depend on it


# ${by_device:DEVICE,CPU,CUDA} is one of two values; registered on import, since workers of a launcher resolve configs too
OmegaConf.register_new_resolver("by_device", lambda device, cpu, cuda: cuda if device == "cuda" else cpu, replace=True)


@cache
def register() -> None:
    """Register the schemas with Hydra. They have no group, so that ``--help`` lists only choices of users."""
    store = ConfigStore.instance()
    # Hydra copies its whole repository for every group that --help lists; this singleton copies what it hands out anyway
    ConfigStore.__deepcopy__ = lambda self, memo: self  # type: ignore[attr-defined]
    for schema in (Config, RecipeConfig, *SOURCES.values(), *STAGES.values(), *ENGINES.values()):
        store.store(name=schema.__name__, node=schema)


def to_dict(config: Config) -> dict[str, Any]:
    """Return the resolved config as plain containers, ready for YAML or JSON."""
    if "${" in repr(config):
        plain = cast(dict[str, Any], OmegaConf.to_container(OmegaConf.structured(config), resolve=True))
    else:
        plain = {one.name: _to_plain(getattr(config, one.name)) for one in fields(config)}
    plain.pop("sweep")
    return plain


def _to_plain(value: Any) -> Any:
    """Return the plain containers of a field of a config. Configs of a study have most of their fields in common, so that the
    containers of equal dataclasses are copied, which takes a tenth of the time.
    """
    if not is_dataclass(value):
        return copy.deepcopy(value)
    key = (type(value), repr(value))
    if key not in PLAIN:
        if len(PLAIN) >= MOST_PLAIN:
            PLAIN.clear()
        PLAIN[key] = OmegaConf.to_container(OmegaConf.structured(value))
    return copy.deepcopy(PLAIN[key])
