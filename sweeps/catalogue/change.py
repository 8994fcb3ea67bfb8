"""Changes of a study that take more than one step: a file in its folder says what is being done until all is done.

A command that is killed leaves the file behind. The same command then does what is left, and no other one is accepted.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path

from openr1.config.schema import PathsConfig
from openr1.system.errors import ConfigError
from openr1.system.files import locked, write_json
from openr1.system.records import DamagedFile, read_json

FILE = "change.json"
LOCK = ".changes.lock"


@dataclass(frozen=True)
class Change:
    """A change of a study that is under way.

    :ivar action: rename, delete or import.
    :ivar name: of the study; of an import, the file.
    :ivar to: the new name.
    :ivar artifacts: names of those that a deletion removes.
    """

    action: str
    name: str
    to: str = ""
    artifacts: list[str] = field(default_factory=list)

    @property
    def command(self) -> str:
        """The command that does what is left."""
        return shlex.join(["openr1-plan", "studies", self.action, self.name, *([self.to] if self.to else [])])

    def is_same(self, other: Change) -> bool:
        return (self.action, self.name, self.to) == (other.action, other.name, other.to)


@contextmanager
def changing(paths: PathsConfig) -> Iterator[None]:
    """Hold the lock of all studies of a folder, since two changes at once could each take what the other counts on."""
    folder = Path(paths.studies)
    with locked(folder / LOCK) if folder.is_dir() else nullcontext():
        yield


def read(folder: Path) -> Change | None:
    """Return the change that is under way in the folder of a study.

    :raises ConfigError: for a file that was damaged.
    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        return Change(**read_json(path))
    except (DamagedFile, TypeError) as error:
        raise ConfigError(f"{path}: is damaged; delete it, and repeat the command that was interrupted") from error


def begin(folder: Path, change: Change) -> None:
    """Write down a change before its first step."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / FILE, asdict(change))


def end(folder: Path, root: Path) -> None:
    """Forget a change after its last step, and remove the folders that it leaves empty.

    :param root: the folder of all studies, which stays.
    """
    (folder / FILE).unlink(missing_ok=True)
    remove_empty(folder, root)


def remove_empty(folder: Path, root: Path) -> None:
    """Remove a folder and those around it within the root, as far as nothing is in them."""
    while folder != root and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
