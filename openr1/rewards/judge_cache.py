"""The scores of judges on disk: a file for each question, named by its content, whole or absent.

Several processes may read and write it at once, and a process that is killed leaves no file that is cut short.
"""

from __future__ import annotations

from pathlib import Path

from openr1.system.records import read_sealed, write_sealed

FOLDER = "judge"


class JudgeCache:
    """The scores under a folder of caches; None keeps them in memory only.

    >>> cache = JudgeCache(None)
    >>> cache.write("0a1b", 7.0)
    >>> cache.read("0a1b"), cache.read("2c3d")
    (7.0, None)
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder / FOLDER if folder else None
        self.known: dict[str, float] = {}

    def read(self, name: str) -> float | None:
        """Return the score of a question; None if it is not known, or its file was changed."""
        if name not in self.known and self.folder is not None:
            score = read_sealed(self._path(self.folder, name))
            if isinstance(score, float):
                self.known[name] = score
        return self.known.get(name)

    def write(self, name: str, score: float) -> None:
        """Keep the score of a question."""
        self.known[name] = score
        if self.folder is not None:
            path = self._path(self.folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_sealed(path, score, shared=True)

    @staticmethod
    def _path(folder: Path, name: str) -> Path:
        return folder / name[:2] / f"{name}.json"
