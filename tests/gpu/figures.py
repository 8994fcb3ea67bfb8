"""Figures of a part of the check, written as soon as they are measured."""

import importlib.metadata
import json
import os
import platform
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LIBRARIES = ("torch", "transformers", "trl", "accelerate", "deepspeed", "vllm", "triton", "flash-attn")


class Figures:
    """The figures of one part.

    :ivar folder: for what the parts make; ``cache`` within it is shared by them.
    :param seconds: until the process of the part is ended.
    :param judged: compare figures with their goals, which are those of a GPU.
    """

    def __init__(self, part: str, folder: Path, seconds: float, judged: bool) -> None:
        self.part, self.folder, self.judged = part, folder, judged
        self.file = folder / f"{part}.figures"
        self.end = time.monotonic() + seconds

    @property
    def seconds_left(self) -> float:
        return self.end - time.monotonic()

    def write(self, line: dict) -> None:
        with self.file.open("a") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def add(
        self,
        name: str,
        value: float | None,
        unit: str = "",
        at_least: float | None = None,
        at_most: float | None = None,
        note: str = "",
    ) -> None:
        """Add a figure, with a goal if it has one."""
        goal = f"at least {at_least:g}" if at_least is not None else f"at most {at_most:g}" if at_most is not None else ""
        met = None
        if self.judged and goal and value is not None:
            met = value >= at_least if at_least is not None else value <= at_most
        self.write({"part": self.part, "name": name, "value": value, "unit": unit, "goal": goal, "met": met, "note": note})

    @contextmanager
    def attempt(self, name: str) -> Iterator[None]:
        """Note an error in the place of a figure, so that the part goes on with the next one."""
        try:
            yield
        except Exception as error:
            traceback.print_exc()
            lines = str(error).strip().splitlines()
            self.add(name, None, note=f"failed: {type(error).__name__}: {lines[0][:200] if lines else ''}")


def machine() -> dict:
    """Return the card, or the processor, with versions of what runs on it."""
    import torch

    from openr1.distributed.peaks import card_peak
    from openr1.tracking.environment import git_commit, hardware

    versions = {"python": platform.python_version(), "cuda": torch.version.cuda}
    for name in LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    about = {"card": hardware(), "commit": git_commit(), "versions": versions}
    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        about |= {"card": properties.name, "memory_gib": round(properties.total_memory / 2**30, 1)}
        about["peak_flops"] = card_peak(properties.name)
    return about
