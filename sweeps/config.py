"""Options that every kind of sweep has (``sweep=``). A kind adds its own in a subclass, in the module that uses them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from omegaconf import MISSING, DictConfig

from openr1.options import check_ranges
from openr1.sweeps.limits.allowance import Allowance
from openr1.system.errors import ConfigError


@dataclass
class SweepConfig:
    """Options of a study of many runs. By itself, ``sweep=default``: the combinations that the command line gives."""

    unknown_key_hint: ClassVar[str] = "sweep=search has the options of a search"

    kind: str = "default"
    name: str = MISSING  # of the study
    confirm: bool = False  # start a study whose price is above sweep.ask_above
    ask_above: Allowance = field(default_factory=lambda: Allowance(gpu_hours=8.0))  # the most that starts unconfirmed
    allowance: Allowance = field(default_factory=Allowance)  # of the whole study; no run starts beyond it
    calibrate: bool = True  # time a few training steps before the start, where no earlier run tells the speed
    hardware: str | None = None  # predict times from earlier runs on this hardware (MLflow's tag); null for this machine

    def __post_init__(self) -> None:
        check_ranges(self, "sweep")


def require_search(options: Mapping[str, Any] | DictConfig) -> None:
    """Refuse options of a sweep other than a search, for ``hydra/sweeper=optuna``.

    :raises ConfigError: naming the choice that is needed.
    """
    kind = options.get("kind", "search")
    if kind != "search":
        raise ConfigError(f"sweep={kind}: has no options of a search; hydra/sweeper=optuna needs sweep=search")
