"""Options of ``openr1-plan studies``. Nothing here imports mlflow or optuna."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from openr1.config.schema import PathsConfig
from openr1.options.ranges import OneOf, one_of
from openr1.system.errors import ConfigError
from openr1.tracking.names import check_folder
from openr1.tracking.options import TrackingConfig

ACTIONS = ("list", "rename", "archive", "restore", "delete", "export", "import")
NEED_TO = {"rename": "the new name of the study", "export": "the file, such as demo.zip"}
MAY_HAVE = {"archived": ("list",), "confirm": ("delete",), "weights": ("export",)}  # option -> actions that have it


@dataclass
class StudiesConfig:
    """Options of the page of all studies."""

    studies: Annotated[str, OneOf(ACTIONS)] = "list"  # what to do
    name: str | None = None  # the study; of import, the file
    to: str | None = None  # of rename, the new name; of export, the file; of import, another name for the study
    archived: bool = False  # list archived studies too
    confirm: bool = False  # delete without being asked, as where there is no terminal
    weights: bool = False  # export the artifacts too
    storage: str | None = None  # of a search; needed where it has a password, which plan.json leaves out
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    paths: PathsConfig = field(default_factory=PathsConfig)

    def __post_init__(self) -> None:
        action = self.studies
        one_of(action, "studies", ACTIONS)
        if action == "list":
            for key in ("name", "to"):
                if getattr(self, key) is not None:
                    raise ConfigError(f"{key}: belongs to {', '.join(ACTIONS[1:])}, such as openr1-plan studies archive NAME")
        elif self.name is None:
            what = "the file, such as demo.zip" if action == "import" else "the study"
            raise ConfigError(f"name: give {what}: openr1-plan studies {action} NAME{' TO' * (action in NEED_TO)}")
        if action in NEED_TO and self.to is None:
            raise ConfigError(f"to: give {NEED_TO[action]}: openr1-plan studies {action} {self.name} TO")
        if self.to is not None and action not in (*NEED_TO, "import"):
            raise ConfigError(f"to: belongs to {', '.join((*NEED_TO, 'import'))}, not to {action}")
        for key, actions in MAY_HAVE.items():
            if getattr(self, key) and action not in actions:
                raise ConfigError(f"{key}: belongs to {', '.join(actions)}, not to {action}")
        if self.to is not None and action != "export":
            check_folder(self.to, "to", nested=True)
